"""What the names, folders and sidecar files of single bands say about reflectance.

Bands that are taken out of a product of Sentinel-2 or Landsat have no scale and offset of their own, but often lie in
the folder of the product, beside its metadata, or carry its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import fromstring

from geoships.scene.opening.names import is_remote, title_of, without_query
from geoships.scene.radiometry import ProductScale, offset_of_baseline

PARENTS = 5  # folders above a band in which metadata lie: R10m, IMG_DATA, granule, GRANULE, .SAFE
MAX_BYTES = 32 << 20
METADATA = re.compile(r"MTD_MSIL(?:1C|2A)\.xml", re.IGNORECASE)
PRODUCT = re.compile(r"S2[A-D]_MSIL(?:1C|2A)_\d{8}T\d{6}_N(\d{2})(\d{2})_R\d{3}_T\w{5}", re.IGNORECASE)
BAND = re.compile(r"^T\d{2}[A-Z]{3}_(\d{8})T\d{6}_B\w{2}(?:_\d{2}m)?\.", re.IGNORECASE)
TRUE_COLOUR = re.compile(r"(?:^|_)TCI(_\d{2}m)?(?=[._]|$)", re.IGNORECASE)
LEVEL_2A = re.compile(r"(?<![0-9A-Z])(?:MSI)?L2A(?![0-9A-Z])", re.IGNORECASE)
LANDSAT = re.compile(r"^L[COTEM]0[4-9]_L2S[PR]_\d{6}_\d{8}_\d{8}_02_", re.IGNORECASE)
LANDSAT_SCALE, LANDSAT_OFFSET = 2.75e-5, -0.2  # USGS, Landsat Collection 2 Level 2 surface reflectance
FIRST_OFFSET_DAY = "20220125"  # since then ESA's new products are of processing baseline 04.00 and later
QUANTIFICATION = 10_000.0
# ESA, Sentinel-2 user guide, definitions: 255 in a true-colour image stands for 3558 at level 1C, and for 2000 at 2A.
BRIGHTEST = {"1C": 0.3558, "2A": 0.2}


def product_scale(inputs: Sequence[str]) -> ProductScale | None:
    """Scale and offset that the names, folders and metadata of a scene's files tell.

    Args:
        inputs: Paths and URLs of the files of the scene.

    Returns:
        What they tell, the surest source first: that a file is a true-colour image, the product's metadata beside or
        above it, the product's name in the path, the date in the name of a band. None where they tell nothing, or
        different things.
    """
    found = {scale for name in inputs if (scale := _of_file(name)) is not None}
    return found.pop() if len(found) == 1 else None


def _of_file(name: str) -> ProductScale | None:
    title = title_of(name)
    if match := TRUE_COLOUR.search(title):
        level = "2A" if match[1] or LEVEL_2A.search(without_query(name)) else "1C"
        why = f"name of a true-colour image of Sentinel-2, level {level}"
        return ProductScale(BRIGHTEST[level] / 255, 0.0, why, dtypes=("uint8",))
    if LANDSAT.match(title):
        return ProductScale(LANDSAT_SCALE, LANDSAT_OFFSET, "name of a Landsat Collection 2 Level 2 product")
    if not is_remote(name) and (stated := _of_metadata(Path(name))):
        return stated
    if match := PRODUCT.search(without_query(name)):
        baseline = f"{match[1]}.{match[2]}"
        offset = offset_of_baseline(float(baseline), QUANTIFICATION)
        return ProductScale(1 / QUANTIFICATION, offset, f"name of a product, processing baseline {baseline}")
    if match := BAND.match(title):
        recent = match[1] >= FIRST_OFFSET_DAY
        offset = offset_of_baseline(4.0 if recent else 0.0, QUANTIFICATION)
        likely = "processing baseline 04.00 or later" if recent else "no offset"
        why = f"Sentinel-2 band of {match[1]}, {likely} assumed"
        return ProductScale(1 / QUANTIFICATION, offset, why, assumed=True)
    return None


def _of_metadata(path: Path) -> ProductScale | None:
    """Scale and offset of the product whose metadata lie beside a file or in a folder above it."""
    for file in _metadata_files(path):
        try:
            if file.stat().st_size > MAX_BYTES:
                continue
            root: Element = fromstring(file.read_bytes(), forbid_dtd=True)
        except (OSError, ParseError, DefusedXmlException, ValueError, LookupError):
            continue  # a damaged sidecar tells nothing; names are looked at next
        quantification = _numbers(root, ("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE"))
        if not quantification or quantification[0] <= 0:
            continue
        added = set(_numbers(root, ("BOA_ADD_OFFSET", "RADIO_ADD_OFFSET"))) or {0.0}
        if len(added) == 1:
            offset = added.pop() / quantification[0]
            return ProductScale(1 / quantification[0], offset, f"metadata of the product, {file.name}")
    return None


def _metadata_files(path: Path) -> Iterator[Path]:
    for folder in list(path.absolute().parents)[: PARENTS + 1]:
        try:
            yield from sorted(file for file in folder.glob("MTD_MSIL*.xml") if METADATA.fullmatch(file.name))
        except OSError:
            return


def _numbers(root: Element, names: Sequence[str]) -> list[float]:
    """Numbers of the first of these elements that occurs, in any namespace."""
    for name in names:
        texts = [element.text or "" for element in root.iter() if str(element.tag).rpartition("}")[2] == name]
        if texts:
            return [float(text) for text in texts if re.fullmatch(r"\s*-?\d+(?:\.\d+)?\s*", text)]
    return []
