"""Decodes position reports of ordinary length, many at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoships.ais.line_blocks import Bytes
from geoships.ais.plain_sentences import PlainSentences, six_bits

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Layout:
    """Where a message has what (ITU-R M.1371); each as (first bit, bits).

    Attributes:
        characters: Of the payload.
        degree: What a degree of longitude and latitude is stored as.
        tenths: Whether speed and course are in tenths.
    """

    characters: int
    degree: int
    tenths: bool
    speed: tuple[int, int]
    lon: tuple[int, int]
    lat: tuple[int, int]
    course: tuple[int, int]
    heading: tuple[int, int] | None


_MMSI = (8, 30)
_CLASS_A = _Layout(28, 600_000, True, (50, 10), (61, 28), (89, 27), (116, 12), (128, 9))
_CLASS_B = _Layout(28, 600_000, True, (46, 10), (57, 28), (85, 27), (112, 12), (124, 9))
_LONG_RANGE = _Layout(16, 600, False, (79, 6), (44, 18), (62, 17), (85, 9), None)
_LAYOUTS = {(1, 2, 3): _CLASS_A, (18,): _CLASS_B, (27,): _LONG_RANGE}  # by type of message


@dataclass(frozen=True)
class PositionReports:
    """What position reports say; all (reports,). Values that stand for "not available" are as they were sent.

    Attributes:
        mmsi: Number of the sender.
        lon: Degrees.
        lat: Degrees.
        sog: Speed over ground in knots.
        cog: Course over ground in degrees.
        heading: True heading in degrees; NaN where the type of message has none.
    """

    mmsi: Ints
    lon: Floats
    lat: Floats
    sog: Floats
    cog: Floats
    heading: Floats


def is_decodable(found: PlainSentences) -> NDArray[np.bool_]:
    """Which sentences `decode_positions` can take: position reports of vessels, of ordinary length, (sentences,)."""
    fits = np.zeros(len(found.kind), bool)
    for kinds, layout in _LAYOUTS.items():
        fits |= np.isin(found.kind, kinds) & (found.length == layout.characters) & (found.fill == 0)
    return fits & found.single


def decode_positions(data: Bytes, found: PlainSentences, index: Ints) -> PositionReports:
    """Decode position reports. The values are those of pyais, to the last bit.

    Args:
        data: The bytes in which the sentences lie.
        found: Sentences.
        index: Which of them, all such that `is_decodable` tells.
    """
    mmsi = np.zeros(len(index), np.int64)
    values = np.full((5, len(index)), np.nan)
    for kinds, layout in _LAYOUTS.items():
        rows = np.flatnonzero(np.isin(found.kind[index], kinds))
        bits = six_bits(data[found.payload[index[rows], None] + np.arange(layout.characters)]).astype(np.int64)
        mmsi[rows] = _number(bits, _MMSI)
        values[:, rows] = _values(bits, layout)
    return PositionReports(mmsi, *values)


def _values(bits: Ints, layout: _Layout) -> Floats:
    """Longitude, latitude, speed, course and heading, (5, reports)."""
    scale = 10.0 if layout.tenths else 1.0
    heading = np.full(len(bits), np.nan) if layout.heading is None else _number(bits, layout.heading)
    return np.stack([
        _degrees(_signed(bits, layout.lon), layout.degree), _degrees(_signed(bits, layout.lat), layout.degree),
        _number(bits, layout.speed) / scale, _number(bits, layout.course) / scale, heading,
    ])  # fmt: skip


def _number(bits: Ints, place: tuple[int, int]) -> Ints:
    """An unsigned number of up to 48 bits in six-bit values, (reports, characters)."""
    first, count = place
    end = first + count
    number = np.zeros(len(bits), np.int64)
    for column in range(first // 6, (end + 5) // 6):
        number = (number << 6) | bits[:, column]
    return np.asarray((number >> (-end % 6)) & ((1 << count) - 1))


def _signed(bits: Ints, place: tuple[int, int]) -> Ints:
    sign = 1 << (place[1] - 1)
    return (_number(bits, place) ^ sign) - sign


def _degrees(number: Ints, degree: int) -> Floats:
    """Degrees, rounded to six decimals in whole numbers, so that no bit depends on how a division is rounded."""
    return np.asarray((number * 2_000_000 + degree) // (2 * degree) / 1e6)
