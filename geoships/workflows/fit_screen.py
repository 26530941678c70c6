"""Fits a screen for a model on labelled scenes, with a threshold from held-out scenes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import label, maximum, maximum_filter
from scipy.special import expit

from geoships.config import PredictConfig
from geoships.errors import BundleError, GeoshipsError, GeoshipsWarning
from geoships.model.bundle import Bundle, Screen, save_bundle
from geoships.model.bundle_files import refuse_bundle
from geoships.model.card import ScreenCard
from geoships.model.engines.graph_maker import with_screen_graph
from geoships.model.engines.scoring import Normalised
from geoships.model.inputs import prepare_samples
from geoships.model.screen import CONTEXT, Span
from geoships.model.screen_bundle import build_screen
from geoships.model.screen_network import ScreenNetwork
from geoships.pipeline.run_plan import RunPlan
from geoships.pipeline.scene_run import open_run
from geoships.scene.layers.labelled_files import LabelledFiles, PathLike, pair_files
from geoships.scene.layers.labels import IGNORED, SHIP, read_labels
from geoships.scene.streaming import stream_tiles
from geoships.scene.tiling.plan import Context, Limits, plan_scene
from geoships.scene.tiling.resample import resample
from geoships.scene.tiling.windows import Window
from geoships.scene.water import find_water
from geoships.support.progress import NoProgress, Progress

DEPTH = 2  # encoder stages; their feature map has cells of 4 x 4 model pixels
TILE = 512  # model pixels of a tile, without halo: about the smallest tiles that predictions use
MIN_COVERAGE = 0.25  # minimum fraction of a cell that ships cover in a ship cell
MAX_CELLS = (500, 1000)  # per tile to train on: of ships and of water
ROUNDING = 0.1  # margin in logits for the rounding of bfloat16

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class FittedScreen:
    """A fitted screen and its evaluation on held-out tiles.

    Attributes:
        card: Its threshold, and the fractions of ship pixels it keeps and of empty tiles it skips.
        tiles: Number of held-out tiles.
        scenes: Number of held-out scenes.
    """

    card: ScreenCard
    tiles: int
    scenes: int

    def __str__(self) -> str:
        return (
            f"screen with threshold {self.card.threshold:.6g}: on {self.tiles} held-out tiles of {self.scenes} scenes "
            f"it keeps {self.card.recall or 0:.2%} of the ship pixels and skips {self.card.skipped or 0:.1%} of the "
            "tiles without ships"
        )


@dataclass(frozen=True)
class _TileCells:
    """The encoder's feature map of one tile and its labels, by cell.

    Attributes:
        features: (rows, columns, channels).
        inside: (rows, columns), cells whose scores belong to this tile; the others are halo.
        ship: (rows, columns), ship cells.
        water: (rows, columns), water cells away from ships.
        ships: Labels of connected ships, from 1, by model pixel.
        pixels: Number of ship pixels of the scene in the tile.
    """

    features: Floats
    inside: Bools
    ship: Bools
    water: Bools
    ships: NDArray[np.int32]
    pixels: int


@dataclass(frozen=True)
class _HeldOutLogits:
    """The logits of a head on held-out tiles.

    Attributes:
        tiles: Maximum logit of each tile.
        pixels: Number of ship pixels in each tile.
        ships: Maximum logit on each ship.
    """

    tiles: NDArray[np.float64]
    pixels: NDArray[np.int64]
    ships: NDArray[np.float64]


@dataclass(frozen=True)
class _Head:
    """A linear function of the features of a cell."""

    weight: NDArray[np.float64]
    bias: float

    def logits(self, features: Floats) -> NDArray[np.float64]:
        return features @ self.weight + self.bias

    def tensors(self) -> dict[str, torch.Tensor]:
        weight = torch.from_numpy(self.weight.astype(np.float32))
        return {"weight": weight[None, :, None, None], "bias": torch.tensor([self.bias], dtype=torch.float32)}


def fit_screen(
    bundle: Bundle,
    out: Path,
    scenes: Sequence[PathLike],
    labels: Sequence[PathLike],
    *,
    ignore: Sequence[PathLike] = (),
    held_out: Sequence[str] = (),
    share: float = 0.995,
    config: PredictConfig | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> FittedScreen:
    """Fit a screen and write the model with it as a bundle; see `geoships.model.screen`.

    The encoder is not changed: the feature maps of its first stages are computed once per scene, and a logistic
    regression separates ship cells from water cells. The threshold is the highest one that at least `share` of the
    ships of the held-out scenes reach with their own cells; other things in a tile, such as land, do not count. Ships
    smaller than one cell of the feature map (4 x 4 model pixels) are ignored.

    Args:
        bundle: A segmentation model.
        out: Bundle to write, a folder or .zip.
        scenes: Labelled scenes, as for `geoships.evaluation.evaluate`.
        labels: Their labels.
        ignore: Areas without labels.
        held_out: Names of scenes that set the threshold and are not trained on. Empty: every scene is held out from
            one head, as in a cross-validation, and the final head is trained on all scenes.
        share: Minimum fraction of the held-out ships that pass the screen.
        config: How scenes are read.
        progress: Receives messages.
        overwrite: Replace an existing bundle, but not the given one.

    Returns:
        The threshold, and the evaluation on held-out tiles.

    Raises:
        GeoshipsError: The model, scenes or labels are not suitable; no bundle is written.
    """
    config, progress = config or PredictConfig(), progress or NoProgress()
    bundle.require_segmentation()
    bundle.require_one_class("a screen is")
    refuse_bundle(out, (bundle.path, *map(Path, (*scenes, *labels, *ignore))), overwrite=overwrite)
    pairs = pair_files(scenes, labels, ignore)
    splits = _split_names([pair.name for pair in pairs], held_out)
    reader = _CellReader(bundle, config)
    cells: dict[str, tuple[Floats, Bools]] = {}
    for pair in pairs:
        if any(pair.name in train for train, _ in splits):
            cells[pair.name] = _draw_cells(reader.tiles(pair))
            progress.note(f"{pair.name}: {int(cells[pair.name][1].sum())} ship cells")
    heads = [_fit_head([cells[name] for name in train]) for train, _ in splits]
    evaluated = [
        _score_tiles(head, reader.tiles(pair))
        for head, (_, test) in zip(heads, splits, strict=True)
        for pair in pairs
        if pair.name in test
    ]
    head = heads[0] if held_out else _fit_head(list(cells.values()))
    screen_card = _choose_threshold(evaluated, share)
    card = bundle.card.model_copy(update={"screen": screen_card})
    screened = with_screen_graph(replace(bundle, card=card, screen=Screen(head.tensors())))
    save_bundle(
        out, card, bundle.weights, half=False, verifier=bundle.verifier, int8=bundle.int8, screen=screened.screen,
        graph=bundle.graph,
    )  # fmt: skip
    return FittedScreen(screen_card, sum(len(scene.tiles) for scene in evaluated), len(evaluated))


def passing_ships(
    bundle: Bundle,
    scenes: Sequence[PathLike],
    labels: Sequence[PathLike],
    *,
    ignore: Sequence[PathLike] = (),
    config: PredictConfig | None = None,
) -> tuple[int, int]:
    """Count the labelled ships that pass a bundle's screen with their own cells.

    A ship that lies in several tiles of 512 pixels counts once in each. As in `fit_screen`, ships smaller than one cell
    of the feature map are ignored.

    Args:
        bundle: A bundle with a screen.
        scenes: Labelled scenes, as for `fit_screen`.
        labels: Their labels.
        ignore: Areas without labels.
        config: How scenes are read.

    Returns:
        Number of ships that pass, and of all ships.

    Raises:
        BundleError: The bundle has no screen.
    """
    if bundle.screen is None or bundle.card.screen is None:
        raise BundleError(f"{bundle.card.name} has no screen; make one with geoships screen")
    weight, bias = (bundle.screen.weights[name].double().numpy() for name in ("weight", "bias"))
    head, reader = _Head(weight.ravel(), float(bias[0])), _CellReader(bundle, config or PredictConfig())
    logits = np.concatenate(
        [_score_tiles(head, reader.tiles(pair)).ships for pair in pair_files(scenes, labels, ignore)]
    )
    return int((expit(logits) >= bundle.card.screen.threshold).sum()), logits.size


def _split_names(names: Sequence[str], held_out: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """Return, for each head, the names of the scenes to train on and of those to evaluate on."""
    if unknown := sorted(set(held_out) - set(names)):
        raise GeoshipsError(f"--held-out: no scene is named {', '.join(unknown)}; the scenes are {', '.join(names)}")
    if held_out:
        train = [name for name in names if name not in held_out]
        if not train:
            raise GeoshipsError("--held-out: all scenes are held out; add scenes to train on")
        return [(train, list(held_out))]
    if len(names) < 2:
        raise GeoshipsError("one scene cannot be both trained on and held out; add more scenes")
    return [([other for other in names if other != name], [name]) for name in names]


class _CellReader:
    """Computes the feature maps of the tiles of labelled scenes."""

    def __init__(self, bundle: Bundle, config: PredictConfig) -> None:
        self._bundle, self._config = bundle, config.model_copy(update={"device": "cpu"})
        network = build_screen(bundle, DEPTH, Screen({})).network()
        if not isinstance(network, ScreenNetwork):
            raise BundleError(f"{bundle.card.name} has no encoder that a screen can use; choose another model")
        self._network = network
        self._recipe = Normalised(network, bundle.card.input).eval()

    def tiles(self, files: LabelledFiles) -> Iterator[_TileCells]:
        """Yield the tiles of one scene."""
        with open_run(files.scene, config=self._config, model=self._bundle) as run:
            labels = read_labels(files.labels, run.georeference, files.ignore)
            for text in labels.warnings:
                warnings.warn(text, GeoshipsWarning, stacklevel=2)
            card, row_step = self._bundle.card, -1 if run.plan.south_up else 1
            tiles = plan_scene(
                run.scene.window, run.plan.ratios, Context(CONTEXT, 0), Limits(1), tile_size=TILE + 2 * CONTEXT
            )
            plan = replace(run.plan, tiles=tiles)
            with closing(stream_tiles(run.scene, plan.tiles, plan.ratios)) as stream:
                for sample in prepare_samples(stream, card, run.scene.wanted, south_up=plan.south_up):
                    window = Window(*sample["window"].tolist())
                    marks, shape = labels.mask(window), sample["image"].shape[1:]
                    valid = sample["valid"] & (marks != IGNORED)
                    ship, known = (
                        resample(mask[::row_step].astype(np.float32), (shape[0], shape[1]))
                        for mask in (marks == SHIP, valid)
                    )
                    yield self._cells(
                        sample["image"], ship, known, plan.counting(window), _count_ship_pixels(plan, window, marks)
                    )

    @torch.inference_mode()
    def _cells(self, image: Floats, ship: Floats, known: Floats, spans: tuple[Span, Span], pixels: int) -> _TileCells:
        features = (
            self._network.features(self._recipe.normalise(torch.from_numpy(image[None])))[0].permute(1, 2, 0).numpy()
        )
        cell = image.shape[1] // features.shape[0]
        coverage = _cell_means(ship, cell)
        near_ship = maximum_filter(coverage, 3) > 0
        water = find_water(image, self._bundle.card.bands)
        on_water = (
            np.ones(near_ship.shape, bool)
            if water is None
            else _cell_means(water.astype(np.float32), cell) > MIN_COVERAGE
        )
        inside = np.zeros(near_ship.shape, bool)
        (top, bottom), (left, right) = spans
        inside[top // cell : -(-bottom // cell), left // cell : -(-right // cell)] = True
        labelled = inside & (_cell_means(known, cell) > 1 - MIN_COVERAGE)
        counted = np.kron(inside, np.ones((cell, cell), bool)) & (known > 0.5)
        ships = np.asarray(label((ship > 0.5) & counted, np.ones((3, 3)))[0], np.int32)
        return _TileCells(
            features=features,
            inside=inside,
            ship=labelled & (coverage >= MIN_COVERAGE),
            water=labelled & on_water & ~near_ship,
            ships=ships,
            pixels=pixels,
        )


def _count_ship_pixels(plan: RunPlan, window: Window, marks: NDArray[np.uint8]) -> int:
    """Return the number of ship pixels that the scores of a tile reach."""
    reach = plan.reach(window)
    return int((marks[reach.within(window)] == SHIP).sum())


def _cell_means(values: Floats, cell: int) -> Floats:
    """Return the means of (rows, columns) over square cells."""
    rows, columns = (size // cell for size in values.shape)
    means: Floats = values.reshape(rows, cell, columns, cell).mean(axis=(1, 3))
    return means


def _draw_cells(tiles: Iterator[_TileCells]) -> tuple[Floats, Bools]:
    """Draw ship and water cells at random; return their features, and which are ship cells."""
    rng = np.random.default_rng(0)
    features, ship = [], []
    for tile in tiles:
        for mask, count, is_ship in ((tile.ship, MAX_CELLS[0], True), (tile.water, MAX_CELLS[1], False)):
            candidates = tile.features[mask]
            drawn = candidates[rng.permutation(len(candidates))[:count]]
            features.append(drawn)
            ship.append(np.full(len(drawn), is_ship))
    return np.concatenate(features), np.concatenate(ship)


def _fit_head(cells: Sequence[tuple[Floats, Bools]]) -> _Head:
    """Fit a logistic regression of ship against water, with equal weights of the two classes."""
    from sklearn.linear_model import LogisticRegression

    features, ship = (np.concatenate(arrays) for arrays in zip(*cells, strict=True))
    if ship.all() or not ship.any():
        raise GeoshipsError("the training scenes have no ship cells or no water cells; choose other scenes")
    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    regression = LogisticRegression(class_weight="balanced", max_iter=300).fit((features - mean) / std, ship)
    weight = regression.coef_[0] / std
    return _Head(weight.astype(np.float64), float(regression.intercept_[0] - weight @ mean))


def _score_tiles(head: _Head, tiles: Iterator[_TileCells]) -> _HeldOutLogits:
    peaks: list[float] = []
    pixels: list[int] = []
    ships: list[float] = []
    for tile in tiles:
        logits = head.logits(tile.features)
        peaks.append(logits[tile.inside].max())
        pixels.append(tile.pixels)
        cell = tile.ships.shape[0] // logits.shape[0]
        large = (
            np.flatnonzero(np.bincount(tile.ships.ravel())[1:] >= cell * cell) + 1
        )  # smaller ones are corners of ships
        ships.extend(maximum(np.kron(logits, np.ones((cell, cell))), tile.ships, large))
    return _HeldOutLogits(np.array(peaks), np.array(pixels, np.int64), np.array(ships))


def _choose_threshold(evaluated: Sequence[_HeldOutLogits], share: float) -> ScreenCard:
    """Choose the highest threshold that at least a fraction of the ships reaches, and evaluate it on the tiles."""
    tiles, pixels, ships = (
        np.concatenate([getattr(scene, name) for scene in evaluated]) for name in ("tiles", "pixels", "ships")
    )
    if not (ships.size and pixels.any()):
        raise GeoshipsError("the held-out scenes have no ships to set a threshold with; choose other scenes")
    missed = int(np.floor((1 - share) * ships.size + 1e-9))
    threshold = np.sort(ships)[missed] - ROUNDING
    passed, empty = tiles >= threshold, pixels == 0
    return ScreenCard(
        depth=DEPTH,
        threshold=float(expit(threshold)),
        recall=float(pixels[passed].sum() / pixels.sum()),
        skipped=float((~passed)[empty].mean()) if empty.any() else None,
    )
