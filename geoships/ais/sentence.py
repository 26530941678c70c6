"""Takes a line of a receiver's log apart: AIS sentences, their station, and when they were heard."""

from __future__ import annotations

import re
from collections import OrderedDict
from datetime import UTC, datetime
from functools import lru_cache, reduce
from operator import xor
from typing import NamedTuple

_SENTENCE = re.compile(rb"![A-Z][A-Z0-9]VD[MO],([1-9]),([1-9]),(\d?),([^,*\s]?),([0-W`-w]+),([0-5])\*([0-9A-Fa-f]{2})")
_TAG_BLOCK = re.compile(rb"\\([^\\!]*)\*([0-9A-Fa-f]{2})\\[^\\!]*$")
_TAG_TIME, _TAG_GROUP = re.compile(rb"c:(\d+)"), re.compile(rb"g:\d+-\d+-([^*]+)")
_WRAPPER = re.compile(rb"\$PGHP,\d+,(\d{4}),(\d\d?),(\d\d?),(\d\d?),(\d\d?),(\d\d?),(\d{1,3})?")
_ISO = re.compile(rb"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?)\s?(Z|[+-]\d\d:?\d\d)?")
_EPOCH = re.compile(rb"(?<![\d.])(1\d{12}|[1-9]\d{8,9}(?:\.\d+)?)(?![\d.])")
LEAST_TIME = 9  # bytes: what is shorter holds no time
_GROUPS = 4_096  # groups of sentences whose time is remembered


class Sentence(NamedTuple):
    """A sentence of AIS.

    Attributes:
        raw: From the exclamation mark to the checksum.
        total: Sentences of its message.
        number: Which of them it is, from 1.
        key: What sentences of one message share.
        time: When it was heard, in seconds since 1970; None if the line does not tell.
    """

    raw: bytes
    total: int
    number: int
    key: tuple[bytes, ...]
    time: float | None


class LineParser:
    """Takes lines apart, and remembers times that stand in an earlier line."""

    def __init__(self) -> None:
        self._groups: OrderedDict[bytes, float] = OrderedDict()
        self._wrapper: float | None = None

    def parse(self, line: bytes) -> list[Sentence]:
        """The sentences of a line; more than one where line ends were lost.

        The time is that of a tag block (``c:``, in seconds or milliseconds, of the sentence or of its group), else a
        time before or after the sentence (ISO 8601 or seconds since 1970), else that of a Gatehouse line before it.
        """
        matches = list(_SENTENCE.finditer(line))
        if not matches:
            if wrapper := _WRAPPER.search(line):
                self._wrapper = _wrapper_time(wrapper)
            return []
        ends = [0, *(match.end() for match in matches)]
        found = []
        for match, end in zip(matches, ends, strict=False):
            after = line[match.end() :] if match is matches[-1] else b""
            time, station = self._context(line[end : match.start()], after)
            found.append(make_sentence(match[0], time, station))
        self._wrapper = None
        return found

    @property
    def waits(self) -> bool:
        """Whether the next sentence may have the time of a Gatehouse line before it."""
        return self._wrapper is not None

    def context(self, before: bytes, after: bytes) -> tuple[float | None, bytes]:
        """Time and station of a sentence that stands alone in its line, as `parse` finds them.

        Args:
            before: What stands before the sentence in its line.
            after: What stands after it.
        """
        found = self._context(before, after)
        self._wrapper = None
        return found

    def _context(self, before: bytes, after: bytes) -> tuple[float | None, bytes]:
        """Time and station, from what stands around a sentence."""
        block = _TAG_BLOCK.search(before)
        if block is None or not _is_whole(block[1], block[2]):
            return _written_time(before) or _written_time(after) or self._wrapper, b""
        time, group, station = _tag_fields(block[1])
        if group is not None:
            time = self._of_group(group, time)
        return time or _written_time(before[: block.start()]) or _written_time(after) or self._wrapper, station

    def _of_group(self, group: bytes, time: float | None) -> float | None:
        """Only the first sentence of a group has the time."""
        if time is None:
            return self._groups.get(group)
        self._groups[group] = time
        if len(self._groups) > _GROUPS:
            self._groups.popitem(last=False)
        return time


def make_sentence(raw: bytes, time: float | None, station: bytes) -> Sentence:
    """Take a sentence apart that is known to be one.

    Args:
        raw: From the exclamation mark to the checksum.
        time: When it was heard.
        station: Where; empty if the line does not tell.
    """
    _, count, number, sequence, channel, _ = raw.split(b",", 5)
    return Sentence(raw, int(count), int(number), (station, sequence, channel, count), time)


def station_of(block: bytes) -> bytes:
    """The station that a tag block names; empty if it names none."""
    return _tag_fields(block)[2]


def _tag_fields(block: bytes) -> tuple[float | None, bytes | None, bytes]:
    """Time, group and station in a tag block without its checksum; each the first that is complete."""
    time, group, station = None, None, b""
    for field in block.split(b","):
        kind = field[:2]
        if kind == b"s:":
            station = station or field[2:].partition(b"*")[0]
        elif kind == b"c:" and time is None:
            time = _seconds(found[1]) if (found := _TAG_TIME.match(field)) else None
        elif kind == b"g:" and group is None:
            group = found[1] if (found := _TAG_GROUP.match(field)) else None
    return time, group, station


def is_whole(sentence: bytes) -> bool:
    """Whether the checksum of a sentence, from the exclamation mark to it, is right."""
    return _is_whole(sentence[1:-3], sentence[-2:])


def _is_whole(text: bytes, checksum: bytes) -> bool:
    return reduce(xor, text, 0) == int(checksum, 16)


def _seconds(digits: bytes) -> float:
    """Seconds since 1970 of a number of seconds or milliseconds."""
    number = float(digits)
    return number / 1000 if number > 1e11 else number


def _written_time(text: bytes) -> float | None:
    if len(text) < LEAST_TIME:  # most lines: nothing, or a line end
        return None
    if found := _ISO.search(text):
        return _iso_seconds(found[1], found[2] or b"Z")
    found = _EPOCH.search(text)
    return _seconds(found[1]) if found else None


@lru_cache(maxsize=1024)
def _iso_seconds(text: bytes, zone: bytes) -> float | None:
    try:
        return datetime.fromisoformat((text + zone).decode()).timestamp()
    except ValueError:
        return None


def _wrapper_time(match: re.Match[bytes]) -> float | None:
    year, month, day, hour, minute, second, millisecond = (int(part or 0) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, millisecond * 1000, UTC).timestamp()
    except ValueError:
        return None
