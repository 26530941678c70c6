"""A model from nothing to ships on a map, through the command line alone."""

import json
from pathlib import Path

import geopandas
import pytest
import rasterio
from labelled_scenes import write_scene
from typer.testing import CliRunner

from geoships.model.bundle import load_bundle
from geoships.output.ship_table import SHIP_COLUMNS

SETTINGS = """
name: smoke
data:
  root: {root}
  scenes: ["*.tif"]
  labels: .
  hold_out: [west]
  bands: [green, nir]
  validation: {{share: 0}}
network:
  options: {{encoder_depth: 3, decoder_channels: [24, 16, 8]}}
crops: {{size: 64}}
optimiser: {{rate: 3e-3}}
run: {{crops: 192, batch_size: 4, precision: fp32, device: cpu, ema: 0.9, keep: last}}
bundle: {{halo: 16, threshold: 0.3}}
"""
SHIPS = 14  # in each scene


def geoships(*arguments: object) -> str:
    """Run a command that is to succeed; returns its stdout."""
    from geoships_cli.app import app

    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def f1(counts: dict[str, float]) -> float:
    return 2 * counts["precision"] * counts["recall"] / (counts["precision"] + counts["recall"])


def test_a_model_is_trained_judged_and_used(tmp_path: Path) -> None:
    for seed, name in enumerate(("east", "west"), 1):
        write_scene(tmp_path, name, seed=seed)
    (tmp_path / "smoke.yaml").write_text(SETTINGS.format(root=tmp_path))
    west, bundle, report = tmp_path / "west.tif", tmp_path / "run" / "bundle", tmp_path / "report"

    said = geoships("train", "--config", tmp_path / "smoke.yaml", "--out", tmp_path / "run")
    assert "smoke: 192 crops" in said
    assert load_bundle(bundle).card.bands == ("green", "nir")
    assert json.loads((bundle / "model.json").read_text())["geoships:trained_on"] == ["east"]

    judging = ["--scenes", west, "--labels", tmp_path / "west.geojson", "--out", report, "--device", "cpu"]
    summary = json.loads(geoships("evaluate", bundle, *judging, "--json", "--quiet"))
    figures = json.loads((report / "metrics.json").read_text())
    assert figures["all"] == figures["scenes"]["west"] == summary["all"]
    ships = figures["all"]["ships"]
    assert ships["touched"]["labelled"] == ships["iou_0.3"]["labelled"] == SHIPS
    assert ships["iou_0.5"]["hit"] <= ships["iou_0.3"]["hit"] <= ships["touched"]["hit"]
    assert ships["iou_0.3"]["f1"] == pytest.approx(f1(ships["iou_0.3"]), abs=1e-4)
    assert ships["touched"]["recall"] > 0.8 < ships["touched"]["precision"]
    for page in ("report.md", "report.html"):
        assert f"{figures['all']['pixels']['iou']:.3f}" in (report / page).read_text()

    geoships("predict", west, "--model", bundle, "--out", tmp_path / "found.gpkg", "--device", "cpu")
    found, truth = (geopandas.read_file(tmp_path / name, layer=0) for name in ("found.gpkg", "west.geojson"))
    assert list(found) == [*SHIP_COLUMNS, "geometry"]
    with rasterio.open(west) as scene:
        assert found.crs == scene.crs
    assert len(found) == ships["touched"]["found"]
    touched = found.sjoin(truth.to_crs(found.crs))["index_right"].nunique()
    assert touched == ships["touched"]["hit"]
