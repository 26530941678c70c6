"""The task: what one step of training and of validation is."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import nn
from torchmetrics.classification import BinaryJaccardIndex, BinaryPrecisionRecallCurve

from geoships.config.train import Optimiser, Schedule
from geoships.scene.labels import IGNORED
from geoships.training.losses import WeightedLoss
from geoships.training.optimisers import make_optimiser, make_schedule

Batch = dict[str, torch.Tensor]
THRESHOLDS = 99  # 0.01 to 0.99


class Segmentation(lightning.LightningModule):
    """Trains a network that maps normalised images (n, bands, rows, columns) to logits (n, 1, rows, columns).

    Logs `train_loss`, and for the validation data `val_loss` and `val_iou` (at a score of 0.5).
    `best_threshold` is the one with the greatest IoU on the validation data; 0.5 without any.
    """

    def __init__(self, network: nn.Module, loss: WeightedLoss, optimiser: Optimiser, schedule: Schedule) -> None:
        super().__init__()
        self.network = network
        self.best_threshold = 0.5
        self._loss, self._optimiser, self._schedule = loss, optimiser, schedule
        self._iou = BinaryJaccardIndex(ignore_index=IGNORED)
        steps = torch.linspace(0.01, 0.99, THRESHOLDS)
        self._curve = BinaryPrecisionRecallCurve(thresholds=steps, ignore_index=IGNORED)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of a batch of normalised images."""
        logits: torch.Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return logits

    def training_step(self, batch: Batch, _: int) -> torch.Tensor:
        """One step of training."""
        loss: torch.Tensor = self._loss(self(batch["image"]), batch["mask"])
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=len(batch["image"]))
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """One step of validation."""
        logits, mask = self(batch["image"]).float(), batch["mask"]
        self.log("val_loss", self._loss(logits, mask), batch_size=len(mask), sync_dist=True)
        scores, truth = logits.sigmoid(), mask.long()
        self._iou.update(scores, truth)
        self._curve.update(scores, truth)
        self.log("val_iou", self._iou, on_step=False, on_epoch=True, prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """Find the threshold with the greatest IoU: 1 / (1 / precision + 1 / recall - 1)."""
        precision, recall, thresholds = self._curve.compute()
        iou = 1 / (1 / precision[:-1].clamp(1e-9) + 1 / recall[:-1].clamp(1e-9) - 1)
        self.best_threshold = round(float(thresholds[iou.argmax()]), 2)
        self._curve.reset()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the threshold with the weights."""
        checkpoint["best_threshold"] = self.best_threshold

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the threshold back with the weights."""
        self.best_threshold = checkpoint["best_threshold"]

    def configure_optimizers(self) -> Any:
        """Make the optimiser, and the schedule that moves at each step."""
        optimiser = make_optimiser(self.network.parameters(), self._optimiser)
        schedule = make_schedule(optimiser, self._schedule, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
