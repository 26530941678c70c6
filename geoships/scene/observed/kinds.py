"""Kinds of surface that a scene shows, by their code in a map of what was seen."""

from __future__ import annotations

from enum import IntEnum


class Kind(IntEnum):
    """What is in a cell."""

    NO_DATA = 0  # no data, or outside of the area that is searched
    SEA = 1
    LAND = 2
    SURFACE = 3  # seen, and it is not known whether it is sea or land
    CLOUD = 4
    SHADOW = 5  # of a cloud

    @property
    def label(self) -> str:
        """Its name in files and summaries."""
        return LABELS[self]

    @property
    def is_seen(self) -> bool:
        """Whether a ship in it can be found."""
        return self in SEEN


LABELS = {
    Kind.NO_DATA: "no data",
    Kind.SEA: "sea",
    Kind.LAND: "land",
    Kind.SURFACE: "sea or land",
    Kind.CLOUD: "cloud",
    Kind.SHADOW: "shadow",
}
SEEN = (Kind.SEA, Kind.LAND, Kind.SURFACE)
HIDDEN = (Kind.CLOUD, Kind.SHADOW)
