"""Security check of VRT files: a VRT may only combine image files in its own folder or below.

GDAL parses XML leniently: names are not case-sensitive, and an attribute may also be a child element. So this module
has a list of allowed elements and attributes, and no list of forbidden ones. It also refuses what two parsers could
read differently (CDATA, entities, comments inside a file name).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from geoships.errors import SceneError
from geoships.scene.opening.signatures import check_sidecars, is_plain_raster, is_vrt, read_header
from geoships.support.files import real_path

MAX_BYTES = 32 * 2**20  # a mosaic of 50,000 tiles takes about 30 MB
MAX_NESTING = 8

FILE_ELEMENTS = frozenset({"sourcefilename", "sourcedataset"})
SRS_ELEMENTS = frozenset({"srs", "sourcesrs", "targetsrs"})
SRS_TEXT = re.compile(r"\s*(EPSG:\d+|OGC:\w+|[A-Z_0-9]+\s*\[.*)\s*", re.DOTALL)  # GDAL also accepts a file or URL here

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
    """State of one check. root: folder that all files must be in (real path). sources: files already checked."""

    root: Path
    sources: set[Path] = field(default_factory=set)


class _RefusedError(Exception):
    """Reason why a VRT is refused, as a clause that follows 'because'."""


def check_vrt(path: Path) -> None:
    """Check that a VRT only combines image files in its own folder or below.

    Links are resolved before folders are compared. VRTs that it refers to are checked too.

    Args:
        path: A local VRT file.

    Raises:
        SceneError: The VRT is refused, with the reason.
    """
    real = real_path(path)  # GDAL also resolves names in a VRT relative to the target of a link
    inspection = _Inspection(root=real.parent)
    try:
        _inspect(real, inspection, depth=0)
    except _RefusedError as refused:
        raise SceneError(
            f"{path}: this VRT is refused because {refused}; open its source files directly, "
            "or give --trust-vrt if you trust its author"
        ) from None
    check_sidecars(inspection.sources)


def _inspect(path: Path, inspection: _Inspection, depth: int) -> None:
    if depth > MAX_NESTING:
        raise _RefusedError(f"VRTs are nested more than {MAX_NESTING} levels deep")
    inspection.sources.add(path)
    root = _parse(path)
    if root.tag.lower() != "vrtdataset":
        raise _RefusedError(f"its root element is <{root.tag}>")
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
        raise _RefusedError("it contains a zero byte")
    # The risk of this parser is entities, and a text that declares one is refused above.
    parser = ElementTree.XMLParser(target=ElementTree.TreeBuilder(insert_comments=True, insert_pis=True))  # noqa: S314
    try:
        parser.feed(text)
        tree: ElementTree.Element = parser.close()
    except (ElementTree.ParseError, ValueError) as error:
        raise _RefusedError(f"it is not well-formed XML ({error})") from error
    return tree


def _walk(element: ElementTree.Element) -> list[ElementTree.Element]:
    """The element and all its descendants, without comments and without XML that GDAL only stores as metadata."""
    elements, queue = [], [element]
    while queue:
        current = queue.pop()
        if not isinstance(current.tag, str):
            continue
        elements.append(current)
        if current.tag.lower() == "metadata" and current.get("format", "").lower() == "xml":
            continue
        queue.extend(current)
    return elements


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
        raise _RefusedError(f"it has an element <{element.tag}>, which is not known to be safe")
    unknown = sorted(set(attributes) - ATTRIBUTES)
    if unknown:
        raise _RefusedError(f"<{element.tag}> has an attribute {unknown[0]}, which is not known to be safe")
    _check_content(element, name, attributes)


def _check_content(element: ElementTree.Element, name: str, attributes: dict[str, str]) -> None:
    text = element.text or ""
    if name in SRS_ELEMENTS | {"option"} and len(element):  # a comment could hide the text after it
        raise _RefusedError(f"<{name}> contains more than text")
    if name in SRS_ELEMENTS and text and not SRS_TEXT.fullmatch(text):
        raise _RefusedError(f"<{name}> is neither WKT nor an EPSG code")
    if name == "option" and re.search(r"[/\\\\]", text):
        raise _RefusedError("a warp option refers to a file")
    if name == "metadata" and attributes.get("domain", "").lower() in {"overviews", "geolocation"}:
        raise _RefusedError("its metadata refer to other files (overviews or geolocation)")


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    """Attributes by name in lower case, since GDAL ignores the case."""
    return {key.lower(): value for key, value in element.attrib.items()}


def _check_source(element: ElementTree.Element, vrt: Path, inspection: _Inspection, depth: int) -> None:
    real = real_path(_source_path(element, vrt))
    if not real.is_relative_to(inspection.root):
        raise _RefusedError(f"its source {element.text!r} is outside its folder {inspection.root}")
    if real in inspection.sources:
        return
    if not real.is_file():
        raise _RefusedError(f"its source {element.text!r} is missing or not a file")
    header = read_header(real)
    if is_vrt(header):
        _inspect(real, inspection, depth + 1)
    elif not is_plain_raster(header):
        raise _RefusedError(f"its source {element.text!r} is not an image file (GeoTIFF, JPEG 2000, PNG, JPEG, ...)")
    inspection.sources.add(real)


def _source_path(element: ElementTree.Element, vrt: Path) -> Path:
    text = element.text or ""
    if len(element) or not text or text != text.strip():
        raise _RefusedError("a source is not a plain file name")
    relative = _attributes(element).get("relativetovrt", "0")
    if relative not in {"0", "1"}:
        raise _RefusedError(f"a source has relativeToVRT={relative!r}")
    if text.startswith("<") or re.match(r"[A-Za-z0-9_+.-]{2,}:", text) or "://" in text or '"' in text:
        raise _RefusedError(f"its source {text[:60]!r} is a URL or connection string, not a file")
    if ".." in Path(text).parts:  # GDAL and the file system could resolve it differently if there are links
        raise _RefusedError(f"its source {text!r} contains '..'")
    path = vrt.parent / text if relative == "1" else Path.cwd() / text
    if str(path).startswith("/vsi") or text.startswith(("/vsi", "\\\\")):
        raise _RefusedError(f"its source {text[:60]!r} is in a virtual file system")
    return path
