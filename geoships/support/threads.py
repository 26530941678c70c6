"""How the threads of numerical libraries wait for each other."""

from __future__ import annotations

import os


def yield_while_waiting() -> None:
    """Let OpenMP threads that wait for others give the CPU away instead of spinning.

    PyTorch's threads meet hundreds of times in a training step. By default each spins until the last one arrives, and
    keeps that one from the core that it needs as soon as any other thread wants the CPU. Call this before PyTorch is
    imported; a value that the user has set stays.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
