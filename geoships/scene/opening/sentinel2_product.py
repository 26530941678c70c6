"""Products of Sentinel-2 as they are downloaded: a folder .SAFE or its zip, level 1C or 2A, as a scene.

GDAL's own SENTINEL2 driver gives a raster for each pixel size, leaves the offset out, and opens whatever its XML names
by any driver. Here names come from the listing of the product, and pictures are opened as all others are.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from geoships.errors import SceneError
from geoships.scene.acquisition import Acquisition, parse_time
from geoships.scene.opening.band_files import BandFile, BandFiles
from geoships.scene.opening.signatures import HEADER_BYTES, is_plain_raster
from geoships.scene.radiometry import OFFSET_TAGS, QUANTIFICATION_TAGS

# The second form of each name is that of products before December 2016, which may hold many granules.
METADATA = re.compile(r"(?:MTD_MSIL(?:1C|2A)|S2[A-D]_(?:OPER|USER)_MTD_SAFL(?:1C|2A)_\w+)\.xml")
GRANULE = r"GRANULE/(?P<granule>\w[\w.-]*)/"
GRANULE_METADATA = re.compile(GRANULE + r"(?:MTD_TL|S2[A-D]_(?:OPER|USER)_MTD_L(?:1C|2A)_TL_\w+)\.xml")
PICTURE = re.compile(GRANULE + r"IMG_DATA/(?:R\d0m/)?\w*_(?P<band>B(?:\d\d|8A))(?:_(?P<metres>\d0)m)?\.jp2")
LISTED = re.compile(r"_(B(?:\d\d|8A))(?:_\d0m)?(?:\.jp2)?$")  # end of what the metadata name as pictures
TILE = re.compile(r"_(T\d\d[A-Z]{3})_")

# Numbers of the bands in the metadata, from 0: all of MSI, B8A between B08 and B09.
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")

LARGEST = 32 << 20  # bytes; metadata of a product take 0.1 MB, and of one with many granules 1 MB


def product_scene(name: str) -> BandFiles | None:
    """The scene of a product of Sentinel-2; None for any other name.

    name: the folder ``.SAFE``, its zip, ``MTD_MSIL1C.xml`` or ``MTD_MSIL2A.xml`` in it, or one of several granules:
    ``PRODUCT.SAFE/GRANULE/NAME`` or ``zip://PRODUCT.zip!PRODUCT.SAFE/GRANULE/NAME``.

    Of a band in several pixel sizes the finest counts. Scale, offset and nodata are those of the product's metadata;
    the time is that of the granule, which may be minutes after the start of the orbit's datatake in the name.

    Raises SceneError where it is damaged, refused, or holds several granules and none is named.
    """
    with _opened(name) as found:
        return None if found is None else _scene(*found)


class Product(ABC):
    """The files of a product.

    root: its folder, or its zip. title: its name, without .SAFE. names: of its files, from its top folder on.
    """

    root: Path
    title: str
    names: list[str]

    @abstractmethod
    def read(self, name: str, most: int) -> bytes:
        """The first bytes of a file, as many as `most`."""

    @abstractmethod
    def href(self, name: str) -> str:
        """What geoships opens the file by."""

    @cached_property
    def metadata(self) -> Element:
        """Those of the whole product."""
        return self.parse(next(name for name in self.names if METADATA.fullmatch(name)))

    def parse(self, name: str) -> Element:
        """The content of an XML file. Raises SceneError where it is none, or declares entities."""
        content = self.read(name, LARGEST + 1)
        try:
            if len(content) > LARGEST:
                raise ValueError(f"it is larger than {LARGEST >> 20} MiB")
            root: Element = fromstring(content, forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
            raise SceneError(f"{self.root}: {name} cannot be read ({error}); copy or unpack it again") from error
        return root


class _Folder(Product):
    PLACES = ("*.xml", "GRANULE/*/*.xml", "GRANULE/*/IMG_DATA/*.jp2", "GRANULE/*/IMG_DATA/R*m/*.jp2")

    def __init__(self, root: Path) -> None:
        self.root = root
        self.title = root.name.removesuffix(".SAFE")
        self.names = sorted(path.relative_to(root).as_posix() for place in self.PLACES for path in root.glob(place))

    def read(self, name: str, most: int) -> bytes:
        with (self.root / name).open("rb") as file:
            return file.read(most)

    def href(self, name: str) -> str:
        return str(self.root / name)


class _Zip(Product):
    """top: the product's folder in the archive with a slash at its end; '' where there is none."""

    def __init__(self, root: Path, archive: zipfile.ZipFile, top: str) -> None:
        self.root, self._archive, self._top = root, archive, top
        self.title = (top.rstrip("/").rpartition("/")[2] or root.stem).removesuffix(".SAFE")
        self.names = sorted(name.removeprefix(top) for name in archive.namelist() if name.startswith(top))

    def read(self, name: str, most: int) -> bytes:
        with self._archive.open(self._top + name) as file:
            return file.read(most)

    def href(self, name: str) -> str:
        return f"zip://{{{self.root}}}/{self._top}{name}"


@contextmanager
def _opened(name: str) -> Iterator[tuple[Product, str | None] | None]:
    """The product that a name leads to, and its granule where the name says which; None for other names."""
    path, inner = Path(name).absolute(), ""
    if name.lower().startswith("zip://"):
        archive, _, inner = name[len("zip://") :].partition("!")
        path, inner = Path(archive).absolute(), inner.strip("/")
        if not (inner.endswith(".SAFE") or "/GRANULE/" in inner):  # one picture of an archive
            yield None
            return
    try:
        if not _exists(path):
            yield None
        elif path.is_dir():
            yield _folder(path)
        elif METADATA.fullmatch(path.name) and path.is_file():
            yield _Folder(path.parent), None
        elif path.suffix.lower() == ".zip" and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                yield _zipped(path, file, inner)
        else:
            yield None
    except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:  # RuntimeError: a password
        reason = getattr(error, "strerror", None) or error
        raise SceneError(f"{name}: the product cannot be read ({reason}); copy or download it again") from error


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long, a folder without permission: whoever opens it will say so
        return False


def _folder(path: Path) -> tuple[Product, str | None] | None:
    granule = path.name if path.parent.name == "GRANULE" else None
    root = path.parents[1] if granule else path
    if any(METADATA.fullmatch(found.name) for found in root.glob("*.xml")):
        return _Folder(root), granule
    if root.suffix == ".SAFE":
        raise SceneError(
            f"{root}: the product has no MTD_MSIL1C.xml or MTD_MSIL2A.xml, by which Sentinel-2 is read; "
            "unpack it again, or give its bands with --band NAME=FILE"
        )
    return None


def _zipped(path: Path, archive: zipfile.ZipFile, inner: str) -> tuple[Product, str | None] | None:
    """inner: folder of the archive that the user names; '' for none."""
    wanted, _, granule = inner.partition("/GRANULE/")
    names = archive.namelist()
    tops = [name.rpartition("/")[0] for name in names if METADATA.fullmatch(name.rpartition("/")[2])]
    tops = sorted({top for top in tops if wanted in ("", top)})
    if not tops and not inner:
        return None
    if len(tops) != 1:
        said = f"{len(tops)} products of Sentinel-2: {', '.join(tops)}" if tops else f"no product {wanted}"
        raise SceneError(f"{path}: the archive holds {said}; give one as zip://{path}!NAME.SAFE")
    if len(set(names)) < len(names):  # two readers could take different ones
        raise SceneError(f"{path}: refused, because the archive holds two files of one name; unpack it")
    return _Zip(path, archive, f"{tops[0]}/" if tops[0] else ""), granule or None


def _scene(product: Product, wanted: str | None) -> BandFiles:
    granule = _granule(product, wanted)
    pictures = _pictures(product, granule)
    scale, offsets = _reflectance(product)
    nodata = _nodata(product.metadata)
    files = tuple(
        BandFile(band, product.href(pictures[band]), scale=scale, offset=offsets.get(band, 0.0), nodata=nodata)
        for band in BANDS
        if band in pictures
    )
    missing = sorted(_listed(product.metadata) - set(pictures))
    warning = f"the product's metadata name bands that it does not hold: {', '.join(missing)}; unpack it again"
    return BandFiles(
        product.title if wanted is None else granule,
        files,
        address=str(product.root),
        acquired=_acquired(product, granule),
        rule=f"metadata of the product, processing baseline {_text(product.metadata, 'PROCESSING_BASELINE') or '?'}",
        warnings=(warning,) if missing else (),
    )


def _granule(product: Product, wanted: str | None) -> str:
    found = {match["granule"] for name in product.names if (match := PICTURE.fullmatch(name))}
    if not found:
        raise SceneError(f"{product.root}: the product holds no pictures (GRANULE/*/IMG_DATA/*.jp2); unpack it again")
    if wanted is not None and wanted not in found:
        raise SceneError(f"{product.root}: the product has no granule {wanted}; it has {_shortly(sorted(found))}")
    if wanted is None and len(found) > 1:
        granules = sorted(found, key=lambda name: TILE.findall(f"{name}_"))
        tiles = [tile for name in granules for tile in TILE.findall(f"{name}_")]
        example = f"{product.title}.SAFE/GRANULE/{granules[0]}"
        raise SceneError(
            f"{product.root}: the product holds {len(found)} granules ({_shortly(tiles or granules)}), each a scene of "
            f"its own; give them one by one, e.g. {example}"
        )
    return wanted or found.pop()


def _shortly(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _pictures(product: Product, granule: str) -> dict[str, str]:
    """Name of the finest picture of each band."""
    found: dict[str, tuple[int, str]] = {}
    for name in product.names:
        match = PICTURE.fullmatch(name)
        if match and match["granule"] == granule and match["band"] in BANDS:
            found[match["band"]] = min(found.get(match["band"], (1000, "")), (int(match["metres"] or 0), name))
    for _, name in found.values():
        if not is_plain_raster(product.read(name, HEADER_BYTES)):
            raise SceneError(f"{product.root}: {name} is no JPEG 2000 picture; copy or unpack it again")
    return {band: name for band, (_, name) in found.items()}


def _reflectance(product: Product) -> tuple[float, dict[str, float]]:
    """Scale, and offset of each band: reflectance = number * scale + offset.

    ESA states reflectance = (number + added) / quantification; what is added is there since processing baseline 04.00.
    """
    numbers = [_number(element.text) for element in _elements(product.metadata, QUANTIFICATION_TAGS)]
    if not numbers or not numbers[0] or numbers[0] < 0:
        raise SceneError(
            f"{product.root}: the product's metadata have no quantification value, so its numbers give no reflectance; "
            "copy it again, or give its bands with --band NAME=FILE and --scale"
        )
    offsets = {}
    for element in _elements(product.metadata, OFFSET_TAGS):
        number, added = element.get("band_id", ""), _number(element.text)
        if number.isdecimal() and int(number) < len(BANDS) and added is not None:
            offsets[BANDS[int(number)]] = added / numbers[0]
    return 1 / numbers[0], offsets


def _nodata(metadata: Element) -> float:
    for special in _elements(metadata, ("Special_Values",)):
        if _text(special, "SPECIAL_VALUE_TEXT") == "NODATA":
            value = _number(_text(special, "SPECIAL_VALUE_INDEX"))
            return 0.0 if value is None else value
    return 0.0


def _listed(metadata: Element) -> set[str]:
    """Bands of the pictures that the metadata name."""
    texts = [(element.text or "").strip() for element in metadata.iter() if "IMAGE_" in str(element.tag)]
    return {match[1] for text in texts if (match := LISTED.search(text))} & set(BANDS)


def _acquired(product: Product, granule: str) -> Acquisition | None:
    for name in product.names:
        match = GRANULE_METADATA.fullmatch(name)
        if match and match["granule"] == granule and (time := parse_time(_text(product.parse(name), "SENSING_TIME"))):
            return time
    return parse_time(_text(product.metadata, "PRODUCT_START_TIME"))


def _elements(root: Element, names: Iterable[str]) -> list[Element]:
    """All elements of the first of these names that has any, in any namespace."""
    for wanted in names:
        found = [element for element in root.iter() if str(element.tag).rpartition("}")[2] == wanted]
        if found:
            return found
    return []


def _text(root: Element, name: str) -> str:
    found = _elements(root, (name,))
    return (found[0].text or "").strip() if found else ""


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
