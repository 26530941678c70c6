"""A run of one scene whose outputs hold its result already computes nothing; other outputs that exist are refused."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
from fake_models import fake_bundle
from safe_products import write_product
from scenes import SHIPS, ship_scene

from geoships.model.engines.cache import cache_folder
from geoships.pipeline import kept, scene_run

AGAIN = "holds the result of this very run already: nothing to do; --overwrite makes it again\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    ship_scene(Path("a.tif"), bands=("B04", "B03"))
    return tmp_path / "here"


def contents() -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in Path().iterdir() if path.is_file()}


def boxes(path: str, *sides: tuple[float, float, float, float], crs: int = 4326) -> str:
    geopandas.GeoDataFrame(geometry=[shapely.box(*each) for each in sides], crs=crs).to_file(path)
    return path


WORLD, OCEAN = (-180.0, -90.0, 180.0, 90.0), (-40.0, 0.0, 40.0, 70.0)


@pytest.mark.parametrize(
    "outputs",
    [
        ("--out", "s.geojson"),
        ("--out", "s.gpkg"),
        ("--out", "s.fgb"),
        ("--out", "s.parquet"),
        ("--mask", "m.tif", "--scores", "p.tif"),
        ("--out", "s.gpkg", "--mask", "m.tif", "--preview", "s.png", "--stac", "i.json", "--project", "s.qgz"),
        (),
    ],
)
def test_the_same_run_is_kept_and_told_as_before(geoships, outputs, monkeypatch) -> None:
    command = ("predict", "a.tif", *outputs, "--device", "cpu")
    code, first, _ = geoships(*command, "--quiet", "--json")
    assert code == 0
    before = contents()
    assert len(before) > 1
    with monkeypatch.context() as patch:
        patch.setattr("geoships.pipeline.predict.open_run", lambda *_, **__: pytest.fail("the run began"))
        code, again, err = geoships(*command, "--json")
        assert (code, again, err.count("\n")) == (0, first, 1)
        assert err.endswith(AGAIN)
        assert geoships(*command, "--quiet") == (0, "", "")
        assert geoships(*command[:-2], "--device", "auto", "--batch-size", "2")[0] == 0  # they change no result
        code, out, _ = geoships(*command)
        summary = json.loads(first)
        assert (code, out.splitlines()[-1]) == (0, f"a.tif: 4 ships -> {', '.join(summary['outputs'].values())}")
    assert contents() == before
    assert geoships(*command, "--quiet", "--overwrite")[0] == 0
    assert contents() != before
    assert geoships(*command, "--quiet")[0] == 0


def test_the_table_of_ships_is_the_same(geoships) -> None:
    ship_scene(Path("b.tif"), transform=None, crs=None)
    for scene in ("a.tif", "b.tif"):
        _, first, _ = geoships("predict", scene, "--device", "cpu")
        code, again, err = geoships("predict", scene, "--device", "cpu")
        assert (code, err) == (0, f"{scene[0]}.ships.geojson {AGAIN}")
        assert again.splitlines()[:-1] == first.splitlines()[:-1]
        assert again.splitlines()[-1] == f"{scene}: 4 ships -> {scene[0]}.ships.geojson"


def test_names_are_those_of_now(geoships, folder: Path, monkeypatch) -> None:
    assert geoships("predict", "a.tif", "--out", "s.geojson", "--device", "cpu")[0] == 0
    monkeypatch.chdir(folder.parent)
    code, out, err = geoships("predict", "here/a.tif", "--out", folder / "s.geojson", "--device", "cpu")
    assert (code, out) == (0, f"here/a.tif: 4 ships -> {folder / 's.geojson'}\n")
    assert err == f"{folder / 's.geojson'} {AGAIN}"


def another_scene() -> None:
    ship_scene(Path("a.tif"), ships=SHIPS[:2])


def another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = fake_bundle()
    card = bundle.card.model_copy(update={"label_margin": 0.25})
    other = type(bundle)(card, bundle.weights, bundle.path)
    monkeypatch.setattr(scene_run, "load_bundle", lambda _=None: other)


def another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("geoships.pipeline.run_mark.own_version", lambda: "99.0")


@pytest.mark.parametrize(
    ("change", "options", "reason"),
    [
        (another_scene, (), r"a\.tif has changed"),
        (None, ("--threshold", "0.4"), "threshold was not given, and is 0.4 now"),
        (None, ("--no-style",), "style was True, and is False now"),
        (None, ("--area", "part.geojson"), "area was not given, and is given now"),
        (another_model, (), "the model fake has other weights or another card now"),
        (another_version, (), "geoships was .*, and is 99.0 now"),
        (lambda: Path("s.geojson").write_text("mine"), (), "has changed since geoships wrote it"),
        (lambda: os.truncate("m.tif", 100), (), "m.tif exists already, and has changed since"),
        (lambda: Path("m.tif").unlink(), (), "s.geojson exists already; name another"),
        (lambda: Path("s.qml").unlink(), (), r"s.geojson \(and 1 more of the outputs\) exists already; name another"),
        (None, ("--scores", "p.tif"), r"s.geojson \(and 1 more of the outputs\) exists already; name another"),
    ],
)
def test_any_other_run_is_refused_in_one_line(
    geoships, change, options, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes("part.geojson", (500_000, 3_999_000, 501_000, 4_000_000), crs=32631)
    command = ("predict", "a.tif", "--out", "s.geojson", "--mask", "m.tif", "--device", "cpu")
    assert geoships(*command)[0] == 0
    if change:
        change(*([monkeypatch] if change in (another_model, another_version) else []))
    before = contents()
    code, out, err = geoships(*command, *options)
    assert (code, out, err.count("\n")) == (1, "", 1), err
    assert re.search(reason, err), err
    assert "use --overwrite" in err
    assert contents() == before
    assert geoships(*command, *options, "--overwrite")[0] == 0


def test_areas_and_land_count_by_what_they_select_of_the_scene(geoships) -> None:
    world, ocean = boxes("world.geojson", WORLD), boxes("ocean.gpkg", OCEAN)
    halves = boxes("halves.geojson", (-40, 0, 3.01, 70), (3.01, 0, 40, 70))
    part = boxes("part.geojson", (500_000, 3_999_000, 501_000, 4_000_000), crs=32631)
    wider = boxes("wider.geojson", (490_000, 3_999_000, 501_000, 4_100_000), crs=32631)
    for option, apart in (("--area", part), ("--land", part)):
        command = ("predict", "a.tif", "--out", f"s{option}.geojson", "--device", "cpu", "--quiet", option)
        assert geoships(*command, world)[0] == 0
        assert [geoships(*command, each)[0] for each in (ocean, halves, world)] == [0, 0, 0]
        code, _, err = geoships(*command, apart)
        assert (code, f"{option[2:]} has another content" in err) == (1, True)
        assert geoships(*command[:-1])[0] == 1  # without a layer less may differ, but memory and warnings do
    command = ("predict", "a.tif", "--out", "p.geojson", "--device", "cpu", "--quiet", "--area")
    assert [geoships(*command, each)[0] for each in (part, wider)] == [0, 0]


def test_a_file_of_fixed_structures_counts_by_its_content(geoships) -> None:
    boxes("fixed.geojson", (3.0, 36.0, 3.001, 36.001))
    command = ("predict", "a.tif", "--device", "cpu", "--fixed", "fixed.geojson", "--quiet")
    assert [geoships(*command)[0] for _ in range(2)] == [0, 0]
    Path("fixed.geojson").touch()
    assert geoships(*command)[0] == 0
    boxes("fixed.geojson", (3.0, 36.0, 3.002, 36.002))
    code, _, err = geoships(*command)
    assert (code, "fixed has another content" in err) == (1, True)


def test_bands_classification_and_metadata_of_a_product_count(geoships, folder: Path) -> None:
    classes = np.full((32, 32), 6, np.uint8)
    product = write_product(folder, {"B04_10m": np.full((64, 64), 2000, np.uint16), "SCL_20m": classes})
    command = ("predict", product, "--out", "s.geojson", "--device", "cpu")
    code, first, _ = geoships(*command, "--json")
    code_again, again, err = geoships(*command, "--json")
    assert (code, code_again, first) == (0, 0, again)
    assert err.endswith(AGAIN)
    assert json.loads(again)["outputs"]["observed"] == "s.observed.geojson"
    for pattern in ("MTD_MSI*.xml", "*_SCL_20m.jp2", "*_B04_10m.jp2"):
        (file,) = product.rglob(pattern)
        before = file.read_bytes()
        file.write_bytes(before + b"\n")
        code, _, err = geoships(*command)
        assert (code, f"{file.name} has changed" in err) == (1, True), err
        file.write_bytes(before)
    assert geoships(*command)[0] == 0
    Path("s.observed.geojson").unlink()
    assert geoships(*command)[0] == 1


def test_an_output_that_is_an_input_stays_refused(geoships) -> None:
    command = ("predict", "a.tif", "--mask", "m.tif", "--device", "cpu", "--quiet")
    assert geoships(*command)[0] == 0
    Path("a.tif").unlink()
    os.link("m.tif", "a.tif")
    code, _, err = geoships(*command)
    assert (code, "is the input" in err) == (1, True)


def test_what_was_written_by_another_process_is_not_taken_for_ones_own(geoships, monkeypatch) -> None:
    """Another run may replace an output before this one has noted it."""
    noted = kept.keep_result

    def late(*arguments) -> None:
        Path("s.geojson").write_text("of another")
        noted(*arguments)

    monkeypatch.setattr(kept, "keep_result", late)
    command = ("predict", "a.tif", "--out", "s.geojson", "--device", "cpu", "--quiet")
    assert geoships(*command)[0] == 0
    code, _, err = geoships(*command)
    assert (code, "has changed since geoships wrote it" in err) == (1, True)


def test_without_a_cache_folder_outputs_are_of_unknown_origin(geoships, folder: Path, monkeypatch) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "file"))
    command = ("predict", "a.tif", "--out", "s.geojson", "--engine", "torch", "--device", "cpu", "--quiet")
    assert geoships(*command)[0] == 0
    code, _, err = geoships(*command)
    assert (code, "s.geojson exists already; name another" in err) == (1, True)


def test_a_damaged_record_tells_nothing(geoships) -> None:
    command = ("predict", "a.tif", "--out", "s.geojson", "--device", "cpu", "--quiet")
    assert geoships(*command)[0] == 0
    (record,) = (cache_folder() / kept.FOLDER).iterdir()
    for text in ("", "{}", "[1]", "\xff", record.read_text()[:-9]):
        record.write_text(text)
        assert geoships(*command)[0] == 1


def test_no_more_than_so_many_records_are_kept(geoships, monkeypatch) -> None:
    monkeypatch.setattr(kept, "MOST", 2)
    for name in ("a", "b", "c"):
        assert geoships("predict", "a.tif", "--out", f"{name}.geojson", "--device", "cpu", "--quiet")[0] == 0
    records = list((cache_folder() / kept.FOLDER).iterdir())
    assert len(records) == 2
    codes = [geoships("predict", "a.tif", "--out", f"{name}.geojson", "--quiet")[0] for name in ("a", "b", "c")]
    assert codes == [1, 0, 0]
    monkeypatch.setattr(kept, "MOST_BYTES", 10)
    assert geoships("predict", "a.tif", "--out", "d.geojson", "--device", "cpu", "--quiet")[0] == 0
    assert len(list((cache_folder() / kept.FOLDER).iterdir())) == 2


def test_standard_output_is_written_each_time(geoships) -> None:
    command = ("predict", "a.tif", "--out", "-", "--device", "cpu", "--quiet")
    outs = [geoships(*command)[1] for _ in range(2)]
    assert outs[0] == outs[1]
    assert len(json.loads(outs[0])["features"]) == 4
    assert not (cache_folder() / kept.FOLDER).exists()
