"""Wall time of a command, and the peak memory of its process with all child processes."""

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
from stage_clock import RESULT_PREFIX

POLL = 0.05  # seconds between two measurements of the memory
CHILDREN = 0.25  # seconds between two searches for child processes, which are the most expensive part
LINES = 3  # last lines of the output that are reported if the command fails


def run_timed(command: Sequence[str | Path], *, limit: float, folder: Path) -> dict[str, object]:
    """Run a command and measure its time and memory.

    Args:
        command: The command.
        limit: Seconds after which the command is killed.
        folder: Working directory.

    Returns:
        What the command reported, with ``seconds`` (wall time of the process) and ``memory`` (bytes: the peak of its
        resident set plus the unique sets of its child processes); only an ``error`` if it failed.
    """
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in command], cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment(),
            start_new_session=True,
        )  # fmt: skip
        peak, children, searched = 0, [], -CHILDREN
        while process.poll() is None:
            if time.perf_counter() - searched > CHILDREN:
                children, searched = _children(process.pid), time.perf_counter()
            peak = max(peak, _resident(process.pid) + sum(map(_unique, children)))
            if time.perf_counter() - started > limit:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return {"error": f"took more than {limit:.0f} s"}
            time.sleep(POLL)
        seconds = time.perf_counter() - started
        output.seek(0)
        lines = [line for line in output.read().splitlines() if line.strip()]
    results = [line.removeprefix(RESULT_PREFIX) for line in lines if line.startswith(RESULT_PREFIX)]
    if process.returncode or not results:
        return {"error": " | ".join(lines[-LINES:])[-400:] or f"ended with {process.returncode}"}
    return {**json.loads(results[-1]), "seconds": round(seconds, 3), "memory": peak}


def environment() -> dict[str, str]:
    """Environment variables of this process, except that compiled modules are kept, as in an ordinary installation."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []


def _resident(pid: int) -> int:
    """Resident set of a process in bytes, including memory shared with its children."""
    try:
        return int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0


def _unique(process: psutil.Process) -> int:
    """Unique set of a process in bytes: memory that it shares with no other process."""
    try:
        return int(process.memory_full_info().uss)
    except (psutil.Error, AttributeError):
        return 0
