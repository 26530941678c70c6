"""All ships of all passes as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from geoships.output.same_outline import EARTH, Floats, Sizes, same_size, vectors
from geoships.places.passes import Passes

Ints = NDArray[np.intp]


@dataclass(frozen=True)
class Sightings:
    """Ships that were seen, all (sightings,).

    Attributes:
        lon: Degrees, of the centroid.
        lat: Degrees.
        sizes: Sides and axes.
        at: Number of the pass.
        outlines: Polygons in longitude and latitude.
    """

    lon: Floats
    lat: Floats
    sizes: Sizes
    at: Ints
    outlines: NDArray[np.object_]

    @classmethod
    def of(cls, ships: geopandas.GeoDataFrame, passes: Passes, files: list[str]) -> Sightings:
        """Take what is needed from the table of ships.

        Args:
            ships: In longitude and latitude, with the column `file`.
            passes: The passes.
            files: Names of the files, in the order of `passes.of_file`.
        """
        number = dict(zip(files, passes.of_file.tolist(), strict=True))
        outlines = np.asarray(ships.geometry.to_numpy(), np.object_)
        centres = shapely.get_coordinates(shapely.centroid(outlines)).reshape(-1, 2)
        at = np.array([number[name] for name in ships["file"]], np.intp)
        sides = (_numbers(ships, name) for name in ("length_m", "width_m", "heading_deg"))
        return cls(centres[:, 0], centres[:, 1], Sizes(*sides), at, outlines)

    def alike(self, metres: float) -> tuple[Ints, Ints, Floats]:
        """Pairs of sightings of different passes with the same place and outline.

        Returns:
            The first and the second of each pair, both ways round, and the metres between them.
        """
        first, second, distance = self.near(metres)
        same = (self.at[first] != self.at[second]) & same_size(self.sizes.take(first), self.sizes.take(second))
        return first[same], second[same], distance[same]

    def near(self, metres: float) -> tuple[Ints, Ints, Floats]:
        """Pairs of sightings whose centres are close, both ways round, and the metres between them."""
        if not len(self.lon):
            none = np.array([], np.intp)
            return none, none, np.array([], np.float64)
        xyz = vectors(self.lon, self.lat) * EARTH
        pairs = cKDTree(xyz).query_pairs(metres, output_type="ndarray").astype(np.intp).reshape(-1, 2)
        pairs = np.vstack((pairs, pairs[:, ::-1]))
        return pairs[:, 0], pairs[:, 1], np.linalg.norm(xyz[pairs[:, 0]] - xyz[pairs[:, 1]], axis=1)

    def overlapping(self, share: float) -> tuple[Ints, Ints]:
        """Pairs of sightings of different passes that share so much of the smaller outline, both ways round."""
        first, second = shapely.STRtree(self.outlines).query(self.outlines, predicate="intersects")
        other = self.at[first] != self.at[second]
        first, second = first[other], second[other]
        shared = shapely.area(shapely.intersection(self.outlines[first], self.outlines[second]))
        smaller = np.minimum(shapely.area(self.outlines[first]), shapely.area(self.outlines[second]))
        enough = shared >= share * smaller
        return first[enough], second[enough]


def _numbers(frame: geopandas.GeoDataFrame, column: str) -> Floats:
    if column not in frame:
        return np.full(len(frame), np.nan)
    return np.asarray(pd.to_numeric(frame[column], errors="coerce"), np.float64)


def without_doubles(ships: geopandas.GeoDataFrame, passes: Passes, files: list[str]) -> geopandas.GeoDataFrame:
    """Leave one of each ship that overlapping scenes of one pass show several times.

    Args:
        ships: In longitude and latitude, with the column `file`.
        passes: The passes.
        files: Names of the files, in the order of `passes.of_file`.

    Returns:
        The ships without those that share at least half of the smaller outline with one of another file of the pass,
        which is larger, or as large and comes first.
    """
    if ships.empty:
        return ships
    number = dict(zip(files, passes.of_file.tolist(), strict=True))
    at = np.array([number[name] for name in ships["file"]])
    outlines, names = np.asarray(ships.geometry.to_numpy(), np.object_), ships["file"].to_numpy(object)
    first, second = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    same_pass = (at[first] == at[second]) & (names[first] != names[second])
    first, second = first[same_pass], second[same_pass]
    areas = shapely.area(outlines)
    shared = shapely.area(shapely.intersection(outlines[first], outlines[second]))
    same = shared >= 0.5 * np.minimum(areas[first], areas[second])
    smaller = (areas[first] < areas[second]) | ((areas[first] == areas[second]) & (first > second))
    return ships.drop(index=ships.index[np.unique(first[same & smaller])]).reset_index(drop=True)
