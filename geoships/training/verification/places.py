"""Places of a scene around which chips are cut: ships, found ships that are none, and others at random."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.metrics.matching import mostly_within, overlaps
from geoships.scene.tiling.windows import Window, window_around
from geoships.scene.water import find_water
from geoships.training.labelled_scenes import LabelledScene
from geoships.training.segmentation.validation_blocks import Blocks

Points = NDArray[np.float64]

LEAST_IOU = 0.1  # with a labelled ship, from which on a candidate is one
TRIES = 300  # random places that are looked at in each scene
ALL_WATER, NO_WATER = 0.95, 0.05  # shares of water in the middle of a chip


@dataclass(frozen=True)
class Places:
    """Middles of chips of one scene, each (n, 2) as column, row in scene pixels.

    ships: labelled ships, and candidates that are such. wrong: candidates that are none.
    random: others, without ships, by what is there: water, quay or land; or all as one where water cannot be told.
    """

    ships: Points
    wrong: Points
    random: Mapping[str, Points] = field(default_factory=dict)


def find_places(scene: LabelledScene, candidates: Sequence[BaseGeometry]) -> Places:
    """The ships of a scene, and the candidates that are ships and that are none; there are no random places.

    Candidates that share area with a ship, but less than LEAST_IOU, are neither, nor are those that lie mostly in
    ignored parts.
    """
    ships = scene.labels.ships
    pairs = overlaps(candidates, ships)
    right = np.unique(pairs.predicted[pairs.iou >= LEAST_IOU])
    wrong = ~mostly_within(candidates, shapely.union_all(list(scene.labels.ignored)))
    wrong[pairs.predicted] = False
    whole = scene.scene.window
    return Places(
        _inside(_middles([*ships, *(candidates[number] for number in right)]), whole),
        _inside(_middles([candidates[number] for number in np.flatnonzero(wrong).tolist()]), whole),
    )


def random_places(
    scene: LabelledScene, size: int, away: float, bands: Sequence[str], rng: np.random.Generator
) -> dict[str, Points]:
    """Places without ships, by kind; see Places.

    size: of a chip, and away: distance kept from labelled ships, in model pixels. bands: of the model.
    """
    whole = scene.scene.window
    points = rng.uniform(0, 1, (TRIES, 2)) * (whole.width, whole.height)
    near = shapely.buffer(shapely.union_all(list(scene.labels.ships)), away / min(scene.scale))
    unclear = shapely.union_all([near, *scene.labels.ignored])
    shapely.prepare(unclear)
    kinds: dict[str, list[Points]] = {}
    for point in points[~shapely.intersects_xy(unclear, points)]:
        kind = _kind(scene, chip_window(scene, point, size), bands)
        if kind is not None:
            kinds.setdefault(kind, []).append(point)
    return {kind: np.array(found) for kind, found in kinds.items()}


def _kind(scene: LabelledScene, window: Window, bands: Sequence[str]) -> str | None:
    """What the middle third of a chip shows; None where it holds pixels without data."""
    image, valid = scene.picture(window)
    middle = tuple(slice(length // 3, length - length // 3) for length in window.shape)
    if not valid[middle].all():
        return None
    water = find_water(image[:, *middle], bands)
    if water is None:
        return "anything"
    share = water.mean()
    return "water" if share >= ALL_WATER else "land" if share <= NO_WATER else "quay"


def within(places: Points, blocks: Blocks) -> Points:
    """Those of some places that lie in the chosen blocks of a scene."""
    inside = [
        (places[:, 0] >= block.column)
        & (places[:, 0] < block.column_end)
        & (places[:, 1] >= block.row)
        & (places[:, 1] < block.row_end)
        for block in blocks.windows()
    ]
    return places[np.any(inside, axis=0)] if inside else places[:0]


def chip_window(scene: LabelledScene, place: Points, size: float) -> Window:
    """The chip around a place (column, row), of so many model pixels along a side."""
    rows, columns = (max(1, round(size / scale)) for scale in scene.scale)
    return window_around(float(place[0]), float(place[1]), (rows, columns))


def _middles(polygons: Sequence[BaseGeometry]) -> Points:
    """(n, 2) middles of bounding boxes, around which found ships are looked at."""
    boxes = shapely.bounds(np.array(polygons, dtype=object)).reshape(-1, 4)
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2)


def _inside(places: Points, whole: Window) -> Points:
    return places[((places >= 0) & (places < (whole.width, whole.height))).all(axis=1)]
