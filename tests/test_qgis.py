"""Outputs of a real scene and of edge cases, loaded in the real QGIS."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from edge_cases import CASES, FORMATS, write_all

from geoships import predict
from geoships.output.formats import write_ships
from geoships.output.qgis.styles import ship_style
from geoships.scene.reader import open_scene

QGIS_PYTHON = Path("/usr/bin/python3")


def run_qgis(*command: str | Path) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment = {**clean, "QT_QPA_PLATFORM": "offscreen"}
    return subprocess.run([QGIS_PYTHON, *command], capture_output=True, text=True, check=False, env=environment)


def has_qgis() -> bool:
    return QGIS_PYTHON.exists() and run_qgis("-c", "import qgis.core").returncode == 0


pytestmark = pytest.mark.skipif(
    not has_qgis(), reason="QGIS is not installed (Debian: python3-qgis qgis-providers gdal-bin)"
)


def test_qgis_accepts_all_outputs_of_a_harbour(shared_data: Path, tmp_path: Path) -> None:
    scene = Path(shutil.copy(shared_data / "sen2ships" / "images" / "honolulu.tif", tmp_path))
    script = shared_data.parent / "accept" / "qgis_accept.py"
    mask, scores, project = (tmp_path / name for name in ("mask.tif", "scores.tif", "ships.qgz"))
    result = predict(scene, out=tmp_path / "ships.geojson", mask=mask, scores=scores, project=project)
    with open_scene(scene, ("red",)) as opened:
        for extension in FORMATS[1:]:
            path, style = tmp_path / f"ships.{extension}", ship_style().qml()
            write_ships(path, result.ships, georeference=opened.georeference, title="Ships", style=style)
    command = [script, "--scene", scene, "--mask", mask, "--probability", scores, "--project", project]
    command += ["--expect-count", str(len(result.ships)), "--parquet-python", sys.executable, "--require-style"]
    for extension in FORMATS:
        command += ["--vector", tmp_path / f"ships.{extension}"]
    run = run_qgis(*command, "--png", tmp_path / "map.png")
    assert json.loads(run.stdout).get("failed") == [], run.stdout
    assert run.returncode == 0


def test_qgis_opens_projects_and_styles_of_edge_cases(tmp_path: Path) -> None:
    runs = {}
    for number, (name, case) in enumerate(CASES.items()):
        (tmp_path / str(number)).mkdir()
        runs[name] = write_all(tmp_path / str(number), case)
    done = run_qgis(Path(__file__).parent / "qgis_report.py", *(run.folder for run in runs.values()))
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    for name, run in runs.items():
        facts = report[run.folder.name]
        project, placed, found = facts["project"], run.georeference.placed, len(run.result.ships)
        layers = {layer["name"]: layer for layer in project["layers"]}
        assert project["read"], name
        assert list(layers) == ["Ships"] * placed + ["Ship mask", "Ship scores", "Scene"], name
        assert all(layer["valid"] for layer in layers.values()), name
        assert project["crs"] == (f"EPSG:{run.georeference.crs.to_epsg()}" if placed else ""), name
        assert layers["Ship mask"]["visible"] == (not placed), name
        assert layers["Scene"]["drawn"] == "singlebandgray", name
        # GeoJSON is cut at the antimeridian, so the layer's own extent may go around the Earth.
        shown = run.result.ships.total_bounds.tolist() if found and placed else layers["Scene"]["extent"]
        assert contains(project["view"], shown), name
        assert contains(grown(layers["Scene"]["extent"]), shown), name
        drawn = {"mask.tif": "paletted", "scores.tif": "singlebandpseudocolor"}
        drawn |= dict.fromkeys(("ships.geojson", "ships.gpkg", "ships.fgb"), "graduatedSymbol")
        for file, kind in drawn.items():
            if file != "ships.geojson" or found:  # without features, QGIS takes GeoJSON for a table
                assert facts["files"][file] == {"valid": True, "drawn": kind}, (name, file)
        if placed and found:
            assert (layers["Ships"]["features"], layers["Ships"]["labels"]) == (found, True), name
            assert layers["Ships"]["drawn"] == "graduatedSymbol", name


def contains(outer: list[float], inner: list[float]) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def grown(extent: list[float]) -> list[float]:
    """By one percent, which warping a scene can lose at its edges."""
    west, south, east, north = extent
    pad = 0.01 * max(east - west, north - south)
    return [west - pad, south - pad, east + pad, north + pad]
