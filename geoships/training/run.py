"""What every training has in common: its trainer, and the weights that are kept of it."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from torch.optim.swa_utils import get_ema_multi_avg_fn

from geoships.config.training import EpochRun, Run
from geoships.errors import DeviceError
from geoships.model.bundle import Bundle
from geoships.model.engines.device import Device, has_fast_bf16
from geoships.training.trackers import make_loggers

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        folder: Folder of the run.
        bundle: The model.
        amount: How much it was trained, such as ``12 epochs``.
        validation: Figures of the last validation.
    """

    folder: Path
    bundle: Bundle
    amount: str
    validation: dict[str, float]


@dataclass(frozen=True)
class Monitor:
    """The validation figure that says which weights are best, and whether more or less of it is better."""

    name: str
    mode: Literal["min", "max"]


def make_trainer(
    run: EpochRun,
    out: Path,
    monitor: Monitor | None,
    *,
    seed: int,
    quiet: bool = False,
) -> lightning.Trainer:
    """The trainer of a classifier's run; monitor: None without validation data."""
    return lightning.Trainer(
        default_root_dir=out,
        **hardware(run),
        max_epochs=run.epochs,
        accumulate_grad_batches=run.accumulate,
        gradient_clip_val=run.clip or None,
        use_distributed_sampler=False,  # what an epoch shows is shared out by its own sampler
        num_sanity_val_steps=0,
        limit_val_batches=1.0 if monitor else 0,
        logger=make_loggers(run, out),
        callbacks=list(_callbacks(run, out, monitor, seed)),
        log_every_n_steps=10,
        enable_progress_bar=not quiet,
        enable_model_summary=False,
    )


def hardware(run: Run) -> dict[str, Any]:
    """Arguments of Lightning for device and precision. Raises DeviceError where there is no such device."""
    if run.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("run.device is cuda, and this machine has none; set run.device=cpu")
    cuda = run.device != "cpu" and torch.cuda.is_available()
    return {
        "accelerator": "gpu" if cuda else "cpu",
        "devices": run.devices if cuda else 1,
        "precision": _precision(run, cuda),
    }


def _precision(run: Run, cuda: bool) -> str:
    if run.precision != "auto":
        return PRECISIONS[run.precision]
    fast = has_fast_bf16(Device("cuda" if cuda else "cpu"))
    return PRECISIONS["bf16" if fast else "fp32"]


def _callbacks(run: EpochRun, out: Path, monitor: Monitor | None, seed: int) -> Iterator[Callback]:
    yield EpochSeed(seed)
    if run.ema:
        yield WeightAveraging(multi_avg_fn=get_ema_multi_avg_fn(run.ema))  # type: ignore[no-untyped-call]
    folder = out / "checkpoints"
    yield ModelCheckpoint(folder, filename="last", save_on_train_epoch_end=True, enable_version_counter=False)
    if not monitor:
        return
    yield ModelCheckpoint(
        folder, filename="best", monitor=monitor.name, mode=monitor.mode, enable_version_counter=False
    )
    if run.early_stopping:
        patience, least = run.early_stopping.patience, run.early_stopping.min_delta
        yield EarlyStopping(monitor.name, mode=monitor.mode, patience=patience, min_delta=least)


class EpochSeed(Callback):
    """Starts the random numbers of each epoch afresh (dropout, stochastic depth), wherever the run was resumed."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """Seed torch by the run, the epoch and the device."""
        torch.manual_seed(self._seed * 100_003 + trainer.current_epoch * 1_009 + trainer.global_rank)


def kept_weights(run: EpochRun, out: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The weights of `network` that make the bundle, and the whole checkpoint that they are from."""
    best = out / "checkpoints" / "best.ckpt"
    path = best if run.keep == "best" and best.exists() else out / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(path, map_location="cpu", weights_only=False)  # our own file, of this run
    prefix = "network."
    weights = {
        name.removeprefix(prefix): value for name, value in checkpoint["state_dict"].items() if name.startswith(prefix)
    }
    return weights, checkpoint


def validation_figures(task: lightning.LightningModule, chips: Iterable[Any]) -> dict[str, float]:
    """The validation figures of a classifier by name.

    Args:
        task: The classifier, on the CPU.
        chips: Batches of the validation chips.
    """
    trainer = lightning.Trainer(
        accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    (figures,) = trainer.validate(task, chips, verbose=False)
    return {str(name): float(value) for name, value in figures.items()}


@contextmanager
def reproducible(seed: int) -> Iterator[None]:
    """Seed all random numbers, and let torch choose algorithms that give the same numbers each time; undone at the end.

    Args:
        seed: Of the run.
    """
    lightning.seed_everything(seed, verbose=False)
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    settings: Any = torch.utils.deterministic  # its one setting is made at run time, so that no checker knows it
    filled = settings.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    settings.fill_uninitialized_memory = False  # a guard against bugs that costs time
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        settings.fill_uninitialized_memory = filled


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Hide Lightning's reports of hardware, and advice that does not apply: crops are made as fast as they are used."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*LeafSpec.* is deprecated", FutureWarning)
            warnings.filterwarnings("ignore", ".*does not have many workers")
            warnings.filterwarnings("ignore", ".*Checkpoint directory .* exists and is not empty")
            warnings.filterwarnings("ignore", "Experiment logs directory .* exists and is not empty")
            warnings.filterwarnings("ignore", ".*smaller than the logging interval")
            warnings.filterwarnings("ignore", "The `srun` command is available")  # one process needs none
            yield
    finally:
        logger.setLevel(level)
