"""Threads of numerical libraries: how many compute, and how they wait for each other."""

from __future__ import annotations

import os
from contextlib import suppress

COUNTS = "OMP_NUM_THREADS", "MKL_NUM_THREADS"  # variables that PyTorch and OpenMP read, too


def compute_threads() -> int:
    """Threads that compute a network: what the variables in COUNTS say, else a core's worth for each core.

    Two hardware threads of a core share its vector units, so that they count once; and cores that this process may
    not use do not count.
    """
    for name in COUNTS:
        with suppress(ValueError):
            if (count := int(os.environ.get(name, "").split(",")[0])) > 0:
                return count
    import psutil

    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, psutil.cpu_count(logical=False) or usable))


def yield_while_waiting() -> None:
    """Let OpenMP threads that wait for others give the CPU away instead of spinning.

    PyTorch's threads meet hundreds of times in a training step. By default each spins until the last one arrives, and
    keeps that one from the core that it needs as soon as any other thread wants the CPU. Call this before PyTorch is
    imported; a value that the user has set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
