"""`geoships.Client` and `geoships remote predict` with a service; and the commands of keys."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rasterio
import shapely
import uvicorn
from geopandas import GeoDataFrame
from geoships_cli.app import app
from scenes import ship_scene
from served import Served
from typer.testing import CliRunner

from geoships import Client
from geoships.service import client as module
from geoships.service.client import ServiceError


@pytest.fixture
def address(service: Served) -> Iterator[str]:
    """A service on a port, whose jobs are done by a thread."""
    config = uvicorn.Config(service.app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    ending = threading.Event()

    def work() -> None:
        while not ending.is_set():
            if service.store.counts()["accepted"]:
                service.do()
            time.sleep(0.05)

    threads = [threading.Thread(target=server.run), threading.Thread(target=work)]
    for thread in threads:
        thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    ending.set()
    server.should_exit = True
    for thread in threads:
        thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOKING", 0.05)
    monkeypatch.setattr(module, "PAUSE", 0.01)


def test_a_scene_goes_there_and_its_ships_come_back(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART", 1000)
    ship_scene(tmp_path / "own.tif")
    with Client(address) as client:
        job = client.submit(tmp_path / "own.tif", threshold=0.5, views=None)
        assert not job.ended
        assert job.status["options"] == {"threshold": 0.5}
        ships = job.wait(60).ships()
        assert (len(ships), ships.crs.to_epsg()) == (4, 32631)
        client.request("PUT", f"/jobs/{job.id}/corrections/1", json={"verdict": "rejected"})
        assert len(job.ships(reviewed=True)) == 3
        assert job.download("mask.tif", tmp_path / "mask.tif").stat().st_size > 100
        for form in ("geojson", "gpkg", "csv"):
            assert job.export(tmp_path / f"s.{form}", reviewed=True, score="0.1/..").exists()
        assert len(json.loads((tmp_path / "s.geojson").read_text())["features"]) == 3
        assert [each.id for each in client.jobs()] == [job.id]
        assert client.job(job.id).state == "successful"
        job.cancel()
        with pytest.raises(ServiceError, match="no such job") as raised:
            client.job(job.id)
        assert raised.value.status == 404


def test_what_goes_wrong_is_one_clear_line(address: str, tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no scene")
    client = Client(address)
    with pytest.raises(ServiceError, match="send a GeoTIFF"):
        client.submit(tmp_path / "text.tif")
    with pytest.raises(ServiceError, match="check the name"):
        client.submit(tmp_path / "missing.tif")
    with pytest.raises(ServiceError, match="upload the file"):
        client.submit("https://data.example.org/a.tif")
    with pytest.raises(ServiceError, match="key is not known"):
        Client(address, key="gs_no_key").jobs()
    with pytest.raises(ServiceError, match="begins with https"):
        Client("ships.example.org")
    client.close()
    with Client("http://127.0.0.1:1") as nobody, pytest.raises(ServiceError, match="does not answer"):
        nobody.jobs()


def test_an_upload_goes_on_after_the_connection_broke(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    ship_scene(tmp_path / "own.tif")
    monkeypatch.setattr(module, "PART", 500)
    send, broken = Client._send, [0]

    def unsure(self: Client, method: str, path: str, **more: Any) -> requests.Response:
        answer = send(self, method, path, **more)
        broken[0] += 1
        if method == "PATCH" and broken[0] % 3 == 0:
            raise requests.ConnectionError("broken off after the service had the part")
        return answer

    monkeypatch.setattr(Client, "_send", unsure)
    with Client(address) as client:
        assert client.submit(tmp_path / "own.tif").wait(60).status["result"]["ships"] == 4


def test_the_command_writes_what_the_service_has_found(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ship_scene(tmp_path / "own.tif")
    arguments = [
        "remote",
        "predict",
        "own.tif",
        "--server",
        address,
        "--mask",
        "mask.tif",
        "--threshold",
        "0.5",
        "--json",
    ]
    result = CliRunner().invoke(app, [*arguments, "--quiet"])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["ships"] == 4
    assert summary["outputs"] == ["own.ships.geojson", "mask.tif"]
    assert len(json.loads((tmp_path / "own.ships.geojson").read_text())["features"]) == 4
    again = CliRunner().invoke(app, arguments)
    assert "exists already" in str(again.exception)


def test_an_area_comes_from_a_file_and_what_a_service_cannot_take_is_no_option(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ship_scene(tmp_path / "own.tif")
    with rasterio.open("own.tif") as scene:
        west, south, east, north = scene.bounds
    half = shapely.box(west, (south + north) / 2, east, north)
    GeoDataFrame(geometry=[half], crs=scene.crs).to_file("area.gpkg")
    arguments = ["remote", "predict", "own.tif", "--server", address, "--threshold", "0.5", "--quiet"]
    result = CliRunner().invoke(app, [*arguments, "--area", "area.gpkg", "--json"])
    assert result.exit_code == 0, result.output
    assert 0 < json.loads(result.stdout)["ships"] < 4
    (tmp_path / "none.txt").write_text("no area")
    again = CliRunner().invoke(app, [*arguments, "--area", "none.txt", "--overwrite"])
    assert "cannot be read as an area" in str(again.exception)
    assert CliRunner().invoke(app, [*arguments, "--fixed", "fixed.gpkg"]).exit_code == 2


def test_keys_are_made_listed_and_removed(tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["serve", "keys", *arguments, "--data-dir", str(tmp_path / "data")])

    made = run("add", "ann", "--scope", "read", "--quota", "1GiB", "--json")
    assert made.exit_code == 0, made.output
    key = json.loads(made.stdout)
    assert key["key"].startswith(f"gs_{key['id']}_")
    assert key["scopes"] == ["read"]
    assert "already" in str(run("add", "ann").exception)
    listed = run("list")
    assert "ann" in listed.stdout
    assert key["key"].split("_", 2)[2] not in listed.stdout
    assert run("add", "ben", "--scope", "all").exit_code == 2
    assert run("remove", "ann").exit_code == 0
    assert "no key ann" in str(run("remove", "ann").exception)
    assert "no keys" in run("list").stdout
