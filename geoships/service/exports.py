"""Features as files: GeoJSON, CSV, GeoPackage, KML, GeoParquet and FlatGeobuf."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import shapely

from geoships.service.features import Feature
from geoships.service.loading import LOADING
from geoships.service.problems import ProblemError

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

MEDIA = {
    "geojson": "application/geo+json",
    "json": "application/geo+json",
    "csv": "text/csv; charset=utf-8",
    "gpkg": "application/geopackage+sqlite3",
    "kml": "application/vnd.google-earth.kml+xml",
    "parquet": "application/vnd.apache.parquet",
    "fgb": "application/flatgeobuf",
}


def write_features(path: Path, form: str, features: Sequence[Feature], names: Sequence[str], title: str) -> None:
    """Write features to a file, in longitude and latitude.

    Args:
        path: The file, in a folder that exists.
        form: One of the names of `MEDIA`.
        features: The features.
        names: Names of their properties, which a file without ships has, too.
        title: Title of the layer.

    Raises:
        OutputError: The file cannot be written.
        ProblemError: 406 for FlatGeobuf, where a feature has no geometry.
    """
    if form in ("geojson", "json"):
        path.write_text(json.dumps({"type": "FeatureCollection", "features": list(features)}), encoding="utf-8")
        return
    if form == "fgb" and not all(each["geometry"] for each in features):
        raise ProblemError(406, "the ships have no place on Earth, which FlatGeobuf needs; ask for csv or gpkg")
    with LOADING:
        from geoships.output.formats import appearing_ships  # which loads pandas

    frame = frame_of(features, names)
    if form == "csv":
        # pixels and nulls have no outline
        outlines = ["" if shape is None or shape.is_empty else shape.wkt for shape in frame.geometry]
        frame.drop(columns="geometry").assign(outline_wkt=outlines).to_csv(path, index=False)
    elif form == "kml":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of names that KML writes in another way
            labels = frame.rename(columns={"id": "Name"}).astype({"Name": str}) if "id" in frame else frame
            labels.to_file(path, driver="KML", engine="pyogrio", layer=path.stem)
    else:
        with appearing_ships(path, frame, georeference=None, title=title):
            pass


def frame_of(features: Sequence[Feature], names: Sequence[str]) -> GeoDataFrame:
    """Features as a table in EPSG:4326; ids are texts where one of them is."""
    from geopandas import GeoDataFrame

    shapes = [shapely.geometry.shape(each["geometry"]) if each["geometry"] else shapely.Polygon() for each in features]
    columns = {name: [each["properties"].get(name) for each in features] for name in names}
    if any(isinstance(value, str) for value in columns.get("id", ())):
        columns["id"] = [str(value) for value in columns["id"]]
    return GeoDataFrame(columns, geometry=shapes, crs=4326)
