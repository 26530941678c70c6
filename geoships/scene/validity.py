"""Which pixels of a raster have data: the one rule for scenes, labels, pictures and chips.

A file tells validity in several ways, and may use more than one: a mask of its own or beside it, alpha bands at any
place, nodata values of all or of some bands, and numbers that are not finite. All of them hold at once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import MaskFlags
from rasterio.windows import Window as RasterioWindow

from geoships.scene.bands import describe_bands


@dataclass(frozen=True)
class Validity:
    """How a file marks pixels without data, for some of its bands.

    Attributes:
        masks: Bands (from 1) whose masks are read: one for a mask of the whole file, several for masks of bands.
        alphas: Alpha bands (from 1) of the file.
        nodata: Nodata value of each selected band; None if it has none that its data type can hold.
        dtypes: Data type of each selected band.
        shared: Nodata value that applies where no selected band has one: the one value of all other bands that have
            one; None if there is none.
    """

    masks: tuple[int, ...]
    alphas: tuple[int, ...]
    nodata: tuple[float | None, ...]
    dtypes: tuple[str, ...]
    shared: float | None = None

    @classmethod
    def of(cls, dataset: rasterio.DatasetReader, indexes: Sequence[int]) -> Validity:
        """Read the mask flags, alpha bands and nodata values of an open dataset.

        Args:
            dataset: The open dataset.
            indexes: Band numbers, from 1.

        Returns:
            How it marks pixels without data.
        """
        stated = [stored_nodata(*band) for band in zip(dataset.nodatavals, dataset.dtypes, strict=True)]
        others = {value for value in stated if value is not None}
        return cls(
            masks=_mask_bands(dataset, indexes),
            alphas=tuple(band.index for band in describe_bands(dataset) if band.is_alpha),
            nodata=tuple(stated[index - 1] for index in indexes),
            dtypes=tuple(dataset.dtypes[index - 1] for index in indexes),
            shared=others.pop() if len(others) == 1 else None,
        )

    def mask(
        self, dataset: rasterio.DatasetReader, values: NDArray[np.generic], area: RasterioWindow | None = None
    ) -> NDArray[np.bool_]:
        """Compute which pixels are valid.

        A pixel is invalid if a mask or an alpha band of the file is 0 there, if any band is not finite, if any band
        holds a nodata value that cannot be a measurement, or if all bands with a nodata value hold theirs. Values that
        can also be measurements are 0 and the largest number of an unsigned data type: black and white.

        Args:
            dataset: The open dataset, from which its masks are read.
            values: Stored values of the selected bands, shape (bands, rows, columns).
            area: The window of `values`; None: the whole dataset. If it has more pixels than `values`, masks are
                resampled.

        Returns:
            Validity, shape (rows, columns) of `values`.
        """
        shape = values.shape[1:]
        valid: NDArray[np.bool_] = np.ones(shape, np.bool_)
        for index in self.masks:
            valid &= dataset.read_masks(index, window=area, out_shape=shape) > 0
        for index in self.alphas:
            valid &= dataset.read(index, window=area, out_shape=shape) > 0
        if values.dtype.kind == "f":
            valid &= np.isfinite(values).all(axis=0)
        return valid & ~self._without_data(values)

    @property
    def fill_is_valid(self) -> bool:
        """Whether pixels that were never written are valid: they hold the nodata value of their band, or else 0."""
        fill = [0.0 if value is None else value for value in self.nodata]
        values = [np.array([[value]]).astype(dtype) for value, dtype in zip(fill, self.dtypes, strict=True)]
        finite = all(bool(np.isfinite(value)) for value in fill)
        return finite and not self._without_data(np.stack(values)).all()

    def _without_data(self, values: NDArray[np.generic]) -> NDArray[np.bool_]:
        """Where the bands hold their nodata values, shape (rows, columns)."""
        missing = np.zeros(values.shape[1:], np.bool_)
        black: list[NDArray[np.bool_]] = []  # of values that can also be measurements: all bands have to hold them
        stated = any(value is not None for value in self.nodata)
        for band, own, dtype in zip(values, self.nodata, self.dtypes, strict=True):
            value = own if stated else stored_nodata(self.shared, dtype)
            if value is None or not math.isfinite(value):  # numbers that are not finite are invalid anyway
                continue
            held = np.asarray(band == value)
            if _is_measurable(value, dtype):
                black.append(held)
            else:
                missing |= held
        return missing | np.logical_and.reduce(black) if black else missing


def stored_nodata(value: float | None, dtype: str) -> float | None:
    """A nodata value as the data type stores it.

    Args:
        value: Nodata value that a file declares; None if it declares none.
        dtype: Data type of the band.

    Returns:
        The value; None if the data type cannot hold it, so that no pixel has it.

    >>> stored_nodata(-9999.0, "uint16"), stored_nodata(0.0, "uint16"), stored_nodata(1e39, "float32")
    (None, 0.0, None)
    """
    if value is None or np.dtype(dtype).kind not in "iuf":
        return None
    kind = np.dtype(dtype)
    if kind.kind == "f":
        limit = float(np.finfo(kind).max)
        if math.isfinite(value) and abs(value) > limit * (1 + 1e-6):  # -3.4e38 may be written with fewer digits
            return None
        return float(kind.type(np.clip(value, -limit, limit))) if math.isfinite(value) else float(value)
    if not math.isfinite(value) or value != int(value):
        return None
    return value if np.iinfo(kind).min <= value <= np.iinfo(kind).max else None


def _is_measurable(value: float, dtype: str) -> bool:
    """Whether a nodata value may also be a measurement: 0, or the saturation of an unsigned data type."""
    kind = np.dtype(dtype)
    return value == 0 or (kind.kind == "u" and value == np.iinfo(kind).max)


def _mask_bands(dataset: rasterio.DatasetReader, indexes: Sequence[int]) -> tuple[int, ...]:
    """Bands whose masks have to be read; masks that GDAL derives from alpha bands or nodata values are not."""
    found = []
    for index in indexes:
        flags = dataset.mask_flag_enums[index - 1]
        if MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags:
            return (index,)
        if not flags:  # a mask of this band alone
            found.append(index)
    return tuple(found)
