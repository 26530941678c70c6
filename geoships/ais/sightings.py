"""Where vessels were when ships were seen, gathered from tracks that come a part at a time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.spatial import cKDTree

from geoships.ais.heard import EARTH, Hearing
from geoships.ais.motion import Predicted, join, predict_places
from geoships.ais.ships import Index, Ships
from geoships.ais.tracks import Ints, Tracks, none, unit_vectors
from geoships.ais.wanted import REACH


@dataclass
class Pass:
    """Ships that were seen together, and the vessels around them.

    Attributes:
        time: The middle of their times, in seconds since 1970.
        index: Their indices.
        hearing: Where AIS was heard around this time.
    """

    time: float
    index: Index
    hearing: Hearing
    _places: list[Predicted] = field(default_factory=list)
    _mmsi: list[Ints] = field(default_factory=list)
    _shared: list[np.ndarray] = field(default_factory=list)

    def add(self, places: Predicted, tracks: Tracks) -> None:
        """Add vessels."""
        self._places.append(places)
        self._mmsi.append(tracks.mmsi[places.track])
        self._shared.append(tracks.shared[places.track])

    @property
    def places(self) -> Predicted:
        """Where the vessels were; their `track` has no meaning beyond the part that it came with."""
        return join(self._places) if self._places else predict_places(none(), self.time, 0)

    @property
    def mmsi(self) -> Ints:
        """Number of each vessel."""
        return np.concatenate([np.zeros(0, np.int64), *self._mmsi])

    @property
    def shared(self) -> np.ndarray:
        """Whether its number was sent from several places at a time."""
        return np.concatenate([np.zeros(0, bool), *self._shared])


class Sightings:
    """All passes, and what the tracks were like.

    Args:
        moments: Time, indices of the ships and hearing of each pass.
        ships: All ships.
        max_gap: Seconds to the nearest report, beyond which a vessel is not looked for.

    Attributes:
        passes: The passes.
        vessels: Number of tracks.
        shared: Numbers of vessels that were sent from several places at a time.
        jumps: Number of reports left out.
    """

    def __init__(self, moments: list[tuple[float, Index, Hearing]], ships: Ships, max_gap: float) -> None:
        self.passes = [Pass(*moment) for moment in moments]
        self.vessels, self.jumps = 0, 0
        self.shared: set[int] = set()
        self._max_gap = max_gap
        self._trees = [
            cKDTree(unit_vectors(ships.lon[each.index], ships.lat[each.index]) * EARTH) for each in self.passes
        ]

    def add(self, tracks: Tracks) -> None:
        """Add tracks of more vessels."""
        self.vessels += len(tracks.mmsi)
        self.jumps += tracks.jumps
        self.shared.update(tracks.mmsi[tracks.shared].tolist())
        for each, tree in zip(self.passes, self._trees, strict=True):
            each.hearing.add(tracks)
            places = predict_places(tracks, each.time, self._max_gap)
            xyz = unit_vectors(places.lon, places.lat) * EARTH
            near = np.isfinite(tree.query(xyz, distance_upper_bound=REACH)[0]) if len(xyz) else np.zeros(0, bool)
            each.add(places.take(near), tracks)
