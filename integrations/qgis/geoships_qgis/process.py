"""Runs geoships as a process that can be cancelled at any time, with all its child processes."""

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

POLL_INTERVAL = 0.1  # seconds between checks for cancellation
GRACE_PERIOD = 1.0  # seconds from SIGTERM to SIGKILL


@dataclass(frozen=True)
class ProcessResult:
    """The result of a process.

    Attributes:
        code: Exit code, negative for a signal.
        output: Text on stdout.
        cancelled: The user has cancelled it.
    """

    code: int
    output: str
    cancelled: bool


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    on_line: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> ProcessResult:
    """Run a command until it ends or is cancelled.

    The process and its children end before this function returns or raises, also if `on_line` raises.

    Args:
        command: Program and arguments.
        environment: Environment variables.
        on_line: Called with each line of stderr, in this thread.
        cancelled: Returns whether to cancel; called every POLL_INTERVAL seconds.

    Returns:
        Exit code and output.

    Raises:
        OSError: The command cannot be started.
    """
    process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        list(command),
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        **_own_group(),
    )
    lines: Queue[str] = Queue()
    output: list[str] = []
    readers = [_start_reader(process.stderr, lines.put), _start_reader(process.stdout, output.append)]
    try:
        was_cancelled = _forward_lines(process, lines, on_line, cancelled)
    finally:
        _stop(process)
        for reader in readers:
            reader.join(GRACE_PERIOD)
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()
    while not lines.empty():
        on_line(lines.get())
    return ProcessResult(process.returncode, "".join(output), was_cancelled)


def _forward_lines(
    process: subprocess.Popen[str], lines: Queue[str], on_line: Callable[[str], None], cancelled: Callable[[], bool]
) -> bool:
    """Forward lines until the process ends; return whether the user has cancelled it."""
    while not cancelled():
        try:
            on_line(lines.get(timeout=POLL_INTERVAL))
        except Empty:
            if process.poll() is not None:
                return False
    return True


def _own_group() -> dict[str, Any]:
    """Return options of Popen for a new process group, and no window on Windows."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
    return {"start_new_session": True}


def _start_reader(stream: IO[str] | None, put: Callable[[str], object]) -> Thread:
    """Read a stream in a thread, so that neither pipe fills up while the other is read."""

    def read() -> None:
        with suppress(ValueError):  # the stream was closed
            for line in stream or ():
                put(line)

    thread = Thread(target=read, daemon=True)
    thread.start()
    return thread


def _stop(process: subprocess.Popen[str]) -> None:
    """End the process and its children: first with SIGTERM, then with SIGKILL."""
    if os.name == "nt":
        if process.poll() is None:
            taskkill = [str(Path(os.environ["SYSTEMROOT"], "System32", "taskkill.exe")), "/F", "/T"]
            subprocess.run([*taskkill, "/PID", str(process.pid)], capture_output=True, check=False, **_own_group())  # noqa: S603
            process.wait()
        return
    if process.poll() is None:
        _signal(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_PERIOD)
    _signal(process, signal.SIGKILL)  # children can outlive the process
    process.wait()


def _signal(process: subprocess.Popen[str], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
