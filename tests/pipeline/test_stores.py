"""Outputs in an object store: whole or not at all, never over what is there, and no key in anything that is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_models import fake_bundle
from s3_server import BUCKET, KEY, SECRET, TOKEN, S3Server, running
from scenes import ship_scene

from geoships import OutputError, PredictConfig, predict
from geoships.output.read_ships import read_ships

CONFIG = PredictConfig(min_area=0, device="cpu", engine="torch", precision="fp32")


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Server]:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    with running(monkeypatch) as server:
        yield server
    assert not list((tmp_path / "scratch").iterdir())  # nothing is left there, whatever happened


def run(tmp_path: Path, *, overwrite: bool = False, **outputs: object):
    if not (tmp_path / "a.tif").exists():
        ship_scene(tmp_path / "a.tif")
    config = CONFIG.model_copy(update={"overwrite": overwrite})
    return predict(tmp_path / "a.tif", config=config, model=fake_bundle(), **outputs)


@pytest.mark.parametrize("suffix", [".geojson", ".gpkg", ".fgb", ".parquet"])
def test_all_outputs_are_those_of_a_local_run(suffix: str, store: S3Server, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    names = {"out": f"a{suffix}", "mask": "a_mask.tif", "scores": "a_scores.tif", "preview": "a.png", "stac": "a.json"}
    run(tmp_path, **{kind: tmp_path / "out" / name for kind, name in names.items()})
    result = run(tmp_path, **{kind: f"s3://{BUCKET}/run/{name}" for kind, name in names.items()})
    assert {str(path) for path in result.outputs.values()} == {f"s3://{BUCKET}/run/{name}" for name in names.values()}
    assert result.summary()["outputs"]["mask"] == f"s3://{BUCKET}/run/a_mask.tif"  # type: ignore[index]
    assert result.timings["upload"] > 0
    local = {f"run/{path.name}": path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert local.keys() == store.objects.keys()
    same = [name for name in local if not name.endswith((".gpkg", ".json", ".parquet"))]  # those hold times and ids
    assert all(store.objects[name] == local[name] for name in same)
    (tmp_path / f"copy{suffix}").write_bytes(store.objects[f"run/a{suffix}"])
    assert len(read_ships(tmp_path / f"copy{suffix}")) == 4
    assert not any(secret.encode() in content for content in store.objects.values() for secret in (KEY, SECRET, TOKEN))


def test_paths_in_a_stac_item_are_right_where_it_is(store: S3Server, tmp_path: Path) -> None:
    run(tmp_path, out=f"s3://{BUCKET}/run/x/a.fgb", stac=f"s3://{BUCKET}/run/a.json")
    item = json.loads(store.objects["run/a.json"])
    assert item["assets"]["vector"]["href"] == "./x/a.fgb"
    assert [link["href"] for link in item["links"]] == [(tmp_path / "a.tif").as_uri()]


def test_an_object_that_is_there_is_refused_before_the_run(store: S3Server, tmp_path: Path) -> None:
    store.objects["run/a.geojson"] = b"mine"
    with pytest.raises(OutputError, match=r"s3://bucket/run/a\.geojson exists already.*--overwrite"):
        run(tmp_path, out=f"s3://{BUCKET}/run/a.geojson", mask=f"s3://{BUCKET}/run/m.tif")
    assert store.objects == {"run/a.geojson": b"mine"}
    run(tmp_path, out=f"s3://{BUCKET}/run/a.geojson", overwrite=True)
    assert json.loads(store.objects["run/a.geojson"])["type"] == "FeatureCollection"


@pytest.mark.parametrize("conditions", [True, False])
def test_an_object_that_appears_during_the_run_is_not_replaced(
    conditions: bool, store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from geoships.pipeline import predict as module

    store.conditions = conditions
    made = module._predict

    def slow(*arguments: object, **options: object):
        store.objects["run/a.geojson"] = b"of another"
        return made(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_predict", slow)
    with pytest.raises(OutputError, match="exists already, since this run began"):
        run(tmp_path, out=f"s3://{BUCKET}/run/a.geojson", mask=f"s3://{BUCKET}/run/a_mask.tif")
    assert store.objects == {"run/a.geojson": b"of another"}  # the style, which was sent first, is gone again


def test_a_style_that_somebody_has_changed_is_kept(store: S3Server, tmp_path: Path) -> None:
    store.objects["run/a.qml"] = b"<qgis>mine</qgis>"
    result = run(tmp_path, out=f"s3://{BUCKET}/run/a.geojson")
    assert store.objects["run/a.qml"] == b"<qgis>mine</qgis>"
    assert any("is kept" in text for text in result.warnings)


def test_sidecars_of_a_replaced_raster_are_removed(store: S3Server, tmp_path: Path) -> None:
    store.objects |= {"m.tif": b"old", "m.tif.aux.xml": b"old", "m.tif.ovr": b"old"}
    run(tmp_path, mask=f"s3://{BUCKET}/m.tif", overwrite=True)
    assert set(store.objects) == {"m.tif", "m.qml"}


@pytest.mark.parametrize(
    ("mode", "said"), [("403", "refuses access; check AWS_ACCESS_KEY_ID"), ("400", r"refuses the request \(400\)")]
)
def test_what_cannot_be_sent_leaves_nothing(mode: str, said: str, store: S3Server, tmp_path: Path) -> None:
    store.mode, store.bad, store.methods = mode, 1000, {"PUT"}
    with pytest.raises(OutputError, match=said) as error:
        run(tmp_path, out=f"s3://{BUCKET}/run/a.geojson")
    assert len(str(error.value).splitlines()) == 1
    assert not any(secret in str(error.value) for secret in (KEY, SECRET, TOKEN))
    assert not store.objects


@pytest.mark.parametrize("mode", ["503", "drop"])
def test_an_upload_that_fails_once_is_sent_again(mode: str, store: S3Server, tmp_path: Path) -> None:
    store.mode, store.bad, store.methods = mode, 1, {"PUT"}
    run(tmp_path, out=f"s3://{BUCKET}/run/a.geojson")
    assert set(store.objects) == {"run/a.geojson", "run/a.qml"}


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"out": "s3://bucket"}, "needs a bucket and a name"),
        ({"out": "s3://nobody/a.geojson"}, "there is no bucket nobody"),
        ({"out": "https://host/a.geojson?sig=hush"}, "holds no query and no password"),
        ({"out": "https://me:hush@host/a.geojson"}, "holds no query and no password"),
        ({"out": "s3://bucket/a.txt"}, "a.txt"),
        ({"out": "s3://bucket/a.geojson", "stac": "a.json"}, "write all of them to one bucket"),
        ({"out": "s3://bucket/a.geojson", "project": "s3://bucket/a.qgz"}, "needs a scene on a server"),
    ],
)
def test_outputs_that_cannot_be_are_one_line(
    outputs: dict[str, str], said: str, store: S3Server, tmp_path: Path
) -> None:
    with pytest.raises(OutputError, match=said) as error:
        run(tmp_path, **outputs)
    assert "hush" not in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert not store.objects


def test_a_scene_is_never_its_own_output(store: S3Server, tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif")
    store.objects["a.tif"] = (tmp_path / "a.tif").read_bytes()
    with pytest.raises(OutputError, match="is the input"):
        predict(
            f"s3://{BUCKET}/a.tif", mask=f"s3://{BUCKET}/a.tif", model=fake_bundle(),
            config=CONFIG.model_copy(update={"overwrite": True}),
        )  # fmt: skip
    result = predict(f"s3://{BUCKET}/a.tif", mask=f"s3://{BUCKET}/a_mask.tif", model=fake_bundle(), config=CONFIG)
    assert len(result.ships) == 4


def test_large_files_go_in_parts(store: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoships.support.remote.objects.ONE_REQUEST", 100)
    monkeypatch.setattr("geoships.support.remote.objects.PART", 200)
    run(tmp_path, out=f"s3://{BUCKET}/a.geojson")
    assert any(method == "POST" for method, *_ in store.asked)
    assert len(json.loads(store.objects["a.geojson"])["features"]) == 4


@pytest.mark.usefixtures("store")
def test_without_the_package_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(OutputError, match=r"pip install 'geoships\[cloud\]'"):
        run(tmp_path, out=f"s3://{BUCKET}/a.geojson")
