"""A command as a process of its own: what it took, and the memory of the whole tree of processes at its peak."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
from reporting import MARK

WATCH = 0.05  # seconds between two looks at the memory
FAMILY = 0.25  # seconds between two searches for child processes, which cost more than all the rest
LINES = 3  # of its last words, where it fails


def timed(command: Sequence[str | Path], *, limit: float, folder: Path) -> dict[str, object]:
    """Run a command and return what it reported, with ``seconds`` of the whole process and ``memory`` in bytes.

    memory: its resident set at the peak, and what its child processes hold for themselves. limit: seconds after which
    it is ended. A command that fails has an ``error`` instead.
    """
    with tempfile.TemporaryFile("w+") as words:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, stdout=words, stderr=subprocess.STDOUT, env=environment(),
            start_new_session=True,
        )  # fmt: skip
        peak, children, searched = 0, [], -FAMILY
        while process.poll() is None:
            if time.perf_counter() - searched > FAMILY:
                children, searched = _children(process.pid), time.perf_counter()
            peak = max(peak, _resident(process.pid) + sum(map(_own, children)))
            if time.perf_counter() - started > limit:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return {"error": f"took more than {limit:.0f} s"}
            time.sleep(WATCH)
        seconds = time.perf_counter() - started
        words.seek(0)
        lines = [line for line in words.read().splitlines() if line.strip()]
    results = [line.removeprefix(MARK) for line in lines if line.startswith(MARK)]
    if process.returncode or not results:
        return {"error": " | ".join(lines[-LINES:])[-400:] or f"ended with {process.returncode}"}
    return {**json.loads(results[-1]), "seconds": round(seconds, 3), "memory": peak}


def environment() -> dict[str, str]:
    """That of this process, but compiled modules are kept, as they are where tools are installed for use."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _resident(pid: int) -> int:
    """Bytes of a process, with what it shares with its children."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _own(process: psutil.Process) -> int:
    """Bytes that a process shares with no other."""
    try:
        return int(process.memory_full_info().uss)
    except (psutil.Error, AttributeError):
        return 0
