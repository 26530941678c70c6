"""The data of a training: an atlas to cut crops from, and the validation data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import shapely
import torch
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, DataLoader, Dataset

from geoships.config.augment import Augment
from geoships.config.segmentation import TrainConfig, Validation
from geoships.config.training import Input
from geoships.errors import GeoshipsError
from geoships.scene.place import Box, enclosing, place_of
from geoships.training.augment.radiometry import Recipe
from geoships.training.labelled_scenes import LabelDataset, LabelledScene, below, from_root, named_polygons, open_scenes
from geoships.training.pixel_table import rotation
from geoships.training.segmentation.atlas import Atlas, Source, build_atlas
from geoships.training.segmentation.chip_folder import open_chips, read_index
from geoships.training.segmentation.crop_maker import cut
from geoships.training.segmentation.crop_plan import Planner
from geoships.training.segmentation.validation import Item, ValidationBlocks, ValidationChips
from geoships.training.segmentation.validation_blocks import Blocks, all_blocks, choose_blocks, without_blocks

STATISTICS_CROPS = 200
VALIDATION_BATCH = 4


@dataclass(frozen=True)
class Split:
    """The two sides of a split.

    Attributes:
        train: Scenes with the labels that may be trained on.
        validation: Scenes, and their validation blocks.
    """

    train: Sequence[LabelledScene]
    validation: Sequence[tuple[LabelledScene, Blocks]]


def split_scenes(scenes: Sequence[LabelledScene], settings: Validation, seed: int) -> Split:
    """Split by groups where the settings name some, else by blocks of each scene."""
    if settings.groups:
        train = [scene for scene in scenes if scene.group not in settings.groups]
        held_out = [scene for scene in scenes if scene.group in settings.groups]
        return Split(train, [(scene, all_blocks(scene.scene.window, _block(scene, settings))) for scene in held_out])
    rng = np.random.default_rng([seed, 1])
    chosen = [
        choose_blocks(
            scene.scene.window,
            scene.labels,
            size=_block(scene, settings),
            share=settings.share,
            margin=round(settings.margin / max(scene.scale)),
            rng=rng,
        )
        for scene in scenes
    ]
    train = [_relabelled(scene, blocks) for scene, blocks in zip(scenes, chosen, strict=True)]
    return Split(train, [(scene, blocks) for scene, blocks in zip(scenes, chosen, strict=True) if blocks.chosen])


def _block(scene: LabelledScene, settings: Validation) -> tuple[int, int]:
    """(rows, columns) of a validation block in scene pixels."""
    rows, columns = (max(1, round(settings.block / scale)) for scale in scene.scale)
    return rows, columns


def _relabelled(scene: LabelledScene, blocks: Blocks) -> LabelledScene:
    labels = without_blocks(scene.labels, blocks)
    return replace(scene, labels=labels, dataset=scene.images & LabelDataset(scene.images, labels))


@dataclass(frozen=True)
class TrainingData:
    """The data of a training.

    Attributes:
        atlas: What crops are cut from.
        recipe: Normalisation.
        validation: Validation items with ``image`` and ``mask``; None: there are none.
        trained_on: Names of the scenes that are trained on, and of their groups; of chips, the scenes they are from.
        places: Places of those that are georeferenced, by scene.
        counts: How much is trained on: scenes or chips, and labelled ships; and validation items (blocks or chips).
    """

    atlas: Atlas
    recipe: Recipe
    validation: Dataset[Item] | None
    trained_on: tuple[str, ...]
    places: dict[str, Box]
    counts: dict[str, int]

    def validation_batches(self) -> Iterator[Item]:
        """Yield the validation data in batches."""
        if self.validation is not None:
            yield from DataLoader(self.validation, batch_size=VALIDATION_BATCH)

    def plain_images(self, size: int) -> Iterator[NDArray[np.float32]]:
        """Yield the middle of each scene, (bands, size, size), normalised; a smaller scene is mirrored."""
        for number, scene in enumerate(self.atlas.scenes):
            rows, columns = scene.shape
            transform = rotation(((rows - 1) / 2, (columns - 1) / 2), 0, 1, False)
            yield self.recipe.apply(_absent(cut(self.atlas, [number], [transform], size)[0], scene.present))


def open_data(config: TrainConfig, folder: Path) -> TrainingData:
    """Read the scenes or chips of a training.

    Args:
        config: Settings of the training.
        folder: Of the run, for the temporary file of an atlas that does not fit into memory.

    Raises:
        GeoshipsError: If data are missing or cannot be read, or no labelled ship is left to train on.
    """
    if config.data.chips:
        return _chip_data(config, folder)
    split = split_scenes(open_scenes(config.data), config.data.validation, config.seed)
    sources = [_source(scene, config) for scene in split.train]
    _require_ships(sources, config, "check the labels, data.hold_out and data.validation")
    atlas = build_atlas(sources, config, folder)
    recipe = _recipe(config, atlas)
    parts = [ValidationBlocks(scene, blocks, recipe, config.data) for scene, blocks in split.validation]
    validation: Dataset[Item] | None = ConcatDataset(parts) if parts else None
    scenes = split.train
    counts = _counts("scenes", sources, "validation_blocks", sum(map(len, parts)))
    return TrainingData(atlas, recipe, validation, names_of(scenes), places_of(scenes), counts)


def names_of(scenes: Sequence[LabelledScene]) -> tuple[str, ...]:
    """The names of scenes and of their groups, sorted."""
    return tuple(sorted({name for scene in scenes for name in (scene.name, scene.group)}))


def places_of(scenes: Sequence[LabelledScene]) -> dict[str, Box]:
    """The places of the scenes that are georeferenced, by name."""
    found = {scene.name: place_of(scene.scene.georeference) for scene in scenes}
    return {name: place for name, place in sorted(found.items()) if place}


def _chip_data(config: TrainConfig, folder: Path) -> TrainingData:
    assert config.data.chips
    parts = read_index(below(config.data.root, config.data.chips.folder))
    sources = open_chips(parts.get("train", ()), config.data)
    _require_ships(sources, config, f"no chip of the part train in {config.data.chips.folder} shows one")
    atlas = build_atlas(sources, config, folder)
    recipe = _recipe(config, atlas)
    chips = open_chips(parts.get("validation", ()), config.data)
    validation = ValidationChips(build_atlas(chips, config, folder), recipe) if chips else None
    groups = tuple(sorted({source.group for source in sources}))
    counts = _counts("chips", sources, "validation_chips", len(chips))
    return TrainingData(atlas, recipe, validation, groups, _places_of_chips(sources), counts)


def _places_of_chips(sources: Sequence[Source]) -> dict[str, Box]:
    """The place around the chips of each scene, as far as they are georeferenced."""
    boxes: dict[str, list[Box]] = {}
    for source in sources:
        if place := place_of(source.scene.georeference):
            boxes.setdefault(source.group, []).append(place)
    return {name: enclosing(found) for name, found in sorted(boxes.items())}


def _counts(name: str, sources: Sequence[Source], items: str, validated: int) -> dict[str, int]:
    return {name: len(sources), "ships": sum(len(source.labels.ships) for source in sources), items: validated}


def _require_ships(sources: Sequence[Source], config: TrainConfig, advice: str) -> None:
    if not any(source.labels.ships for source in sources):
        raise GeoshipsError(f"no labelled ship is left to train on; {advice}")
    for kind, target in enumerate(config.data.classes):
        if not any(source.labels.of_class(kind).ships for source in sources):
            raise GeoshipsError(f"no label of the class {target.name} is left to train on; {advice}")


def _source(scene: LabelledScene, config: TrainConfig) -> Source:
    hard = tuple(_hard_examples(scene, config))
    return Source(scene.name, scene.group, scene.scene, scene.labels, scene.present, hard)


def _recipe(config: TrainConfig, atlas: Atlas) -> Recipe:
    """The normalisation of the settings, or one measured on crops without augmentation."""
    plain = config.model_copy(update={"augment": Augment(**dict.fromkeys(Augment.model_fields))})
    planner = Planner(atlas, plain)

    def crops() -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        for number in range(STATISTICS_CROPS):
            crop = planner.plan(number)
            images, _, counted, _ = cut(atlas, [crop.scene], [crop.transform], config.crops.size)
            yield _absent(images, atlas.scenes[crop.scene].present), counted[0].numpy()

    return measured_recipe(config.data.bands, config.input, crops())


def _absent(images: torch.Tensor, present: Sequence[bool]) -> NDArray[np.float32]:
    """The first of some images, (bands, rows, columns), NaN in absent bands."""
    image: NDArray[np.float32] = images[0].numpy()
    image[~np.array(present)] = np.nan
    return image


def measured_recipe(
    bands: tuple[str, ...], settings: Input, images: Iterable[tuple[NDArray[np.float32], NDArray[np.bool_]]]
) -> Recipe:
    """The normalisation of the settings; what they leave out is measured.

    Args:
        bands: Common names of the bands.
        settings: Function, and mean and standard deviation of each band or None.
        images: (bands, rows, columns) reflectance, NaN in absent bands, with (rows, columns) validity.

    Raises:
        GeoshipsError: If a band has no data in any of them.
    """
    if settings.mean and settings.std:
        return Recipe(bands, settings.transform, settings.mean, settings.std)
    plain = Recipe(bands, settings.transform, (0.0,) * len(bands), (1.0,) * len(bands))
    total, squares, counts = (np.zeros(len(bands)) for _ in range(3))
    for image, valid in images:
        for band in np.flatnonzero(np.isfinite(image[:, 0, 0])):
            values = plain.apply(image[band : band + 1])[0][valid].astype(np.float64)
            total[band] += values.sum()
            squares[band] += (values**2).sum()
            counts[band] += values.size
    if not counts.all():
        absent = [band for band, count in zip(bands, counts, strict=True) if not count]
        raise GeoshipsError(f"no scene has data in {', '.join(absent)}; leave these out of data.bands")
    mean = total / counts
    std = np.sqrt(np.maximum(squares / counts - mean**2, 1e-8))
    return Recipe(
        bands,
        settings.transform,
        settings.mean or tuple(round(float(value), 4) for value in mean),
        settings.std or tuple(round(float(value), 4) for value in std),
    )


def _hard_examples(scene: LabelledScene, config: TrainConfig) -> list[shapely.Geometry]:
    """Places of a scene that look like ships and are none; those in ignored parts are left out.

    Of a file that `geoships evaluate --ships` wrote, the false alarms alone.
    """
    where = from_root(config.crops.hard_examples, config.data.root, "crops.hard_examples")
    hidden = shapely.union_all(list(scene.labels.ignored))
    polygons = named_polygons(where, scene, "the hard examples", only=("outcome", "false")) or []
    return [polygon for polygon in polygons if not shapely.intersects(hidden, polygon)]
