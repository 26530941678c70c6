"""Scores of chips: small pictures, whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from geoships.errors import BundleError
from geoships.model.bundle import Bundle
from geoships.model.engines.base import run
from geoships.model.engines.device import choose_device
from geoships.model.engines.torch import TorchEngine
from geoships.scene.tiles import Sample
from geoships.scene.tiling.resample import resample


def classify(
    bundle: Bundle,
    chips: Iterable[NDArray[np.float32]],
    *,
    batch_size: int = 64,
    device: str | torch.device = "auto",
    bf16: bool = False,
    views: Literal[1, 2, 4, 8] = 8,
) -> NDArray[np.float32]:
    """Scores from 0 to 1 of chips, in their order.

    bundle: a classifier of chips. chips: arrays (bands, rows, columns) in the bundle's order of bands, 0 to 1 as
    reflectance; those of another size are brought to the bundle's. batch_size: chips computed at a time.
    device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``. bf16: compute in bfloat16.
    views: the score is the mean over so many of the eight ways to turn and mirror a chip.
    Raises BundleError where the bundle is no classifier or a chip has other bands.
    """
    bundle.require_classifier()
    where = choose_device(device) if isinstance(device, str) else device
    engine = TorchEngine(bundle, device=where, bf16=bf16, batch_size=batch_size, views=views)
    return np.array([score for _, score in run(engine, _samples(bundle, chips))], np.float32)


def _samples(bundle: Bundle, chips: Iterable[NDArray[np.float32]]) -> Iterator[Sample]:
    _, bands, rows, columns = bundle.card.input.input.shape
    for number, chip in enumerate(chips):
        if chip.ndim != 3 or len(chip) != bands or chip.dtype.kind != "f":
            raise BundleError(
                f"chip {number} is {chip.dtype} {chip.shape}; {bundle.card.name} takes floats of "
                f"{', '.join(bundle.card.bands)} as (bands, rows, columns)"
            )
        sized = np.stack([resample(np.ascontiguousarray(band, np.float32), (rows, columns)) for band in chip])
        yield {"image": torch.from_numpy(sized)}
