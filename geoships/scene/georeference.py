"""Where a scene's pixels lie on Earth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import CRSError, ProjError
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS as RasterioCRS  # noqa: N811 (an acronym)
from rasterio.errors import CRSError as RasterioCRSError
from rasterio.io import DatasetReader
from rasterio.transform import GCPTransformer

WGS84 = Geod(ellps="WGS84")

Coordinates = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Georeference:
    """The grid of a scene and its place on Earth.

    Pixel coordinates are (column, row), counted from the upper left corner of the upper left pixel,
    whose centre is (0.5, 0.5).

    height, width: rows and columns of the scene.
    transform: affine from pixel coordinates to map coordinates; None where there is none.
    crs: of the map coordinates; None where it is not known.
    gcps: ground control points (map coordinates in `crs`), used where there is no transform.
    """

    height: int
    width: int
    transform: Affine | None = None
    crs: CRS | None = None
    gcps: tuple[GroundControlPoint, ...] = ()

    @property
    def placed(self) -> bool:
        """Whether pixels have a place on Earth: a known CRS and a way to its coordinates."""
        return self.crs is not None and (self.transform is not None or len(self.gcps) >= 3)

    @property
    def south_up(self) -> bool:
        """Whether the first row is the southernmost, in a scene whose rows are parallel to the x axis."""
        transform = self.transform
        return self.placed and transform is not None and transform.d == 0 and transform.a * transform.e > 0

    @cached_property
    def _gcp_transformer(self) -> GCPTransformer:
        return GCPTransformer(list(self.gcps))

    @cached_property
    def _to_lonlat(self) -> Transformer:
        return Transformer.from_crs(self.crs, 4326, always_xy=True)

    def to_map(self, columns: ArrayLike, rows: ArrayLike) -> Coordinates:
        """Map coordinates (x, y) in `crs` of pixel coordinates; pixel coordinates unchanged if not placed."""
        columns, rows = np.asarray(columns, np.float64), np.asarray(rows, np.float64)
        if not self.placed:
            return columns, rows
        if self.transform is not None:
            t = self.transform
            return t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f
        x, y = self._gcp_transformer.xy(rows.ravel(), columns.ravel(), offset="ul")
        return np.reshape(x, columns.shape), np.reshape(y, columns.shape)

    def to_pixel(self, x: ArrayLike, y: ArrayLike) -> Coordinates:
        """Pixel coordinates (column, row) of map coordinates; unchanged if not placed."""
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if not self.placed:
            return x, y
        if self.transform is not None:
            t = ~self.transform
            return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f
        rows, columns = self._gcp_transformer.rowcol(x.ravel(), y.ravel(), op=lambda value: value)
        return np.reshape(columns, x.shape), np.reshape(rows, x.shape)

    def to_lonlat(self, columns: ArrayLike, rows: ArrayLike) -> Coordinates:
        """WGS 84 longitude and latitude in degrees of pixel coordinates.

        Longitudes lie within -180 to 180. Points off the map projection come back as infinity.
        Call it on placed scenes only.
        """
        x, y = self.to_map(columns, rows)
        lon, lat = self._to_lonlat.transform(x, y)
        with np.errstate(invalid="ignore"):  # infinity has no remainder
            lon = np.where(np.isfinite(lon), (np.asarray(lon) + 180) % 360 - 180, lon)
        return lon, np.asarray(lat)

    def pixel_size(self) -> tuple[float, float] | None:
        """Size of the central pixel on the ellipsoid: metres along (a row, a column).

        That is (the distance between neighbouring columns, the distance between neighbouring rows);
        None where the scene is not placed or its centre lies off its projection.
        """
        if not self.placed:
            return None
        column, row = self.width / 2, self.height / 2
        try:
            lon, lat = self.to_lonlat([column - 0.5, column + 0.5, column, column], [row, row, row - 0.5, row + 0.5])
        except ProjError:
            return None
        if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
            return None
        _, _, metres = WGS84.inv(lon[::2], lat[::2], lon[1::2], lat[1::2])
        across, down = (float(value) for value in metres)
        return (across, down) if across > 0 and down > 0 else None


def georeference_of(dataset: DatasetReader) -> Georeference:
    """Read grid and place of an open scene.

    GDAL tells a missing transform by the identity, which no map uses. A transform without a CRS is kept, so that
    outputs keep the grid. A CRS that is bound to no place on Earth (local, engineering) counts as not known.
    Ground control points are used where there is no transform.
    """
    transform: Affine | None = dataset.transform
    if transform is not None and (transform == Affine.identity() or transform.is_degenerate):
        transform = None
    points, gcp_crs = dataset.gcps
    use_points = transform is None and bool(points)
    return Georeference(
        height=dataset.height,
        width=dataset.width,
        transform=transform,
        crs=_terrestrial(gcp_crs if use_points else dataset.crs),
        gcps=tuple(points) if use_points else (),
    )


def _terrestrial(crs: RasterioCRS | None) -> CRS | None:
    """Return the CRS as pyproj's; None where it is unknown or gives no longitude and latitude."""
    if not crs:
        return None
    try:
        found = CRS.from_user_input(crs.to_wkt())
    except (CRSError, RasterioCRSError):
        return None
    return found if found.is_geographic or found.is_projected else None
