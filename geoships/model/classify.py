"""Scores of chips: small pictures, whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.engine import Sample, TorchEngine, choose_device, run
from geoships.scene.resample import resample


def classify(
    bundle: Bundle,
    chips: Iterable[NDArray[np.float32]],
    *,
    batch_size: int = 64,
    device: str | torch.device = "auto",
    bf16: bool = False,
    views: Literal[1, 8] = 8,
) -> NDArray[np.float32]:
    """Scores from 0 to 1 of chips, in their order.

    bundle: a classifier of chips. chips: arrays (bands, rows, columns) in the bundle's order of bands, 0 to 1 as
    reflectance; those of another size are brought to the bundle's. batch_size: views computed at a time.
    device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. bf16: compute in bfloat16.
    views: 8: the mean score of the chip turned by all quarters and mirrored, which a ship does not care about.
    Raises BundleError where the bundle is no classifier or a chip has other bands.
    """
    bundle.require_classifier()
    where = choose_device(device) if isinstance(device, str) else device
    engine = TorchEngine(bundle, device=where, bf16=bf16, batch_size=batch_size)
    scores = np.array([score for _, score in run(engine, _samples(bundle, chips, views))], np.float32)
    return np.asarray(scores.reshape(-1, views).mean(axis=1), np.float32)


def _samples(bundle: Bundle, chips: Iterable[NDArray[np.float32]], views: int) -> Iterator[Sample]:
    _, bands, rows, columns = bundle.card.input.input.shape
    for number, chip in enumerate(chips):
        if chip.ndim != 3 or len(chip) != bands or chip.dtype.kind != "f":
            raise BundleError(
                f"chip {number} is {chip.dtype} {chip.shape}; {bundle.card.name} takes floats of "
                f"{', '.join(bundle.card.bands)} as (bands, rows, columns)"
            )
        sized = np.stack([resample(np.ascontiguousarray(band, np.float32), (rows, columns)) for band in chip])
        for view in range(views):
            turned = np.rot90(sized[:, :, ::-1] if view % 2 else sized, view // 2, (1, 2))
            yield {"image": torch.from_numpy(np.ascontiguousarray(turned))}
