"""Writes small Sentinel-2 products in their original layout."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from scenes import UTM

PRODUCT = "S2A_MSIL2A_20230101T105421_N0509_R051_T31TCJ_20230101T140000"
GRANULE = "L2A_T31TCJ_A039339_20230101T105735"
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12")
NUMBERS = {name: number for number, name in enumerate(BANDS)}
GSD = {"B01": 60, "B09": 60, "B10": 60, "B05": 20, "B06": 20, "B07": 20, "B8A": 20, "B11": 20, "B12": 20}

Pictures = Mapping[str, np.ndarray]


def write_jp2(path: Path, values: np.ndarray, metres: int = 10, crs: str = "EPSG:32631") -> None:
    """Write a lossless JPEG 2000 image whose upper left corner is that of UTM."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", height=values.shape[0], width=values.shape[1], count=1, dtype=values.dtype,
        crs=crs, transform=UTM @ Affine.scale(metres / 10), QUALITY="100", REVERSIBLE="YES", BLOCKXSIZE=64,
        BLOCKYSIZE=64,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)


def write_product(
    folder: Path,
    pictures: Pictures,
    *,
    name: str = PRODUCT,
    level: str = "2A",
    baseline: str = "05.09",
    added: Mapping[str, int] | None = None,
    sensed: str = "2023-01-01T10:57:35.463Z",
) -> Path:
    """Write a product of processing baseline 02.07 or later, with one granule.

    pictures: uint16 by band and pixel size, as in ``B02_10m`` (2A), or by band, as in ``B02`` (1C).
    added: number that is added to those of each band; None: baselines before 04.00, whose metadata name none.
    """
    root = folder / f"{name}.SAFE"
    granule = GRANULE.replace("L2A", f"L{level}")
    stems = {}
    for band, values in pictures.items():
        metres = int(band[-3:-1]) if level == "2A" else GSD.get(band, 10)
        place = f"GRANULE/{granule}/IMG_DATA/" + (f"R{metres}m/" if level == "2A" else "")
        stems[band] = f"{place}T31TCJ_20230101T105421_{band}"
        write_jp2(root / f"{stems[band]}.jp2", values, metres)
    (root / f"MTD_MSIL{level}.xml").write_text(metadata(level, baseline, added, stems.values()))
    (root / "GRANULE" / granule / "MTD_TL.xml").write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>\n<n1:Level-{level}_Tile_ID xmlns:n1="https://psd-14.sentinel2.eo.esa.int/'
        f'PSD/S2_PDI_Level-{level}_Tile_Metadata.xsd"><n1:General_Info><SENSING_TIME metadataLevel="Standard">'
        f"{sensed}</SENSING_TIME></n1:General_Info></n1:Level-{level}_Tile_ID>"
    )
    return root


def metadata(level: str, baseline: str, added: Mapping[str, int] | None, stems: object) -> str:
    """Return the text of MTD_MSIL1C.xml or MTD_MSIL2A.xml with ESA's elements."""
    files = "".join(f"<IMAGE_FILE>{stem}</IMAGE_FILE>" for stem in stems)
    tag = {"2A": "BOA_ADD_OFFSET", "1C": "RADIO_ADD_OFFSET"}[level]
    offsets = "".join(f'<{tag} band_id="{NUMBERS[band]}">{value}</{tag}>' for band, value in (added or {}).items())
    if level == "2A":
        numbers = (
            '<QUANTIFICATION_VALUES_LIST><BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE>'
            '<AOT_QUANTIFICATION_VALUE unit="none">1000.0</AOT_QUANTIFICATION_VALUE></QUANTIFICATION_VALUES_LIST>'
            + (f"<BOA_ADD_OFFSET_VALUES_LIST>{offsets}</BOA_ADD_OFFSET_VALUES_LIST>" if offsets else "")
        )
    else:
        numbers = '<QUANTIFICATION_VALUE unit="none">10000</QUANTIFICATION_VALUE>' + (
            f"<Radiometric_Offset_List>{offsets}</Radiometric_Offset_List>" if offsets else ""
        )
    kind = f"n1:Level-{level}_User_Product"
    return f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<{kind} xmlns:n1="https://psd-14.sentinel2.eo.esa.int/PSD/User_Product_Level-{level}.xsd">
  <n1:General_Info>
    <Product_Info>
      <PRODUCT_START_TIME>2023-01-01T10:54:21.024Z</PRODUCT_START_TIME>
      <PROCESSING_BASELINE>{baseline}</PROCESSING_BASELINE>
      <Product_Organisation><Granule_List><Granule imageFormat="JPEG2000">{files}</Granule></Granule_List>
      </Product_Organisation>
    </Product_Info>
    <Product_Image_Characteristics>
      <Special_Values><SPECIAL_VALUE_TEXT>NODATA</SPECIAL_VALUE_TEXT><SPECIAL_VALUE_INDEX>0</SPECIAL_VALUE_INDEX>
      </Special_Values>
      <Special_Values><SPECIAL_VALUE_TEXT>SATURATED</SPECIAL_VALUE_TEXT>
      <SPECIAL_VALUE_INDEX>65535</SPECIAL_VALUE_INDEX></Special_Values>
      {numbers}
    </Product_Image_Characteristics>
  </n1:General_Info>
</{kind}>"""


def write_old_product(folder: Path, tiles: Mapping[str, Pictures]) -> Path:
    """Write a level 1C product from before December 2016: long names, and a granule per tile."""
    root = folder / "S2A_OPER_PRD_MSIL1C_PDMC_20160930T131330_R051_V20160930T105000_20160930T105500.SAFE"
    stems = []
    for tile, pictures in tiles.items():
        stem = f"S2A_OPER_MSI_L1C_TL_EPA__20160930T131330_A003052_{tile}"
        for band, values in pictures.items():
            stems.append(f"{stem}_{band}")
            place = root / "GRANULE" / f"{stem}_N02.04" / "IMG_DATA"
            write_jp2(place / f"{stem}_{band}.jp2", values, GSD.get(band, 10))
    text = metadata("1C", "02.04", None, stems).replace("IMAGE_FILE", "IMAGE_ID")
    (root / "S2A_OPER_MTD_SAFL1C_PDMC_20160930T131330_R051_V20160930T105000_20160930T105500.xml").write_text(text)
    return root


def zipped(root: Path, *, deflated: bool = False) -> Path:
    """Write the product to a zip file beside it."""
    path = root.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED) as archive:
        for file in sorted(root.rglob("*")):
            archive.write(file, file.relative_to(root.parent).as_posix())
    return path
