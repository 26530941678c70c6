"""One line that says how far a training is."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping

QUIET_SECONDS = 60  # between two lines where they are not written over each other


class ProgressLine:
    """Writes to standard error: over the last line on a terminal, else a line a minute.

    Args:
        quiet: Whether to write nothing.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet, self._terminal = quiet, sys.stderr.isatty()
        self._mark: tuple[float, int] | None = None
        self._written, self._speed = 0.0, 0.0

    def speed(self, crops: int) -> float:
        """Crops per second since the last call; 0 at the first."""
        now = time.monotonic()
        if self._mark and now > self._mark[0]:
            self._speed = (crops - self._mark[1]) / (now - self._mark[0])
        self._mark = now, crops
        return self._speed

    def show(self, done: float, crops: int, seconds: float, loss: float, figures: Mapping[str, float]) -> None:
        """Say how far the training is.

        Args:
            done: Part of the budget that is spent, 0 to 1.
            crops: Crops that are done.
            seconds: Time that it has run for.
            loss: Mean loss of the last steps.
            figures: Figures of the last validation by name.
        """
        now = time.monotonic()
        if self._quiet or not (self._terminal or done >= 1 or now - self._written >= QUIET_SECONDS):
            return
        self._written = now
        left = seconds / done * (1 - done) if done else 0.0
        parts = [
            f"{done:.1%}", f"{crops:,} crops", f"{self._speed:.1f} crops/s", f"{duration(left)} left",
            f"loss {loss:.3f}", *(f"{name} {value:.3f}" for name, value in figures.items()),
        ]  # fmt: skip
        line = ", ".join(parts)
        sys.stderr.write(f"\r\x1b[K{line}" if self._terminal and done < 1 else f"{line}\n")
        sys.stderr.flush()


def duration(seconds: float) -> str:
    """Hours and minutes, or minutes and seconds.

    >>> duration(9000), duration(75)
    ('2 h 30 min', '1 min 15 s')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
