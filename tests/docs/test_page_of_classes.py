"""The commands of the page on several classes, one after the other, on small scenes and with a small network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from doc_pages import REPOSITORY, blocks, commands
from geoships_cli.app import app
from labelled_scenes import write_class_scene
from typer.testing import CliRunner

PAGE = "docs/how-to/several-classes.md"
SMALL = {
    "network": {"options": {"encoder_depth": 3, "decoder_channels": [24, 16, 8]}},
    "crops": {"size": 64},
    "run": {"crops": 16, "batch_size": 4, "device": "cpu", "precision": "fp32", "pictures": 1},
    "bundle": {"halo": 16},
}


def test_the_commands_of_the_page_run_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = yaml.safe_load((REPOSITORY / "configs/several-classes.yaml").read_text(encoding="utf-8"))
    root = Path(settings["data"]["root"])
    monkeypatch.chdir(tmp_path)
    for seed, (name, images, labels) in enumerate(
        (("east", "scenes", "labels"), ("north", "scenes", "labels"), ("west", "test", "test-labels")), 1
    ):
        for folder in (images, labels):
            (root / folder).mkdir(parents=True, exist_ok=True)
        write_class_scene(root / images, name, seed=seed)
        shutil.move(root / images / f"{name}.geojson", root / labels)
    shutil.copy(root / "test" / "west.tif", "scene.tif")
    Path("configs").mkdir()
    Path("configs/several-classes.yaml").write_text(yaml.safe_dump({**settings, **SMALL}))
    run = [command for block in blocks("shell") if block.page == PAGE for command in commands(block)]
    assert [command[1] for command in run] == ["train", "info", "evaluate", "predict", "view"]
    for program, *arguments in run:
        assert program == "geoships"
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0, f"{arguments}: {result.output}"
    written = (
        "objects.gpkg",
        "objects.qml",
        "mask.tif",
        "scores.tif",
        "classes.qgz",
        "objects.html",
        "report/report.md",
    )
    assert all(Path(name).exists() for name in written)
