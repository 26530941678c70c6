"""Joins the fragments of AIS messages that take several sentences."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

MAX_AGE = 60.0  # seconds, after which a fragment belongs to another message
MAX_LINES = 5_000  # the same for feeds without times
MAX_OPEN = 4_096  # messages that wait for fragments at one time


@dataclass
class _Open:
    """A message whose fragments have not all come."""

    time: float | None
    line: int
    parts: dict[int, bytes] = field(default_factory=dict)


class Fragments:
    """Messages that wait for their fragments.

    Sequence numbers are reused after ten messages, so a fragment that comes a second time, or late, begins a new one.

    Attributes:
        lost: Fragments whose message never became complete.
    """

    def __init__(self) -> None:
        self.lost = 0
        self._open: OrderedDict[Hashable, _Open] = OrderedDict()

    def add(
        self, key: Hashable, number: int, count: int, sentence: bytes, time: float | None, line: int
    ) -> tuple[list[bytes], float | None] | None:
        """Add a fragment.

        Args:
            key: What the fragments of one message share: station, sequence number, channel.
            number: Its number, from 1.
            count: Number of fragments of the message.
            sentence: The fragment.
            time: When it was heard, in seconds since 1970, if known.
            line: Number of its line.

        Returns:
            All fragments in order, and the time of the first that has one; None while some are missing.
        """
        message = self._open.get(key)
        if message is not None and (number in message.parts or self._is_old(message, time, line)):
            self._drop(key)
            message = None
        if message is None:
            message = self._open[key] = _Open(time, line)
        message.parts[number] = sentence
        if message.time is None:
            message.time = time
        if len(message.parts) == count:
            del self._open[key]
            return [message.parts[each] for each in sorted(message.parts)], message.time
        if len(self._open) > MAX_OPEN:
            self._drop(next(iter(self._open)))
        return None

    def close(self) -> None:
        """Count what still waits as lost."""
        for key in list(self._open):
            self._drop(key)

    def _is_old(self, message: _Open, time: float | None, line: int) -> bool:
        if time is not None and message.time is not None:
            return abs(time - message.time) > MAX_AGE
        return line - message.line > MAX_LINES

    def _drop(self, key: Hashable) -> None:
        self.lost += len(self._open.pop(key).parts)
