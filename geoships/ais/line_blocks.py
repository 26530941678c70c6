"""Reads a log in blocks of whole lines, so that many lines can be looked at together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from geoships.ais.feed_files import open_bytes

BLOCK = 1 << 22  # bytes that are read at a time
MAX_LINE = 4_096  # bytes; a longer line is no log of a receiver
PAD = 64  # zeros after the last line: what is looked up beyond a line's end is there
_NEWLINE = ord("\n")

Bytes = NDArray[np.uint8]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class LineBlock:
    """Consecutive lines of a log.

    Attributes:
        content: Their bytes.
        ends: Position after each line with its line feed, (lines,). Lines over MAX_LINE bytes are cut.
    """

    content: bytes
    ends: Positions

    @cached_property
    def starts(self) -> Positions:
        """Position of the first byte of each line, (lines,)."""
        return np.concatenate(([0], self.ends[:-1]))

    @cached_property
    def data(self) -> Bytes:
        """The bytes as numbers, with PAD zeros after them."""
        return np.frombuffer(self.content + bytes(PAD), np.uint8)

    @cached_property
    def sums(self) -> Bytes:
        """Exclusive or of all bytes up to each, from which checksums of any part follow."""
        return np.asarray(np.bitwise_xor.accumulate(self.data))

    def line(self, index: int) -> bytes:
        """One line, with its line feed."""
        return self.content[int(self.starts[index]) : int(self.ends[index])]


class LineBlocks:
    """The lines of a log that may be compressed.

    Args:
        path: The log.
        size: Bytes of a block, about.

    Attributes:
        damaged: Whether the reading ended at a place that cannot be unpacked.
    """

    def __init__(self, path: Path, size: int = BLOCK) -> None:
        self._path, self._size = path, size
        self.damaged = False

    def __iter__(self) -> Iterator[LineBlock]:
        """Yield the blocks. A line that a damaged file breaks off is left out."""
        rest = b""
        for piece in self._pieces():
            rest += piece
            ends = _line_ends(rest)
            if len(ends):
                content, rest = rest[: ends[-1]], rest[ends[-1] :]
                yield LineBlock(content, ends)
        if rest and not self.damaged:
            yield LineBlock(rest, np.array([len(rest)]))

    def _pieces(self) -> Iterator[bytes]:
        """Yield about `size` bytes at a time, and whatever comes before the place where a file is damaged."""
        parts: list[bytes] = []
        length = 0
        try:
            with open_bytes(self._path) as file:
                # read1 gives what is unpacked; read would lose all of it where the file is damaged.
                while part := file.read1(self._size):  # type: ignore[attr-defined]
                    parts.append(part)
                    length += len(part)
                    if length >= self._size:
                        yield b"".join(parts)
                        parts, length = [], 0
        except (OSError, EOFError, pa.ArrowException):
            self.damaged = True
        if parts:
            yield b"".join(parts)


def _line_ends(content: bytes) -> Positions:
    r"""Positions after the lines that are complete, and after every MAX_LINE bytes of a longer one.

    >>> _line_ends(b"one\ntwo\nthr").tolist()
    [4, 8]
    """
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == _NEWLINE) + 1
    lengths = np.diff(ends, prepend=0, append=len(content))
    cuts = []
    for index in np.flatnonzero(lengths >= MAX_LINE):
        start = int(ends[index - 1]) if index else 0
        cuts.append(np.arange(start + MAX_LINE, start + int(lengths[index]) + 1, MAX_LINE))
    return np.unique(np.concatenate((ends, *cuts))) if cuts else ends
