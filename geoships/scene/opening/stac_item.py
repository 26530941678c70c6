"""STAC Items as scenes: their bands, and scale and offset to reflectance."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from geoships.errors import SceneError
from geoships.scene.acquisition import Acquisition
from geoships.scene.bands import BandDescription, common_names
from geoships.scene.opening.band_files import BandFile, BandFiles
from geoships.scene.opening.names import is_in_store, is_remote
from geoships.scene.opening.raster import public_name
from geoships.scene.opening.sentinel2_offset import offset_is_removed

if TYPE_CHECKING:
    from pystac import Asset, Item

MAX_BYTES = 32 << 20  # larger files are not Items
CHUNK = 1 << 16  # bytes
TIMEOUT = (10, 60)  # s, to connect and between two parts of a response
API_ITEM = re.compile(r"/collections/[^/]+/items/[^/]+/?$")
IMAGE_TYPES = ("tiff", "jp2", "jpeg2000")  # parts of the media types that bands are read from
NO_DATA_ROLES = {"thumbnail", "overview", "visual", "metadata", "graphic"}
MISSING = "reading and writing STAC needs more packages: pip install 'geoships[stac]'"


def read_item(name: str) -> BandFiles | None:
    """Read the scene of a STAC Item.

    Args:
        name: Path or URL.

    Returns:
        The scene; None if the name does not refer to a STAC Item.

    Raises:
        SceneError: The Item cannot be read or has no bands.
    """
    remote = is_remote(name) and not is_in_store(name)
    path = urlsplit(name).path if remote else name
    if not (path.lower().endswith((".json", ".geojson")) or (remote and API_ITEM.search(path))):
        return None
    content = _download(name) if remote else _load(Path(name))
    return None if content is None else item_scene(content, name if remote else str(Path(name).absolute()))


def _load(path: Path) -> dict[str, Any] | None:
    """Content of a local STAC file; None if it is another file."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and "stac_version" in content else None


def _download(address: str) -> dict[str, Any]:
    import requests

    shown = public_name(address)
    try:
        with requests.get(address, timeout=TIMEOUT, stream=True) as response:
            if not response.ok:
                raise SceneError(
                    f"{shown}: the server answered {response.status_code} {response.reason}; check the URL"
                )
            body = b"".join(islice(response.iter_content(CHUNK), MAX_BYTES // CHUNK))
    except requests.RequestException as error:
        raise SceneError(f"{shown}: cannot be read from the server; check the URL and the connection") from error
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or "stac_version" not in content:
        raise SceneError(f"{shown}: the response is not a STAC Item; check the URL")
    return content


def item_scene(content: Mapping[str, Any], address: str) -> BandFiles:
    """Make the scene of a STAC Item.

    A band is an asset, or a band of an asset, with a common name (``bands`` of STAC 1.1, ``eo:bands`` before). Of
    several with the same name, the one with the smallest pixels is used, then a GeoTIFF. Scale, offset and nodata are
    those of the Item. If it has none, they are read from the files, or for Sentinel-2 from the processing baseline.

    Args:
        content: The Item.
        address: Its path or URL, to which relative hrefs of its assets refer.

    Returns:
        The scene.

    Raises:
        SceneError: The Item is invalid or has no bands, or an Item on a server refers to local files.
    """
    item, shown = _item(content, address), public_name(address)
    chosen: dict[str, _Candidate] = {}
    for candidate in _candidates(item):
        best = chosen.get(candidate.file.name)
        if best is None or candidate.rank < best.rank:
            chosen[candidate.file.name] = candidate
    if not chosen:
        raise SceneError(f"{shown}: none of its assets has a band name; give the files with --band NAME=FILE")
    if is_remote(address):
        for candidate in chosen.values():
            if not is_remote(candidate.file.href):
                raise SceneError(
                    f"{shown}: refused, because an asset of an Item on a server has no http(s) or s3 URL; "
                    "download the Item and its assets"
                )
    files = tuple(candidate.file for candidate in chosen.values())
    classes = _classes(item, remote=is_remote(address))
    scene = BandFiles(
        item.id, files, address, item_acquisition(item), rule="scale and offset of the STAC Item", classes=classes
    )
    return _sentinel_2(scene, item) if _is_sentinel_2(item) else scene


def _item(content: Mapping[str, Any], address: str) -> Item:
    try:
        import pystac
    except ImportError as error:
        raise SceneError(MISSING) from error
    shown = public_name(address)
    if content.get("type") != "Feature":
        raise SceneError(f"{shown}: is a STAC {content.get('type')}, not an Item; give one of its Items, or --stac-api")
    try:
        return pystac.Item.from_dict(dict(content), href=address)
    except (pystac.STACError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise SceneError(
            f"{shown}: is not a valid STAC Item ({type(error).__name__}: {error}); give the files with --band NAME=FILE"
        ) from error


@dataclass(frozen=True)
class _Candidate:
    """A band of an Item. rank: sort key by which one of several bands with the same name is chosen."""

    file: BandFile
    rank: tuple[bool, float, int]


def _candidates(item: Item) -> Iterator[_Candidate]:
    for key, asset in item.assets.items():
        media = (asset.media_type or "").lower()
        if set(asset.roles or ()) & NO_DATA_ROLES or "visual" in key.lower() or "preview" in key.lower():
            continue  # quicklooks have band names too, but not the stored values
        if media and not any(kind in media for kind in IMAGE_TYPES):
            continue
        bands = list(_bands(asset))
        for index, band in enumerate(bands, 1):
            name = _name(band, key if len(bands) == 1 else "")
            if name:
                file = BandFile(
                    name, asset.get_absolute_href() or asset.href, index,
                    *(_number(band, key) for key in ("raster:scale", "raster:offset", "nodata")),
                )  # fmt: skip
                yield _Candidate(file, (len(bands) > 1, _gsd(band), 0 if "tiff" in media else 1))


def _classes(item: Item, *, remote: bool) -> BandFile | None:
    """The scene classification (SCL) of a Sentinel-2 Item; a GeoTIFF where there are several."""
    if not _is_sentinel_2(item):
        return None
    found = []
    for key, asset in item.assets.items():
        media, href = (asset.media_type or "").lower(), asset.get_absolute_href() or asset.href
        if re.match(r"scl(?:[-_]|$)", key.lower()) and any(kind in media for kind in IMAGE_TYPES):
            if remote and not is_remote(href):
                continue
            found.append(("tiff" not in media, key, href))
    return BandFile("SCL", min(found)[2]) if found else None


def _bands(asset: Asset) -> Iterator[dict[str, Any]]:
    """Metadata of each band of an asset, with the field names of STAC 1.1."""
    own = {key: value for key, value in asset.extra_fields.items() if not isinstance(value, list)}
    spectral = asset.extra_fields.get("bands") or asset.extra_fields.get("eo:bands") or []
    numbers = asset.extra_fields.get("raster:bands") or []
    for index in range(max(len(spectral), len(numbers), 1)):
        colour = dict(spectral[index]) if index < len(spectral) else {}
        values = dict(numbers[index]) if index < len(numbers) else {}
        if "common_name" in colour:
            colour["eo:common_name"] = colour["common_name"]
        for key in ("scale", "offset", "spatial_resolution"):
            if key in values:
                values[f"raster:{key}"] = values[key]
        yield {**own, **values, **colour}


def _name(band: Mapping[str, Any], key: str) -> str:
    """Common name of a band; '' if it is unknown."""
    for text in (band.get("eo:common_name"), band.get("name"), key):
        name = common_names([BandDescription(1, str(text or ""))])[1] if text else None
        if name:
            return name
    return ""


def _number(band: Mapping[str, Any], key: str) -> float | None:
    value = band.get(key)
    try:
        return None if value is None else float(value)  # nodata may be the text "nan"
    except (TypeError, ValueError):
        return None


def _gsd(band: Mapping[str, Any]) -> float:
    return _number(band, "raster:spatial_resolution") or _number(band, "gsd") or inf


def item_acquisition(item: Item) -> Acquisition | None:
    """Acquisition time of an Item; None if it is not stated."""
    common = item.common_metadata
    start, end = item.datetime or common.start_datetime, item.datetime or common.end_datetime
    return Acquisition(_utc(start), _utc(end)) if start and end else None


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _is_sentinel_2(item: Item) -> bool:
    names = (item.properties.get("constellation"), item.properties.get("platform"), item.collection_id, item.id)
    return any(re.match(r"sentinel-?2|s2[abcd]_", str(text or "").lower()) for text in names)


def _sentinel_2(scene: BandFiles, item: Item) -> BandFiles:
    """Correct the offset of -0.1, which products have since processing baseline 04.00 (January 2022).

    Earth Search states this offset for all Items, also for those whose stored values it has already corrected. Then
    ``earthsearch:boa_offset_applied`` is true, but for some Items it is wrongly false, which the values show.
    """
    properties = item.properties
    applied = properties.get("earthsearch:boa_offset_applied", properties.get("sentinel:boa_offset_applied"))
    stated = any(file.scale is not None for file in scene.files)
    if not stated:
        tags = {"QUANTIFICATION_VALUE": "10000", **({"PROCESSING_BASELINE": b} if (b := _baseline(item)) else {})}
        scene = replace(scene, tags=tags)
    if applied is True:
        return _without_offset(scene)
    offset = any((file.offset or 0) < 0 for file in scene.files) or scene.tags.get("PROCESSING_BASELINE", "0") >= "04"
    if offset and offset_is_removed(scene.files):
        warning = (
            "the STAC Item states reflectance = DN * 0.0001 - 0.1, but this makes many pixels negative: assumed that "
            "the offset of -0.1 was already applied; if this is wrong, give --sensor sentinel-2-l2a"
        )
        return replace(_without_offset(scene), warnings=(*scene.warnings, warning))
    return scene


def _without_offset(scene: BandFiles) -> BandFiles:
    files = tuple(replace(file, offset=None if file.scale is None else 0.0) for file in scene.files)
    tags = {**scene.tags, "BOA_ADD_OFFSET": "0"}
    return replace(scene, files=files, tags=tags, rule="scale of the STAC Item, the offset being off already")


def _baseline(item: Item) -> str | None:
    """Processing baseline of a Sentinel-2 Item as 'NN.NN'; None if it is unknown."""
    properties = item.properties
    for key in ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version"):
        if match := re.fullmatch(r"N?(\d{1,2})\.?(\d{2})", str(properties.get(key, "")).strip()):
            return f"{int(match[1]):02}.{match[2]}"
    for text in (properties.get("s2:product_uri"), item.id):
        if match := re.search(r"_N(\d{2})(\d{2})_", str(text or "")):
            return f"{match[1]}.{match[2]}"
    return None
