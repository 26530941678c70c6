"""Names of temporary files beside outputs, which tell what process they belong to, and what is left by killed ones.

A name holds the machine, the process and when it began. Who comes next removes what belongs to a process of the same
machine that has ended. What belongs to another machine stays, as nobody here can know whether it is still written: that
a lock is free does not tell it on network folders, of which some lock for one machine only, and an age does not either.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

import psutil

PREFIX = ".geoships-"
OLDER = "-older"  # end of the name of an output that is moved aside: it is never removed
_NAME = re.compile(
    rf"{re.escape(PREFIX)}(?:\w+-)?(?P<machine>[0-9a-f]{{12}})-(?P<process>\d+)-(?P<begun>\d+)-[0-9a-f]{{12}}"
)
_owner: ContextVar[str] = ContextVar("owner", default="")  # part of the names


def temporary_path(folder: Path, suffix: str = "") -> Path:
    """Choose a name for a temporary file or folder; what killed processes have left in the folder is removed before.

    Args:
        folder: Where it will lie.
        suffix: End of the name.
    """
    process = os.getpid()
    _tidy_once(folder, process)
    begun = _begun(process) or 0
    return folder / f"{PREFIX}{_owner.get()}{_machine()}-{process}-{begun}-{secrets.token_hex(6)}{suffix}"


@contextmanager
def owned_temporaries(owner: str) -> Iterator[None]:
    """Let the names of temporary files tell whose they are, so that `remove_temporaries` finds them after a crash.

    Args:
        owner: Letters and digits.
    """
    token = _owner.set(f"{owner}-")
    try:
        yield
    finally:
        _owner.reset(token)


def remove_left(folder: Path) -> None:
    """Delete the temporary files and folders that ended processes of this machine have left in a folder.

    Earlier outputs that were moved aside stay: they may be the only copy.

    Args:
        folder: The folder; nothing happens if it cannot be read.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _NAME.match(entry.name)
            if found is None or entry.name.endswith(OLDER) or not _has_ended(found):
                continue
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with suppress(OSError):
                    Path(entry).unlink()


@lru_cache(maxsize=1024)
def _tidy_once(folder: Path, process: int) -> None:  # noqa: ARG001 (a forked process does it again)
    """A folder may hold many files: it is looked through once."""
    remove_left(folder)


def _has_ended(name: re.Match[str]) -> bool:
    """Whether the process that a name tells of ran on this machine, and runs no more."""
    if name["machine"] != _machine():
        return False
    process = int(name["process"])
    if not psutil.pid_exists(process):
        return True
    begun = _begun(process)
    return begun is not None and begun != int(name["begun"])  # the number was given again


@lru_cache(maxsize=1)
def _machine() -> str:
    """What no other machine, no other start of this one, and no container with processes of its own has in common."""
    try:
        # Names of hosts are not unique, and two containers of one name have different processes of the same number.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        known = boot + os.readlink("/proc/self/ns/pid")  # noqa: PTH115 (it is no path)
    except OSError:  # no Linux
        known = f"{socket.gethostname()} {uuid.getnode()}"
    return hashlib.sha256(known.encode()).hexdigest()[:12]


def _begun(process: int) -> int | None:
    """When a process began, in a unit that clocks do not change; 0 if it has ended, None if that is not shown."""
    try:
        state, *numbers = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return 0 if state in "ZX" else int(numbers[18])
    except (OSError, ValueError):
        pass
    try:
        return int(psutil.Process(process).create_time() * 1000)
    except psutil.Error:
        return None
