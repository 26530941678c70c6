"""Write a STAC Item of a prediction run, so that its outputs can be added to a catalogue.

STAC 1.1 with the projection, processing and file extensions. The model card is written beside the Item, with the
field names of the Machine Learning Model extension.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj.exceptions import ProjError
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from geoships.errors import OutputError
from geoships.output.antimeridian import cut_continuous
from geoships.output.classes import SHIPS, Detected
from geoships.output.stac_bands import band_fields, titles
from geoships.scene.acquisition import Acquisition, iso
from geoships.scene.georeference import Georeference
from geoships.scene.opening.names import is_remote, stem_of, title_of
from geoships.support.files import atomic_write, reserve
from geoships.support.remote.upload import is_sent

if TYPE_CHECKING:
    from pystac import Asset, Link

EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
)
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
SUFFIXES = (".json", ".geojson")
MEDIA_TYPES = {
    ".geojson": "application/geo+json",
    ".json": "application/geo+json",
    ".gpkg": "application/geopackage+sqlite3",
    ".fgb": "application/vnd.flatgeobuf",
    ".parquet": "application/vnd.apache.parquet",
    ".geoparquet": "application/vnd.apache.parquet",
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".tiff": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".qml": "application/xml",
    ".png": "image/png",
}
SCENE_TYPES = {
    ".tif": "image/tiff; application=geotiff",
    ".tiff": "image/tiff; application=geotiff",
    ".jp2": "image/jp2",
}
ROLES = {"vector": ["data"], "mask": ["data"], "scores": ["data"], "preview": ["overview"]}

# STAC demands a time range where the datetime is null. Sputnik 1, the first satellite, was launched on this day.
FIRST_SATELLITE = datetime(1957, 10, 4, tzinfo=UTC)
NO_TIME = "the scene has no acquisition time: the STAC Item gives the range from 1957 to now"

_EDGE = np.linspace(0, 1, 17)  # relative positions of points along one edge of the footprint
_DECIMALS = 7  # of degrees: 1 cm
_AT_POLE = 1e-7  # degrees from a pole, where longitudes mean nothing


@dataclass(frozen=True)
class ItemContent:
    """What a STAC Item tells of a prediction run.

    Attributes:
        scene: Name of the scene, from which the Item's id is made.
        georeference: Of the scene.
        acquired: Acquisition time of the scene; None where it is not known.
        origins: Paths and URLs of the files that the outputs are derived from.
        outputs: Files written, by kind (vector, mask, scores, preview).
        cards: JSON texts of the model cards, by kind (model, verifier).
        properties: Further properties of the Item.
        object_class: The class, or the classes, which name the Item and its assets.
    """

    scene: str
    georeference: Georeference
    acquired: Acquisition | None
    origins: Sequence[str]
    outputs: Mapping[str, Path]
    cards: Mapping[str, str]
    properties: Mapping[str, Any]
    object_class: Detected = SHIPS


def check_item(path: Path) -> None:
    """Check that a STAC Item can be written to a file.

    Raises:
        OutputError: For an unknown extension, a folder that cannot be written to, and where pystac is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"cannot write {path}: the name of a STAC Item must end with .json or .geojson")
    reserve(path)
    try:
        import pystac  # noqa: F401 (checks that it is installed)
    except ImportError as error:
        raise OutputError("--stac needs the optional packages of STAC: pip install 'geoships[stac]'") from error


def card_path(item: Path, kind: str) -> Path:
    """Path of a model card beside the Item. kind: model or verifier."""
    return item.with_name(f"{item.stem}_{kind}.json")


def write_item(path: Path, content: ItemContent) -> None:
    """Write the STAC Item of a run, after its model cards. The file appears only when it is complete.

    Args:
        path: The Item's file; paths in the Item are relative to its folder.
        content: What the Item describes; all its outputs are written already.

    Raises:
        OutputError: Where a file cannot be written, or an output cannot be read back.
    """
    import pystac

    now, objects = datetime.now(UTC).replace(microsecond=0), content.object_class
    footprint = _footprint(content.georeference)
    instant = content.acquired.instant if content.acquired else None
    start, end = (content.acquired.start, content.acquired.end) if content.acquired else (FIRST_SATELLITE, now)
    item = pystac.Item(
        id=f"{stem_of(content.scene)}-{'ships' if objects.is_ship else objects.name.replace(' ', '-')}",
        geometry=None if footprint is None else mapping(footprint),
        bbox=None if footprint is None else _bbox(footprint),
        datetime=instant,
        start_datetime=None if instant else start,
        end_datetime=None if instant else end,
        properties={
            "title": f"{objects.layer} found by geoships in {content.scene}",
            "created": iso(now),
            "processing:level": "L4",
            "processing:datetime": iso(now),
            "processing:software": {"geoships": version("geoships")},
            **_projection(content.georeference),
            **content.properties,
        },
        stac_extensions=[*EXTENSIONS, *([CLASSIFICATION] if len(objects.members) > 1 else [])],
    )
    for kind, text in content.cards.items():
        with atomic_write(card_path(path, kind)) as temporary:
            temporary.write_text(text, encoding="utf-8")
        item.add_asset(kind, _card_asset(card_path(path, kind), path.parent, kind, text))
    for kind, output in content.outputs.items():
        item.add_asset(kind, _asset(output, path.parent, kind, objects))
    item.add_links(_derived_from(content.origins, path.parent))
    with atomic_write(path) as temporary:
        document = item.to_dict(include_self_link=False, transform_hrefs=False)
        temporary.write_text(
            json.dumps(document, ensure_ascii=False, allow_nan=False, indent=2) + "\n", encoding="utf-8"
        )


def _asset(path: Path, folder: Path, kind: str, object_class: Detected = SHIPS) -> Asset:
    import pystac

    return pystac.Asset(
        href=_relative(path, folder),
        title=titles(object_class).get(kind, kind),
        media_type=MEDIA_TYPES.get(path.suffix.lower()),
        roles=ROLES.get(kind, ["metadata"]),
        extra_fields={**_file_fields(path), **band_fields(kind, object_class)},
    )


def _card_asset(path: Path, folder: Path, kind: str, text: str) -> Asset:
    asset = _asset(path, folder, kind)
    asset.title, asset.media_type = f"Card of the {kind}", "application/json"
    asset.extra_fields["mlm:name"] = json.loads(text)["mlm:name"]
    return asset


def _file_fields(path: Path) -> dict[str, Any]:
    """Size in bytes and SHA-256 of a file; the checksum is a multihash: function 0x12, length 0x20, digest."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"file:size": path.stat().st_size, "file:checksum": f"1220{digest}"}
    except OSError as error:
        raise OutputError(f"cannot read {path} for the checksum in the STAC Item: {error.strerror or error}") from error


def _relative(path: str | Path, folder: Path) -> str:
    relative = os.path.relpath(path, folder).replace(os.sep, "/")
    return relative if relative.startswith("../") else f"./{relative}"


def _derived_from(origins: Iterable[str], folder: Path) -> list[Link]:
    import pystac

    links = []
    for origin in origins:
        suffix = Path(title_of(origin)).suffix.lower()
        is_item = suffix in SUFFIXES or (is_remote(origin) and "/items/" in origin)
        target = origin
        if Path(origin).is_absolute():
            target = Path(origin).as_uri() if is_sent(folder) else _relative(origin, folder)
        media = "application/geo+json" if is_item else SCENE_TYPES.get(suffix)
        links.append(pystac.Link("derived_from", target, media_type=media, title=Path(origin).name))
    return links


def _projection(georeference: Georeference) -> dict[str, Any]:
    """Fields of the projection extension; only the shape for a scene that is not georeferenced."""
    fields: dict[str, Any] = {"proj:code": None, "proj:shape": [georeference.height, georeference.width]}
    if georeference.crs is not None:
        authority = georeference.crs.to_authority()
        fields |= {"proj:code": ":".join(authority)} if authority else {"proj:wkt2": georeference.crs.to_wkt()}
    if georeference.transform is not None:
        fields["proj:transform"] = [float(value) for value in tuple(georeference.transform)[:6]]
    if georeference.placed:
        x, y = georeference.to_map(*_outline(georeference))
        fields["proj:bbox"] = [float(value) for value in (x.min(), y.min(), x.max(), y.max())]
    return fields


def _outline(georeference: Georeference) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows of points along the edges of the scene."""
    ends = np.zeros_like(_EDGE), np.ones_like(_EDGE)
    columns = np.concatenate([_EDGE, ends[1], _EDGE[::-1], ends[0]]) * georeference.width
    rows = np.concatenate([ends[0], _EDGE, ends[1], _EDGE[::-1]]) * georeference.height
    return columns, rows


def _footprint(georeference: Georeference) -> BaseGeometry | None:
    """Outline of the scene in degrees, cut at the antimeridian; None where it is not georeferenced."""
    if not georeference.placed:
        return None
    try:
        lonlat = np.column_stack(georeference.to_lonlat(*_outline(georeference)))
    except ProjError:
        return None
    if not np.isfinite(lonlat).all():
        return None
    if georeference.crs is not None and georeference.crs.is_geographic:
        lonlat[:, 0] = georeference.to_map(*_outline(georeference))[0]  # continuous, also along a pole
    else:
        lonlat = _around_poles(lonlat)
    outline = shapely.make_valid(shapely.simplify(shapely.Polygon(lonlat), 1e-5))
    rounded = shapely.make_valid(shapely.transform(cut_continuous(outline), lambda points: np.round(points, _DECIMALS)))
    return shapely.orient_polygons(rounded) if rounded.geom_type in ("Polygon", "MultiPolygon") else None


def _around_poles(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make the longitudes of a closed outline continuous, and lead it along a pole that lies in or on it.

    The outline of a scene over a pole goes once around it, so it ends 360 degrees from where it began: it is closed
    along the pole, as RFC 7946 and STAC want it. A vertex at a pole has any longitude: it takes its
    neighbours' longitudes.

    Args:
        lonlat: (n, 2) longitudes and latitudes in degrees; the last vertex is the first.

    Returns:
        (m, 2) vertices with longitudes that may exceed 180.
    """
    at_pole = np.abs(lonlat[:, 1]) > 90 - _AT_POLE
    away = np.flatnonzero(~at_pole)
    if not away.size:
        return lonlat
    turned = np.roll(lonlat[:-1], -away[0], axis=0)  # starts away from a pole
    turned = np.concatenate([turned, turned[:1]])
    at_pole = np.abs(turned[:, 1]) > 90 - _AT_POLE
    turned[~at_pole, 0] = np.unwrap(turned[~at_pole, 0], period=360)
    before, after = turned.copy(), turned.copy()
    known = np.flatnonzero(~at_pole)
    for index in np.flatnonzero(at_pole):
        place = int(np.searchsorted(known, index))
        before[index] = turned[known[place - 1], 0], np.sign(turned[index, 1]) * 90
        after[index] = turned[known[place], 0], np.sign(turned[index, 1]) * 90
    ring = np.stack([before, after], axis=1).reshape(-1, 2)
    winding = ring[-1, 0] - ring[0, 0]
    if abs(winding) < 180:
        return ring
    pole = 90.0 if ring[:, 1].mean() > 0 else -90.0
    return np.concatenate([ring, [[ring[-1, 0], pole], [ring[0, 0], pole], ring[0]]])


def _bbox(footprint: BaseGeometry) -> list[float]:
    """[west, south, east, north]; west is greater than east where the footprint crosses the antimeridian."""
    west, south, east, north = footprint.bounds
    parts = shapely.bounds(shapely.get_parts(footprint))
    apart = len(parts) == 2 and parts[:, 0].max() > parts[:, 2].min()
    if apart and west == -180 and east == 180:
        west, east = parts[:, 0].max(), parts[:, 2].min()
    return [float(west), float(south), float(east), float(north)]
