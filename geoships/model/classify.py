"""Scores of chips: small images that a classifier scores as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.engines.base import run
from geoships.model.engines.device import Device, choose_device
from geoships.scene.tiles import Sample
from geoships.scene.tiling.resample import resample


def classify(
    bundle: Bundle,
    chips: Iterable[NDArray[np.float32]],
    *,
    batch_size: int = 64,
    device: str | Device = "auto",
    bf16: bool = False,
    views: Literal[1, 2, 4, 8] = 8,
) -> NDArray[np.float32]:
    """Score chips with a classifier.

    Args:
        bundle: A classifier of chips.
        chips: Reflectance from 0 to 1, (bands, rows, columns) with the bands in the bundle's order. Chips of another
            size are resampled to the bundle's.
        batch_size: Number of chips in a batch.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        bf16: Compute in bfloat16.
        views: Test-time augmentation: the score is the mean over this number of rotations and mirror images of a chip.

    Returns:
        Scores from 0 to 1, (chips,), in their order.

    Raises:
        BundleError: The bundle is not a classifier, or a chip has other bands.
        DeviceError: There is no such device.
    """
    bundle.require_classifier()
    from geoships.model.engines.torch import TorchEngine

    where = choose_device(device) if isinstance(device, str) else device
    engine = TorchEngine(bundle, device=where, bf16=bf16, batch_size=batch_size, views=views)
    return np.array([score for _, score in run(engine, _resized_samples(bundle, chips))], np.float32)


def _resized_samples(bundle: Bundle, chips: Iterable[NDArray[np.float32]]) -> Iterator[Sample]:
    _, bands, rows, columns = bundle.card.input.input.shape
    for number, chip in enumerate(chips):
        if chip.ndim != 3 or len(chip) != bands or chip.dtype.kind != "f":
            raise BundleError(
                f"chip {number}: {bundle.card.name} expects floats of {', '.join(bundle.card.bands)} as "
                f"(bands, rows, columns), got {chip.dtype} {chip.shape}"
            )
        resized = np.stack([resample(np.ascontiguousarray(band, np.float32), (rows, columns)) for band in chip])
        yield {"image": resized}
