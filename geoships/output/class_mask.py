"""Write the mask of several classes as a Cloud Optimized GeoTIFF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetWriter

from geoships.output.class_choice import choose_class
from geoships.output.classes import ObjectClass
from geoships.output.raster import WATER_COLOUR, RasterSink
from geoships.scene.georeference import Georeference


class ClassMaskSink(RasterSink):
    """The mask of several classes: the value of each pixel's class, 0 where it has none, 255 (nodata) without data.

    Args:
        path: The GeoTIFF.
        georeference: Of the scene.
        classes: The classes, in the order of the row bands.
        thresholds: Minimum score of each class.
        exclusive: See `choose_class`.
        metadata: Tags of the file.
    """

    description = "class"
    overview_resampling = "nearest"

    def __init__(
        self,
        path: Path,
        georeference: Georeference,
        classes: Sequence[ObjectClass],
        thresholds: Sequence[float],
        metadata: Mapping[str, str] | None = None,
        *,
        exclusive: bool,
    ) -> None:
        super().__init__(path, georeference, metadata)
        self._classes, self._thresholds, self._exclusive = tuple(classes), tuple(thresholds), exclusive
        self._values = np.array([*(found.value for found in self._classes), 0], np.uint8)  # NONE: the last

    def _encode(self, scores: NDArray[np.float32], *others: NDArray[np.float32]) -> NDArray[np.uint8]:
        chosen = choose_class(np.stack((scores, *others)), self._thresholds, exclusive=self._exclusive)
        return np.asarray(self._values[chosen])

    def _describe(self, rows: DatasetWriter) -> None:
        super()._describe(rows)
        rows.write_colormap(1, {0: WATER_COLOUR, **{found.value: found.rgb for found in self._classes}})
        rows.update_tags(1, **{f"CLASS_{found.value}": found.name for found in self._classes})
