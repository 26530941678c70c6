"""The data of a verifier's training: varied chips around places of scenes, and plain ones that judge it.

Chip i of epoch e depends on the seed, e and i alone: not on workers, devices, or where a run was resumed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.config.verification import VerifierAugment, VerifierChips, VerifierConfig
from geoships.errors import GeoshipsError
from geoships.scene.tiling.resample import resample
from geoships.scene.tiling.windows import Window
from geoships.training.augment.chips import turn_chip
from geoships.training.augment.radiometry import Image, Recipe, vary
from geoships.training.classification.data import ClassifierData, Item, Items, chip_item
from geoships.training.labelled_scenes import LabelledScene, from_root, named_polygons, open_scenes
from geoships.training.segmentation.data import measured_recipe, names_of, places_of, split_scenes
from geoships.training.segmentation.validation_blocks import Blocks
from geoships.training.verification.places import Places, Points, chip_window, find_places, random_places, within

STATISTICS_CHIPS = 400
Found = tuple[LabelledScene, Places]


@dataclass(frozen=True)
class Pool:
    """Places of one kind in several scenes, and the share of each scene in what is drawn."""

    sources: Sequence[tuple[LabelledScene, Points]]
    odds: NDArray[np.float64]

    @classmethod
    def of(cls, sources: Iterable[tuple[LabelledScene, Points]], evenly: float) -> Pool:
        """Draw scenes by their number of places to the power 1 - `evenly`."""
        filled = [source for source in sources if len(source[1])]
        weights = np.array([len(places) ** (1 - evenly) for _, places in filled])
        return cls(filled, weights / weights.sum())

    def draw(self, rng: np.random.Generator) -> tuple[LabelledScene, Points]:
        """A scene and one place, (2,)."""
        scene, places = self.sources[int(rng.choice(len(self.sources), p=self.odds))]
        return scene, places[int(rng.integers(len(places)))]


class Pools:
    """The places to train on: `ships`, and the two kinds of others, `wrong` candidates and `random` ones by kind.

    Raises GeoshipsError where there are no ships, or no others.
    """

    def __init__(self, found: Sequence[Found], settings: VerifierChips) -> None:
        def pools(sources: Iterable[tuple[LabelledScene, Points]]) -> list[Pool]:
            pool = Pool.of(sources, settings.evenly)
            return [pool] if pool.sources else []

        self._ships = pools((scene, places.ships) for scene, places in found)
        self._wrong = pools((scene, places.wrong) for scene, places in found)
        kinds = sorted({kind for _, places in found for kind in places.random})
        self._random = [
            pool
            for kind in kinds
            for pool in pools((scene, places.random[kind]) for scene, places in found if kind in places.random)
        ]
        self._share = settings.random if self._wrong else 1.0
        if not self._ships:
            raise GeoshipsError(
                "no labelled ship is left to train on; check the labels, data.hold_out and data.validation"
            )
        if not self._wrong and not self._random:
            raise GeoshipsError("there is no place without a ship to train on; check data.candidates")

    def draw(self, label: int, rng: np.random.Generator) -> tuple[LabelledScene, Points]:
        """A scene and a place with a ship (label 1) or without one."""
        if label:
            return self._ships[0].draw(rng)
        pools = self._random if self._random and rng.random() < self._share else self._wrong
        return pools[int(rng.integers(len(pools)))].draw(rng)


class VariedPlaces(Items):
    """Varied chips by (epoch, number). An item holds `image`, (bands, size, size) float32, normalised, and `label`."""

    def __init__(
        self, pools: Pools, recipe: Recipe, settings: VerifierChips, steps: VerifierAugment, seed: int
    ) -> None:
        self._pools, self._recipe, self._settings, self._steps, self._seed = pools, recipe, settings, steps, seed

    def __len__(self) -> int:
        return self._settings.count

    def __getitem__(self, key: tuple[int, int]) -> Item:
        """Make one chip."""
        rng = np.random.default_rng([self._seed, *key])
        label = int(rng.random() < self._settings.ships)
        scene, place = self._pools.draw(label, rng)
        image = cut_chip(scene, self._window(scene, place, rng), self._settings.size)
        image = turn_chip(vary(image, self._steps, self._recipe.bands, rng), self._steps, rng)
        return chip_item(self._recipe.apply(image), label)

    def _window(self, scene: LabelledScene, place: Points, rng: np.random.Generator) -> Window:
        """A chip that is moved a little, and of another size where the settings say so."""
        step, shift = self._steps.scale, self._settings.shift
        zoom = step.low * (step.high / step.low) ** rng.random() if step and rng.random() < step.p else 1.0
        down, across = (rng.uniform(-shift, shift) / scale for scale in scene.scale)
        return chip_window(scene, np.add(place, (across, down)), self._settings.size * zoom)


class PlainPlaces(Items):
    """Chips as a verifier will see them; items are as those of VariedPlaces."""

    def __init__(self, places: Sequence[tuple[LabelledScene, Points, int]], recipe: Recipe, size: int) -> None:
        self._places, self._recipe, self._size = places, recipe, size

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, number: int) -> Item:
        """Read one chip."""
        scene, place, label = self._places[number]
        image = cut_chip(scene, chip_window(scene, place, self._size), self._size)
        return chip_item(self._recipe.apply(image), label)


def cut_chip(scene: LabelledScene, window: Window, size: int) -> Image:
    """A window of a scene as (bands, size, size) reflectance; NaN in bands that the scene lacks."""
    image, _ = scene.picture(window)
    return np.stack([resample(band, (size, size)) for band in image])


class VerifierData(ClassifierData):
    """The data of a verifier's training.

    config: settings of the training. Raises GeoshipsError where nothing is left to train on.
    """

    def __init__(self, config: VerifierConfig) -> None:
        settings, bands = config.chips, config.data.bands
        scenes = open_scenes(config.data)
        split = split_scenes(scenes, config.data.validation, config.seed)
        candidates = _candidates(scenes, config)
        rng = np.random.default_rng([config.seed, 2])

        def found(scene: LabelledScene) -> Places:
            places = find_places(scene, candidates[scene.name])
            return Places(places.ships, places.wrong, random_places(scene, settings.size, settings.away, bands, rng))

        train = [(scene, found(scene)) for scene in split.train]
        judges = [(scene, found(scene), blocks) for scene, blocks in split.validation]
        self.trained_on, self.places = names_of(split.train), places_of(split.train)
        pools = Pools(train, settings)
        drawn = (pools.draw(number % 2, rng) for number in range(STATISTICS_CHIPS))
        pictures = (scene.picture(chip_window(scene, place, settings.size)) for scene, place in drawn)
        recipe = measured_recipe(bands, config.input, pictures)
        varied = VariedPlaces(pools, recipe, settings, config.augment, config.seed)
        ships, wrong = (sum(len(getattr(places, kind)) for _, places in train) for kind in ("ships", "wrong"))
        counts = {"scenes": len(train), "ships": ships, "wrong_candidates": wrong}
        plain = PlainPlaces(list(_judging(judges)), recipe, settings.size)
        super().__init__(recipe, varied, plain, config.run, counts)


def _candidates(scenes: Sequence[LabelledScene], config: VerifierConfig) -> dict[str, list[BaseGeometry]]:
    """Candidates by scene. Raises GeoshipsError where the settings name a folder that holds those of no scene."""
    where = from_root(config.data.candidates, config.data.root, "data.candidates")
    found = {scene.name: named_polygons(where, scene, "the candidates") for scene in scenes}
    if where is not None and all(polygons is None for polygons in found.values()):
        raise GeoshipsError(f"data.candidates: {where} holds no vector file that is named after a scene")
    return {name: polygons or [] for name, polygons in found.items()}


def _judging(judges: Sequence[tuple[LabelledScene, Places, Blocks]]) -> Iterator[tuple[LabelledScene, Points, int]]:
    """Places in the blocks that judge: ships and wrong candidates; random places where no candidate is wrong."""
    any_wrong = any(len(within(places.wrong, blocks)) for _, places, blocks in judges)
    for scene, places, blocks in judges:
        others = [places.wrong] if any_wrong else places.random.values()
        for label, points in ((1, places.ships), *((0, points) for points in others)):
            for place in within(points, blocks):
                yield scene, place, label
