"""A screen for a model: fitted on labelled scenes, with a threshold that held-out scenes set."""

from __future__ import annotations

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
from geoships.errors import BundleError, GeoshipsError
from geoships.model.bundle import Bundle, save_bundle
from geoships.model.card import ScreenCard
from geoships.model.engines.scoring import Normalised
from geoships.model.inputs import prepare_samples
from geoships.model.screen import CONTEXT, ScreenNetwork, Span, build_screen
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

DEPTH = 2  # stages of the encoder: cells of 4 pixels
TILE = 512  # model pixels of a tile that is looked at: about the least that a tile's scores reach
COVERED = 0.25  # least share of a cell that a ship covers for the cell to count as one
PER_TILE = (500, 1000)  # most cells that are learnt from, of ships and of water
ROUNDING = 0.1  # of a logit: what scores may lose in bfloat16

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Screening:
    """A fitted screen, judged on held-out tiles.

    card: its threshold and what it does. tiles: how many it was judged on. scenes: how many.
    """

    card: ScreenCard
    tiles: int
    scenes: int

    def __str__(self) -> str:
        return (
            f"screen from {self.card.threshold:.6g} on: of {self.tiles} held-out tiles of {self.scenes} scenes it "
            f"keeps {self.card.recall or 0:.2%} of the ship pixels and skips {self.card.skipped or 0:.1%} of the tiles "
            "without ships"
        )


@dataclass(frozen=True)
class _TileMaps:
    """One tile with a channel or a flag for each cell: those that count, of ships, and of water beside them.

    features: (rows, columns, channels). ships: numbers of connected ships, from 1, by model pixel. pixels: of ships in
    the tile, in scene pixels.
    """

    features: Floats
    counts: Bools
    ship: Bools
    water: Bools
    ships: NDArray[np.int32]
    pixels: int


@dataclass(frozen=True)
class _Judged:
    """What a head says of held-out tiles, as logits.

    tiles: greatest of each tile. pixels: of ships in each tile. ships: greatest on each ship itself.
    """

    tiles: NDArray[np.float64]
    pixels: NDArray[np.int64]
    ships: NDArray[np.float64]


@dataclass(frozen=True)
class _Head:
    """A linear function of features."""

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
) -> Screening:
    """Write a bundle with a screen, see `geoships.model.screen`.

    The encoder stays as it is: the maps of its early stages are computed once for each scene, and a logistic
    regression tells cells of ships from cells of water. The threshold is the greatest one that at least `share` of the
    ships of the held-out scenes reach by themselves, whatever else their tile shows: land beside a ship does not help.
    Ships smaller than one cell of the encoder's map (4 x 4 model pixels) are not counted.

    scenes, labels, ignore: as for `geoships.evaluation.evaluate`. held_out: names of scenes that set the threshold and
    are not learnt from; without names each scene in turn is held out from a head of its own, and the last head learns
    from all. config: how scenes are read. Raises GeoshipsError; nothing is written then.
    """
    config, progress = config or PredictConfig(), progress or NoProgress()
    bundle.require_segmentation()
    pairs = pair_files(scenes, labels, ignore)
    rounds = _rounds([pair.name for pair in pairs], held_out)
    maps = _Maps(bundle, config)
    learnt: dict[str, tuple[Floats, Bools]] = {}
    for pair in pairs:
        if any(pair.name in fitted for fitted, _ in rounds):
            learnt[pair.name] = _cells(maps.tiles(pair))
            progress.note(f"{pair.name}: {int(learnt[pair.name][1].sum())} cells of ships")
    heads = [_fit([learnt[name] for name in fitted]) for fitted, _ in rounds]
    judged = [
        _judge(head, maps.tiles(pair))
        for head, (_, held) in zip(heads, rounds, strict=True)
        for pair in pairs
        if pair.name in held
    ]
    head = heads[0] if held_out else _fit(list(learnt.values()))
    card = _card(judged, share)
    named = bundle.card.model_copy(update={"screen": card})
    save_bundle(
        out, named, bundle.weights, half=False, verifier=bundle.verifier, int8=bundle.int8, screen=head.tensors()
    )
    return Screening(card, sum(len(scene.tiles) for scene in judged), len(judged))


def passing_ships(
    bundle: Bundle,
    scenes: Sequence[PathLike],
    labels: Sequence[PathLike],
    *,
    ignore: Sequence[PathLike] = (),
    config: PredictConfig | None = None,
) -> tuple[int, int]:
    """Ships of labelled scenes that a bundle's screen passes by themselves, whatever else their tile shows, and all.

    scenes, labels, ignore, config: as for `fit_screen`. A ship that tiles of 512 pixels cut counts once in each; what
    is smaller than one cell of the encoder's map does not count, as in `fit_screen`.
    Raises BundleError where the bundle has no screen.
    """
    if bundle.screen is None or bundle.card.screen is None:
        raise BundleError(f"{bundle.card.name} has no screen; make one with geoships screen")
    weight, bias = (bundle.screen[name].double().numpy() for name in ("weight", "bias"))
    head, maps = _Head(weight.ravel(), float(bias[0])), _Maps(bundle, config or PredictConfig())
    logits = np.concatenate([_judge(head, maps.tiles(pair)).ships for pair in pair_files(scenes, labels, ignore)])
    return int((expit(logits) >= bundle.card.screen.threshold).sum()), logits.size


def _rounds(names: Sequence[str], held_out: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """Names of the scenes to learn from and of those to judge on, for each head."""
    if strange := sorted(set(held_out) - set(names)):
        raise GeoshipsError(f"no scene is named {', '.join(strange)}; those that were named are {', '.join(names)}")
    if held_out:
        learnt = [name for name in names if name not in held_out]
        if not learnt:
            raise GeoshipsError("all scenes are held out: name others to learn from")
        return [(learnt, list(held_out))]
    if len(names) < 2:
        raise GeoshipsError("one scene cannot be learnt from and held out: name more scenes")
    return [([other for other in names if other != name], [name]) for name in names]


class _Maps:
    """Features of the tiles of labelled scenes."""

    def __init__(self, bundle: Bundle, config: PredictConfig) -> None:
        self._bundle, self._config = bundle, config.model_copy(update={"device": "cpu"})
        network = build_screen(bundle, DEPTH, {}).network()
        if not isinstance(network, ScreenNetwork):
            raise BundleError(f"{bundle.card.name} has no encoder to make a screen of")
        self._network = network
        self._recipe = Normalised(network, bundle.card.input).eval()

    def tiles(self, files: LabelledFiles) -> Iterator[_TileMaps]:
        """Yield the tiles of one scene."""
        with open_run(files.scene, config=self._config, model=self._bundle) as run:
            labels = read_labels(files.labels, run.georeference, files.ignore)
            card, turn = self._bundle.card, -1 if run.plan.south_up else 1
            tiles = plan_scene(
                run.scene.window, run.plan.ratios, Context(CONTEXT, 0), Limits(1), tile_size=TILE + 2 * CONTEXT
            )
            plan = replace(run.plan, tiles=tiles)
            with closing(stream_tiles(run.scene, plan.tiles, plan.ratios)) as stream:
                for sample in prepare_samples(stream, card, run.scene.wanted, south_up=plan.south_up):
                    window = Window(*sample["window"].tolist())
                    marks, shape = labels.mask(window), sample["image"].shape[1:]
                    valid = sample["valid"].numpy() & (marks != IGNORED)
                    ship, known = (
                        resample(part[::turn].astype(np.float32), (shape[0], shape[1]))
                        for part in (marks == SHIP, valid)
                    )
                    yield self._maps(sample["image"], ship, known, plan.counting(window), _pixels(plan, window, marks))

    @torch.inference_mode()
    def _maps(
        self, image: torch.Tensor, ship: Floats, known: Floats, spans: tuple[Span, Span], pixels: int
    ) -> _TileMaps:
        features = self._network.features(self._recipe.normalise(image[None]))[0].permute(1, 2, 0).numpy()
        cell = image.shape[1] // features.shape[0]
        covered = _mean(ship, cell)
        near = maximum_filter(covered, 3) > 0
        water = find_water(image.numpy(), self._bundle.card.bands)
        wet = np.ones(near.shape, bool) if water is None else _mean(water.astype(np.float32), cell) > COVERED
        inside = np.zeros(near.shape, bool)
        (top, bottom), (left, right) = spans
        inside[top // cell : -(-bottom // cell), left // cell : -(-right // cell)] = True
        sound = inside & (_mean(known, cell) > 1 - COVERED)
        counted = np.kron(inside, np.ones((cell, cell), bool)) & (known > 0.5)
        ships = np.asarray(label((ship > 0.5) & counted, np.ones((3, 3)))[0], np.int32)
        return _TileMaps(features, inside, sound & (covered >= COVERED), sound & wet & ~near, ships, pixels)


def _pixels(plan: RunPlan, window: Window, marks: NDArray[np.uint8]) -> int:
    """Pixels of ships that a tile's scores reach."""
    reach = plan.reach(window)
    return int((marks[reach.within(window)] == SHIP).sum())


def _mean(values: Floats, cell: int) -> Floats:
    """Means of (rows, columns) over square cells."""
    rows, columns = (size // cell for size in values.shape)
    means: Floats = values.reshape(rows, cell, columns, cell).mean(axis=(1, 3))
    return means


def _cells(tiles: Iterator[_TileMaps]) -> tuple[Floats, Bools]:
    """Features of cells of ships and of water, and which are of ships."""
    rng = np.random.default_rng(0)
    features, ship = [], []
    for tile in tiles:
        for mask, most, is_ship in ((tile.ship, PER_TILE[0], True), (tile.water, PER_TILE[1], False)):
            found = tile.features[mask]
            chosen = found[rng.permutation(len(found))[:most]]
            features.append(chosen)
            ship.append(np.full(len(chosen), is_ship))
    return np.concatenate(features), np.concatenate(ship)


def _fit(parts: Sequence[tuple[Floats, Bools]]) -> _Head:
    """Logistic regression of ship against water, both with the same weight in all."""
    from sklearn.linear_model import LogisticRegression

    features, ship = (np.concatenate(part) for part in zip(*parts, strict=True))
    if ship.all() or not ship.any():
        raise GeoshipsError("the scenes to learn from hold no ships, or nothing else; name others")
    mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
    fitted = LogisticRegression(class_weight="balanced", max_iter=300).fit((features - mean) / std, ship)
    weight = fitted.coef_[0] / std
    return _Head(weight.astype(np.float64), float(fitted.intercept_[0] - weight @ mean))


def _judge(head: _Head, tiles: Iterator[_TileMaps]) -> _Judged:
    peaks: list[float] = []
    pixels: list[int] = []
    ships: list[float] = []
    for tile in tiles:
        logits = head.logits(tile.features)
        peaks.append(logits[tile.counts].max())
        pixels.append(tile.pixels)
        cell = tile.ships.shape[0] // logits.shape[0]
        numbers = np.flatnonzero(np.bincount(tile.ships.ravel())[1:] >= cell * cell) + 1  # less is a corner of a ship
        ships.extend(maximum(np.kron(logits, np.ones((cell, cell))), tile.ships, numbers))
    return _Judged(np.array(peaks), np.array(pixels, np.int64), np.array(ships))


def _card(judged: Sequence[_Judged], share: float) -> ScreenCard:
    """The greatest threshold that at least a share of the ships reaches, and what it does on the tiles."""
    tiles, pixels, ships = (
        np.concatenate([getattr(scene, name) for scene in judged]) for name in ("tiles", "pixels", "ships")
    )
    if not (ships.size and pixels.any()):
        raise GeoshipsError("the held-out scenes hold no ships, and cannot set a threshold; name others")
    lost = int(np.floor((1 - share) * ships.size + 1e-9))
    least = np.sort(ships)[lost] - ROUNDING
    kept, empty = tiles >= least, pixels == 0
    return ScreenCard(
        depth=DEPTH,
        threshold=float(expit(least)),
        recall=float(pixels[kept].sum() / pixels.sum()),
        skipped=float((~kept)[empty].mean()) if empty.any() else None,
    )
