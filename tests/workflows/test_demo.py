import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fake_models import fake_bundle
from PIL import Image

from geoships import PredictConfig
from geoships.errors import OutputError
from geoships.model import bundle as bundles
from geoships.model.installed import DEFAULT_BUNDLE
from geoships.pipeline import scene_run
from geoships.workflows.demo import run_demo


def test_the_demo_writes_all_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene_run, "load_bundle", lambda _=None: fake_bundle(bands=("swir16",)))
    result = run_demo(tmp_path / "demo", size=256, config=PredictConfig(device="cpu"))
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {
        "harbour.tif", "ships.geojson", "mask.tif", "scores.tif", "ships.png", "harbour.qgz",
        "ships.qml", "mask.qml", "scores.qml",
    }  # fmt: skip
    assert result.counts.labelled >= 1
    assert result.counts.predicted == len(json.loads((tmp_path / "demo" / "ships.geojson").read_text())["features"])
    with (
        rasterio.open(tmp_path / "demo" / "mask.tif") as mask,
        rasterio.open(tmp_path / "demo" / "harbour.tif") as scene,
    ):
        assert mask.shape == scene.shape == (256, 256)
        np.testing.assert_array_equal(mask.read(1) == 255, scene.dataset_mask() == 0)
    with Image.open(result.picture) as picture:
        assert picture.width >= 256
    assert f"{result.counts.labelled} ships" in result.report()
    assert json.loads(json.dumps(result.summary()))["ships_in_scene"] == result.counts.labelled


def test_a_folder_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot create the folder"):
        run_demo(tmp_path / "file" / "demo", size=256)


def test_the_installed_model_is_the_default() -> None:
    assert bundles.load_bundle().card.name == DEFAULT_BUNDLE
