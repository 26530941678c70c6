"""Georeference of a scene: geotransform or ground control points, and CRS."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Geod, Transformer
from pyproj.exceptions import CRSError, ProjError
from rasterio._err import CPLE_BaseError
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS as RasterioCRS  # noqa: N811 (an acronym)
from rasterio.errors import CRSError as RasterioCRSError
from rasterio.io import DatasetReader
from rasterio.transform import GCPTransformer

WGS84 = Geod(ellps="WGS84")

MAX_LONGITUDE = 540.0  # degrees: scenes from 0 to 360 and scenes that go on across the antimeridian are ordinary
MIN_PIXEL = 0.001  # metres: what has smaller pixels is no picture of the Earth
MAX_MISFIT = 1.0  # pixels: where a polynomial misses a GCP by more, a thin plate spline goes through all of them

Coordinates = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Georeference:
    """The pixel grid of a scene and its georeference.

    Pixel coordinates are (column, row), counted from the upper left corner of the upper left pixel,
    whose centre is (0.5, 0.5).

    Attributes:
        height: Rows of the scene.
        width: Columns of the scene.
        transform: Geotransform: affine from pixel coordinates to map coordinates; None if there is none.
        crs: Coordinate reference system of the map coordinates; None if it is unknown.
        gcps: Ground control points (map coordinates in `crs`), used only if there is no transform.
    """

    height: int
    width: int
    transform: Affine | None = None
    crs: CRS | None = None
    gcps: tuple[GroundControlPoint, ...] = ()

    @property
    def placed(self) -> bool:
        """Whether the scene is georeferenced: it has a CRS, and a geotransform or at least three GCPs."""
        return self.crs is not None and (self.transform is not None or len(self.gcps) >= 3)

    @property
    def south_up(self) -> bool:
        """Whether the first row is the southernmost row. False for rotated scenes and scenes with GCPs only."""
        transform = self.transform
        return self.placed and transform is not None and transform.d == 0 and transform.a * transform.e > 0

    def __getstate__(self) -> dict[str, object]:
        return {item.name: getattr(self, item.name) for item in fields(self)}  # rasterio's transformers have no state

    @cached_property
    def _polynomial(self) -> GCPTransformer:
        return GCPTransformer(list(self.gcps))

    @cached_property
    def _gcp_transformer(self) -> GCPTransformer:
        misfit = self.gcp_misfit
        if misfit is None or misfit <= MAX_MISFIT:
            return self._polynomial
        return GCPTransformer(list(self.gcps), tps=True)

    @cached_property
    def gcp_misfit(self) -> float | None:
        """Largest distance between the GCPs and the polynomial that fits them best, in pixels; None without GCPs."""
        if not self.placed or self.transform is not None:
            return None
        rows, columns = np.array([point.row for point in self.gcps]), np.array([point.col for point in self.gcps])
        x, y = np.array([point.x for point in self.gcps]), np.array([point.y for point in self.gcps])
        fitted = self._polynomial.rowcol(x, y, op=lambda value: value)
        back = self._polynomial.xy(rows, columns, offset="ul")
        size = np.hypot(np.ptp(x), np.ptp(y)) / max(float(np.hypot(np.ptp(rows), np.ptp(columns))), 1e-9)  # per pixel
        forward = np.hypot(np.asarray(back[0]) - x, np.asarray(back[1]) - y) / max(float(size), 1e-12)
        inverse = np.hypot(np.asarray(fitted[0]) - rows, np.asarray(fitted[1]) - columns)
        return float(np.max([forward, inverse]))

    @cached_property
    def bent(self) -> bool:
        """Whether no polynomial fits the GCPs, so that a thin plate spline through all of them is used."""
        return (self.gcp_misfit or 0.0) > MAX_MISFIT

    @property
    def warning(self) -> str | None:
        """Warning for the user where the place of pixels is uncertain; None where it is not."""
        if not self.bent:
            return None
        across, down = self.pixel_size() or (float("nan"), float("nan"))
        metres = (self.gcp_misfit or 0.0) * max(across, down)
        return (
            f"no polynomial fits the {len(self.gcps)} ground control points (misfit up to {metres:.0f} m): a thin "
            "plate spline through all of them is used; places between them are less certain"
        )

    @cached_property
    def _to_lonlat(self) -> Transformer:
        return Transformer.from_crs(self.crs, 4326, always_xy=True)

    def to_map(self, columns: ArrayLike, rows: ArrayLike) -> Coordinates:
        """Convert pixel coordinates to map coordinates.

        Args:
            columns: Columns, in pixels, of any shape.
            rows: Rows, in pixels, of the same shape.

        Returns:
            (x, y) in `crs`, of the same shape; the pixel coordinates unchanged if the scene is not georeferenced.
        """
        columns, rows = np.asarray(columns, np.float64), np.asarray(rows, np.float64)
        if not self.placed:
            return columns, rows
        if self.transform is not None:
            t = self.transform
            return t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f
        x, y = self._gcp_transformer.xy(rows.ravel(), columns.ravel(), offset="ul")
        return np.reshape(x, columns.shape), np.reshape(y, columns.shape)

    def to_pixel(self, x: ArrayLike, y: ArrayLike) -> Coordinates:
        """Convert map coordinates to pixel coordinates.

        Args:
            x: x in `crs`, of any shape.
            y: y in `crs`, of the same shape.

        Returns:
            (columns, rows) in pixels, of the same shape; x and y unchanged if the scene is not georeferenced.
        """
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if not self.placed:
            return x, y
        if self.transform is not None:
            t = ~self.transform
            return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f
        rows, columns = self._gcp_transformer.rowcol(x.ravel(), y.ravel(), op=lambda value: value)
        return np.reshape(columns, x.shape), np.reshape(rows, x.shape)

    def to_lonlat(self, columns: ArrayLike, rows: ArrayLike) -> Coordinates:
        """Convert pixel coordinates to WGS 84 longitude and latitude. For georeferenced scenes only.

        Args:
            columns: Columns, in pixels, of any shape.
            rows: Rows, in pixels, of the same shape.

        Returns:
            (longitudes, latitudes) in degrees, of the same shape; longitudes from -180 to 180. Points outside the
            area of the map projection are infinite.
        """
        x, y = self.to_map(columns, rows)
        lon, lat = self._to_lonlat.transform(x, y)
        with np.errstate(invalid="ignore"):  # infinity has no remainder
            lon = np.where(np.isfinite(lon), (np.asarray(lon) + 180) % 360 - 180, lon)
        return lon, np.asarray(lat)

    def pixel_size(self) -> tuple[float, float] | None:
        """Size of the central pixel on the WGS 84 ellipsoid, in metres.

        Returns:
            (width, height): the distances between neighbouring columns and between neighbouring rows; None if the
            scene is not georeferenced or its centre is outside the area of its map projection.
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
    """Read the georeference of an open dataset.

    GDAL reports a missing geotransform as the identity. A geotransform without a CRS is kept, so that outputs have the
    same grid. A local or engineering CRS counts as unknown. Ground control points are used if there is no geotransform.
    RPCs and geolocation arrays are not used, see `unused_placement`.

    Args:
        dataset: The open dataset.

    Returns:
        Its grid and georeference.
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


def placement_fault(dataset: DatasetReader) -> str | None:
    """What is wrong with the placement of an open dataset, where it cannot be true.

    Args:
        dataset: The open dataset.

    Returns:
        A geotransform with values that are not finite or with pixels of no size, or a geographic CRS with coordinates
        that are no degrees, as text; None if there is none of these. A missing geotransform or CRS is no fault.
    """
    transform, points = dataset.transform, dataset.gcps[0]
    numbers = [*transform[:6], *(value for point in points for value in (point.x, point.y))]
    if not np.isfinite(numbers).all():
        return "its geotransform or a control point is not a number; assign the right ones, e.g. with gdal_edit.py"
    if transform.is_degenerate:
        return "its geotransform has pixels of no size; assign the right one, e.g. with gdal_edit.py"
    georeference = georeference_of(dataset)
    try:
        size = georeference.pixel_size()
    except CPLE_BaseError:
        return "its ground control points lie on one line or at one place, which places no pixel; assign others"
    if size is not None and min(size) < MIN_PIXEL:
        return (
            f"its pixels are {size[0]:.3g} x {size[1]:.3g} m by its CRS {getattr(georeference.crs, 'name', '')}; its "
            "coordinates may look like degrees: assign the right CRS, e.g. with gdal_edit.py -a_srs EPSG:4326"
        )
    if georeference.crs is None or not georeference.crs.is_geographic or not georeference.placed:
        return None
    if georeference.gcps:
        x, y = (np.array([getattr(point, axis) for point in georeference.gcps]) for axis in ("x", "y"))
    else:
        columns, rows = np.array([[0, 0], [1, 0], [0, 1], [1, 1]]).T * [[dataset.width], [dataset.height]]
        x, y = transform @ (columns, rows)
    pixel = max(abs(transform.a), abs(transform.e), 1.0)  # centres of global grids lie at the poles
    if np.abs(y).max() <= 90 + pixel and np.abs(x).max() <= MAX_LONGITUDE:
        return None
    return (
        f"its CRS {georeference.crs.name} is in degrees, but its coordinates reach from {x.min():.7g} {y.min():.7g} to "
        f"{x.max():.7g} {y.max():.7g}, which look like metres; assign the right CRS, e.g. with gdal_edit.py -a_srs"
    )


def unused_placement(dataset: DatasetReader) -> str | None:
    """Warning about a placement of the file that is not used: RPCs or geolocation arrays without other georeference.

    Args:
        dataset: The open dataset.

    Returns:
        The warning; None if there is nothing to warn of.
    """
    if georeference_of(dataset).placed:
        return None
    advice = "warp the scene to a map grid first, e.g. with gdalwarp"
    if dataset.rpcs is not None:
        return f"the scene is placed by rational polynomial coefficients (RPCs), which are not used; {advice} -rpc"
    if dataset.tags(ns="GEOLOCATION"):
        return f"the scene is placed by geolocation arrays, which are not used; {advice} -geoloc"
    return None


def _terrestrial(crs: RasterioCRS | None) -> CRS | None:
    """The CRS as a pyproj CRS; None if it is unknown or neither geographic nor projected."""
    if not crs:
        return None
    try:
        converted = CRS.from_user_input(crs.to_wkt())
    except (CRSError, RasterioCRSError):
        return None
    return converted if converted.is_geographic or converted.is_projected else None
