"""Scenes of which a part cannot be read: the run fails and names the part, or goes on without it."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import rasterio
from damaged_files import cut, directory_first, zero
from fake_models import fake_bundle
from scenes import ship_scene

from geoships import PredictConfig, SceneError, band_files, predict
from geoships.scene.quicklook import open_quicklook
from geoships.scene.reader import Reading, open_scene
from geoships.scene.tiling.windows import Window

CONFIG = PredictConfig(tile_size=96, min_area=0, device="cpu", engine="torch", precision="fp32")
SKIP = CONFIG.model_copy(update={"on_error": "skip"})


def test_by_default_a_run_fails_and_names_the_window(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    zero(tmp_path / "scene.tif", (1, 1))
    with pytest.raises(SceneError, match=r"the window at row 0, column 0 \(180 x 200 pixels\) of .*scene\.tif: .*skip"):
        predict(tmp_path / "scene.tif", out=tmp_path / "s.geojson", config=CONFIG, model=fake_bundle())
    assert {path.name for path in tmp_path.iterdir()} == {"scene.tif"}


@pytest.mark.parametrize(
    ("profile", "block"),
    [({}, (1, 1)), ({}, (2, 3)), ({"tiled": False, "blockysize": 8}, (7, 0)),
     ({"compress": "lzw"}, (0, 2)), ({"compress": "zstd", "predictor": 2}, (1, 0))],
)  # fmt: skip
def test_with_skip_a_part_has_no_data_and_the_rest_is_as_ever(tmp_path: Path, profile: dict, block: tuple) -> None:
    true = ship_scene(tmp_path / "scene.tif", **profile)
    window = zero(tmp_path / "scene.tif", block)
    outputs = {"mask": tmp_path / "mask.tif", "scores": tmp_path / "scores.tif", "preview": tmp_path / "look.png"}
    result = predict(tmp_path / "scene.tif", **outputs, config=SKIP, model=fake_bundle())
    lost = np.zeros(true.shape, np.bool_)
    lost[window.row : window.row_end, window.column : window.column_end] = True
    for name in ("mask", "scores"):
        with rasterio.open(outputs[name]) as file:
            np.testing.assert_array_equal(file.read_masks(1) == 0, lost)
    with rasterio.open(outputs["mask"]) as file:
        np.testing.assert_array_equal(file.read(1)[~lost], true[~lost])
    assert list(result.unread) == [window]
    assert result.unread[window]
    (listed,) = json.loads(json.dumps(result.summary()))["unread"]
    assert listed == {**asdict(window), "reason": result.unread[window]}
    assert any("could not be read and have no data" in text for text in result.warnings)
    assert outputs["preview"].exists()


def test_of_a_truncated_file_what_is_there_is_read(tmp_path: Path) -> None:
    true = ship_scene(tmp_path / "scene.tif")
    directory_first(tmp_path / "scene.tif")
    cut(tmp_path / "scene.tif", (2, 2))
    with pytest.raises(SceneError, match=r"truncated; .* --on-error skip"):
        predict(tmp_path / "scene.tif", config=CONFIG, model=fake_bundle())
    result = predict(tmp_path / "scene.tif", mask=tmp_path / "mask.tif", config=SKIP, model=fake_bundle())
    assert list(result.unread) == [Window(128, 128, 52, 64), Window(128, 192, 52, 8)]
    with rasterio.open(tmp_path / "mask.tif") as file:
        mask = file.read(1)
    assert (mask[128:, 128:] == 255).all()
    np.testing.assert_array_equal(mask[:128], true[:128])


def test_a_band_file_that_is_cut_leaves_pixels_of_no_band(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    directory_first(tmp_path / "scene.tif")
    cut(tmp_path / "scene.tif", (2, 2))
    scene = band_files([f"red={tmp_path / 'scene.tif'}"])
    with pytest.raises(SceneError, match="truncated"):
        predict(scene, config=CONFIG, model=fake_bundle())
    result = predict(scene, config=SKIP, model=fake_bundle())
    assert sum(window.height * window.width for window in result.unread) == 52 * 72


def test_a_scene_of_which_nothing_can_be_read_is_an_error(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    for block in np.ndindex(3, 4):
        zero(tmp_path / "scene.tif", block)
    with pytest.raises(SceneError, match="no part of it could be read"):
        predict(tmp_path / "scene.tif", mask=tmp_path / "mask.tif", config=SKIP, model=fake_bundle())
    assert not (tmp_path / "mask.tif").exists()


def test_each_block_is_listed_once_however_often_it_is_read(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    window = zero(tmp_path / "scene.tif", (1, 1))
    with open_scene(tmp_path / "scene.tif", ["red"], Reading(on_error="skip")) as scene:
        for area in (Window(0, 0, 180, 200), Window(70, 70, 10, 10), Window(60, 60, 20, 20)):
            valid = scene.decode(area).valid
            rows, columns = window.intersection(area).within(area)
            assert not valid[rows, columns].any()
            assert valid.sum() == valid.size - window.intersection(area).height * window.intersection(area).width
        assert list(scene.unread) == [window]


def test_a_quicklook_shows_what_can_be_read(tmp_path: Path) -> None:
    ship_scene(tmp_path / "scene.tif")
    zero(tmp_path / "scene.tif", (1, 1))
    with pytest.raises(SceneError, match="damaged"), open_quicklook(tmp_path / "scene.tif"):
        pass
    with open_quicklook(tmp_path / "scene.tif", skip=True) as look:
        valid = look.overview.valid
        assert not valid[64:128, 64:128].any()
        assert valid.mean() > 0.7
