"""Finds the sentences of a log that stand alone in their line, many at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoships.ais.line_blocks import Bytes, LineBlock, Positions

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

_HEADER = b"!AIVDM,1,1,"
_FIXED = np.array([0, 3, 4, 6, 8, 10])  # characters of the header that every sentence has
_MARK, _COMMA, _STAR, _COLON, _BACKSLASH, _ZERO = (ord(character) for character in "!,*:\\0")
_NONE = 1 << 62  # a position beyond all others


def _table(characters: bytes) -> Bools:
    found = np.zeros(256, bool)
    found[list(characters)] = True
    return found


_PAYLOAD = _table(bytes(range(48, 88)) + bytes(range(96, 120)))
_DIGIT = _table(b"0123456789")
_HEX = np.full(256, 255, np.uint8)
_HEX[list(b"0123456789ABCDEFabcdef")] = [*range(16), *range(10, 16)]
_NO_CHANNEL = _table(b",* \t\n\r\x0b\x0c" + bytes(range(128, 256)))  # pyais takes no sentence that is not ASCII
_SECONDS, _MILLISECONDS = 10, 13  # digits of a time


@dataclass(frozen=True)
class PlainSentences:
    """Sentences of a block of lines; all (sentences,).

    Attributes:
        line: Index of the line of each; no line has two.
        start: Position of the exclamation mark.
        single: Whether it is a message in itself.
        payload: Position of the first character of the payload.
        length: Characters of the payload.
        fill: Bits at its end that do not count.
        end: Position after the checksum.
        kind: Type of message, if it is `single`.
        whole: Whether the checksum is right.
    """

    line: Positions
    start: Positions
    single: Bools
    payload: Positions
    length: Positions
    fill: Positions
    end: Positions
    kind: Positions
    whole: Bools


def find_sentences(block: LineBlock) -> PlainSentences:
    """Find the sentences of which one, and no other exclamation mark, stands in a line.

    They are what `LineParser` finds in the same lines.
    """
    data = block.data
    marks = _at(data, _MARK)
    first, after = np.searchsorted(marks, block.starts), np.searchsorted(marks, block.ends)
    line = np.flatnonzero(after - first == 1)
    start = marks[first[line]]
    fits = (data[start[:, None] + _FIXED] == np.frombuffer(_HEADER, np.uint8)[_FIXED]).all(axis=1)
    talker, second, last = data[start + 1], data[start + 2], data[start + 5]
    fits &= _is_capital(talker) & (_is_capital(second) | _DIGIT[second]) & ((last == ord("M")) | (last == ord("O")))
    count, number = data[start + 7] - np.uint8(_ZERO), data[start + 9] - np.uint8(_ZERO)
    fits &= (count >= 1) & (count <= 9) & (number >= 1) & (number <= 9) & ((count > 1) | (number == 1))
    sequence = start + len(_HEADER)
    comma = sequence + _DIGIT[data[sequence]]
    channel = comma + 1
    second_comma = channel + ~_NO_CHANNEL[data[channel]]
    fits &= (data[comma] == _COMMA) & (data[second_comma] == _COMMA)
    payload = second_comma + 1
    others = np.append(np.flatnonzero(~_PAYLOAD[data[: len(block.content)]]), _NONE)  # they end a payload
    end = others[np.searchsorted(others, payload)]
    end[end + 5 > block.ends[line]] = 0
    fits &= (end > payload) & (data[end] == _COMMA) & (data[end + 2] == _STAR)
    fill = data[end + 1].astype(np.int64) - _ZERO
    fits &= (fill >= 0) & (fill <= 5) & (_HEX[data[end + 3]] < 16) & (_HEX[data[end + 4]] < 16)
    kept = np.flatnonzero(fits)
    line, start, payload, end, fill = line[kept], start[kept], payload[kept], end[kept], fill[kept]
    whole = _is_whole(block, start + 1, end + 2)
    kind = six_bits(data[payload]).astype(np.int64)
    return PlainSentences(line, start, count[kept] == 1, payload, end - payload, fill, end + 5, kind, whole)


def tag_times(block: LineBlock, found: PlainSentences) -> Floats:
    """Time in a tag block that stands alone before a sentence, in seconds since 1970; NaN for what is not so plain.

    Args:
        block: The lines.
        found: Their sentences.

    Returns:
        Times, (sentences,). Sentences of a group are not plain: their time may be that of another line.
    """
    data, first, last = block.data, block.starts[found.line], found.start - 1
    slashes = _at(data, _BACKSLASH)
    plain = (last - first >= 4) & (data[first] == _BACKSLASH) & (data[last] == _BACKSLASH)
    plain &= np.searchsorted(slashes, found.start) - np.searchsorted(slashes, first) == 2
    star = np.maximum(last - 3, first)
    plain &= (data[star] == _STAR) & _is_whole(block, first + 1, star)
    colons = _at(data, _COLON)
    colons = colons[colons >= 2]
    colons = colons[(data[colons - 2] == _BACKSLASH) | (data[colons - 2] == _COMMA)]
    group = _next(colons[data[colons - 1] == ord("g")], first)
    time = _next(colons[data[colons - 1] == ord("c")], first)
    plain &= (group > star) & (time < star)
    times = np.full(len(first), np.nan)
    index = np.flatnonzero(plain)
    seconds = _seconds(data, time[index] + 1)
    times[index] = np.where(seconds > 0, seconds, np.nan)
    return times


def six_bits(characters: Bytes) -> Bytes:
    """Values of the characters of a payload."""
    values = characters - np.uint8(48)
    return np.where(values > 40, values - np.uint8(8), values)


def _at(data: Bytes, character: int) -> Positions:
    return np.flatnonzero(data == character)


def _next(positions: Positions, start: Positions) -> Positions:
    """The first of some positions from each start on."""
    return np.append(positions, _NONE)[np.searchsorted(positions, start)]


def _is_capital(characters: Bytes) -> Bools:
    return np.asarray((characters >= ord("A")) & (characters <= ord("Z")))


def _is_whole(block: LineBlock, start: Positions, star: Positions) -> Bools:
    """Whether the checksum after an asterisk is that of the characters from `start` on."""
    data, sums = block.data, block.sums
    high, low = _HEX[data[star + 1]], _HEX[data[star + 2]]
    found = sums[star - 1] ^ sums[start - 1]
    return np.asarray((high < 16) & (low < 16) & (found == (high << np.uint8(4)) + low))


def _seconds(data: Bytes, start: Positions) -> Floats:
    """Numbers of ten digits as seconds, and of thirteen as milliseconds; NaN for others."""
    values = data[start[:, None] + np.arange(_MILLISECONDS + 1)] - np.uint8(_ZERO)
    digits = (values > 9).argmax(axis=1)
    seconds = np.full(len(start), np.nan)
    for count in (_SECONDS, _MILLISECONDS):
        row = np.flatnonzero(digits == count)
        number = values[row, :count].astype(np.float64) @ 10.0 ** np.arange(count - 1, -1, -1)
        seconds[row] = np.where(number > 1e11, number / 1000, number)
    return seconds
