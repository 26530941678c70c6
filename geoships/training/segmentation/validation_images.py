"""Example pictures of the validation data, for TensorBoard."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import TensorBoardLogger
from numpy.typing import NDArray

from geoships.scene.layers.labels import IGNORED, SHIP


class ValidationPictures(Callback):
    """Logs the first validation images with their labels and scores, after each validation.

    count: number of pictures.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._pictures: list[NDArray[np.uint8]] = []

    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,  # noqa: ARG002 (Lightning names these)
        pl_module: lightning.LightningModule,
        outputs: Any,  # noqa: ARG002
        batch: dict[str, torch.Tensor],
        batch_idx: int,  # noqa: ARG002
        dataloader_idx: int = 0,  # noqa: ARG002
    ) -> None:
        """Draw the batch's images that are still wanted."""
        missing = self._count - len(self._pictures)
        if missing <= 0:
            return
        images, masks = batch["image"][:missing], batch["mask"][:missing]
        with torch.inference_mode():
            scores = pl_module(images).float().sigmoid()
        for image, mask, score in zip(images.cpu().numpy(), masks.cpu().numpy(), scores.cpu().numpy(), strict=True):
            self._pictures.append(picture(image, mask[0], score[0]))

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """Log what was drawn."""
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger) and self._pictures:
                logger.experiment.add_images(
                    "image, label, score", np.stack(self._pictures), trainer.global_step, dataformats="NHWC"
                )
        self._pictures = []


def picture(image: NDArray[np.float32], mask: NDArray[np.uint8], score: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Image, label and score side by side, (rows, 3 * columns, 3).

    image: (bands, rows, columns), normalised: -2 to 4 standard deviations are shown. mask: ships are white, what is
    ignored is grey. score: 0 to 1.
    """
    shown = image[[2, 1, 0]] if len(image) >= 3 else np.repeat(image[:1], 3, axis=0)
    colours = np.clip((shown.transpose(1, 2, 0) + 2) / 6, 0, 1) * 255
    label = np.select([mask == SHIP, mask == IGNORED], [255, 110], 0)
    panels = (colours, *(np.repeat(plane[..., None], 3, axis=2) for plane in (label, score * 255)))
    return np.concatenate(panels, axis=1).astype(np.uint8)
