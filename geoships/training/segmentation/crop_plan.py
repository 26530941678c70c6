"""What crop number n is: a function of the seed and n alone, whoever makes it, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoships.config.segmentation import TrainConfig
from geoships.training.augment.paste_piers import PierPaste, draw_pier
from geoships.training.augment.paste_ships import ShipPaste, draw_ships
from geoships.training.augment.sensor import SensorChange, draw_change
from geoships.training.pixel_table import rotation
from geoships.training.segmentation.atlas import Atlas, AtlasScene


@dataclass(frozen=True)
class CropPlan:
    """All random choices of one crop.

    Attributes:
        scene: Number of the scene in the atlas.
        transform: (2, 3): where it lies in the scene; see `PixelTable.sample`.
        pier: Pier to paste; None: no pier.
        ships: Ships to paste.
        change: What happens to its radiometry.
    """

    scene: int
    transform: NDArray[np.float64]
    pier: PierPaste | None
    ships: tuple[ShipPaste, ...]
    change: SensorChange


class Planner:
    """Plans crops by number.

    Args:
        atlas: The scenes.
        config: Settings of the training.
    """

    def __init__(self, atlas: Atlas, config: TrainConfig) -> None:
        self._atlas, self._config = atlas, config
        ships = np.array([len(scene.ships) for scene in atlas.scenes], np.float64)
        area = np.array([math.prod(scene.shape) for scene in atlas.scenes], np.float64)
        self._by_ships = _cumulative(np.where(ships > 0, ships**config.crops.by_ships, 0))
        self._by_area = _cumulative(area**config.crops.by_area)
        self._any_ships = bool(ships.any())

    def plan(self, number: int) -> CropPlan:
        """Plan crop `number`."""
        augment, size, atlas = self._config.augment, self._config.crops.size, self._atlas
        # Each part draws from a stream of its own: without one step, a crop is the same but for that step.
        place, pier, ships, change = (self._stream(number, part) for part in range(4))
        chosen, transform = self._place(place)
        scene = atlas.scenes[chosen]
        return CropPlan(
            scene=chosen,
            transform=transform,
            pier=draw_pier(augment.paste_piers, size, pier),
            ships=draw_ships(augment.paste_ships, atlas.cutouts, scene.group, size, ships),
            change=draw_change(augment, atlas.bands, scene.present, change),
        )

    def _stream(self, number: int, part: int) -> np.random.Generator:
        """Random numbers of a part of a crop. Philox counts: a stream costs microseconds, and no two share numbers."""
        key = np.array([self._config.seed, number], np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=np.array([0, 0, 0, part], np.uint64)))

    def _place(self, rng: np.random.Generator) -> tuple[int, NDArray[np.float64]]:
        """The scene of a crop, and where it lies there; as many numbers are drawn whatever the steps are."""
        augment, crops = self._config.augment, self._config.crops
        around_ship = self._any_ships and rng.random() < crops.around_ship
        odds = self._by_ships if around_ship else self._by_area
        chosen = int(np.searchsorted(odds, rng.random(), side="right"))
        size, angle = rng.random(), rng.uniform(0, 2 * math.pi)
        scaled, rotated, mirrored = rng.random(3)
        window = 1.0  # of the scene, in crops' sides
        if augment.scale and scaled < augment.scale.p:
            window = augment.scale.low * (augment.scale.high / augment.scale.low) ** size
        if not (augment.rotate and rotated < augment.rotate.p):
            angle = 0.0
        flip = bool(augment.flip and mirrored < augment.flip.p)
        centre = self._centre(self._atlas.scenes[chosen], around_ship, window * crops.size, rng)
        return chosen, rotation(centre, angle, 1 / window, flip)

    def _centre(
        self, scene: AtlasScene, around_ship: bool, side: float, rng: np.random.Generator
    ) -> tuple[float, float]:
        """Row and column of the scene in the centre of a window of `side` pixels, which lies inside if it fits."""
        crops = self._config.crops
        targets = scene.ships if around_ship else None
        if targets is None and rng.random() < crops.hard:
            targets = scene.hard
        if targets is None or not len(targets):
            place = rng.uniform(0, 1, 2) * scene.shape
        else:
            place = targets[rng.integers(len(targets))] + rng.uniform(-1, 1, 2) * crops.shift * crops.size
        free = np.maximum(np.array(scene.shape) - side, 0) / 2  # on each side of the scene's middle
        middle = (np.array(scene.shape) - 1) / 2
        row, column = np.clip(place, middle - free, middle + free)
        return float(row), float(column)


def _cumulative(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Upper ends of each weight's share of 0..1."""
    total = weights.sum()
    return np.cumsum(weights / total)[:-1] if total else np.zeros(0)
