"""Sentinel-2 products in SAFE format, level 1C or 2A, as scenes: a .SAFE folder or its zip.

GDAL's SENTINEL2 driver has one raster per pixel size, ignores the offset, and opens all files that the XML refers to
with any driver. Here file names come from the listing of the product, and image files are opened as all others.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from geoships.errors import SceneError
from geoships.scene.acquisition import Acquisition, parse_time
from geoships.scene.angles import sentinel2_angles
from geoships.scene.opening.band_files import BandFile, BandFiles
from geoships.scene.opening.signatures import HEADER_BYTES, is_plain_raster
from geoships.scene.radiometry import OFFSET_TAGS, QUANTIFICATION_TAGS

# The second alternative of each name is for products before December 2016, which may have many granules.
METADATA = re.compile(r"(?:MTD_MSIL(?:1C|2A)|S2[A-D]_(?:OPER|USER)_MTD_SAFL(?:1C|2A)_\w+)\.xml")
GRANULE = r"GRANULE/(?P<granule>\w[\w.-]*)/"
GRANULE_METADATA = re.compile(GRANULE + r"(?:MTD_TL|S2[A-D]_(?:OPER|USER)_MTD_L(?:1C|2A)_TL_\w+)\.xml")
IMAGE = re.compile(GRANULE + r"IMG_DATA/(?:R\d0m/)?\w*_(?P<band>B(?:\d\d|8A))(?:_(?P<metres>\d0)m)?\.jp2")
FOOTPRINT = re.compile(GRANULE + r"QI_DATA/MSK_DETFOO_(?P<band>B(?:\d\d|8A))\.jp2")
CLASSES = re.compile(GRANULE + r"(?:IMG_DATA/R\d0m|IMG_DATA|QI_DATA)/\w*_?SCL_(?P<metres>\d0)m(?:_\w+)?\.jp2")
LISTED = re.compile(r"_(B(?:\d\d|8A))(?:_\d0m)?(?:\.jp2)?$")  # end of the image names in the metadata
TILE = re.compile(r"_(T\d\d[A-Z]{3})_")

# The band ids in the metadata are positions in this list, from 0.
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")

MAX_BYTES = 32 << 20  # of a metadata file: usually 0.1 MB, and 1 MB with many granules


def product_scene(name: str) -> BandFiles | None:
    """Make the scene of a Sentinel-2 product.

    If the product has a band in several pixel sizes, the smallest is used. Scale, offset and nodata are read from the
    metadata of the product. The acquisition time is that of the granule, which may be minutes after the start of the
    datatake in the product name.

    Args:
        name: Path of the ``.SAFE`` folder, of its zip, or of ``MTD_MSIL1C.xml`` or ``MTD_MSIL2A.xml`` in it; or one of
            several granules: ``PRODUCT.SAFE/GRANULE/NAME`` or ``zip://PRODUCT.zip!PRODUCT.SAFE/GRANULE/NAME``.

    Returns:
        The scene; None if the name does not refer to a Sentinel-2 product.

    Raises:
        SceneError: The product is damaged or refused, or it has several granules and the name selects none.
    """
    with _opened(name) as opened:
        return None if opened is None else _scene(*opened)


@dataclass(frozen=True)
class GranuleDetails:
    """What a product says of one granule, beyond what a scene needs.

    Attributes:
        metadata: Root element of ``MTD_TL.xml``.
        descending: Whether the satellite flew southwards; None if the product does not say.
        footprints: By band, name of the image whose pixels are the numbers of the detectors; none in products before
            processing baseline 04.00.
    """

    metadata: Element
    descending: bool | None
    footprints: Mapping[str, str]


def granule_details(name: str) -> GranuleDetails | None:
    """Read the metadata of a granule.

    Args:
        name: A product or one of its granules, as for `product_scene`.

    Returns:
        The details; None if the name does not refer to a Sentinel-2 product, or the product has no ``MTD_TL.xml``.

    Raises:
        SceneError: The product is damaged or refused, or it has several granules and the name selects none.
    """
    with _opened(name) as opened:
        if opened is None:
            return None
        product, selected = opened
        granule = _granule(product, selected)
        inside = [match for file in product.names if (match := FOOTPRINT.fullmatch(file))]
        root = _granule_metadata(product, granule)
        orbit = _text(product.metadata, "SENSING_ORBIT_DIRECTION").upper()
        if root is None:
            return None
        return GranuleDetails(
            root,
            orbit == "DESCENDING" if orbit else None,
            {match["band"]: product.href(match[0]) for match in inside if match["granule"] == granule},
        )


def read_granule_metadata(path: Path) -> Element:
    """Read an ``MTD_TL.xml`` that lies alone, such as the asset of a STAC Item.

    Raises:
        SceneError: The file cannot be read, is too large, or is no XML.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
        root: Element = fromstring(path.read_bytes(), forbid_dtd=True)
    except OSError as error:
        raise SceneError(f"{path}: the metadata cannot be read ({error.strerror}); check the name") from error
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise SceneError(f"{path}: the metadata cannot be read ({error}); give the granule's MTD_TL.xml") from error
    return root


def is_product(folder: Path) -> bool:
    """Whether a folder is a Sentinel-2 product or a granule of one, by the names of the files in it."""
    if folder.suffix.lower() == ".safe" or folder.parent.name == "GRANULE":
        return True
    try:
        return any(METADATA.fullmatch(entry.name) for entry in folder.iterdir())
    except OSError:
        return False


class Product(ABC):
    """The files of a Sentinel-2 product.

    Attributes:
        root: Path of the folder or the zip.
        title: Name of the product, without .SAFE.
        names: Paths of the files, relative to the top folder of the product.
    """

    root: Path
    title: str
    names: list[str]

    @abstractmethod
    def read(self, name: str, size: int) -> bytes:
        """Read up to `size` bytes from the start of a file."""

    @abstractmethod
    def href(self, name: str) -> str:
        """Name by which the file can be opened as a scene."""

    @cached_property
    def metadata(self) -> Element:
        """Metadata of the whole product."""
        return self.parse(next(name for name in self.names if METADATA.fullmatch(name)))

    def parse(self, name: str) -> Element:
        """Parse an XML file of the product.

        Args:
            name: Path of the file, one of `names`.

        Returns:
            The root element.

        Raises:
            SceneError: The file is larger than 32 MiB, is not well-formed, or has a document type declaration.
        """
        content = self.read(name, MAX_BYTES + 1)
        try:
            if len(content) > MAX_BYTES:
                raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
            root: Element = fromstring(content, forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
            raise SceneError(f"{self.root}: {name} cannot be read ({error}); copy or unpack it again") from error
        return root


class _Folder(Product):
    PATTERNS = (
        "*.xml", "GRANULE/*/*.xml", "GRANULE/*/IMG_DATA/*.jp2", "GRANULE/*/IMG_DATA/R*m/*.jp2",
        "GRANULE/*/QI_DATA/MSK_DETFOO_*.jp2", "GRANULE/*/QI_DATA/*SCL*.jp2",
    )  # fmt: skip

    def __init__(self, root: Path) -> None:
        self.root = root
        self.title = root.name.removesuffix(".SAFE")
        self.names = sorted(path.relative_to(root).as_posix() for glob in self.PATTERNS for path in root.glob(glob))

    def read(self, name: str, size: int) -> bytes:
        with (self.root / name).open("rb") as file:
            return file.read(size)

    def href(self, name: str) -> str:
        return str(self.root / name)


class _Zip(Product):
    """A product in a zip. top: folder of the product in the archive, ending with a slash; '' if there is none."""

    def __init__(self, root: Path, archive: zipfile.ZipFile, top: str) -> None:
        self.root, self._archive, self._top = root, archive, top
        self.title = (top.rstrip("/").rpartition("/")[2] or root.stem).removesuffix(".SAFE")
        self.names = sorted(name.removeprefix(top) for name in archive.namelist() if name.startswith(top))

    def read(self, name: str, size: int) -> bytes:
        with self._archive.open(self._top + name) as file:
            return file.read(size)

    def href(self, name: str) -> str:
        return f"zip://{{{self.root}}}/{self._top}{name}"


@contextmanager
def _opened(name: str) -> Iterator[tuple[Product, str | None] | None]:
    """The product of a name, and the granule if the name selects one; None if the name is not a product."""
    path, inner = Path(name).absolute(), ""
    if name.lower().startswith("zip://"):
        archive, _, inner = name[len("zip://") :].partition("!")
        path, inner = Path(archive).absolute(), inner.strip("/")
        if not (inner.endswith(".SAFE") or "/GRANULE/" in inner):  # one file of an archive
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
    except OSError:  # a name too long or a folder without permission, which is reported when the raster is opened
        return False


def _folder(path: Path) -> tuple[Product, str | None] | None:
    granule = path.name if path.parent.name == "GRANULE" else None
    root = path.parents[1] if granule else path
    if any(METADATA.fullmatch(file.name) for file in root.glob("*.xml")):
        return _Folder(root), granule
    if root.suffix == ".SAFE":
        raise SceneError(
            f"{root}: the product has no MTD_MSIL1C.xml or MTD_MSIL2A.xml, which is needed to read it; "
            "unpack it again, or give its bands with --band NAME=FILE"
        )
    return None


def _zipped(path: Path, archive: zipfile.ZipFile, inner: str) -> tuple[Product, str | None] | None:
    """The product in a zip. inner: folder of the archive that the user selects; '' for none."""
    selected, _, granule = inner.partition("/GRANULE/")
    names = archive.namelist()
    tops = [name.rpartition("/")[0] for name in names if METADATA.fullmatch(name.rpartition("/")[2])]
    tops = sorted({top for top in tops if selected in ("", top)})
    if not tops and not inner:
        return None
    if len(tops) != 1:
        content = f"{len(tops)} Sentinel-2 products: {', '.join(tops)}" if tops else f"no product {selected}"
        raise SceneError(f"{path}: the archive has {content}; give one as zip://{path}!NAME.SAFE")
    if len(set(names)) < len(names):  # two programs could read different ones
        raise SceneError(f"{path}: refused, because the archive has two files with the same name; unpack it")
    return _Zip(path, archive, f"{tops[0]}/" if tops[0] else ""), granule or None


def _scene(product: Product, selected: str | None) -> BandFiles:
    granule = _granule(product, selected)
    images = _images(product, granule)
    scale, offsets = _reflectance(product)
    nodata = _nodata(product.metadata)
    files = tuple(
        BandFile(band, product.href(images[band]), scale=scale, offset=offsets.get(band, 0.0), nodata=nodata)
        for band in BANDS
        if band in images
    )
    missing = sorted(_listed_bands(product.metadata) - set(images))
    warning = f"the product lacks bands that its metadata list: {', '.join(missing)}; unpack it again"
    tile = _granule_metadata(product, granule)
    return BandFiles(
        product.title if selected is None else granule,
        files,
        address=str(product.root),
        acquired=_acquired(product, tile),
        rule=f"metadata of the product, processing baseline {_text(product.metadata, 'PROCESSING_BASELINE') or '?'}",
        warnings=(warning,) if missing else (),
        classes=_classes(product, granule),
        angles=None if tile is None else sentinel2_angles(tile),
    )


def _granule(product: Product, selected: str | None) -> str:
    granules = {match["granule"] for name in product.names if (match := IMAGE.fullmatch(name))}
    if not granules:
        raise SceneError(f"{product.root}: the product has no images (GRANULE/*/IMG_DATA/*.jp2); unpack it again")
    if selected is not None and selected not in granules:
        raise SceneError(
            f"{product.root}: the product has no granule {selected}; choose one of {_shorten(sorted(granules))}"
        )
    if selected is None and len(granules) > 1:
        ordered = sorted(granules, key=lambda name: TILE.findall(f"{name}_"))
        tiles = [tile for name in ordered for tile in TILE.findall(f"{name}_")]
        example = f"{product.title}.SAFE/GRANULE/{ordered[0]}"
        raise SceneError(
            f"{product.root}: the product has {len(granules)} granules ({_shorten(tiles or ordered)}), each of which "
            f"is a scene; give one, e.g. {example}"
        )
    return selected or granules.pop()


def _shorten(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _images(product: Product, granule: str) -> dict[str, str]:
    """Name of the image file of each band, with the smallest pixels."""
    finest: dict[str, tuple[int, str]] = {}
    for name in product.names:
        match = IMAGE.fullmatch(name)
        if match and match["granule"] == granule and match["band"] in BANDS:
            finest[match["band"]] = min(finest.get(match["band"], (1000, "")), (int(match["metres"] or 0), name))
    for _, name in finest.values():
        if not is_plain_raster(product.read(name, HEADER_BYTES)):
            raise SceneError(f"{product.root}: {name} is not a JPEG 2000 image; copy or unpack it again")
    return {band: name for band, (_, name) in finest.items()}


def _reflectance(product: Product) -> tuple[float, dict[str, float]]:
    """Scale, and offset of each band: reflectance = DN * scale + offset.

    ESA states reflectance = (DN + added) / quantification, with `added` since processing baseline 04.00.
    """
    numbers = [_number(element.text) for element in _elements(product.metadata, QUANTIFICATION_TAGS)]
    if not numbers or not numbers[0] or numbers[0] < 0:
        raise SceneError(
            f"{product.root}: the product's metadata have no quantification value, which is needed for reflectance; "
            "copy it again, or give its bands with --band NAME=FILE and --scale"
        )
    offsets = {}
    for element in _elements(product.metadata, OFFSET_TAGS):
        band_id, added = element.get("band_id", ""), _number(element.text)
        if band_id.isdecimal() and int(band_id) < len(BANDS) and added is not None:
            offsets[BANDS[int(band_id)]] = added / numbers[0]
    return 1 / numbers[0], offsets


def _nodata(metadata: Element) -> float:
    for special in _elements(metadata, ("Special_Values",)):
        if _text(special, "SPECIAL_VALUE_TEXT") == "NODATA":
            value = _number(_text(special, "SPECIAL_VALUE_INDEX"))
            return 0.0 if value is None else value
    return 0.0


def _listed_bands(metadata: Element) -> set[str]:
    """Bands of the image files that the metadata list."""
    texts = [(element.text or "").strip() for element in metadata.iter() if "IMAGE_" in str(element.tag)]
    return {match[1] for text in texts if (match := LISTED.search(text))} & set(BANDS)


def _granule_metadata(product: Product, granule: str) -> Element | None:
    """Metadata of a granule; None where the product lacks them."""
    for name in product.names:
        match = GRANULE_METADATA.fullmatch(name)
        if match and match["granule"] == granule:
            return product.parse(name)
    return None


def _acquired(product: Product, tile: Element | None) -> Acquisition | None:
    sensed = None if tile is None else parse_time(_text(tile, "SENSING_TIME"))
    return sensed or parse_time(_text(product.metadata, "PRODUCT_START_TIME"))


def _classes(product: Product, granule: str) -> BandFile | None:
    """The scene classification with the smallest pixels; None where the product has none that is an image."""
    found = sorted(
        (int(match["metres"]), name)
        for name in product.names
        if (match := CLASSES.fullmatch(name)) and match["granule"] == granule
    )
    if not found or not is_plain_raster(product.read(found[0][1], HEADER_BYTES)):
        return None
    return BandFile("SCL", product.href(found[0][1]))


def _elements(root: Element, names: Iterable[str]) -> list[Element]:
    """All elements of the first of these names that occurs, in any namespace."""
    for name in names:
        elements = [element for element in root.iter() if str(element.tag).rpartition("}")[2] == name]
        if elements:
            return elements
    return []


def _text(root: Element, name: str) -> str:
    elements = _elements(root, (name,))
    return (elements[0].text or "").strip() if elements else ""


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
