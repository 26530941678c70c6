from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.enums import Resampling

from geoships.errors import SceneError
from geoships.scene.quicklook import Stretch, open_quicklook
from geoships.scene.tiling.windows import Window

UTM = Affine(10, 0, 500000, 0, -10, 4000000)


def write(path: Path, values: np.ndarray, names: tuple[str, ...] = (), **options: object) -> Path:
    count, height, width = values.shape
    options = {"crs": "EPSG:32631", "transform": UTM, "tiled": True, "blockxsize": 64, "blockysize": 64, **options}
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=count, dtype=values.dtype, **options
    ) as dataset:
        dataset.write(values)
        if names:
            dataset.descriptions = names
    return path


def ramp(bands: int, size: int = 300, dtype: str = "uint16") -> np.ndarray:
    """Values that increase from left to right, with another slope in each band."""
    line = np.linspace(0, 200, size)
    return np.stack([np.tile(line * (band + 1) / bands, (size, 1)) for band in range(bands)]).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_any_type_and_number_of_bands_becomes_an_rgb_image(tmp_path: Path, dtype: str, bands: int) -> None:
    with open_quicklook(write(tmp_path / "s.tif", ramp(bands, dtype=dtype)), size=100) as look:
        overview = look.overview
    assert overview.image.shape == (100, 100, 3)
    assert overview.valid.all()
    assert overview.scale == (1 / 3, 1 / 3)
    assert overview.pixel_metres == pytest.approx(30, rel=1e-3)
    assert overview.image[:, 0].max() < 20
    assert overview.image[:, -1].min() == 255
    assert (np.diff(overview.image.astype(int), axis=1) >= 0).all()


def test_an_overview_is_the_mean_of_its_pixels_chunk_by_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoships.scene.quicklook.CHUNK", 64)
    values = np.random.default_rng(0).integers(0, 1000, (3, 256, 512)).astype("uint16")
    with open_quicklook(write(tmp_path / "s.tif", values), size=128) as look:
        stretched = look.overview.image
    means = values.reshape(3, 64, 4, 128, 4).mean((2, 4)).astype("float32")
    expected = np.stack([Stretch.of(band).apply(band) for band in means], axis=2)
    assert np.abs(stretched.astype(int) - expected).max() <= 1


def test_pixels_without_data_are_left_out_of_the_means(tmp_path: Path) -> None:
    values = np.full((1, 128, 128), 500, "uint16")
    values[:, :, 64:] = 900
    values[:, :63] = 0  # the last row without data shares its pixel of the overview with one that has
    with open_quicklook(write(tmp_path / "s.tif", values, nodata=0), size=64) as look:
        overview = look.overview
    assert overview.valid[:31].sum() == 0
    assert overview.valid[31:].all()
    assert (overview.image[31] == overview.image[40]).all()
    floats = np.where(values == 0, np.nan, values).astype("float32")
    with open_quicklook(write(tmp_path / "f.tif", floats), size=64) as look:
        assert (look.overview.valid == overview.valid).all()
        assert (look.overview.image == overview.image).all()


def test_overviews_of_the_file_are_used(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", ramp(3))
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.average)
    with open_quicklook(path, size=60) as look:
        reads = []
        original = look._dataset
        look._dataset = type("Spy", (), {
            "dtypes": original.dtypes,
            "read": lambda _, *a, **k: (reads.append(k["out_shape"]), original.read(*a, **k))[1],
        })()  # fmt: skip
        look._overview(60)
    assert reads == [(3, 75, 75)]  # 300 / 4, not 300


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("B02", "B03", "B04", "B08", "B11"), "red, green, blue"),
        (("B03", "B04", "B08"), "nir, red, green"),
        (("B08", "B11"), "band 1"),
        (("", "", "", ""), "bands 3, 2, 1"),
    ],
)
def test_bands_are_chosen_by_their_names(tmp_path: Path, names: tuple[str, ...], shown: str) -> None:
    options = {"photometric": "minisblack"}  # or GDAL takes three bands for red, green and blue
    with open_quicklook(write(tmp_path / "s.tif", ramp(len(names)), names, **options), size=50) as look:
        assert look.band_names == shown


def test_bands_may_be_chosen_by_the_user(tmp_path: Path) -> None:
    path = write(tmp_path / "s.tif", ramp(5), ("B02", "B03", "B04", "B08", "B11"))
    with open_quicklook(path, size=50, bands=("B11", 4, 3)) as look:
        assert look.band_names == "bands 5, 4, 3"
    with open_quicklook(path, size=50, bands=(4,)) as look:
        assert (look.overview.image[..., 0] == look.overview.image[..., 2]).all()
    with pytest.raises(SceneError, match="three bands"), open_quicklook(path, bands=(1, 2)):
        pass


def test_pixels_are_square_on_the_ground(tmp_path: Path) -> None:
    degrees = {"crs": "EPSG:4326", "transform": Affine(1e-4, 0, 10, 0, -1e-4, 60)}
    with open_quicklook(write(tmp_path / "s.tif", ramp(1, 400), **degrees), size=200) as look:
        rows, columns, _ = look.overview.image.shape
        _, down = look.georeference.pixel_size()
    assert rows == 200
    assert columns == pytest.approx(100, abs=1)  # a degree of longitude is half as long at 60 degrees north
    assert look.overview.pixel_metres == pytest.approx(400 * down / 200, rel=1e-6)


def test_a_window_has_the_scene_s_pixels_in_the_overview_s_colours(tmp_path: Path) -> None:
    with open_quicklook(write(tmp_path / "s.tif", ramp(3)), size=300) as look:
        image = look.read(Window(290, -10, 40, 40), 128)
        assert image.shape == (10, 30, 3)
        assert (image == look.overview.image[290:, :30]).all()
        assert look.read(Window(0, 0, 300, 300), 30).shape == (30, 30, 3)
        assert not look.read(Window(400, 400, 5, 5), 128).any()


def test_scenes_of_one_value_or_none_are_black(tmp_path: Path) -> None:
    for name, nodata in (("flat", None), ("none", 7)):
        path = write(tmp_path / f"{name}.tif", np.full((1, 20, 2), 7, "uint8"), nodata=nodata)
        with open_quicklook(path, size=10) as look:
            assert look.overview.image.shape == (10, 1, 3)
            assert not look.overview.image.any()
