"""Validation blocks: parts of a scene that are not trained on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely

from geoships.scene.layers.labels import Labels
from geoships.scene.tiling.windows import Window


@dataclass(frozen=True)
class Blocks:
    """Blocks of a scene, with a margin around them.

    scene: the whole of it. size: (rows, columns) of a block. chosen: places (row, column) in the grid of blocks.
    margin: pixels around the chosen blocks that belong to neither side of the split.
    """

    scene: Window
    size: tuple[int, int]
    chosen: frozenset[tuple[int, int]]
    margin: int = 0

    def windows(self) -> Iterator[Window]:
        """The chosen blocks, cut at the scene's edges."""
        for row, column in sorted(self.chosen):
            yield self.whole(row, column).intersection(self.scene)

    def whole(self, row: int, column: int) -> Window:
        """The block at a place of the grid; it may hang over the scene's lower and right edge."""
        height, width = self.size
        return Window(row * height, column * width, height, width)

    def hidden(self) -> list[shapely.Polygon]:
        """The chosen blocks with their margin, in pixel coordinates (column, row)."""
        return [
            shapely.box(
                window.column - self.margin,
                window.row - self.margin,
                window.column_end + self.margin,
                window.row_end + self.margin,
            )
            for window in self.windows()
        ]


def all_blocks(scene: Window, size: tuple[int, int]) -> Blocks:
    """Every block of a scene."""
    return Blocks(scene, size, frozenset(_places(scene, size)))


def choose_blocks(
    scene: Window, labels: Labels, *, size: tuple[int, int], share: float, margin: int, rng: np.random.Generator
) -> Blocks:
    """Choose a share of the blocks that hold a ship's centre, and the same share of the others.

    Where there are two or more blocks with ships, at least one of them is chosen, and one is left.
    """
    centres = shapely.get_coordinates(shapely.centroid(np.array(labels.ships, dtype=object)))
    with_ships = {(int(y) // size[0], int(x) // size[1]) for x, y in centres}
    places = list(_places(scene, size))
    chosen: set[tuple[int, int]] = set()
    for group in ([p for p in places if p in with_ships], [p for p in places if p not in with_ships]):
        count = round(share * len(group))
        if share and len(group) > 1:
            count = min(max(count, 1), len(group) - 1)
        chosen |= {group[index] for index in rng.permutation(len(group))[:count]}
    return Blocks(scene, size, frozenset(chosen), margin)


def _places(scene: Window, size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    for row in range(-(-scene.height // size[0])):
        for column in range(-(-scene.width // size[1])):
            yield row, column


def without_blocks(labels: Labels, blocks: Blocks) -> Labels:
    """Labels for training: blocks and their margins are ignored, and ships that reach into them are cut off there."""
    hidden = shapely.union_all(blocks.hidden())
    if hidden.is_empty:
        return labels
    shapely.prepare(hidden)
    kept = [number for number, ship in enumerate(labels.ships) if not shapely.contains(hidden, ship)]
    ships = [labels.ships[number] for number in kept]
    ships = [shapely.difference(ship, hidden) if shapely.intersects(hidden, ship) else ship for ship in ships]
    left = [place for place, ship in enumerate(ships) if not ship.is_empty]
    kinds = tuple(labels.kinds[kept[place]] for place in left) if labels.kinds else ()
    return Labels(tuple(ships[place] for place in left), (*labels.ignored, hidden), kinds=kinds)
