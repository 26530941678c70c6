"""Scenes in an S3 bucket, by signed requests, on a server that drops, delays, truncates and refuses."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fake_models import fake_bundle
from geoships_cli.logs import LogLevel, logged
from s3_server import BUCKET, KEY, REGION, SECRET, TOKEN, S3Server, running
from scenes import ship_scene

from geoships import PredictConfig, SceneError, Window, open_scene, predict
from geoships.scene.opening import again

CONFIG = PredictConfig(min_area=0, device="cpu", engine="torch", precision="fp32", style=False)
SECRETS = (KEY, SECRET, TOKEN)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    ship_scene(tmp_path / "a.tif", (700, 900), compress="none")
    with running(monkeypatch) as server:
        server.content = (tmp_path / "a.tif").read_bytes()  # type: ignore[attr-defined]
        yield server


def address(store: S3Server, name: str) -> str:
    """A scene of its own for each test, since GDAL remembers what it has read."""
    store.objects[f"{name}.tif"] = store.content  # type: ignore[attr-defined]
    return f"s3://{BUCKET}/{name}.tif"


def held_back(*texts: object) -> bool:
    return not any(secret in str(text) for secret in SECRETS for text in texts)


@pytest.mark.parametrize("mode", ["503", "500", "429", "drop", "delay", "truncate"])
def test_a_store_that_fails_once_is_asked_again(
    mode: str, store: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store.mode, store.bad = mode, 1
    result = predict(address(store, f"once-{mode}"), out=tmp_path / "s.geojson", config=CONFIG, model=fake_bundle())
    assert len(result.ships) == 4
    assert held_back(result.summary(), (tmp_path / "s.geojson").read_text(), caplog.text)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("403", "refuses access; set AWS_NO_SIGN_REQUEST=YES"),
        ("404", "404"),
        ("503", "cannot answer now"),
        ("416", "server"),
        ("drop", "server"),
        ("delay", "server"),
        ("truncate", "server"),
        ("no-ranges", "does not answer requests for parts"),
    ],
)
def test_a_store_that_always_fails_gives_one_line_in_bounded_time(
    mode: str, said: str, store: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    store.mode, store.bad = mode, 10_000
    if mode == "delay":  # each attempt takes as long as the server may be silent
        monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "0")
        monkeypatch.setattr(again, "ATTEMPTS", 2)
    started = time.monotonic()
    with pytest.raises(SceneError, match=said) as error:
        predict(address(store, f"always-{mode}"), out=tmp_path / "s.fgb", config=CONFIG, model=fake_bundle())
    assert len(str(error.value).splitlines()) == 1
    assert held_back(error.value, caplog.text)
    assert not (tmp_path / "s.fgb").exists()
    assert time.monotonic() - started < 60
    assert len(store.asked) < 60


@pytest.mark.parametrize("mode", ["503", "drop", "truncate"])
def test_a_store_that_fails_after_the_header_names_the_window(
    mode: str, store: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    with open_scene(address(store, f"later-{mode}"), ["red"]) as scene:
        store.mode, store.bad = mode, 10_000
        with pytest.raises(SceneError, match="row 512") as error:
            scene.decode(Window(512, 640, 64, 64))
        assert held_back(error.value, caplog.text)
        store.bad = 0
        assert np.isin(scene.decode(Window(512, 640, 64, 64)).values, [500, 9000]).all()


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "refuses access"),
        ("AWS_SESSION_TOKEN", "old", "refuses access"),
        ("AWS_SECRET_ACCESS_KEY", "", "no credentials for the store"),
    ],
)
def test_wrong_and_missing_keys_are_one_line(
    variable: str, value: str, said: str, store: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if not value:
        for name in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name)
    with pytest.raises(SceneError, match=said) as error:
        open_scene(address(store, f"key-{value}"), ["red"])
    assert len(str(error.value).splitlines()) == 1
    assert held_back(error.value)


def test_keys_of_a_profile_serve_reading_and_writing(
    store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name)
    keys = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\naws_session_token = {TOKEN}\n"
    (tmp_path / "credentials").write_text(f"[harbour]\n{keys}")
    (tmp_path / "config").write_text(f"[profile harbour]\nregion = {REGION}\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "harbour")
    out = f"s3://{BUCKET}/by-profile.geojson"
    result = predict(address(store, "profile"), out=out, config=CONFIG, model=fake_bundle())
    assert len(result.ships) == 4
    assert "by-profile.geojson" in store.objects


def test_many_blocks_are_asked_for_at_a_time(store: S3Server) -> None:
    with open_scene(address(store, "many"), ["red"]) as scene:
        assert scene.threads == 16


def test_no_key_is_in_what_is_logged_printed_and_written(
    store: S3Server, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    file, out = tmp_path / "run.log", f"s3://{BUCKET}/out"
    scene = address(store, "logged")
    with (
        rasterio.Env(CPL_DEBUG=True),
        logged("predict", level=LogLevel.debug, file=file, verbose=True, quiet=False),
    ):
        result = predict(
            scene, out=f"{out}/a.gpkg", mask=f"{out}/m.tif", stac=f"{out}/a.json", config=CONFIG, model=fake_bundle()
        )
    printed = capfd.readouterr()
    assert "sent: s3://bucket/out/a.gpkg" in file.read_text()
    assert held_back(result.summary(), file.read_text(), caplog.text, printed.out, printed.err)
    assert not any(secret.encode() in content for secret in SECRETS for content in store.objects.values())
