"""The task: what one step of a classifier's training and validation is."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import nn
from torchmetrics.classification import BinaryAccuracy, BinaryF1Score

from geoships.config.classification import ChipLoss
from geoships.config.training import Optimiser, Schedule
from geoships.training.classification.losses import chip_loss
from geoships.training.optimisers import make_optimiser, make_schedule

Batch = dict[str, torch.Tensor]


class Classification(lightning.LightningModule):
    """Trains a network that maps normalised chips (n, bands, rows, columns) to logits (n, 1).

    Logs `train_loss`, and for the validation data `val_loss`, `val_accuracy` and `val_f1` (at a score of 0.5).
    """

    def __init__(self, network: nn.Module, loss: ChipLoss, optimiser: Optimiser, schedule: Schedule) -> None:
        super().__init__()
        self.network = network
        self._loss, self._optimiser, self._schedule = loss, optimiser, schedule
        self._accuracy, self._f1 = BinaryAccuracy(), BinaryF1Score()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (n,) of a batch of normalised chips."""
        logits: torch.Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return logits[:, 0]

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """One step of training."""
        loss = chip_loss(self(batch["image"]), batch["label"], self._loss)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch["image"]))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """One step of validation."""
        logits, labels = self(batch["image"]).float(), batch["label"]
        self.log("val_loss", chip_loss(logits, labels, self._loss), batch_size=len(labels), sync_dist=True)
        for name, metric in (("val_accuracy", self._accuracy), ("val_f1", self._f1)):
            metric.update(logits.sigmoid(), labels)
            self.log(name, metric, on_step=False, on_epoch=True, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Make the optimiser, and the schedule that moves at each step."""
        optimiser = make_optimiser(self.network.parameters(), self._optimiser)
        schedule = make_schedule(optimiser, self._schedule, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
