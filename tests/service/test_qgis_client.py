"""QGIS itself as a client of a running service: ships by OGC API Features, scores by XYZ and by WMTS."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from running import Running
from scenes import ship_scene

from geoships.service.jobs import Key, Scope, new_key
from geoships.service.store.store import Store

QGIS_PYTHON = Path("/usr/bin/python3")
SCRIPT = Path(__file__).parents[1] / "qgis_service.py"


def run_qgis(folder: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    own = {"QT_QPA_PLATFORM": "offscreen", "HOME": str(folder), "QGIS_AUTH_DB_DIR_PATH": str(folder)}
    return subprocess.run([QGIS_PYTHON, *command], capture_output=True, text=True, check=False, env=clean | own)


def has_qgis() -> bool:
    return QGIS_PYTHON.exists() and run_qgis(Path("/tmp"), "-c", "import qgis.core").returncode == 0


pytestmark = pytest.mark.skipif(
    not has_qgis(), reason="QGIS is not installed (Debian: python3-qgis qgis-providers gdal-bin)"
)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    service = Running(tmp_path_factory.mktemp("service") / "data", workers=1, work="detect", keys_only=True)
    service.start()
    yield service
    service.kill(signal.SIGTERM)


def test_qgis_opens_ships_and_scores_of_a_job(running: Running, tmp_path: Path) -> None:
    identity, key, digest = new_key()
    store = Store.open(running.folder / "service.sqlite")
    store.add_key(Key(identity, "qgis", digest, frozenset(Scope), None, 0))
    store.close()
    headers = {"Authorization": f"Bearer {key}"}
    ship_scene(tmp_path / "scene.tif")
    sent = {"file": ("scene.tif", (tmp_path / "scene.tif").read_bytes())}
    job = requests.post(f"{running.address}/jobs", files=sent, headers=headers, timeout=60).json()["jobID"]
    with requests.get(f"{running.address}/jobs/{job}/events", headers=headers, timeout=120) as events:
        assert '"status": "successful"' in events.text
    asked = requests.get(f"{running.address}/collections/{job}/items", headers=headers, timeout=60).json()
    ships = [each["properties"] for each in asked["features"]]
    run = run_qgis(tmp_path, SCRIPT, running.address, job, key)
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    assert found["valid"], run.stderr
    assert found["crs"] in ("OGC:CRS84", "EPSG:4326")
    wanted = [[each["id"], round(each["score"], 4), round(each["length_m"], 1), True] for each in ships]
    assert found["ships"] == sorted(wanted)
    assert {"id", "score", "length_m", "width_m", "heading_deg"} <= set(found["fields"])
    assert 0 < found["in_west"] < len(ships)
    for layer in ("xyz", "wmts"):
        assert found[layer]["valid"], found[layer]
        assert found[layer]["seen"] > 100, found[layer]
    assert found["outlines"] > 100
