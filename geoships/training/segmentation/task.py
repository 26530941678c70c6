"""The task: what one step of training and of validation is."""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import nn
from torchmetrics.classification import BinaryJaccardIndex

from geoships.config.segmentation import Optimiser, Schedule
from geoships.scene.layers.labels import IGNORED, SHIP
from geoships.training.optimisers import make_optimiser, make_schedule
from geoships.training.segmentation.depthwise import Float32Depthwise
from geoships.training.segmentation.losses import WeightedLoss

Batch = dict[str, torch.Tensor]
BINS = 100  # of scores from 0 to 1, for the best threshold


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
        self._counts = torch.zeros(2, BINS)  # pixels without and with a ship, by score

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of a batch of normalised images."""
        with Float32Depthwise():
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
        scores = logits.sigmoid()
        self._iou.update(scores, mask.long())
        for kind, pixels in enumerate((mask == 0, mask == SHIP)):
            self._counts[kind] += torch.histc(scores[pixels].cpu(), BINS, 0, 1)
        self.log("val_iou", self._iou, on_step=False, on_epoch=True, prog_bar=True)

    def on_validation_epoch_end(self) -> None:
        """Find the threshold with the greatest IoU on the validation data."""
        gathered = self.all_gather(self._counts.to(self.device))
        assert isinstance(gathered, torch.Tensor)
        counts = gathered.reshape(-1, 2, BINS).sum(0).cpu()
        self.best_threshold = best_threshold(counts)
        self._counts.zero_()

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


def best_threshold(counts: torch.Tensor) -> float:
    """The score from which on a pixel is ship, so that the IoU is greatest; of several, the middle one.

    counts: (2, bins), pixels without and with a ship by score, in bins of one width from 0 to 1.

    >>> best_threshold(torch.tensor([[9.0, 1, 0, 0], [0, 0, 2, 3]]))
    0.5
    """
    above = counts.flip(1).cumsum(1).flip(1)[:, 1:]  # at thresholds 1 / bins, 2 / bins, ...
    iou = above[1] / (above[0] + counts[1].sum()).clamp(min=1)
    best = (iou == iou.max()).nonzero().flatten()
    return round((int(best[len(best) // 2]) + 1) / counts.shape[1], 2)
