"""What a GIS user sees: outputs of a real scene, loaded by the real QGIS."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from geoships import predict

QGIS_PYTHON = Path("/usr/bin/python3")


def has_qgis() -> bool:
    if not QGIS_PYTHON.exists():
        return False
    return subprocess.run([QGIS_PYTHON, "-c", "import qgis.core"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_qgis(), reason="QGIS is not installed (Debian: python3-qgis qgis-providers gdal-bin)")
def test_qgis_accepts_all_outputs_of_a_harbour(shared_data: Path, tmp_path: Path) -> None:
    scene = shared_data / "sen2ships" / "images" / "honolulu.tif"
    script = shared_data.parent / "accept" / "qgis_accept.py"
    vectors = [tmp_path / f"ships.{extension}" for extension in ("geojson", "gpkg", "fgb", "parquet")]
    for vector in vectors:
        result = predict(scene, out=vector, mask=tmp_path / "mask.tif", scores=tmp_path / "scores.tif")
    command = [QGIS_PYTHON, script, "--scene", scene, "--mask", tmp_path / "mask.tif"]
    command += ["--probability", tmp_path / "scores.tif", "--expect-count", str(len(result.ships))]
    command += ["--parquet-python", sys.executable]
    for vector in vectors:
        command += ["--vector", vector]
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV"))}
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**clean, "QT_QPA_PLATFORM": "offscreen"}
    )
    report = json.loads(run.stdout)
    assert report.get("failed") == [], run.stdout
    assert run.returncode == 0
