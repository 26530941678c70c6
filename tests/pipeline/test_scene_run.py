"""What happens to a scene before its first tile."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from fake_models import fake_bundle
from geoships_cli.app import app
from rasterio.io import DatasetReader
from typer.testing import CliRunner

from geoships.model.installed import ModelChoice
from geoships.pipeline import scene_run
from geoships.scene.opening import open as opening
from geoships.scene.opening import raster


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scene.tif"
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": "uint8", "crs": "EPSG:32631"}
    with rasterio.open(path, "w", **profile, transform=rasterio.Affine(10, 0, 5e5, 0, -10, 4e6)) as file:
        file.write(np.zeros((1, 64, 64), np.uint8))
        file.descriptions = ("red",)
    return path


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that the main thread opens, in their order."""
    names: list[str] = []

    class Noting(DatasetReader):
        def __init__(self, path: str, *args: Any, **options: Any) -> None:
            if threading.current_thread() is threading.main_thread():
                names.append(Path(path).name)
            super().__init__(path, *args, **options)

    monkeypatch.setattr(raster, "DatasetReader", Noting)
    monkeypatch.setattr(rasterio, "open", lambda path, *_, **__: names.append(f"{path}, not by the scene"))
    return names


@pytest.mark.parametrize("model", [[], ["--model", "named"]])
def test_a_scene_is_resolved_and_opened_once_from_the_command_line_to_its_first_tile(
    model: list[str], scene: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved, listed = [], opening._listed
    monkeypatch.setattr(opening, "_listed", lambda name: resolved.append(name) or listed(name))
    monkeypatch.setattr(scene_run, "load_bundle", lambda _=None: fake_bundle())
    monkeypatch.setattr(scene_run, "choose_model", lambda *_: ModelChoice(Path("fake"), "the only one"))
    monkeypatch.setattr("geoships.pipeline.batch.load_bundle", lambda _=None: fake_bundle())
    at_first_tile: list[list[str]] = []

    def first_tile(*_: object, **__: object) -> None:
        at_first_tile.append(list(opened))
        raise KeyboardInterrupt

    monkeypatch.setattr(scene_run, "stream_tiles", first_tile)

    CliRunner().invoke(app, ["predict", str(scene), "--out", str(scene.with_suffix(".gpkg")), *model])

    assert at_first_tile == [["scene.tif"]]
    assert resolved == [str(scene)]
