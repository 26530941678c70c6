"""Write a QGIS project of a scene and its outputs."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import numpy as np
from affine import Affine
from pyproj import CRS

from geoships.errors import OutputError
from geoships.output.classes import SHIPS, Detected
from geoships.output.qgis.styles import Style, mask_style, scene_style, score_style, vector_style
from geoships.output.qgis.xml import VERSION, document, element, rectangle, reference_system
from geoships.scene.display import choose_display
from geoships.scene.georeference import Georeference
from geoships.scene.opening.names import is_remote
from geoships.scene.reader import Scene
from geoships.support.files import atomic_write, reserve

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

SUFFIX = ".qgz"
MARGIN = 0.1  # on each side of the map extent, relative to the extent of the ships
MIN_MARGIN = 0.03  # on each side, relative to the longer side of the scene; gives a single ship some context

Bounds = tuple[float, float, float, float]  # west, south, east, north, in map coordinates


@dataclass(frozen=True)
class Layer:
    """One layer of a project.

    Attributes:
        name: Human-readable name.
        source: What GDAL or OGR opens; paths are relative to the project.
        style: How QGIS draws the layer.
        crs: CRS of the layer's coordinates.
        vector: Whether it is a vector layer; otherwise a raster.
        visible: Whether the layer is switched on.
    """

    name: str
    source: str
    style: Style
    crs: CRS | None
    vector: bool = False
    visible: bool = True

    @property
    def id(self) -> str:
        """Identifier of the layer in the project's XML."""
        return f"geoships_{self.name.lower().replace(' ', '_')}"

    @property
    def provider(self) -> str:
        """QGIS data provider of the layer."""
        return "ogr" if self.vector else "gdal"


def check_project(path: Path) -> None:
    """Check that a QGIS project can be written to a file.

    Raises:
        OutputError: For another extension than .qgz, and for a folder that cannot be written to.
    """
    if path.suffix.lower() != SUFFIX:
        raise OutputError(f"cannot write {path}: the name of a QGIS project must end with {SUFFIX}")
    reserve(path)


def project_warnings(scene: Scene, outputs: Mapping[str, Path]) -> tuple[str, ...]:
    """One line for each layer that a project of this scene and these outputs leaves out.

    Args:
        scene: The scene.
        outputs: Files by kind (vector, mask, scores).

    Returns:
        Warnings, with the reason of each.
    """
    warnings = []
    if _is_secret(scene.name):
        warnings.append("the project leaves out the scene: its URL may contain a password or a signature")
    elif _is_listed(scene):
        warnings.append("the project leaves out the scene: its bands are in separate files; add them in QGIS")
    elif _is_in_memory(scene):
        warnings.append("the project leaves out the scene: it is in memory; save it as a file, and add that in QGIS")
    if "vector" in outputs and not scene.georeference.placed:
        warnings.append("the project leaves out the ships: the scene is not georeferenced, so QGIS cannot overlay them")
    return tuple(warnings)


def write_project(
    path: Path, scene: Scene, outputs: Mapping[str, Path], ships: GeoDataFrame, object_class: Detected = SHIPS
) -> None:
    """Write a QGIS project (.qgz, for QGIS 3.22 and newer). The file appears only when it is complete.

    Layers from top to bottom: ships, mask (switched off), scores, scene; as far as they are in `outputs`. The project
    opens in the scene's CRS, zoomed to the ships, or to the whole scene where there are none. Paths are relative to
    the project. Layers that `project_warnings` names are left out. QGIS need not be installed.

    Args:
        path: The project file.
        scene: The scene.
        outputs: Files by kind (vector, mask, scores).
        ships: The table of ships from `ships_frame`, in the scene's CRS.
        object_class: The class, which names the layers; of several, each has a layer of its scores.

    Raises:
        OutputError: Where the file cannot be written.
        SceneError: Where the scene cannot be read.
    """
    layers = _layers(scene, outputs, path.parent, object_class)
    georeference = scene.georeference
    crs = georeference.crs if georeference.placed else None
    root = _project(f"{object_class.layer} in {scene.title}", layers, crs, _map_extent(georeference, ships))
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{path.stem}.qgs", document(root))


def _layers(scene: Scene, outputs: Mapping[str, Path], folder: Path, object_class: Detected) -> list[Layer]:
    placed, layers = scene.georeference.placed, []
    crs = scene.georeference.crs if placed else None
    if "vector" in outputs and placed:
        vector = outputs["vector"]
        source = _relative(vector, folder) + (f"|layername={vector.stem}" if vector.suffix.lower() == ".gpkg" else "")
        geojson = vector.suffix.lower() in (".geojson", ".json")
        style = vector_style(object_class)
        layers.append(Layer(object_class.layer, source, style, CRS(4326) if geojson else crs, vector=True))
    if "mask" in outputs:
        # The mask is switched on where ships cannot be shown.
        mask = _relative(outputs["mask"], folder)
        layers.append(Layer(f"{object_class.title} mask", mask, mask_style(object_class), crs, visible=not placed))
    if "scores" in outputs:
        scores = _relative(outputs["scores"], folder)
        for band, found in enumerate(object_class.members, 1):
            layers.append(Layer(f"{found.title} scores", scores, score_style(band), crs, visible=band == 1))
    if not (_is_secret(scene.name) or _is_listed(scene) or _is_in_memory(scene)):
        layers.append(Layer("Scene", _scene_source(scene, folder), scene_style(choose_display(scene)), crs))
    return layers


def _is_secret(name: str) -> bool:
    """Whether a URL may contain credentials, which must not be stored in a file: a query string, or a user name."""
    return is_remote(name) and bool(urlsplit(name).query or urlsplit(name).username)


def _is_listed(scene: Scene) -> bool:
    """Whether a scene is a list of band files, which QGIS cannot open as one layer."""
    return scene.source.gdal_name.startswith("<")


def _is_in_memory(scene: Scene) -> bool:
    """Whether a scene is an array, or a dataset that a program has opened, which no other program can open."""
    return scene.source.gdal_name.startswith("/vsimem/")


def _relative(path: Path, folder: Path) -> str:
    """Path relative to a folder, as QGIS writes it: with slashes, beginning with a dot."""
    try:
        relative = os.path.relpath(path.absolute(), folder.absolute())
    except ValueError:  # on another drive
        return path.absolute().as_posix()
    relative = relative.replace(os.sep, "/")
    return relative if relative.startswith("../") else f"./{relative}"


def _scene_source(scene: Scene, folder: Path) -> str:
    """What GDAL opens; the path of a local file, or of the container of a subdataset, is relative."""
    source = scene.source
    if source.path is None:
        return source.gdal_name
    if source.gdal_name.startswith("/vsi"):  # a file in an archive, which QGIS cannot open by a relative path
        return source.gdal_name
    return source.gdal_name.replace(str(source.path), _relative(source.path, folder))


def _map_extent(georeference: Georeference, ships: GeoDataFrame) -> Bounds:
    """The extent of all ships, or of the scene where no ship can be shown, with a margin."""
    west, south, east, north = scene_bounds(georeference)
    min_margin = MIN_MARGIN * max(east - west, north - south)
    if georeference.placed and len(ships):
        bounds = ships.total_bounds
        if np.isfinite(bounds).all():
            west, south, east, north = bounds.tolist()
    pad_x, pad_y = max(MARGIN * (east - west), min_margin), max(MARGIN * (north - south), min_margin)
    return west - pad_x, south - pad_y, east + pad_x, north + pad_y


def scene_bounds(georeference: Georeference) -> Bounds:
    """Extent of a scene in QGIS (west, south, east, north): map coordinates, or pixels with y = -row.

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


def _project(title: str, layers: Sequence[Layer], crs: CRS | None, extent: Bounds) -> Element:
    canvas = element(
        "mapcanvas",
        [
            element("units", _units(crs)),
            rectangle("extent", extent),
            element("rotation", "0"),
            element("destinationsrs", [reference_system(crs)]),
        ],
        name="theMapCanvas",
        annotationsVisible=1,
    )
    view = rectangle("DefaultViewExtent", extent)
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
    """Project properties: paths stay relative when it is saved again, and lengths are measured on the ellipsoid."""
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
