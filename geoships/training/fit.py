"""One training: settings in, a folder with weights, logs and a model bundle out."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
import yaml
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from numpy.typing import NDArray
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from geoships.config.train import Run, TrainConfig
from geoships.errors import DeviceError, GeoshipsError
from geoships.model.bundle import Bundle, load_bundle, save_bundle
from geoships.model.card import Card
from geoships.model.engine import has_fast_bf16
from geoships.model.networks import Architecture, build_network, load_encoder
from geoships.scene.windows import Window
from geoships.training.augment import Recipe
from geoships.training.crops import at_size
from geoships.training.data import ShipData
from geoships.training.encoder import read_weights
from geoships.training.halo import measure_halo
from geoships.training.losses import WeightedLoss
from geoships.training.pictures import ValidationPictures
from geoships.training.task import Segmentation

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
# Paths say nothing to those who get the model; the bundle's own settings are the card.
NOT_IN_CARD: Any = {
    "bundle": True,
    "data": {"root", "scenes", "labels", "ignore"},
    "crops": {"hard_examples"},
    "network": {"encoder_weights", "start"},
}
HALO_PICTURES = 4
HALO_CUT = 64  # model pixels


@dataclass(frozen=True)
class Trained:
    """What a training left behind.

    folder: of the run. bundle: the model. epochs: how many have run. validation: figures of the last validation.
    """

    folder: Path
    bundle: Bundle
    epochs: int
    validation: dict[str, float]


def fit(config: TrainConfig, out: Path, *, resume: bool = False, quiet: bool = False) -> Trained:
    """Train a model.

    config: settings. out: folder of the run; it gets `config.yaml`, `checkpoints/`, `logs/` and `bundle/`.
    resume: go on from `checkpoints/last.ckpt` where there is one; on a CPU the weights become the same as if
    the run had never stopped. A finished run stays as it is.
    Raises GeoshipsError where the folder holds another run, or data or settings do not fit.
    """
    last = _prepare(config, out, resume)
    if resume and (out / "bundle").is_dir():
        return Trained(out, load_bundle(out / "bundle"), config.run.epochs, {})
    lightning.seed_everything(config.seed, verbose=False)
    torch.use_deterministic_algorithms(True, warn_only=True)
    data = ShipData(config)
    architecture = Architecture(
        config.network.decoder, config.network.encoder, len(config.data.bands), options=config.network.options
    )
    network = _starting_network(architecture, config)
    task = Segmentation(
        network,
        WeightedLoss({str(name): weight for name, weight in config.loss.items()}),
        config.optimiser,
        config.schedule,
        seed=config.seed,
    )
    with _quiet_lightning():
        trainer = _trainer(config, out, data, quiet)
        trainer.fit(task, datamodule=data, ckpt_path=str(last) if last else None, weights_only=False)
    if trainer.interrupted:
        raise KeyboardInterrupt
    weights, threshold = _kept(config, out)
    network.load_state_dict(weights)
    network = network.cpu().float().eval()
    halo = config.bundle.halo if config.bundle.halo is not None else _halo(network, data)
    card = make_card(config, data, network, halo=halo, threshold=config.bundle.threshold or threshold)
    save_bundle(out / "bundle", card, weights)
    figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return Trained(out, load_bundle(out / "bundle"), trainer.current_epoch, figures)


def _prepare(config: TrainConfig, out: Path, resume: bool) -> Path | None:
    """Make the run's folder; the checkpoint to go on from."""
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    last, saved = out / "checkpoints" / "last.ckpt", out / "config.yaml"
    if saved.exists():
        if not resume:
            raise GeoshipsError(f"{out} holds a training already; give --resume to go on with it, or another folder")
        if saved.read_text(encoding="utf-8") != text:
            raise GeoshipsError(f"the settings differ from those in {saved}; a run goes on only with its own")
    try:
        out.mkdir(parents=True, exist_ok=True)
        saved.write_text(text, encoding="utf-8")
    except OSError as error:
        raise GeoshipsError(f"cannot write the folder {out}: {error.strerror or error}") from error
    return last if resume and last.exists() else None


def _starting_network(architecture: Architecture, config: TrainConfig) -> nn.Module:
    network = build_network(architecture)
    settings = config.network
    if settings.encoder_weights:
        bands = config.data.bands
        rgb = [bands.index(name) if name in bands else None for name in ("red", "green", "blue")]
        load_encoder(network, read_weights(settings.encoder_weights), rgb)
    if settings.start:
        start = load_bundle(settings.start)
        try:
            network.load_state_dict(start.float_weights())
        except RuntimeError as error:
            raise GeoshipsError(f"network.start: the weights of {settings.start} are of another network") from error
    return network.to(memory_format=torch.channels_last)


def _trainer(config: TrainConfig, out: Path, data: ShipData, quiet: bool) -> lightning.Trainer:
    run = config.run
    if run.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("run.device is cuda, and this machine has none; set run.device=cpu")
    cuda = run.device != "cpu" and torch.cuda.is_available()
    return lightning.Trainer(
        default_root_dir=out,
        accelerator="gpu" if cuda else "cpu",
        devices=run.devices if cuda else 1,
        precision=_precision(run, cuda),  # type: ignore[arg-type]
        max_epochs=run.epochs,
        accumulate_grad_batches=run.accumulate,
        gradient_clip_val=run.clip or None,
        use_distributed_sampler=False,  # the epoch's crops are shared out by their own sampler
        num_sanity_val_steps=0,
        logger=_loggers(out),
        callbacks=list(_callbacks(config, out, data)),
        log_every_n_steps=10,
        enable_progress_bar=not quiet,
        enable_model_summary=False,
    )


def _precision(run: Run, cuda: bool) -> str:
    if run.precision != "auto":
        return PRECISIONS[run.precision]
    fast = has_fast_bf16(torch.device("cuda" if cuda else "cpu"))
    return PRECISIONS["bf16" if fast else "fp32"]


def _loggers(out: Path) -> list[Logger]:
    """Logs of this part of the run: one that goes on after a stop keeps those of the part before."""
    part = f"part-{len(list((out / 'logs').glob('part-*'))) + 1}"
    return [CSVLogger(out, name="logs", version=part), TensorBoardLogger(out, name="logs", version=part)]


def _callbacks(config: TrainConfig, out: Path, data: ShipData) -> Iterator[Callback]:
    run = config.run
    if run.ema:
        yield WeightAveraging(multi_avg_fn=get_ema_multi_avg_fn(run.ema))  # type: ignore[no-untyped-call]
    folder = out / "checkpoints"
    yield ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    if data.validated:
        yield ModelCheckpoint(folder, filename="best", monitor="val_iou", mode="max", enable_version_counter=False)
    if run.early_stopping and data.validated:
        yield EarlyStopping(
            "val_iou", mode="max", patience=run.early_stopping.patience, min_delta=run.early_stopping.min_delta
        )
    if run.pictures and data.validated:
        yield ValidationPictures(run.pictures)


def _kept(config: TrainConfig, out: Path) -> tuple[dict[str, torch.Tensor], float]:
    """The weights that make the bundle, and their best threshold."""
    best = out / "checkpoints" / "best.ckpt"
    path = best if config.run.keep == "best" and best.exists() else out / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)  # our own file, of this run
    prefix = "network."
    weights = {
        name.removeprefix(prefix): value for name, value in checkpoint["state_dict"].items() if name.startswith(prefix)
    }
    return weights, float(checkpoint["best_threshold"])


def _halo(network: nn.Module, data: ShipData) -> int:
    """Measure the halo on pictures of the scenes that were trained on."""
    size = 2 * (HALO_CUT + 256) + 64
    images: list[NDArray[np.float32]] = []
    for scene in data.train_scenes[:HALO_PICTURES]:
        rows, columns = (round(size / scale) for scale in scene.scale)
        whole = scene.scene.window
        window = Window((whole.height - rows) // 2, (whole.width - columns) // 2, rows, columns)
        images.append(data.recipe.apply(at_size(*scene.sample(window), size)[0]))
    return measure_halo(network, images, HALO_CUT)


def make_card(config: TrainConfig, data: ShipData, network: nn.Module, *, halo: int, threshold: float) -> Card:
    """The card of a trained network."""
    settings, recipe = config.bundle, data.recipe
    groups = sorted({scene.group for scene in data.train_scenes})
    return Card.model_validate(
        {
            "mlm:name": config.name,
            "description": settings.description,
            "license": settings.licence,
            "mlm:architecture": f"{config.network.decoder} over {config.network.encoder}",
            "mlm:total_parameters": sum(parameter.numel() for parameter in network.parameters()),
            "mlm:input": [_card_input(recipe)],
            "mlm:output": [{"classification:classes": [{"value": 1, "name": "ship", "description": "a vessel"}]}],
            "gsd": config.data.gsd,
            "geoships:gsd_range": config.data.gsd_range,
            "geoships:threshold": threshold,
            "geoships:halo": halo,
            "geoships:step": _step(network),
            "geoships:network": {
                "decoder": config.network.decoder,
                "encoder": config.network.encoder,
                "options": config.network.options,
            },
            "geoships:training_data": [*settings.training_data, {"groups": groups}],
            "geoships:training": config.model_dump(mode="json", exclude=NOT_IN_CARD),
        }
    )


def _card_input(recipe: Recipe) -> dict[str, Any]:
    return {
        "bands": recipe.bands,
        "input": {"shape": (-1, len(recipe.bands), -1, -1)},
        "value_scaling": [{"mean": mean, "stddev": std} for mean, std in zip(recipe.mean, recipe.std, strict=True)],
        "pre_processing_function": {"expression": recipe.transform},
    }


def _step(network: nn.Module) -> int:
    """Pixels that the deepest level of an smp network turns into one."""
    return int(network.get_submodule("encoder").output_stride)  # type: ignore[arg-type]


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Hide Lightning's reports of hardware, and advice that does not apply: crops are made as fast as they are used."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", ".*does not have many workers")
            warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty")
            warnings.filterwarnings("ignore", ".*smaller than the logging interval")
            yield
    finally:
        logger.setLevel(level)
