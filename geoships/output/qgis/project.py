"""A QGIS project of a scene and what was found in it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import numpy as np
from affine import Affine
from geopandas import GeoDataFrame
from pyproj import CRS

from geoships.errors import OutputError
from geoships.output.classes import SHIPS, FoundClass
from geoships.output.qgis.styles import Style, mask_style, scene_style, score_style, ship_style
from geoships.output.qgis.xml import VERSION, document, element, rectangle, reference_system
from geoships.scene.display import choose_display
from geoships.scene.georeference import Georeference
from geoships.scene.reader import Scene
from geoships.support.files import atomic_write, reserve

SUFFIX = ".qgz"
MARGIN = 0.1  # of the shown extent, on each side
LEAST_PART = 0.03  # of the scene's longer side that is shown on each side of a lone ship

Bounds = tuple[float, float, float, float]  # west, south, east, north, in map coordinates


@dataclass(frozen=True)
class Layer:
    """One layer of a project.

    name: for people. source: what GDAL or OGR opens, relative to the project.
    crs: of the layer's coordinates. visible: whether it is switched on.
    """

    name: str
    source: str
    style: Style
    crs: CRS | None
    vector: bool = False
    visible: bool = True

    @property
    def id(self) -> str:
        """Its name within the project's XML."""
        return f"geoships_{self.name.lower().replace(' ', '_')}"

    @property
    def provider(self) -> str:
        """QGIS's name of who reads it."""
        return "ogr" if self.vector else "gdal"


def check_project(path: Path) -> None:
    """Raise OutputError if no project can be written to `path`: another extension, or no way into its folder."""
    if path.suffix.lower() != SUFFIX:
        raise OutputError(f"cannot write {path}: the name of a QGIS project must end with {SUFFIX}")
    reserve(path)


def project_warnings(scene: Scene, outputs: Mapping[str, Path]) -> tuple[str, ...]:
    """What a project of these will lack, for people."""
    warnings = []
    if _is_secret(scene.name):
        warnings.append("the project leaves out the scene: its address may hold a password or a signature")
    elif _is_listed(scene):
        warnings.append("the project leaves out the scene: its bands lie in files of their own; add them in QGIS")
    if "vector" in outputs and not scene.georeference.placed:
        warnings.append("the project leaves out the ships: without a place on Earth they cannot lie on the scene")
    return tuple(warnings)


def write_project(
    path: Path, scene: Scene, outputs: Mapping[str, Path], ships: GeoDataFrame, found: FoundClass = SHIPS
) -> None:
    """Write a QGIS project (.qgz, for QGIS 3.22 and newer); it appears whole or not at all.

    Layers from top to bottom: ships, mask (switched off), scores, scene; those that are in `outputs`. It opens in
    the scene's CRS, at the ships, or at the whole scene where there are none. Paths are relative to the project.
    Left out is what `project_warnings` names. QGIS is not needed.

    outputs: files by kind (vector, mask, scores). ships: of `ships_frame`, in the scene's CRS.
    found: the class, which names layers.
    Raises OutputError where it cannot be written, and SceneError where the scene cannot be read.
    """
    layers = _layers(scene, outputs, path.parent, found)
    georeference = scene.georeference
    crs = georeference.crs if georeference.placed else None
    root = _project(f"{found.layer} in {scene.title}", layers, crs, _shown(georeference, ships))
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.qgs", document(root))


def _layers(scene: Scene, outputs: Mapping[str, Path], folder: Path, found: FoundClass) -> list[Layer]:
    placed, layers = scene.georeference.placed, []
    crs = scene.georeference.crs if placed else None
    if "vector" in outputs and placed:
        vector = outputs["vector"]
        source = _relative(vector, folder) + (f"|layername={vector.stem}" if vector.suffix.lower() == ".gpkg" else "")
        geojson = vector.suffix.lower() in (".geojson", ".json")
        layers.append(Layer(found.layer, source, ship_style(), CRS(4326) if geojson else crs, vector=True))
    if "mask" in outputs:
        # Where ships cannot be shown, the mask stands in.
        mask = _relative(outputs["mask"], folder)
        layers.append(Layer(f"{found.title} mask", mask, mask_style(found), crs, visible=not placed))
    if "scores" in outputs:
        layers.append(Layer(f"{found.title} scores", _relative(outputs["scores"], folder), score_style(), crs))
    if not (_is_secret(scene.name) or _is_listed(scene)):
        layers.append(Layer("Scene", _scene_source(scene, folder), scene_style(choose_display(scene)), crs))
    return layers


def _is_secret(name: str) -> bool:
    """Whether an address holds what should not go into a file that is passed on: a query, or a user."""
    parts = urlsplit(name)
    return parts.scheme in ("http", "https", "s3") and bool(parts.query or parts.username)


def _is_listed(scene: Scene) -> bool:
    """Whether a scene is a list of files, for which there is no one file to open."""
    return scene.source.gdal_name.startswith("<")


def _relative(path: Path, folder: Path) -> str:
    """Path from a folder, as QGIS writes it: with slashes, beginning with a dot."""
    try:
        found = os.path.relpath(path.absolute(), folder.absolute())
    except ValueError:  # on another drive
        return path.absolute().as_posix()
    found = found.replace(os.sep, "/")
    return found if found.startswith("../") else f"./{found}"


def _scene_source(scene: Scene, folder: Path) -> str:
    """What GDAL opens; a local file, or the container of a subdataset, by its relative path."""
    source = scene.source
    if source.path is None:
        return source.gdal_name
    if source.gdal_name.startswith("/vsi"):  # a member of an archive, which QGIS does not find by a relative path
        return source.gdal_name
    return source.gdal_name.replace(str(source.path), _relative(source.path, folder))


def _shown(georeference: Georeference, ships: GeoDataFrame) -> Bounds:
    """The extent around all ships, or around the scene where there are none that can be shown."""
    west, south, east, north = scene_bounds(georeference)
    least = LEAST_PART * max(east - west, north - south)
    if georeference.placed and len(ships):
        found = ships.total_bounds
        if np.isfinite(found).all():
            west, south, east, north = found.tolist()
    pad_x, pad_y = max(MARGIN * (east - west), least), max(MARGIN * (north - south), least)
    return west - pad_x, south - pad_y, east + pad_x, north + pad_y


def scene_bounds(georeference: Georeference) -> Bounds:
    """Extent of a scene in QGIS: map coordinates, or pixels with rows counted downwards from 0.

    >>> scene_bounds(Georeference(20, 30))
    (0.0, -20.0, 30.0, 0.0)
    """
    height, width = georeference.height, georeference.width
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)], np.float64)
    if georeference.placed:
        corners = np.column_stack(georeference.to_map(*corners.T))
    else:
        transform = georeference.transform or Affine.scale(1, -1)
        corners = np.array([transform @ (column, row) for column, row in corners.tolist()])
    (west, south), (east, north) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return west, south, east, north


def _project(title: str, layers: Sequence[Layer], crs: CRS | None, shown: Bounds) -> Element:
    canvas = element(
        "mapcanvas",
        [
            element("units", _units(crs)),
            rectangle("extent", shown),
            element("rotation", "0"),
            element("destinationsrs", [reference_system(crs)]),
        ],
        name="theMapCanvas",
        annotationsVisible=1,
    )
    view = rectangle("DefaultViewExtent", shown)
    view.append(reference_system(crs))
    return element(
        "qgis",
        [
            element("title", title),
            element("projectCrs", [reference_system(crs)]),
            element("layer-tree-group", [_tree_entry(layer) for layer in layers]),
            canvas,
            element("projectlayers", [_map_layer(layer) for layer in layers]),
            element("layerorder", [element("layer", id=layer.id) for layer in layers]),
            _properties(crs),
            element("ProjectViewSettings", [view], UseProjectScales=0),
        ],
        projectname=title,
        version=VERSION,
    )


def _tree_entry(layer: Layer) -> Element:
    return element(
        "layer-tree-layer", id=layer.id, name=layer.name, providerKey=layer.provider, source=layer.source,
        checked="Qt::Checked" if layer.visible else "Qt::Unchecked", expanded=int(layer.vector),
    )  # fmt: skip


def _map_layer(layer: Layer) -> Element:
    kind = {"type": "vector", "geometry": "Polygon", "wkbType": "MultiPolygon"} if layer.vector else {"type": "raster"}
    children = [
        element("id", layer.id),
        element("datasource", layer.source),
        element("layername", layer.name),
        element("srs", [reference_system(layer.crs)]),
        element("provider", layer.provider, **({"encoding": "UTF-8"} if layer.vector else {})),
        *layer.style.elements,
    ]
    return element("maplayer", children, **kind, **dict(layer.style.attributes))


def _properties(crs: CRS | None) -> Element:
    """Relative paths when the project is saved again, and lengths measured on the ellipsoid."""
    return element(
        "properties",
        [
            element("Paths", [element("Absolute", "false", type="bool")]),
            element("SpatialRefSys", [element("ProjectionsEnabled", str(int(crs is not None)), type="int")]),
            element("Measure", [element("Ellipsoid", "EPSG:7030" if crs else "NONE", type="QString")]),
        ],
    )


def _units(crs: CRS | None) -> str:
    if crs is None:
        return "unknown"
    return "degrees" if crs.is_geographic else "meters"
