"""What an MMSI number says of its sender (ITU-R M.585)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoships.ais.messages import LeftOut

# Numbers that transponders send before anyone has set them.
DEFAULTS = frozenset({1193046, 123456789, 987654321, *(int(str(digit) * 9) for digit in range(10))})

# First and last number of each kind of sender that is no vessel, and why it is left out.
_KINDS = (
    (10_000, 9_999_999, LeftOut.BASE_STATION),  # 00MIDxxxx, without its leading zeros
    (111_000_000, 111_999_999, LeftOut.AIRCRAFT),
    (970_000_000, 979_999_999, LeftOut.BEACON),
)
_VESSELS = ((200_000_000, 799_999_999), (980_000_000, 989_999_999))  # the latter are tenders of a ship
_AIDS = (990_000_000, 999_999_999)


def is_aid(mmsi: int) -> bool:
    """Whether the number is that of an aid to navigation: a buoy, a beacon, a platform or a wind turbine."""
    return _AIDS[0] <= mmsi <= _AIDS[1] and mmsi not in DEFAULTS


def why_left_out(mmsi: int) -> LeftOut | None:
    """Why the sender takes no part; None for vessels and aids to navigation.

    >>> why_left_out(219001234), why_left_out(2190001).value, why_left_out(123456789).value
    (None, 'base station', 'malformed MMSI')
    """
    if mmsi in DEFAULTS:
        return LeftOut.BAD_MMSI
    for first, last, reason in _KINDS:
        if first <= mmsi <= last:
            return reason
    ordinary = is_aid(mmsi) or any(first <= mmsi <= last for first, last in _VESSELS)
    return None if ordinary else LeftOut.BAD_MMSI


def are_aids(mmsi: NDArray[np.int64]) -> NDArray[np.bool_]:
    """`is_aid` of many."""
    return np.asarray(_between(mmsi, _AIDS) & ~np.isin(mmsi, list(DEFAULTS)))


def left_out_kinds(mmsi: NDArray[np.int64]) -> list[tuple[LeftOut, NDArray[np.bool_]]]:
    """`why_left_out` of many: each reason with those that it holds for, of which the first in the list counts."""
    ordinary = are_aids(mmsi) | _between(mmsi, *_VESSELS)
    kinds = [(reason, _between(mmsi, (first, last))) for first, last, reason in _KINDS]
    return [(LeftOut.BAD_MMSI, np.isin(mmsi, list(DEFAULTS))), *kinds, (LeftOut.BAD_MMSI, ~ordinary)]


def _between(mmsi: NDArray[np.int64], *ranges: tuple[int, int]) -> NDArray[np.bool_]:
    return np.asarray(np.any([(first <= mmsi) & (mmsi <= last) for first, last in ranges], axis=0))


def sql_reason(mmsi: str) -> str:
    """`why_left_out` as the branches of a SQL CASE.

    Args:
        mmsi: SQL of the number.
    """
    defaults = ", ".join(str(number) for number in sorted(DEFAULTS))
    branches = [f"WHEN {mmsi} IS NULL OR {mmsi} IN ({defaults}) THEN '{LeftOut.BAD_MMSI}'"]
    branches += [f"WHEN {mmsi} BETWEEN {first} AND {last} THEN '{reason}'" for first, last, reason in _KINDS]
    ordinary = " OR ".join(f"{mmsi} BETWEEN {first} AND {last}" for first, last in (*_VESSELS, _AIDS))
    branches.append(f"WHEN NOT ({ordinary}) THEN '{LeftOut.BAD_MMSI}'")
    return "\n".join(branches)


def sql_is_aid(mmsi: str) -> str:
    """`is_aid` in SQL, for numbers that are not left out."""
    return f"{mmsi} BETWEEN {_AIDS[0]} AND {_AIDS[1]}"
