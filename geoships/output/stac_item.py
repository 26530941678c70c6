"""A STAC Item beside the outputs of a run, so that a catalogue can take them up.

STAC 1.1 with the extensions projection, processing and file. The model's card lies beside the Item, in terms of the
Machine Learning Model extension.
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
from pyproj.exceptions import ProjError
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from geoships.errors import OutputError
from geoships.output.classes import SHIPS, FoundClass
from geoships.output.formats import cut_at_antimeridian
from geoships.scene.acquisition import Acquisition, iso
from geoships.scene.georeference import Georeference
from geoships.support.files import atomic_write, reserve

if TYPE_CHECKING:
    from pystac import Asset, Link

EXTENSIONS = (
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
)
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

# A null datetime needs a range. No satellite took a picture before the first one flew.
FIRST_SATELLITE = datetime(1957, 10, 4, tzinfo=UTC)
NO_TIME = "the scene does not say when it was taken: the STAC Item gives the range from 1957 to now"

_EDGE = np.linspace(0, 1, 17)  # points along one edge of the footprint
_DECIMALS = 7  # of degrees: 1 cm


@dataclass(frozen=True)
class Run:
    """What an Item tells of a run.

    scene: name of the scene, of which the Item's id is made. origins: paths and addresses that it is derived from.
    outputs: files written, by kind (vector, mask, scores). cards: texts of model cards, by kind (model, verifier).
    facts: further properties. found: the class, which names the Item and its assets.
    """

    scene: str
    georeference: Georeference
    acquired: Acquisition | None
    origins: Sequence[str]
    outputs: Mapping[str, Path]
    cards: Mapping[str, str]
    facts: Mapping[str, Any]
    found: FoundClass = SHIPS


def check_item(path: Path) -> None:
    """Raise OutputError where an Item cannot be written to `path`: name, folder, or a missing package."""
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"cannot write {path}: the name of a STAC Item must end with .json or .geojson")
    reserve(path)
    try:
        import pystac  # noqa: F401 (whether it is there)
    except ImportError as error:
        raise OutputError("--stac needs two more packages: pip install 'geoships[stac]'") from error


def card_path(item: Path, kind: str) -> Path:
    """Where the card of a run's model (kind: model, verifier) lies beside its Item."""
    return item.with_name(f"{item.stem}_{kind}.json")


def write_item(path: Path, run: Run) -> None:
    """Write the Item of a run whose outputs are all written; it appears whole or not at all, after its cards.

    Raises OutputError where a file cannot be written, or an output cannot be read back.
    """
    import pystac

    now = datetime.now(UTC).replace(microsecond=0)
    footprint = _footprint(run.georeference)
    instant = run.acquired.instant if run.acquired else None
    start, end = (run.acquired.start, run.acquired.end) if run.acquired else (FIRST_SATELLITE, now)
    item = pystac.Item(
        id=f"{Path(run.scene).stem}-{'ships' if run.found.is_ship else run.found.name.replace(' ', '-')}",
        geometry=None if footprint is None else mapping(footprint),
        bbox=None if footprint is None else _bbox(footprint),
        datetime=instant,
        start_datetime=None if instant else start,
        end_datetime=None if instant else end,
        properties={
            "title": f"{run.found.layer} found by geoships in {run.scene}",
            "created": iso(now),
            "processing:level": "L4",
            "processing:datetime": iso(now),
            "processing:software": {"geoships": version("geoships")},
            **_projection(run.georeference),
            **run.facts,
        },
        stac_extensions=list(EXTENSIONS),
    )
    for kind, text in run.cards.items():
        with atomic_write(card_path(path, kind)) as temporary:
            temporary.write_text(text, encoding="utf-8")
        item.add_asset(kind, _card_asset(card_path(path, kind), path.parent, kind, text))
    for kind, output in run.outputs.items():
        item.add_asset(kind, _asset(output, path.parent, kind, run.found))
    item.add_links(_derived_from(run.origins, path.parent))
    with atomic_write(path) as temporary:
        content = item.to_dict(include_self_link=False, transform_hrefs=False)
        temporary.write_text(
            json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2) + "\n", encoding="utf-8"
        )


def _asset(path: Path, folder: Path, kind: str, found: FoundClass = SHIPS) -> Asset:
    import pystac

    return pystac.Asset(
        href=_relative(path, folder),
        title=_titles(found).get(kind, kind),
        media_type=MEDIA_TYPES.get(path.suffix.lower()),
        roles=ROLES.get(kind, ["metadata"]),
        extra_fields={**_file_facts(path), **_band(kind, found)},
    )


def _card_asset(path: Path, folder: Path, kind: str, text: str) -> Asset:
    asset = _asset(path, folder, kind)
    asset.title, asset.media_type = f"Card of the {kind}", "application/json"
    asset.extra_fields["mlm:name"] = json.loads(text)["mlm:name"]
    return asset


def _titles(found: FoundClass) -> dict[str, str]:
    mask, scores = f"{found.title} mask", f"{found.title} scores"
    return {"vector": found.layer, "mask": mask, "scores": scores, "preview": f"{found.layer} on the scene"}


def _band(kind: str, found: FoundClass) -> dict[str, Any]:
    if kind not in ("mask", "scores"):
        return {}
    return {
        "data_type": "uint8",
        "nodata": 255,
        "bands": [{"name": found.name if kind == "mask" else f"{found.name} score"}],
    }


def _file_facts(path: Path) -> dict[str, Any]:
    """Size in bytes and SHA-256 of a file; the sum as a multihash: function 0x12, length 0x20, digest."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {"file:size": path.stat().st_size, "file:checksum": f"1220{digest}"}
    except OSError as error:
        raise OutputError(f"cannot read {path} again for the STAC Item: {error.strerror or error}") from error


def _relative(path: str | Path, folder: Path) -> str:
    relative = os.path.relpath(path, folder).replace(os.sep, "/")
    return relative if relative.startswith("../") else f"./{relative}"


def _derived_from(origins: Iterable[str], folder: Path) -> list[Link]:
    import pystac

    links = []
    for origin in origins:
        suffix = Path(origin.partition("?")[0]).suffix.lower()
        listing = suffix in SUFFIXES or "/items/" in origin
        target = origin if "://" in origin or not Path(origin).is_absolute() else _relative(origin, folder)
        media = "application/geo+json" if listing else SCENE_TYPES.get(suffix)
        links.append(pystac.Link("derived_from", target, media_type=media, title=Path(origin).name))
    return links


def _projection(georeference: Georeference) -> dict[str, Any]:
    """Fields of the projection extension; a scene without a place has a shape only."""
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
    """Columns and rows of points around the scene."""
    ends = np.zeros_like(_EDGE), np.ones_like(_EDGE)
    columns = np.concatenate([_EDGE, ends[1], _EDGE[::-1], ends[0]]) * georeference.width
    rows = np.concatenate([ends[0], _EDGE, ends[1], _EDGE[::-1]]) * georeference.height
    return columns, rows


def _footprint(georeference: Georeference) -> BaseGeometry | None:
    """Outline of the scene in degrees, cut at the antimeridian; None where it has no place on Earth."""
    if not georeference.placed:
        return None
    try:
        lonlat = np.column_stack(georeference.to_lonlat(*_outline(georeference)))
    except ProjError:
        return None
    if not np.isfinite(lonlat).all():
        return None
    first = lonlat[0, 0]
    lonlat[:, 0] = first + (lonlat[:, 0] - first + 180) % 360 - 180  # in one piece, before it is cut
    outline = shapely.simplify(shapely.Polygon(lonlat), 1e-5)
    rounded = shapely.transform(cut_at_antimeridian(outline), lambda points: np.round(points, _DECIMALS))
    return shapely.orient_polygons(rounded) if rounded.is_valid and not rounded.is_empty else None


def _bbox(footprint: BaseGeometry) -> list[float]:
    """[west, south, east, north]; west is greater than east where the footprint crosses the antimeridian."""
    west, south, east, north = footprint.bounds
    parts = shapely.bounds(shapely.get_parts(footprint))
    if len(parts) == 2 and west == -180 and east == 180:
        west, east = parts[:, 0].max(), parts[:, 2].min()
    return [float(west), float(south), float(east), float(north)]
