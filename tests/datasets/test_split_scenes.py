"""Chips keep what their scene says of its pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from rasterio.enums import ColorInterp

from geoships.datasets.annotations.split_scenes import Pair, cut_into_parts
from geoships.scene.reader import open_scene

GRID = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500000, 0, -10, 4000000)}
NAMES = ("blue", "green", "red")


def chip_of(folder: Path, scene: Path) -> Path:
    """The one chip of a scene of 64 x 64 pixels with a ship."""
    labels = np.zeros((1, 64, 64), "uint8")
    labels[0, 50:54, 50:60] = 1
    write(folder / "labels.tif", labels, nodata=255)
    cut_into_parts([Pair(scene, folder / "labels.tif")], folder / "out", {"s": "train"}, chip=64)
    (chip,) = (folder / "out" / "chips" / "train" / "images").iterdir()
    return chip


def write(path: Path, values: np.ndarray, **profile: object) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", height=64, width=64, count=len(values), dtype=values.dtype, **GRID | profile
    ) as file:
        file.write(values)
        if len(values) > 1:
            file.descriptions = (*NAMES, "")[: len(values)]
    return path


def test_an_alpha_band_becomes_the_mask_of_a_chip(tmp_path):
    values = np.full((4, 64, 64), 500, "uint16")
    values[3, :, :32] = 0
    write(tmp_path / "s.tif", values)
    with rasterio.open(tmp_path / "s.tif", "r+") as file:
        file.colorinterp = [*[ColorInterp.undefined] * 3, ColorInterp.alpha]
    with open_scene(str(chip_of(tmp_path, tmp_path / "s.tif")), NAMES) as chip:
        assert len(chip.dtypes) == 3
        assert chip.decode(chip.window).valid.sum() == 64 * 32


def test_a_scene_with_nodata_has_chips_with_nodata(tmp_path):
    values = np.full((3, 64, 64), 500, "uint16")
    values[:, :, :32] = 0
    write(tmp_path / "s.tif", values, nodata=0)
    chip = chip_of(tmp_path, tmp_path / "s.tif")
    with rasterio.open(chip) as file:
        assert file.nodata == 0
    with open_scene(str(chip), NAMES) as scene:
        assert scene.decode(scene.window).valid.sum() == 64 * 32


def test_bands_of_two_data_types_keep_their_reflectance(tmp_path):
    write(tmp_path / "a.tif", np.full((1, 64, 64), 1000, "uint16"))
    write(tmp_path / "b.tif", np.full((1, 64, 64), 0.1, "float32"))
    bands = "".join(
        f'<VRTRasterBand dataType="{dtype}" band="{number}"><Description>{name}</Description><SimpleSource>'
        f'<SourceFilename relativeToVRT="1">{file}.tif</SourceFilename><SourceBand>1</SourceBand></SimpleSource>'
        "</VRTRasterBand>"
        for number, (name, file, dtype) in enumerate(
            [("blue", "a", "UInt16"), ("green", "a", "UInt16"), ("red", "b", "Float32")], 1
        )
    )
    scene = tmp_path / "s.vrt"
    scene.write_text(
        '<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:32631</SRS>'
        f"<GeoTransform>500000,10,0,4000000,0,-10</GeoTransform>{bands}</VRTDataset>"
    )
    with open_scene(str(chip_of(tmp_path, scene)), NAMES) as chip:
        reflectance = chip.radiometry.apply(chip.decode(chip.window).values)
    np.testing.assert_allclose(reflectance, 0.1, rtol=1e-5)
