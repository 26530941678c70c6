"""Which pixels have data, in all forms in which files tell it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

from geoships.scene.display import choose_display
from geoships.scene.georeference import Georeference
from geoships.scene.layers.labels import IGNORED, SHIP, read_labels
from geoships.scene.opening.band_files import band_files
from geoships.scene.quicklook import open_quicklook
from geoships.scene.reader import open_scene
from geoships.scene.tiling.windows import Window
from geoships.scene.validity import stored_nodata

GRID = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500000, 0, -10, 4000000)}
NAMES = ("blue", "green", "red", "nir")
SIZE = 64
EMPTY = np.s_[:, : SIZE // 2]  # the left half has no data


def ground(count: int = 4, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(1).integers(300, 900, (count, SIZE, SIZE)).astype(dtype)


def write(path: Path, values: np.ndarray, names: tuple[str, ...] = NAMES, **profile: object) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=SIZE, width=SIZE, count=len(values), dtype=values.dtype, **GRID | profile
    ) as file:
        file.write(values)
        file.descriptions = (*names, *[None] * len(values))[: len(values)]
    return path


def alpha(value: int = 65535, dtype: str = "uint16") -> np.ndarray:
    band = np.full((1, SIZE, SIZE), value, dtype)
    band[0][EMPTY] = 0
    return band


def flagged_alpha(path: Path) -> Path:
    write(path, np.concatenate([ground(), alpha()]))
    with rasterio.open(path, "r+") as file:
        file.colorinterp = [*[ColorInterp.undefined] * 4, ColorInterp.alpha]
    return path


def described_alpha(path: Path) -> Path:
    return write(path, np.concatenate([alpha(1), ground()]), ("dataMask", *NAMES))


def internal_mask(path: Path) -> Path:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(path, ground())
        with rasterio.open(path, "r+") as file:
            file.write_mask(alpha(255, "uint8")[0])
    return path


def side_mask(path: Path) -> Path:
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False):
        write(path, ground())
        with rasterio.open(path, "r+") as file:
            file.write_mask(alpha(255, "uint8")[0])
    assert path.with_name(path.name + ".msk").exists()
    return path


def mask_and_nodata(path: Path) -> Path:
    """The upper left quarter is masked, and the lower left holds the nodata value."""
    values = ground()
    values[:, SIZE // 2 :, : SIZE // 2] = 0
    masked = np.full((SIZE, SIZE), 255, "uint8")
    masked[: SIZE // 2, : SIZE // 2] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(path, values, nodata=0)
        with rasterio.open(path, "r+") as file:
            file.write_mask(masked)
    return path


def mask_and_alpha(path: Path) -> Path:
    """The alpha band hides the upper left quarter, and the mask the lower left."""
    opaque = alpha()
    opaque[0, SIZE // 2 :] = 65535
    masked = np.full((SIZE, SIZE), 255, "uint8")
    masked[SIZE // 2 :, : SIZE // 2] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        write(path, np.concatenate([ground(), opaque]), (*NAMES, "alpha"))
        with rasterio.open(path, "r+") as file:
            file.write_mask(masked)
    return path


def nan_nodata(path: Path) -> Path:
    values = ground(dtype="float32")
    values[1][EMPTY] = np.nan
    return write(path, values, nodata=np.nan)


def nan_beside_nodata(path: Path) -> Path:
    values = ground(dtype="float32")
    values[0, : SIZE // 2, : SIZE // 2] = np.nan
    values[:, SIZE // 2 :, : SIZE // 2] = -9999
    return write(path, values, nodata=-9999)


def impossible_value_in_one_band(path: Path) -> Path:
    values = ground(dtype="int16")
    values[2][EMPTY] = -9999
    return write(path, values, nodata=-9999)


def virtual(path: Path, nodata: tuple[str | None, ...], values: np.ndarray, dtype: str = "UInt16") -> Path:
    write(path.with_name("source.tif"), values)
    bands = "".join(
        f'<VRTRasterBand dataType="{dtype}" band="{number}"><Description>{name}</Description>'
        + (f"<NoDataValue>{value}</NoDataValue>" if value is not None else "")
        + '<SimpleSource><SourceFilename relativeToVRT="1">source.tif</SourceFilename>'
        f"<SourceBand>{number}</SourceBand></SimpleSource></VRTRasterBand>"
        for number, (name, value) in enumerate(zip(NAMES, nodata, strict=True), 1)
    )
    path.write_text(
        f'<VRTDataset rasterXSize="{SIZE}" rasterYSize="{SIZE}"><SRS>EPSG:32631</SRS>'
        f"<GeoTransform>500000,10,0,4000000,0,-10</GeoTransform>{bands}</VRTDataset>"
    )
    return path


def empty(values: np.ndarray, *stored: int) -> np.ndarray:
    for band, value in zip(values, stored, strict=True):
        band[EMPTY] = value
    return values


def some_bands_declare(path: Path) -> Path:
    return virtual(path.with_suffix(".vrt"), ("0", "0", "0", None), empty(ground(), 0, 0, 0, 500))


def each_band_its_own(path: Path) -> Path:
    return virtual(path.with_suffix(".vrt"), ("0", "65535", "0", "65535"), empty(ground(), 0, 65535, 0, 65535))


def one_band_out_of_range(path: Path) -> Path:
    return virtual(path.with_suffix(".vrt"), ("0", "-9999", "0", "70000"), empty(ground(), 0, 7, 0, 7))


FORMS = [
    flagged_alpha, described_alpha, internal_mask, side_mask, mask_and_nodata, mask_and_alpha, nan_nodata,
    nan_beside_nodata, impossible_value_in_one_band, some_bands_declare, each_band_its_own, one_band_out_of_range,
]  # fmt: skip


def half() -> np.ndarray:
    expected = np.ones((SIZE, SIZE), bool)
    expected[EMPTY] = False
    return expected


@pytest.mark.parametrize("form", FORMS)
def test_the_empty_half_of_a_scene_is_not_valid(tmp_path, form):
    with open_scene(str(form(tmp_path / "s.tif")), NAMES) as scene:
        np.testing.assert_array_equal(scene.decode(scene.window).valid, half())
        right = scene.decode(Window(0, SIZE // 2, SIZE, SIZE // 2))
        assert right.valid.all()


@pytest.mark.parametrize("form", FORMS)
def test_a_quicklook_shows_the_empty_half_black(tmp_path, form):
    with open_quicklook(str(form(tmp_path / "s.tif")), bands=["red", "green", "blue"]) as look:
        np.testing.assert_array_equal(look.overview.valid, half())


@pytest.mark.parametrize("form", [flagged_alpha, described_alpha, internal_mask, side_mask, mask_and_alpha])
def test_band_files_keep_the_masks_of_every_file(tmp_path, form):
    given = [f"{name}={write(tmp_path / f'{name}.tif', ground(1), (name,))}" for name in NAMES[:3]]
    masked = form(tmp_path / "s.tif")
    number = 5 if form is described_alpha else 4
    with open_scene(band_files([*given, f"nir={masked}:{number}"]), NAMES) as scene:
        np.testing.assert_array_equal(scene.decode(scene.window).valid, half())


def test_masks_of_two_band_files_both_hold(tmp_path):
    one, other = internal_mask(tmp_path / "a.tif"), write(tmp_path / "b.tif", ground())
    below = np.full((SIZE, SIZE), 255, "uint8")
    below[SIZE // 2 :] = 0
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(other, "r+") as file:
        file.write_mask(below)
    expected = half()
    expected[SIZE // 2 :] = False
    with open_scene(band_files([f"red={one}:3", f"nir={other}:4"]), ["red", "nir"]) as scene:
        np.testing.assert_array_equal(scene.decode(scene.window).valid, expected)


def test_a_band_with_the_name_of_a_colour_is_no_alpha_band(tmp_path):
    path = write(tmp_path / "s.tif", ground(), ("B02", "B03", "B04", "B08"), photometric="RGB", ALPHA="YES")
    with rasterio.open(path) as file:
        assert file.colorinterp[3] is ColorInterp.alpha
    with open_scene(str(path), NAMES) as scene:
        assert scene.bands.indexes == (1, 2, 3, 4)
        assert scene.decode(scene.window).valid.all()


def test_black_in_one_band_is_a_measurement(tmp_path):
    path = write(tmp_path / "s.tif", empty(ground(), 500, 500, 500, 0), nodata=0)
    with open_scene(str(path), NAMES) as scene:
        assert scene.decode(scene.window).valid.all()


def test_display_ranges_leave_transparent_pixels_out(tmp_path):
    values = np.concatenate([empty(ground(), 60000, 60000, 60000, 60000), alpha()])
    path = write(tmp_path / "s.tif", values, (*NAMES, "alpha"))
    with open_scene(str(path), NAMES) as scene:
        assert max(high for _, high in choose_display(scene).ranges) < 1000


@pytest.mark.parametrize("form", [flagged_alpha, internal_mask, some_bands_declare])
def test_training_scenes_follow_the_same_rule(tmp_path, form):
    from geoships.scene.torchgeo import SceneDataset

    with open_scene(str(form(tmp_path / "s.tif")), NAMES) as scene:
        images = SceneDataset(scene)
        sample = images[images.grid.query(scene.window)]
    np.testing.assert_array_equal(sample["valid"].numpy(), half())


@pytest.mark.parametrize("how", ["nodata", "nan", "mask", "nodata 0"])
def test_labels_without_data_are_ignored(tmp_path, how):
    values = np.zeros((1, SIZE, SIZE), "float32" if how == "nan" else "uint8")
    values[0, 40:44, 40:50] = 1
    fill = {"nodata": 200, "nan": np.nan}.get(how, 0)
    values[0][EMPTY] = fill
    nodata = {"nodata": {"nodata": 200}, "nodata 0": {"nodata": 0}}.get(how, {})
    path = write(tmp_path / "labels.tif", values, (), **nodata)
    if how == "mask":
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
            file.write_mask(half())
    grid = Georeference(SIZE, SIZE)
    mask = read_labels(path, grid).mask(Window(0, 0, SIZE, SIZE))
    assert (mask[EMPTY] == (0 if how == "nodata 0" else IGNORED)).all()
    assert np.count_nonzero(mask == SHIP) == 40


@pytest.mark.parametrize(
    ("value", "dtype", "stored"),
    [
        (0.5, "uint8", None), (256, "uint8", None), (-1, "uint16", None), (float("nan"), "int16", None),
        (65535, "uint16", 65535), (-3.4028235e38, "float32", -float(np.finfo("float32").max)), (1e39, "float32", None),
        (0.1, "float32", float(np.float32(0.1))), (None, "uint8", None),
    ],
)  # fmt: skip
def test_a_nodata_value_counts_as_the_data_type_stores_it(value, dtype, stored):
    assert stored_nodata(value, dtype) == stored
