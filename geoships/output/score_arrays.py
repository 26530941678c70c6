"""Scores and mask of a scene as arrays in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geoships.errors import OutputError
from geoships.output.raster import NODATA
from geoships.output.stitch import RowBand
from geoships.scene.georeference import Georeference

if TYPE_CHECKING:
    from xarray import DataArray


class ScoreArrays:
    """Collects row bands to arrays of a whole scene; 5 bytes a pixel.

    Args:
        height: Rows of the scene.
        width: Columns of the scene.
        threshold: Minimum score of a ship pixel.

    Attributes:
        scores: Scores, float32 (rows, columns), 0 to 1; NaN without data.
        mask: Ship mask, uint8 (rows, columns): 1 where the score is at least the threshold, 0 elsewhere, 255 without
            data.
    """

    def __init__(self, height: int, width: int, threshold: float) -> None:
        self._threshold = np.float32(threshold)
        self.scores: NDArray[np.float32] = np.full((height, width), np.nan, np.float32)
        self.mask: NDArray[np.uint8] = np.full((height, width), NODATA, np.uint8)

    def add(self, band: RowBand) -> None:
        """Add finished rows."""
        rows = slice(band.row, band.row_end)
        self.scores[rows] = np.where(band.valid, band.scores, np.float32(np.nan))
        self.mask[rows] = np.where(band.valid, band.scores >= self._threshold, NODATA)

    def as_data_arrays(self, georeference: Georeference, like: DataArray | None = None) -> tuple[DataArray, DataArray]:
        """Scores and mask as DataArrays, see `data_array`."""
        scores = data_array(self.scores, "scores", np.nan, georeference, like)
        return scores, data_array(self.mask, "mask", NODATA, georeference, like)


def require_rioxarray() -> None:
    """Check that arrays can be returned as DataArrays.

    Raises:
        OutputError: rioxarray is not installed.
    """
    try:
        import rioxarray  # noqa: F401 - adds `.rio`
    except ImportError as error:
        raise OutputError(
            "return_scores='xarray' needs rioxarray: install geoships with its extra, geoships[xarray]"
        ) from error


def data_array(
    values: NDArray[Any], name: str, nodata: float, georeference: Georeference, like: DataArray | None = None
) -> DataArray:
    """Make a DataArray of values on the grid of a scene, by the conventions of rioxarray.

    Args:
        values: Shape (rows, columns).
        name: Its name.
        nodata: Value of pixels without data.
        georeference: Of the scene.
        like: The scene, if it is a DataArray: its coordinates of rows and columns are taken, so that both align.

    Returns:
        The DataArray, with the dimensions y and x, or those of `like`.
    """
    import xarray

    down, across = ("y", "x") if like is None else (like.rio.y_dim, like.rio.x_dim)
    coordinates = {axis: like.coords[axis] for axis in (down, across) if like is not None and axis in like.coords}
    transform, placed = georeference.transform, georeference.placed
    if like is None and transform is not None and transform.is_rectilinear and not transform.b:
        rows, columns = (np.arange(size) + 0.5 for size in values.shape)
        coordinates = {down: transform.f + rows * transform.e, across: transform.c + columns * transform.a}
    array: DataArray = xarray.DataArray(values, coordinates, (down, across), name=name)
    array = array.rio.set_spatial_dims(across, down)
    if placed and georeference.crs is not None:
        array = array.rio.write_crs(georeference.crs)
    if transform is not None:
        array = array.rio.write_transform(transform)
    finished: DataArray = array.rio.write_nodata(nodata)
    return finished
