"""A port of which it is known what stands fixed, what lay moored and left, and where the berths are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyogrio
import shapely
from pyproj import CRS
from shapely.affinity import rotate, translate

UTM = CRS("EPSG:32631")
FIRST = pd.Timestamp("2024-03-01T10:30:00Z")
SIDE = 12_000.0  # metres of the area


def hull(x: float, y: float, length: float, width: float, heading: float) -> shapely.Polygon:
    """A ship's outline with its axis at `heading` degrees clockwise from north."""
    box = shapely.box(x - width / 2, y - length / 2, x + width / 2, y + length / 2)
    return rotate(box, -heading, origin=(x, y))


def table(shapes: Sequence[tuple[float, float, float, float, float]], time: pd.Timestamp, scene: str):
    """Ships as `predict` writes them; shapes: x, y, length, width, heading, in metres of the area."""
    outlines = [hull(500_000 + x, 5_000_000 + y, *sizes) for x, y, *sizes in shapes]
    columns = np.array(shapes, float).reshape(-1, 5)
    frame = geopandas.GeoDataFrame(
        {
            "id": np.arange(1, len(shapes) + 1), "score": 0.9, "area_m2": columns[:, 2] * columns[:, 3],
            "length_m": columns[:, 2], "width_m": columns[:, 3], "heading_deg": columns[:, 4] % 180,
            "on_border": False, "scene": scene, "datetime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        },
        geometry=geopandas.GeoSeries(outlines, crs=UTM),
    )  # fmt: skip
    return frame.assign(lon=frame.geometry.centroid.to_crs(4326).x, lat=frame.geometry.centroid.to_crs(4326).y)


def observed(time: pd.Timestamp, clouds: Sequence[shapely.Polygon] = ()):
    """What was seen of the area, with clouds in metres of the area."""
    area = shapely.box(0, 0, SIDE, SIDE)
    cloud = shapely.intersection(shapely.union_all(list(clouds)), area)
    shapes = [shapely.difference(area, cloud), cloud]
    kept = [(kind, seen, shape) for kind, seen, shape in zip(("sea", "cloud"), (True, False), shapes, strict=True)
            if not shape.is_empty]  # fmt: skip
    return geopandas.GeoDataFrame(
        {
            "kind": [kind for kind, _, _ in kept], "seen": [seen for _, seen, _ in kept],
            "km2": [shape.area / 1e6 for _, _, shape in kept], "scene": "scene",
            "datetime": f"{time:%Y-%m-%dT%H:%M:%SZ}",
        },
        geometry=geopandas.GeoSeries([translate(shape, 500_000, 5_000_000) for _, _, shape in kept], crs=UTM),
    )  # fmt: skip


def write(path: Path, ships, seen=None) -> Path:
    """Write a GeoPackage as `predict --observed` does."""
    pyogrio.write_dataframe(ships, path, layer=path.stem, driver="GPKG", geometry_type="Polygon")
    if seen is not None:
        pyogrio.write_dataframe(seen, path, layer="observed", driver="GPKG", append=True, promote_to_multi=True)
    return path


@dataclass
class Port:
    """A simulated port.

    Attributes:
        folder: Files of ships, one a pass.
        structures: Places (x, y) of what stands fixed in all passes.
        moored: Places of ships that stayed for several passes, and left or came in the time.
        berths: Places of berths, at which ships of different sizes lie.
    """

    folder: Path
    structures: list[tuple[float, float]] = field(default_factory=list)
    moored: list[tuple[float, float]] = field(default_factory=list)
    berths: list[tuple[float, float]] = field(default_factory=list)


def make_port(folder: Path, *, passes: int = 12, seed: int = 0, recall: float = 0.85, clouds: bool = True) -> Port:
    """Write the passes of a port; measured outlines scatter, some things are missed, and clouds hide others."""
    draw = np.random.default_rng(seed)
    port = Port(folder)
    grid = [(x, y) for x in np.arange(600, SIDE, 900) for y in np.arange(600, SIDE, 900)]
    spots = iter([grid[number] for number in draw.permutation(len(grid))])
    stays = []  # place, size, first pass, end
    for _ in range(25):
        place = next(spots)
        port.structures.append(place)
        length = draw.uniform(25, 120)
        stays.append((place, (length, length / draw.uniform(1, 2.4), draw.uniform(0, 180)), 0, passes))
    for _ in range(40):
        place, long = next(spots), int(draw.integers(3, passes - 1))
        first = int(draw.integers(0, passes - long + 1))
        port.moored.append(place)
        length = draw.uniform(60, 300)
        stays.append((place, (length, length / 6, draw.uniform(0, 180)), first, first + long))
    for _ in range(12):
        place, at, heading = next(spots), 0, draw.uniform(0, 180)
        port.berths.append(place)
        lengths = cycle(draw.permutation([70, 110, 160, 220, 300]).tolist())
        while at < passes:
            at += int(draw.integers(0, 2))
            end = at + int(draw.integers(1, 3))
            length = next(lengths)
            stays.append((place, (length, length / 6, heading), at, end))
            at = end
    for number in range(passes):
        time = FIRST + pd.Timedelta(days=5 * number, minutes=int(draw.integers(0, 20)))
        hidden = [shapely.Point(*draw.uniform(0, SIDE, 2)).buffer(draw.uniform(500, 3000)) for _ in range(2 * clouds)]
        found = []
        for (x, y), (length, width, heading), first, end in stays:
            cloudy = any(shapely.contains_xy(cloud, x, y) for cloud in hidden)
            if first <= number < end and not cloudy and draw.random() < recall:
                shift, sides = draw.normal(0, 5, 2), draw.normal(0, 4, 2)
                sizes = max(20, length + sides[0]), max(12, width + sides[1]), heading + draw.normal(0, 4)
                found.append((x + shift[0], y + shift[1], *sizes))
        found += [(*draw.uniform(300, SIDE - 300, 2), 120, 25, draw.uniform(0, 180)) for _ in range(15)]
        write(folder / f"pass{number:02}.gpkg", table(found, time, f"pass{number:02}"), observed(time, hidden))
    return port
