"""Running geoships as a process that can be stopped at any time, with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import IO, Any

POLL = 0.1  # s between two looks at whether the user has cancelled
GRACE = 1.0  # s from the request to end until the process is ended without its consent


@dataclass(frozen=True)
class Ended:
    """How a process ended. code: its exit code, negative for a signal. output: what it wrote to stdout."""

    code: int
    output: str
    cancelled: bool


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    on_line: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Ended:
    """Run a command until it ends or is cancelled.

    on_line: hears each line of stderr, in this thread. cancelled: asked every POLL seconds.
    Whatever happens, errors of `on_line` included, neither the process nor its children outlive this call.
    Raises OSError where it cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        list(command),
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        **_apart(),
    )
    lines: Queue[str] = Queue()
    output: list[str] = []
    readers = [_reading(process.stderr, lines.put), _reading(process.stdout, output.append)]
    try:
        stopped = _follow(process, lines, on_line, cancelled)
    finally:
        _stop(process)
        for reader in readers:
            reader.join(GRACE)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
    while not lines.empty():
        on_line(lines.get())
    return Ended(process.returncode, "".join(output), stopped)


def _follow(
    process: subprocess.Popen[str], lines: Queue[str], on_line: Callable[[str], None], cancelled: Callable[[], bool]
) -> bool:
    """Hand on lines until the process has ended; whether the user cancelled it before."""
    while not cancelled():
        try:
            on_line(lines.get(timeout=POLL))
        except Empty:
            if process.poll() is not None:
                return False
    return True


def _apart() -> dict[str, Any]:
    """Options of Popen that give the process a group of its own, and on Windows no window."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    return {"start_new_session": True}


def _reading(stream: IO[str] | None, put: Callable[[str], object]) -> Thread:
    """Read a stream's lines in a thread, so that neither pipe fills up while the other is waited for."""

    def read() -> None:
        with suppress(ValueError):  # closed meanwhile
            for line in stream or ():
                put(line)

    thread = Thread(target=read, daemon=True)
    thread.start()
    return thread


def _stop(process: subprocess.Popen[str]) -> None:
    """End the process and its children: at its own pace first, then without its consent."""
    if os.name == "nt":
        if process.poll() is None:
            taskkill = [str(Path(os.environ["SYSTEMROOT"], "System32", "taskkill.exe")), "/F", "/T"]
            subprocess.run([*taskkill, "/PID", str(process.pid)], capture_output=True, check=False, **_apart())  # noqa: S603
            process.wait()
        return
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
    _signal(process, signal.SIGKILL)  # the group may outlive its leader
    process.wait()


def _signal(process: subprocess.Popen[str], which: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, which)
