"""STAC Items as scenes: which of their assets are the bands, and how numbers become reflectance."""

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
from geoships.scene.opening.raster import public_name
from geoships.scene.opening.sentinel2_offset import offset_is_gone

if TYPE_CHECKING:
    from pystac import Asset, Item

LARGEST = 32 << 20  # bytes; more is no Item
CHUNK = 1 << 16  # bytes
TIMEOUT = (10, 60)  # s, to connect and between two parts of an answer
API_ITEM = re.compile(r"/collections/[^/]+/items/[^/]+/?$")
PICTURES = ("tiff", "jp2", "jpeg2000")  # parts of the media types that geoships reads bands from
NO_DATA_ROLES = {"thumbnail", "overview", "visual", "metadata", "graphic"}
MISSING = "reading and writing STAC needs two more packages: pip install 'geoships[stac]'"


def read_item(name: str) -> BandFiles | None:
    """The scene of a STAC Item in a file or on a server; None where the name leads to something else.

    Raises:
        SceneError: the Item cannot be read or has no bands.

    """
    remote = name.lower().startswith(("http://", "https://"))
    path = urlsplit(name).path if remote else name
    if not (path.lower().endswith((".json", ".geojson")) or (remote and API_ITEM.search(path))):
        return None
    content = _download(name) if remote else _load(Path(name))
    return None if content is None else item_scene(content, name if remote else str(Path(name).absolute()))


def _load(path: Path) -> dict[str, Any] | None:
    """The content of a local STAC file; None for what is none, which others may know."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return None
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and "stac_version" in content else None


def _download(address: str) -> dict[str, Any]:
    import requests

    shown = public_name(address)
    try:
        with requests.get(address, timeout=TIMEOUT, stream=True) as answer:
            if not answer.ok:
                raise SceneError(f"{shown}: the server answers {answer.status_code} {answer.reason}; check the address")
            body = b"".join(islice(answer.iter_content(CHUNK), LARGEST // CHUNK))
    except requests.RequestException as error:
        raise SceneError(f"{shown}: cannot be read from the server; check the address and the connection") from error
    try:
        content = json.loads(body)
    except ValueError:
        content = None
    if not isinstance(content, dict) or "stac_version" not in content:
        raise SceneError(f"{shown}: the answer is no STAC Item; check the address")
    return content


def item_scene(content: Mapping[str, Any], address: str) -> BandFiles:
    """The scene of a STAC Item.

    content: the Item. address: where it lies; relative addresses of its assets start there.

    A band is an asset, or a part of one, with a common name (``bands`` of STAC 1.1, ``eo:bands`` before). Of several
    with one name the finest counts, then a GeoTIFF. Scale, offset and nodata are those of the Item; where it has
    none they come from the files, or for Sentinel-2 from the processing baseline.

    Raises SceneError where it is no valid Item, has no bands, or lies on a server and names local files.
    """
    item, shown = _item(content, address), public_name(address)
    found: dict[str, _Candidate] = {}
    for candidate in _candidates(item):
        best = found.get(candidate.file.name)
        if best is None or candidate.rank < best.rank:
            found[candidate.file.name] = candidate
    if not found:
        raise SceneError(f"{shown}: none of its assets says which band it holds; give the files with --band NAME=FILE")
    if "://" in address:
        for candidate in found.values():
            if not candidate.file.href.lower().startswith(("http://", "https://", "s3://")):
                raise SceneError(
                    f"{shown}: refused, because an asset of this server's Item is no http(s) or s3 address"
                )
    files = tuple(candidate.file for candidate in found.values())
    scene = BandFiles(item.id, files, address, item_acquisition(item), rule="scale and offset of the STAC Item")
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
        raise SceneError(f"{shown}: is no valid STAC Item ({type(error).__name__}: {error})") from error


@dataclass(frozen=True)
class _Candidate:
    """A band of an Item. rank: the least is taken where several have one name."""

    file: BandFile
    rank: tuple[bool, float, int]


def _candidates(item: Item) -> Iterator[_Candidate]:
    for key, asset in item.assets.items():
        media = (asset.media_type or "").lower()
        if set(asset.roles or ()) & NO_DATA_ROLES or "visual" in key.lower() or "preview" in key.lower():
            continue  # pictures for people have names of bands, too, and other numbers
        if media and not any(kind in media for kind in PICTURES):
            continue
        bands = list(_bands(asset))
        for index, band in enumerate(bands, 1):
            name = _name(band, key if len(bands) == 1 else "")
            if name:
                file = BandFile(
                    name, asset.get_absolute_href() or asset.href, index,
                    *(_number(band, word) for word in ("raster:scale", "raster:offset", "nodata")),
                )  # fmt: skip
                yield _Candidate(file, (len(bands) > 1, _gsd(band), PICTURES.index("tiff") if "tiff" in media else 1))


def _bands(asset: Asset) -> Iterator[dict[str, Any]]:
    """What an asset says of each of its bands, in the words of STAC 1.1."""
    own = {key: value for key, value in asset.extra_fields.items() if not isinstance(value, list)}
    spectral = asset.extra_fields.get("bands") or asset.extra_fields.get("eo:bands") or []
    numbers = asset.extra_fields.get("raster:bands") or []
    for index in range(max(len(spectral), len(numbers), 1)):
        colour = dict(spectral[index]) if index < len(spectral) else {}
        values = dict(numbers[index]) if index < len(numbers) else {}
        if "common_name" in colour:
            colour["eo:common_name"] = colour["common_name"]
        for word in ("scale", "offset", "spatial_resolution"):
            if word in values:
                values[f"raster:{word}"] = values[word]
        yield {**own, **values, **colour}


def _name(band: Mapping[str, Any], key: str) -> str:
    """Common name of a band; '' where nothing tells it."""
    for text in (band.get("eo:common_name"), band.get("name"), key):
        name = common_names([BandDescription(1, str(text or ""))])[1] if text else None
        if name:
            return name
    return ""


def _number(band: Mapping[str, Any], word: str) -> float | None:
    value = band.get(word)
    try:
        return None if value is None else float(value)  # nodata may be the text "nan"
    except (TypeError, ValueError):
        return None


def _gsd(band: Mapping[str, Any]) -> float:
    return _number(band, "raster:spatial_resolution") or _number(band, "gsd") or inf


def item_acquisition(item: Item) -> Acquisition | None:
    """When the scene of an Item was taken."""
    common = item.common_metadata
    start, end = item.datetime or common.start_datetime, item.datetime or common.end_datetime
    return Acquisition(_utc(start), _utc(end)) if start and end else None


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def _is_sentinel_2(item: Item) -> bool:
    said = (item.properties.get("constellation"), item.properties.get("platform"), item.collection_id, item.id)
    return any(re.match(r"sentinel-?2|s2[abcd]_", str(text or "").lower()) for text in said)


def _sentinel_2(scene: BandFiles, item: Item) -> BandFiles:
    """Get the offset of -0.1 right, which products have since processing baseline 04.00 (January 2022).

    Earth Search states it for all Items, also for those whose numbers it has shifted back; then
    ``earthsearch:boa_offset_applied`` is true, and for some it is false by mistake: the numbers show it.
    """
    said = item.properties
    applied = said.get("earthsearch:boa_offset_applied", said.get("sentinel:boa_offset_applied"))
    stated = any(file.scale is not None for file in scene.files)
    if not stated:
        tags = {"QUANTIFICATION_VALUE": "10000", **({"PROCESSING_BASELINE": b} if (b := _baseline(item)) else {})}
        scene = replace(scene, tags=tags)
    if applied is True:
        return _without_offset(scene)
    shifted = any((file.offset or 0) < 0 for file in scene.files) or scene.tags.get("PROCESSING_BASELINE", "0") >= "04"
    if shifted and offset_is_gone(scene.files):
        warning = (
            "the STAC Item says that reflectance = number * 0.0001 - 0.1, and many numbers would become negative: "
            "they are taken to have the offset of -0.1 off already; give --sensor sentinel-2-l2a if not so"
        )
        return replace(_without_offset(scene), warnings=(*scene.warnings, warning))
    return scene


def _without_offset(scene: BandFiles) -> BandFiles:
    files = tuple(replace(file, offset=None if file.scale is None else 0.0) for file in scene.files)
    tags = {**scene.tags, "BOA_ADD_OFFSET": "0"}
    return replace(scene, files=files, tags=tags, rule="scale of the STAC Item, the offset being off already")


def _baseline(item: Item) -> str | None:
    """Processing baseline of a Sentinel-2 Item as 'NN.NN'; None where it is not told."""
    said = item.properties
    for key in ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version"):
        if match := re.fullmatch(r"N?(\d{1,2})\.?(\d{2})", str(said.get(key, "")).strip()):
            return f"{int(match[1]):02}.{match[2]}"
    for text in (said.get("s2:product_uri"), item.id):
        if match := re.search(r"_N(\d{2})(\d{2})_", str(text or "")):
            return f"{match[1]}.{match[2]}"
    return None
