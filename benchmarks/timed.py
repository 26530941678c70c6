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
        peak = 0
        while process.poll() is None:
            peak = max(peak, _tree_memory(process.pid))
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


def _tree_memory(pid: int) -> int:
    """Bytes of a process and its children: each one's own, and what they share once."""
    try:
        parent = psutil.Process(pid)
        children = parent.children(recursive=True)
        return int(parent.memory_info().rss) + sum(_own(child) for child in children)
    except psutil.Error:
        return 0


def _own(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().uss)
    except (psutil.Error, AttributeError):
        return 0
