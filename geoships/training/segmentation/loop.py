"""The training loop: steps over crops, validations, checkpoints; docs/decisions tells why it is not Lightning's."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from lightning.fabric import Fabric
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from numpy.typing import NDArray
from torch import nn

from geoships.config.segmentation import TrainConfig
from geoships.model.activation import class_scores
from geoships.model.card import Activation
from geoships.output.classes import rgb_of
from geoships.training.optimisers import make_optimiser, rate_factor
from geoships.training.segmentation.average import WeightAverage
from geoships.training.segmentation.checkpoint import load_checkpoint, save_checkpoint
from geoships.training.segmentation.crop_maker import Batch, CropMaker
from geoships.training.segmentation.data import TrainingData
from geoships.training.segmentation.depthwise import Float32Depthwise
from geoships.training.segmentation.feed import Feed
from geoships.training.segmentation.losses import WeightedLoss
from geoships.training.segmentation.progress import ProgressLine
from geoships.training.segmentation.validation_counts import ClassCounts, mean_iou
from geoships.training.segmentation.validation_images import WHITE, example_image

LAST, BEST = "last.ckpt", "best.ckpt"


@dataclass
class State:
    """How far a training is, beside its weights.

    Attributes:
        step: Steps that are done.
        seconds: Time that it has run for, over all its parts.
        best: Best IoU on the validation data; below 0: none yet.
        stale: Validations since then.
        stopped: Whether early stopping has ended it.
        threshold: Threshold with the greatest IoU at the last validation, of the first class.
        thresholds: The same of each class.
        figures: Figures of the last validation.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    stale: int = 0
    stopped: bool = False
    threshold: float = 0.5
    thresholds: list[float] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)


class Training:
    """One training of a segmentation network.

    Args:
        config: Settings.
        network: Maps normalised images (n, bands, rows, columns) to logits (n, classes, rows, columns).
        data: Crops and validation data.
        fabric: Devices and precision.
        folder: Of the checkpoints.
        loggers: Get the figures.
        line: Tells how far the training is.
    """

    def __init__(
        self,
        config: TrainConfig,
        network: nn.Module,
        data: TrainingData,
        *,
        fabric: Fabric,
        folder: Path,
        loggers: Sequence[Logger],
        line: ProgressLine,
    ) -> None:
        self._config, self._run, self._data, self._fabric = config, config.run, data, fabric
        self._folder, self._loggers, self._line = folder, loggers, line
        weights = {str(name): weight for name, weight in config.loss.items()}
        self._activation: Activation = config.data.activation if config.data.classes else "sigmoid"
        self._loss = WeightedLoss(weights, config.pixels.ship, self._activation)
        self._plain, optimiser = network, make_optimiser(network.parameters(), config.optimiser)
        self._network, self._optimiser = fabric.setup(network, optimiser)
        self.average = WeightAverage(network, config.run.ema)
        self._maker = CropMaker(data.atlas.to(fabric.device), data.recipe, config)
        self._recent: list[torch.Tensor] = []
        self.state = State()

    @property
    def crops(self) -> int:
        """Crops that are done."""
        return self.state.step * self._per_step

    @property
    def done(self) -> float:
        """Part of the budget that is spent, 0 to 1."""
        if self._run.hours is None:
            return min(1.0, self.crops / self._run.crops)
        return min(1.0, float(self._fabric.broadcast(self.state.seconds)) / (self._run.hours * 3600))

    @property
    def _per_step(self) -> int:
        return self._run.batch_size * self._run.accumulate * self._fabric.world_size

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one. Raises GeoshipsError where it cannot be read."""
        path = self._folder / LAST
        if not path.exists():
            return
        saved = load_checkpoint(path)
        self._plain.load_state_dict(saved["network"])
        self._optimiser.load_state_dict(saved["optimiser"])
        self.average.load(saved["average"])
        self._fabric.strategy.precision.load_state_dict(saved["precision"])
        self.state = State(**saved["state"])

    def train(self) -> None:
        """Train until the budget is spent or early stopping ends it.

        Raises:
            KeyboardInterrupt: If the process is asked to stop; a checkpoint is written first.
        """
        self._plain.train()
        first = self.state.step * self._run.accumulate
        with stop_requests() as received:
            with Feed(self._batch, self._run.workers, first) as feed:
                batches, saved, clock = iter(feed), time.monotonic(), time.monotonic()
                while self.done < 1 and not self.state.stopped and not received:
                    self._step(batches)
                    now = time.monotonic()
                    self.state.seconds, clock = self.state.seconds + now - clock, now
                    self._report()
                    if self._due():
                        self.validate()
                        self._plain.train()
                    if now - saved >= self._run.checkpoint_minutes * 60:
                        self.save()
                        saved = time.monotonic()
            self.save()
        if received:
            raise KeyboardInterrupt

    def save(self) -> None:
        """Write a checkpoint."""
        state = {
            "network": self._plain.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "average": self.average.weights(),
            "precision": self._fabric.strategy.precision.state_dict(),
            "state": asdict(self.state),
        }
        if self._fabric.is_global_zero:
            save_checkpoint(self._folder / LAST, state)
            for logger in self._loggers:
                logger.save()

    def _batch(self, number: int) -> Batch:
        """Batch `number` of this device."""
        size = self._run.batch_size
        first = (number * self._fabric.world_size + self._fabric.global_rank) * size
        return self._maker.make(range(first, first + size))

    def _step(self, batches: Iterator[Batch]) -> None:
        """Change the weights once."""
        state, run = self.state, self._run
        rate = self._config.optimiser.rate * rate_factor(self._config.schedule, self.done)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        # Dropout and stochastic depth draw the same numbers in this step wherever the run was resumed.
        torch.manual_seed((self._config.seed * 1_000_003 + state.step) * 1_009 + self._fabric.global_rank)
        for part in range(run.accumulate):
            batch = next(batches)
            partial = part < run.accumulate - 1
            with self._fabric.no_backward_sync(self._network, partial) if partial else nullcontext():
                with Float32Depthwise():
                    logits = self._network(batch["image"])
                loss = self._loss(logits.float(), batch["mask"], batch["weight"])
                self._fabric.backward(loss / run.accumulate)
            self._recent.append(loss.detach())
        if run.clip:
            self._fabric.clip_gradients(self._network, self._optimiser, max_norm=run.clip, error_if_nonfinite=False)
        self._optimiser.step()
        self._optimiser.zero_grad()
        state.step += 1
        self.average.update(state.step)

    def _report(self) -> None:
        """Log the loss of the last steps, and say how far the training is."""
        if self.state.step % self._run.log_every and self.done < 1:
            return
        loss = float(torch.stack(self._recent).mean())
        self._recent.clear()
        rate = float(self._optimiser.param_groups[0]["lr"])
        speed = self._line.speed(self.crops)
        self._log({"train_loss": loss, "rate": rate, "crops": self.crops, "crops_per_second": speed})
        self._line.show(self.done, self.crops, self.state.seconds, loss, self.state.figures)

    def _due(self) -> bool:
        """Whether a validation is due after the last step."""
        if self._data.validation is None:
            return False
        every = self._run.validate_every
        return self.done >= 1 or self.crops // every > (self.crops - self._per_step) // every

    @torch.inference_mode()
    def validate(self) -> None:
        """Validate the averaged weights; keep them if they are the best so far."""
        network = deepcopy(self._plain)
        network.load_state_dict(self.average.weights())
        network.eval()
        losses, measured = [], [ClassCounts() for _ in self._config.data.targets]
        examples: list[NDArray[np.uint8]] = []
        classes = self._config.data.classes
        colours = [rgb_of(target.colour) for target in classes] or [WHITE]
        for batch in self._data.validation_batches():
            images = batch["image"].to(self._fabric.device).contiguous(memory_format=torch.channels_last)
            with self._fabric.autocast(), Float32Depthwise():
                logits = network(images).float().cpu()
            losses.append(self._loss(logits, batch["mask"]))
            scores = class_scores(logits, self._activation)
            for kind, own in enumerate(measured):
                own.feed(scores[:, kind], batch["mask"][:, kind])
            for image, mask, score in zip(batch["image"], batch["mask"], scores, strict=True):
                if len(examples) < self._run.pictures:
                    examples.append(example_image(image.numpy(), mask.numpy(), score.numpy(), colours))
        self._record(float(torch.stack(losses).mean()), measured)
        self._show(examples)

    def _record(self, loss: float, measured: Sequence[ClassCounts]) -> None:
        """Take in the figures of a validation, given the counts of each class."""
        state, stopping = self.state, self._run.early_stopping
        iou = mean_iou(measured)
        state.figures = {"val_loss": loss, "val_iou": iou}
        for target, own in zip(self._config.data.classes, measured, strict=False):
            state.figures[f"val_iou_{target.name}"] = own.iou
        state.thresholds = [own.threshold for own in measured]
        state.threshold = state.thresholds[0]
        self._log(state.figures)
        state.stale = 0 if iou > state.best + (stopping.min_delta if stopping else 0) else state.stale + 1
        state.stopped = stopping is not None and state.stale >= stopping.patience
        if iou > state.best:
            state.best = iou
            if self._fabric.is_global_zero:
                best = {
                    "weights": self.average.weights(), "thresholds": state.thresholds, "step": state.step,
                    "figures": state.figures,
                }  # fmt: skip
                save_checkpoint(self._folder / BEST, best)

    def _log(self, figures: dict[str, float]) -> None:
        for logger in self._loggers:
            logger.log_metrics(figures, self.state.step)

    def _show(self, examples: Sequence[NDArray[np.uint8]]) -> None:
        for logger in self._loggers:
            if isinstance(logger, TensorBoardLogger) and examples:
                logger.experiment.add_images(
                    "image, label, score", np.stack(examples), self.state.step, dataformats="NHWC"
                )


@contextmanager
def stop_requests() -> Iterator[list[int]]:
    """Hold back Ctrl-C and SIGTERM until the end of the block, so that a step is finished first.

    A second one is not held back. Elsewhere than in the main thread, where signals cannot be caught, nothing happens.

    Yields:
        The numbers of the signals that have been received.
    """
    received: list[int] = []
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    ours = [number for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)]
    if threading.current_thread() is not threading.main_thread():
        ours = []

    def request(number: int, _: object) -> None:
        received.append(number)
        signal.signal(number, handlers[signal.Signals(number)])

    for number in ours:
        signal.signal(number, request)
    try:
        yield received
    finally:
        for number in ours:
            signal.signal(number, handlers[number])
    if received:
        signal.raise_signal(received[0])
