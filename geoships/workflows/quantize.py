"""An int8 variant of a model: made from unlabelled scenes, judged on labelled ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geoships.config import PredictConfig
from geoships.errors import BundleError, DeviceError
from geoships.evaluation import evaluate
from geoships.model.bundle import Bundle, save_bundle
from geoships.model.engines.convert import fingerprint, ir_bytes, to_openvino
from geoships.model.inputs import prepare_samples
from geoships.pipeline.scene_run import open_run
from geoships.scene.layers.labelled_files import PathLike, find_scenes
from geoships.scene.streaming import stream_tiles
from geoships.support.progress import NoProgress, Progress

MAX_LOSS = 0.005  # of the F1 of ships, that an int8 variant may be worse by
TILE = 512  # greatest calibration tile in model pixels, beside the model's context


@dataclass(frozen=True)
class Quantized:
    """What became of a model.

    tiles: that ranges of values were learnt from. f1: of ships on the labelled scenes, by precision (auto, int8); None
    where there were none.
    """

    tiles: int
    f1: dict[str, float] | None

    def __str__(self) -> str:
        learnt = f"int8 variant learnt from {self.tiles} tiles"
        if self.f1 is None:
            return f"{learnt}; not judged: name labelled scenes (--scenes, --labels) to know what it costs"
        return f"{learnt}; F1 of ships {self.f1['auto']:.3f}, in int8 {self.f1['int8']:.3f}"


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
) -> Quantized:
    """Write a bundle that holds an int8 variant of its network, for ``precision="int8"``.

    calibration: scenes that ranges of values are learnt from: files, folders or patterns. tiles: greatest number of
    their tiles, spread evenly. scenes, labels, ignore: what the variant is judged on, as for
    `geoships.evaluation.evaluate`; other scenes than those of `calibration`. config: how scenes are read.

    Raises GeoshipsError, also where F1 of ships that touch labelled ones falls by more than MAX_LOSS; nothing is
    written then.
    """
    config, progress = config or PredictConfig(), progress or NoProgress()
    bundle.require_segmentation()
    calibration = find_scenes(calibration)
    _check_held_out(calibration, find_scenes(scenes) if scenes else ())
    images = _tiles(bundle, calibration, tiles, config)
    progress.note(f"calibration: {len(images)} tiles of {len(calibration)} scenes")
    variant = replace(bundle, int8=_int8(bundle, images))
    f1 = None
    if scenes:
        f1 = {
            precision: _f1(evaluate(
                scenes, labels, ignore=ignore, model=variant, progress=progress,
                config=config.model_copy(update={"engine": "auto", "precision": precision}),
            ).figures)
            for precision in ("auto", "int8")
        }  # fmt: skip
        if not f1["int8"] >= f1["auto"] - MAX_LOSS:
            raise BundleError(
                f"in int8 the F1 of ships falls from {f1['auto']:.3f} to {f1['int8']:.3f}, by more than {MAX_LOSS:g}; "
                "nothing was written: give more and other scenes to --calibration, or stay with bf16"
            )
    save_bundle(
        out, bundle.card, bundle.weights, half=False, verifier=bundle.verifier, int8=variant.int8, screen=bundle.screen
    )
    return Quantized(len(images), f1)


def _check_held_out(calibration: Sequence[PathLike], scenes: Sequence[PathLike]) -> None:
    both = {Path(scene).resolve() for scene in calibration} & {Path(scene).resolve() for scene in scenes}
    if both:
        raise BundleError(f"{min(both)} is for calibration and for judging; judge on other scenes")


def _f1(figures: dict[str, object]) -> float:
    """F1 of ships that touch labelled ones, over all scenes."""
    value = figures["all"]["ships"]["touched"]["f1"]  # type: ignore[index]
    if value is None:
        raise BundleError("the labelled scenes hold no ships to judge by; name others")
    return float(value)


def _tiles(bundle: Bundle, scenes: Sequence[PathLike], count: int, config: PredictConfig) -> list[NDArray[np.float32]]:
    """Images (1, bands, rows, columns) of reflectance, spread evenly over the scenes."""
    images: list[NDArray[np.float32]] = []
    share = -(-count // len(scenes))
    for scene in scenes:
        size = TILE + 2 * bundle.card.halo
        with open_run(str(scene), config=config.model_copy(update={"tile_size": size}), model=bundle) as run:
            every = max(1, len(run.plan.tiles) // share)
            with closing(stream_tiles(run.scene, run.plan.tiles, run.plan.ratios)) as stream:
                chosen = islice(stream, 0, share * every, every)
                samples = prepare_samples(chosen, bundle.card, run.scene.wanted, south_up=run.plan.south_up)
                images.extend(sample["image"].numpy()[None].copy() for sample in samples)
    if not images:
        raise BundleError("the scenes for calibration hold no data; name others")
    return images[:count]


def _int8(bundle: Bundle, images: Sequence[NDArray[np.float32]]) -> tuple[bytes, bytes]:
    """XML and weights of an int8 variant, with activations' ranges learnt from images."""
    os.environ.setdefault("NNCF_CI", "1")  # it reports its use over the network otherwise
    try:
        import nncf
    except ImportError as error:
        raise DeviceError("nncf is not installed: pip install 'geoships[quantize]'") from error
    nncf.set_log_level(40)  # errors

    with redirect_stdout(sys.stderr):  # it draws a progress bar
        model = nncf.quantize(
            to_openvino(bundle),
            nncf.Dataset(list(images)),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(images),
        )
    model.set_rt_info(fingerprint(bundle), ["geoships", "fingerprint"])
    return ir_bytes(model)
