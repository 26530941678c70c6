"""Whether a VRT file may be opened: it may only combine pictures that lie below its own folder.

GDAL reads XML in a way of its own: names in any case, an attribute or a child element as the same thing. So this
module allows what it knows, instead of forbidding what it has heard of, and refuses what two readers could read
differently (CDATA, entities, comments inside a file name).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from geoships.errors import SceneError
from geoships.scene.opening.signatures import check_sidecars, is_plain_raster, is_vrt, read_header

MAX_BYTES = 32 * 2**20  # a mosaic of 50,000 tiles takes about 30 MB
MAX_NESTING = 8

FILE_ELEMENTS = frozenset({"sourcefilename", "sourcedataset"})
SRS_ELEMENTS = frozenset({"srs", "sourcesrs", "targetsrs"})
SRS_TEXT = re.compile(r"\s*(EPSG:\d+|OGC:\w+|[A-Z_0-9]+\s*\[.*)\s*", re.DOTALL)  # GDAL takes a file or URL here, too

SUBCLASSES = frozenset(
    {
        "vrtwarpeddataset",
        "vrtpansharpeneddataset",
        "vrtsourcedrasterband",
        "vrtwarpedrasterband",
        "vrtpansharpenedrasterband",
    }
)

_ELEMENT_NAMES = """
vrtdataset geotransform metadata mdi gcplist gcp blockxsize blockysize maskband overviewlist vrtrasterband
description unittype offset scale categorynames category colorinterp colortable entry nodatavalue hidenodatavalue
histograms histitem histmin histmax bucketcount includeoutofrange approximate histcounts
gdalrasterattributetable fielddefn name type usage row f overview
simplesource complexsource averagedsource nodatafrommasksource kernelfilteredsource kernel size coefs sourceband
sourceproperties srcrect dstrect scaleoffset scaleratio exponent srcmin srcmax dstmin dstmax clamp lut nodata
colortablecomponent usemaskband masknodatavalue maskvaluethreshold remappedvalue
gdalwarpoptions warpmemorylimit resamplealg workingdatatype option options transformer approxtransformer maxerror
basetransformer genimgprojtransformer srcgeotransform srcinvgeotransform dstgeotransform dstinvgeotransform
reprojecttransformer reprojectiontransformer bandlist bandmapping srcnodatareal srcnodataimag dstnodatareal
dstnodataimag srcalphaband dstalphaband srcgcptransformer gcptransformer srctpstransformer tpstransformer order
reversed refine minimumgcps tolerance cutline cutlineblenddist
pansharpeningoptions algorithm algorithmoptions weights resampling numthreads bitdepth spatialextentadjustment
panchroband spectralband
"""
_ATTRIBUTE_NAMES = """
rasterxsize rasterysize subclass datatype band blockxsize blockysize datatypename dataaxistosrsaxismapping
coordinateepoch domain format key relativetovrt shared xoff yoff xsize ysize resampling name src dst dstband
normalized index c1 c2 c3 c4 id info pixel line x y z projection row0min binsize tabletype
"""
ELEMENTS = FILE_ELEMENTS | SRS_ELEMENTS | frozenset(_ELEMENT_NAMES.split())
ATTRIBUTES = frozenset(_ATTRIBUTE_NAMES.split())


@dataclass
class _Inspection:
    """One check of a VRT and what it leads to. root: the folder that everything must lie below (real path)."""

    root: Path
    sources: set[Path] = field(default_factory=set)


class _RefusedError(Exception):
    """Why a VRT is refused: a clause that goes after 'because'."""


def check_vrt(path: Path) -> None:
    """Raise SceneError, with the reason, unless the VRT only combines pictures below its own folder.

    path: a local VRT file. Links are followed before folders are compared; VRTs that it names are checked alike.
    """
    real = path.resolve()  # GDAL, too, resolves names inside a VRT from the place that a link leads to
    inspection = _Inspection(root=real.parent)
    try:
        _inspect(real, inspection, depth=0)
    except _RefusedError as refused:
        raise SceneError(
            f"{path}: this VRT is refused because {refused}; open the files it names directly, "
            "or pass --trust-vrt if you know who made it"
        ) from None
    check_sidecars(inspection.sources)


def _inspect(path: Path, inspection: _Inspection, depth: int) -> None:
    if depth > MAX_NESTING:
        raise _RefusedError(f"VRTs name each other more than {MAX_NESTING} deep")
    inspection.sources.add(path)
    root = _parse(path)
    if root.tag.lower() != "vrtdataset":
        raise _RefusedError(f"its outermost element is <{root.tag}>")
    for element in _walk(root):
        _check_element(element)
        if element.tag.lower() in FILE_ELEMENTS:
            _check_source(element, path, inspection, depth)


def _parse(path: Path) -> ElementTree.Element:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise _RefusedError(f"it is larger than {MAX_BYTES >> 20} MiB")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _RefusedError("it is not UTF-8 text") from None
    except OSError as error:
        raise _RefusedError(f"it cannot be read ({error.strerror})") from error
    if re.search(r"<!(?!--)", text):
        raise _RefusedError("it declares a document type, an entity or CDATA")
    if "\0" in text:
        raise _RefusedError("it holds a zero byte")
    # Entities are the danger of this parser, and a text that declares one is refused above.
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True, insert_pis=True))  # noqa: S314
    try:
        parser.feed(text)
        tree: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError) as error:
        raise _RefusedError(f"it is not well-formed XML ({error})") from error
    return tree


def _walk(element: ElementTree.Element) -> list[ElementTree.Element]:
    """Return the element and all below it, without comments and without XML that GDAL only stores as metadata."""
    found, queue = [], [element]
    while queue:
        current = queue.pop()
        if not isinstance(current.tag, str):
            continue
        found.append(current)
        if current.tag.lower() == "metadata" and current.get("format", "").lower() == "xml":
            continue
        queue.extend(current)
    return found


def _check_element(element: ElementTree.Element) -> None:
    name = element.tag.lower()
    if name == "pixelfunctiontype" or name == "pixelfunctionlanguage":
        raise _RefusedError("it computes pixels with a function (a derived band)")
    attributes = _attributes(element)
    if len(attributes) != len(element.attrib):
        raise _RefusedError(f"<{element.tag}> has the same attribute twice")
    subclass = attributes.get("subclass", "")
    if subclass and subclass.lower() not in SUBCLASSES:
        raise _RefusedError(f"it has a {subclass}, which may run code or read any file")
    if name not in ELEMENTS:
        raise _RefusedError(f"it has an element <{element.tag}>, which is not known to be harmless")
    unknown = sorted(set(attributes) - ATTRIBUTES)
    if unknown:
        raise _RefusedError(f"<{element.tag}> has an attribute {unknown[0]}, which is not known to be harmless")
    _check_meaning(element, name, attributes)


def _check_meaning(element: ElementTree.Element, name: str, attributes: dict[str, str]) -> None:
    text = element.text or ""
    if name in SRS_ELEMENTS | {"option"} and len(element):  # a comment could hide the text after it
        raise _RefusedError(f"<{name}> holds more than text")
    if name in SRS_ELEMENTS and text and not SRS_TEXT.fullmatch(text):
        raise _RefusedError(f"<{name}> is neither WKT nor an EPSG code")
    if name == "option" and re.search(r"[/\\\\]", text):
        raise _RefusedError("an option of its warp names a file")
    if name == "metadata" and attributes.get("domain", "").lower() in {"overviews", "geolocation"}:
        raise _RefusedError("its metadata name further files (overviews or geolocation)")


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    """Return the attributes by name in lower case, as GDAL compares them."""
    return {key.lower(): value for key, value in element.attrib.items()}


def _check_source(element: ElementTree.Element, vrt: Path, inspection: _Inspection, depth: int) -> None:
    real = _source_path(element, vrt).resolve()
    if not real.is_relative_to(inspection.root):
        raise _RefusedError(f"its source {element.text!r} lies outside its folder {inspection.root}")
    if real in inspection.sources:
        return
    if not real.is_file():
        raise _RefusedError(f"its source {element.text!r} is missing or not a file")
    header = read_header(real)
    if is_vrt(header):
        _inspect(real, inspection, depth + 1)
    elif not is_plain_raster(header):
        raise _RefusedError(f"its source {element.text!r} is not a plain picture (GeoTIFF, JPEG 2000, PNG, JPEG, ...)")
    inspection.sources.add(real)


def _source_path(element: ElementTree.Element, vrt: Path) -> Path:
    text = element.text or ""
    if len(element) or not text or text != text.strip():
        raise _RefusedError("a source has no plain file name")
    relative = _attributes(element).get("relativetovrt", "0")
    if relative not in {"0", "1"}:
        raise _RefusedError(f"a source has relativeToVRT={relative!r}")
    if text.startswith("<") or re.match(r"[A-Za-z0-9_+.-]{2,}:", text) or "://" in text or '"' in text:
        raise _RefusedError(f"its source {text[:60]!r} is a URL or connection string, not a file")
    if ".." in Path(text).parts:  # what it leads to depends on who resolves links first, GDAL or the file system
        raise _RefusedError(f"its source {text!r} leaves its folder by '..'")
    path = vrt.parent / text if relative == "1" else Path.cwd() / text
    if str(path).startswith("/vsi") or text.startswith(("/vsi", "\\\\")):
        raise _RefusedError(f"its source {text[:60]!r} is in a virtual file system")
    return path
