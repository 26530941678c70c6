"""Brings ships into the form of another program, with what other layers say of their places.

ships -> values of zones, depths and distances to land -> filters -> one file
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import geopandas
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS

from geoships.errors import GeoshipsError, OutputError
from geoships.output.exports import TABLES, Picture, coco_text, yolo_text
from geoships.output.formats import appearing_ships
from geoships.output.qgis.styles import ship_style
from geoships.output.read_ships import read_ships
from geoships.scene.layers.pixel_projection import PixelProjection
from geoships.scene.layers.repair import usable_polygons
from geoships.scene.layers.vector_file import VECTOR_SUFFIXES, read_vector
from geoships.scene.opening.names import title_of
from geoships.scene.opening.raster import gdal_env, open_named
from geoships.scene.quicklook import open_quicklook
from geoships.support.files import atomic_write

VECTORS = (".geojson", ".fgb", ".parquet", ".geoparquet")
Labels = Literal["coco", "yolo", "yolo-obb"]
LABEL_SUFFIXES: dict[Labels, str] = {"coco": ".json", "yolo": ".txt", "yolo-obb": ".txt"}


@dataclass(frozen=True)
class Join:
    """A value of another layer for each ship.

    Attributes:
        file: Vector file with polygons, such as zones; or a raster, such as depths.
        column: Of polygons, the column whose value is taken; of a raster, the name of the new column.
    """

    file: Path
    column: str


@dataclass(frozen=True)
class Selection:
    """Values that are added to ships, and which ships stay.

    Attributes:
        joins: Values of other layers.
        land: Vector file of land: adds a column `land_distance_m`.
        land_distance: Metres from land from which on a ship stays; needs `land` or that column. None: any.
        min_cloud_free: Share of what is around a ship that must be free of clouds, 0 to 1, by the column
            `cloud_fraction` of `predict --observed`. None: any.
    """

    joins: Sequence[Join] = ()
    land: Path | None = None
    land_distance: float | None = None
    min_cloud_free: float | None = None


def select_ships(
    ships: str | Path | geopandas.GeoDataFrame, selection: Selection | None = None
) -> geopandas.GeoDataFrame:
    """Add what other layers say of the ships' places, and leave out those that are not wanted.

    Args:
        ships: A file that `predict` wrote, or its table.
        selection: What to add and what to leave out.

    Returns:
        The ships that stay, with the added columns, in the CRS of the table.

    Raises:
        GeoshipsError: A file cannot be read or has no such column, or the ships lack what is asked of them.
    """
    selection = selection or Selection()
    table = ships.copy() if isinstance(ships, geopandas.GeoDataFrame) else read_ships(Path(ships))
    for join in selection.joins:
        table[join.column] = _joined(table, join)
    if selection.land is not None:
        table["land_distance_m"] = _land_distances(table, selection.land)
    stays = np.ones(len(table), np.bool_)
    if selection.land_distance is not None:
        stays &= _numbers(table, "land_distance_m", "--land") >= selection.land_distance
    if selection.min_cloud_free is not None:
        stays &= 1 - _numbers(table, "cloud_fraction", "geoships predict --observed") >= selection.min_cloud_free
    return table[stays].reset_index(drop=True)


def write_as(
    path: Path, ships: geopandas.GeoDataFrame, *, labels: Labels | None = None, scene: str | None = None
) -> None:
    """Write ships in the form of another program.

    Args:
        path: The file. Its extension chooses the form: .gpkg (outlines, points and rectangles as layers), .csv, .kml,
            .geojson, .fgb or .parquet; with `labels`, .json or .txt.
        ships: The ships.
        labels: Write annotations of the scene's picture instead.
        scene: The scene, of which `labels` need the size and the place.

    Raises:
        GeoshipsError: The form is unknown, the scene is missing, or the file cannot be written.
    """
    check_form(path, labels, scene)
    if labels is not None and scene is not None:
        picture = _picture(ships, scene)
        text = coco_text(ships, picture) if labels == "coco" else yolo_text(ships, picture, oriented=labels != "yolo")
        with atomic_write(path) as temporary:
            temporary.write_text(text, encoding="utf-8")
    elif path.suffix.lower() in TABLES:
        TABLES[path.suffix.lower()](path, ships)
    else:
        with appearing_ships(path, ships, georeference=None, title="Ships", style=ship_style().qml()):
            pass


def check_form(path: Path, labels: Labels | None, scene: str | None) -> None:
    """Raise OutputError where ships cannot be written in a form, see `write_as`."""
    suffix = path.suffix.lower()
    if labels is not None:
        if suffix != LABEL_SUFFIXES[labels]:
            raise OutputError(
                f"cannot write {path}: the name of {labels} labels must end with {LABEL_SUFFIXES[labels]}"
            )
        if scene is None:
            raise OutputError(f"{labels} labels are in pixels of a scene; give it with --scene")
    elif suffix not in (*TABLES, *VECTORS):
        known = ", ".join((*TABLES, *VECTORS))
        raise OutputError(f"cannot write {path}: its name must end with one of {known}; --labels writes COCO and YOLO")


def _picture(ships: geopandas.GeoDataFrame, scene: str) -> Picture:
    with open_quicklook(scene) as look:
        place = look.georeference
    crs = None if ships.crs is None else CRS(ships.crs)
    project = PixelProjection(crs, place)
    return Picture(title_of(scene), place.height, place.width, [project(shape) for shape in ships.geometry])


def _joined(ships: geopandas.GeoDataFrame, join: Join) -> pd.Series:
    """The value of a layer at each ship's centroid; missing where the layer has none."""
    if join.file.suffix.lower() not in VECTOR_SUFFIXES:
        return pd.Series(_sampled(ships, join.file), index=ships.index)
    zones = read_vector(join.file, "the layer to join")
    if join.column not in zones:
        known = ", ".join(str(name) for name in zones.columns if name != zones.geometry.name)
        raise GeoshipsError(f"{join.file} has no column {join.column}; it has {known or 'none'}")
    placed = zones if zones.crs is None or ships.crs is None else zones.to_crs(ships.crs)
    centres = shapely.centroid(ships.geometry.to_numpy())
    ship, zone = shapely.STRtree(placed.geometry.to_numpy()).query(centres, predicate="intersects")
    ship, first = np.unique(ship, return_index=True)  # of overlapping zones the first one
    values = pd.Series([None] * len(ships), index=ships.index, dtype=object)
    values.iloc[ship] = zones[join.column].to_numpy()[zone[first]]
    return values.infer_objects()


def _sampled(ships: geopandas.GeoDataFrame, file: Path) -> np.ndarray:
    """Value of a raster's first band at each ship's centroid; NaN without data."""
    points = geopandas.GeoSeries(shapely.centroid(ships.geometry.to_numpy()), crs=ships.crs)
    source, dataset = open_named(file)
    with gdal_env(source), dataset:
        if dataset.crs is None or ships.crs is None:
            raise GeoshipsError(f"{file}: it or the ships have no place on Earth, so nothing can be joined")
        points = points.to_crs(dataset.crs.to_wkt())
        values = dataset.sample(list(zip(points.x, points.y, strict=True)), indexes=1, masked=True)
        return np.array([np.nan if value.mask.any() else float(value[0]) for value in values], np.float64)


def _land_distances(ships: geopandas.GeoDataFrame, land: Path) -> np.ndarray:
    """Metres from each outline to the nearest land, in the UTM zone of the ships."""
    if ships.crs is None:
        raise GeoshipsError("the ships have no place on Earth, so their distance to land is not known")
    if ships.empty:
        return np.array([], np.float64)
    plane = ships.estimate_utm_crs()
    shores = read_vector(land, "the land layer")
    shores = (shores.set_crs(4326) if shores.crs is None else shores).to_crs(plane)
    polygons = usable_polygons(shores.geometry.to_numpy()).polygons
    if not len(polygons):
        raise GeoshipsError(f"{land} has no polygons; leave out --land")
    outlines = ships.geometry.to_crs(plane).to_numpy()
    _, distance = shapely.STRtree(list(polygons)).query_nearest(outlines, return_distance=True, all_matches=False)
    return np.asarray(distance.round(1), np.float64)


def _numbers(ships: geopandas.GeoDataFrame, column: str, source: str) -> np.ndarray:
    if column not in ships:
        raise GeoshipsError(f"the ships have no column {column}; it comes from {source}")
    return np.asarray(pd.to_numeric(ships[column], errors="coerce"), np.float64)
