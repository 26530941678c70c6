"""Stored values of bands whose data types may differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader


def read_stored(dataset: DatasetReader, indexes: Sequence[int], **options: Any) -> NDArray[Any]:
    """Read bands of a raster, whose data types may differ.

    Args:
        dataset: The open dataset.
        indexes: Band numbers, from 1.
        **options: Options of ``DatasetReader.read``, such as `window` and `out_shape` (bands, rows, columns).

    Returns:
        Stored values, shape (bands, rows, columns), in the smallest data type that holds the values of all bands.
    """
    dtypes = [np.dtype(dataset.dtypes[index - 1]) for index in indexes]
    if len(set(dtypes)) == 1:
        return np.asarray(dataset.read(list(indexes), **options))
    shape = options.pop("out_shape", None)
    if shape is not None:
        options["out_shape"] = tuple(shape)[-2:]
    common = np.result_type(*dtypes)
    return np.stack([dataset.read(index, **options).astype(common) for index in indexes])
