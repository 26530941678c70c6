"""What names, folders and sidecar files say about reflectance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import from_origin

from geoships.scene.opening.band_files import band_files
from geoships.scene.opening.product_radiometry import product_scale
from geoships.scene.reader import open_scene

SAFE = "S2B_MSIL2A_20230505T100559_N0509_R022_T33TUL_20230505T131234.SAFE"
OLD = "S2A_MSIL1C_20190505T100559_N0207_R022_T33TUL_20190505T131234"
GRANULE = "GRANULE/L2A_T33TUL_A032188_20230505T100601/IMG_DATA/R10m"
LEVEL_1 = "LC08_L1TP_198030_20230102_20230110_02_T1_B4.TIF"
MTD = "<a><QUANTIFICATION_VALUE>10000</QUANTIFICATION_VALUE><BOA_ADD_OFFSET>{}</BOA_ADD_OFFSET></a>"


def water(dark: int = 1100) -> np.ndarray:
    return np.random.default_rng(1).normal(dark, 20, (1, 64, 64)).astype("uint16")


@pytest.mark.parametrize(
    ("name", "scale", "offset", "assumed"),
    [
        (f"{SAFE}/{GRANULE}/T33TUL_20230505T100559_B02_10m.jp2", 1e-4, -0.1, False),
        (f"https://host/{SAFE}/T33TUL_20230505T100559_B02_10m.jp2?sig=1", 1e-4, -0.1, False),
        (f"/data/{OLD}/B02.tif", 1e-4, 0.0, False),
        (f"{OLD}.tif", 1e-4, 0.0, False),
        ("loose/T33TUL_20230505T100559_B02.jp2", 1e-4, -0.1, True),
        ("loose/T33TUL_20200505T100559_B8A_20m.tif", 1e-4, 0.0, True),
        ("LC09_L2SP_198030_20230102_20230110_02_T1_SR_B4.TIF", 2.75e-5, -0.2, False),
    ],
)
def test_names_tell_scale_and_offset(name: str, scale: float, offset: float, assumed: bool) -> None:
    found = product_scale([name])

    assert found is not None
    assert (found.scale, found.offset, found.assumed) == (pytest.approx(scale), pytest.approx(offset), assumed)


@pytest.mark.parametrize(
    ("name", "brightest"),
    [
        ("T10UDV_20190317T191121_TCI.jp2", 0.3558),
        ("T10UDV_20190317T191121_TCI_mosaic.tif", 0.3558),
        (f"{OLD}/GRANULE/IMG_DATA/T33TUL_20190505T100559_TCI.jp2", 0.3558),
        (f"{SAFE}/{GRANULE}/T33TUL_20230505T100559_TCI_10m.jp2", 0.2),
        ("T33TUL_20230505T100559_TCI_10m.jp2", 0.2),
        ("https://host/sentinel-s2-l2a-cogs/S2B_33TUL_20230505_0_L2A/TCI.tif", 0.2),
    ],
)
def test_true_colour_images_have_the_scale_of_their_level(name: str, brightest: float) -> None:
    found = product_scale([name])

    assert found is not None
    assert (found.scale * 255, found.offset, found.dtypes) == (pytest.approx(brightest), 0.0, ("uint8",))


def test_a_true_colour_image_is_read_as_reflectance(tmp_path: Path) -> None:
    path = tmp_path / "T33TUL_20190505T100559_TCI.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=64, height=64, count=3, dtype="uint8", crs="EPSG:32633",
        transform=from_origin(4e5, 5e6, 10, 10),
    ) as file:  # fmt: skip
        file.write(np.full((3, 64, 64), 51, "uint8"))
    with open_scene(path, ("red", "green", "blue")) as scene:
        assert scene.radiometry.scale == pytest.approx([0.3558 / 255] * 3)
        assert scene.radiometry.warning is None
        assert "true-colour image" in scene.radiometry.origin


@pytest.mark.parametrize("name", ["scene.tif", "TCIX.tif", "T33TUL.tif", LEVEL_1, "B02.tif"])
def test_other_names_tell_nothing(name: str) -> None:
    assert product_scale([name]) is None


def test_files_that_tell_different_things_tell_nothing() -> None:
    assert product_scale([f"{SAFE}/B02.jp2", f"{OLD}/B03.jp2"]) is None


@pytest.mark.parametrize("added", [-1000, 0])
@pytest.mark.parametrize("where", ["", "IMG_DATA/R10m/"])
def test_metadata_beside_or_above_a_band_win_over_its_name(where: str, added: int, tmp_path: Path) -> None:
    (tmp_path / "MTD_MSIL2A.xml").write_text(MTD.format(added))
    band = tmp_path / f"{where}T33TUL_20230505T100559_B02.tif"

    found = product_scale([str(band)])

    assert found is not None
    assert found.offset == pytest.approx(added / 10_000)
    assert "MTD_MSIL2A.xml" in found.origin


@pytest.mark.parametrize("content", ["", "<a", "<a/>", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>"])
def test_damaged_metadata_leave_it_to_the_name(content: str, tmp_path: Path) -> None:
    (tmp_path / "MTD_MSIL2A.xml").write_text(content)

    found = product_scale([str(tmp_path / "T33TUL_20230505T100559_B02.tif")])

    assert found is not None
    assert found.assumed


def test_loose_bands_of_a_product_have_its_offset(write) -> None:
    files = {
        name: write(f"{SAFE}/{GRANULE}/T33TUL_20230505T100559_{band}_10m.tif", water())
        for name, band in {"red": "B04", "nir": "B08"}.items()
    }
    with open_scene(band_files([f"{name}={path}" for name, path in files.items()]), ["red", "nir"]) as scene:
        assert scene.radiometry.offset == pytest.approx((-0.1, -0.1))
        assert "05.09" in scene.radiometry.origin
        assert not scene.radiometry.warning


def test_an_offset_that_other_programs_removed_is_not_applied_again(write) -> None:
    path = write(f"{SAFE.removesuffix('.SAFE')}.tif", water(150))
    with open_scene(band_files([f"red={path}"]), ["red"]) as scene:
        assert scene.radiometry.offset == (0.0,)
        assert "removed already" in str(scene.radiometry.warning)


def test_a_date_alone_is_an_assumption_with_a_warning(write) -> None:
    path = write("T33TUL_20230505T100559_B04_10m.tif", water())
    with open_scene(band_files([f"red={path}"]), ["red"]) as scene:
        assert scene.radiometry.offset == (-0.1,)
        assert "assumed" in str(scene.radiometry.warning)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_pictures_and_reflectance_with_a_product_s_name_are_no_numbers_of_it(dtype: str, write) -> None:
    path = write(f"{SAFE}/TCI.tif", np.full((1, 64, 64), 1, dtype))
    with open_scene(band_files([f"red={path}"]), ["red"]) as scene:
        assert scene.radiometry.offset == (0.0,)
