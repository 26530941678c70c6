"""Makes an int8 variant of a model: calibrated on unlabelled scenes, evaluated on labelled ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoships.config import PredictConfig
from geoships.errors import BundleError, DeviceError
from geoships.evaluation import evaluate
from geoships.model.bundle import Bundle, save_bundle
from geoships.model.bundle_files import refuse_bundle
from geoships.model.engines.torch_convert import ir_bytes, to_openvino
from geoships.model.fingerprint import fingerprint
from geoships.model.inputs import prepare_samples
from geoships.pipeline.scene_run import open_run
from geoships.scene.layers.labelled_files import PathLike, find_scenes
from geoships.scene.streaming import stream_tiles
from geoships.support.files import real_path
from geoships.support.progress import NoProgress, Progress

MAX_LOSS = 0.005  # maximum loss of F1 of ships by quantization
TILE = 512  # maximum size of a calibration tile in model pixels, without the halo


@dataclass(frozen=True)
class QuantizationResult:
    """The result of `quantize`.

    Attributes:
        tiles: Number of calibration tiles.
        f1: F1 of ships on the labelled scenes, by precision (auto, int8); None without labelled scenes.
    """

    tiles: int
    f1: dict[str, float] | None

    def __str__(self) -> str:
        calibrated = f"int8 variant calibrated on {self.tiles} tiles"
        if self.f1 is None:
            return f"{calibrated}; not evaluated: give labelled scenes (--scenes, --labels) to measure its F1"
        return f"{calibrated}; F1 of ships {self.f1['auto']:.3f}, in int8 {self.f1['int8']:.3f}"


def quantize(
    bundle: Bundle,
    out: Path,
    calibration: Sequence[PathLike],
    *,
    tiles: int = 64,
    scenes: Sequence[PathLike] = (),
    labels: Sequence[PathLike] = (),
    ignore: Sequence[PathLike] = (),
    config: PredictConfig | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> QuantizationResult:
    """Write a bundle with an int8 variant of its network, for ``precision="int8"``.

    Args:
        bundle: A segmentation model.
        out: Bundle to write, a folder or .zip.
        calibration: Scenes for the ranges of activations: files, folders or patterns.
        tiles: Maximum number of their tiles, evenly distributed.
        scenes: Labelled scenes to evaluate the variant on, as for `geoships.evaluation.evaluate`; not those of
            `calibration`.
        labels: Their labels.
        ignore: Areas without labels.
        config: How scenes are read.
        progress: Receives messages.
        overwrite: Replace an existing bundle, but not the given one.

    Returns:
        The number of calibration tiles, and F1 with and without quantization.

    Raises:
        GeoshipsError: Scenes cannot be read, or F1 of ships (matched by touching) falls by more than MAX_LOSS. No
            bundle is written.
    """
    config, progress = config or PredictConfig(), progress or NoProgress()
    bundle.require_segmentation()
    refuse_bundle(out, (bundle.path, *map(Path, (*calibration, *scenes, *labels, *ignore))), overwrite=overwrite)
    calibration = find_scenes(calibration)
    _check_held_out(calibration, find_scenes(scenes) if scenes else ())
    images = sample_images(bundle, calibration, tiles, config, TILE + 2 * bundle.card.halo)
    progress.note(f"calibration: {len(images)} tiles of {len(calibration)} scenes")
    variant = replace(bundle, int8=_quantize_network(bundle, images))
    f1 = None
    if scenes:
        f1 = {
            precision: _ship_f1(evaluate(
                scenes, labels, ignore=ignore, model=variant, progress=progress,
                config=config.model_copy(update={"engine": "auto", "precision": precision}),
            ).figures)
            for precision in ("auto", "int8")
        }  # fmt: skip
        if not f1["int8"] >= f1["auto"] - MAX_LOSS:
            raise BundleError(
                f"int8 lowers F1 of ships from {f1['auto']:.3f} to {f1['int8']:.3f}, by more than {MAX_LOSS:g}; no "
                "bundle was written: use more or other calibration scenes (--calibration), or bf16"
            )
    save_bundle(
        out, bundle.card, bundle.weights, half=False, verifier=bundle.verifier, int8=variant.int8, screen=bundle.screen,
        graph=bundle.graph,
    )  # fmt: skip
    return QuantizationResult(len(images), f1)


def _check_held_out(calibration: Sequence[PathLike], scenes: Sequence[PathLike]) -> None:
    both = {real_path(scene) for scene in calibration} & {real_path(scene) for scene in scenes}
    if both:
        raise BundleError(f"{min(both)} is a calibration scene and an evaluation scene; evaluate on other scenes")


def _ship_f1(figures: dict[str, Any]) -> float:
    """Return F1 of ships, matched by touching, over all scenes; of several classes, the mean of those with labels."""
    classes: list[dict[str, Any]] = list(figures["classes"].values()) if "classes" in figures else [figures]
    values = [own["all"]["ships"]["touched"]["f1"] for own in classes]
    known = [float(value) for value in values if value is not None]
    if not known:
        raise BundleError("the labelled scenes have no ships to evaluate with; choose other scenes")
    return sum(known) / len(known)


def sample_images(
    bundle: Bundle, scenes: Sequence[PathLike], count: int, config: PredictConfig, size: int
) -> list[NDArray[np.float32]]:
    """Read images of some scenes at a model's pixel size.

    Args:
        bundle: The model.
        scenes: Paths of the scenes.
        count: Maximum number of images, evenly distributed over the scenes.
        config: How scenes are read.
        size: Maximum rows and columns of an image, in model pixels.

    Returns:
        Reflectance, (1, bands, rows, columns).

    Raises:
        GeoshipsError: A scene cannot be read, or none has data.
    """
    images: list[NDArray[np.float32]] = []
    per_scene = -(-count // len(scenes))
    for scene in scenes:
        with open_run(str(scene), config=config.model_copy(update={"tile_size": size}), model=bundle) as run:
            step = max(1, len(run.plan.tiles) // per_scene)
            with closing(stream_tiles(run.scene, run.plan.tiles, run.plan.ratios)) as stream:
                selected = islice(stream, 0, per_scene * step, step)
                samples = prepare_samples(selected, bundle.card, run.scene.wanted, south_up=run.plan.south_up)
                images.extend(sample["image"][None].copy() for sample in samples)
    if not images:
        raise BundleError("the scenes for calibration have no data; choose other scenes")
    return images[:count]


def _quantize_network(bundle: Bundle, images: Sequence[NDArray[np.float32]]) -> tuple[bytes, bytes]:
    """Return XML and weights of an int8 variant, with the ranges of activations in images."""
    os.environ.setdefault("NNCF_CI", "1")  # otherwise it sends telemetry
    try:
        import nncf
    except ImportError as error:
        raise DeviceError("nncf is not installed: pip install 'geoships[quantize]'") from error
    nncf.set_log_level(40)  # errors only

    with redirect_stdout(sys.stderr):  # NNCF prints a progress bar
        model = nncf.quantize(
            to_openvino(bundle),
            nncf.Dataset(list(images)),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
        )
    model.set_rt_info(fingerprint(bundle), ["geoships", "fingerprint"])
    return ir_bytes(model)
