"""Shards of a run, and their ships as one layer."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import geopandas
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely import box
from typer.testing import CliRunner

from geoships.cluster.duplicates import without_duplicates
from geoships.cluster.manifest import Manifest
from geoships.cluster.merge import merge_manifests
from geoships.cluster.records import InputFile, Model, OutputFile, SceneRecord
from geoships.cluster.selection import Shard, parse_shard, shard_of
from geoships.errors import GeoshipsError, OutputError
from geoships.output.formats import write_ships
from geoships.output.ship_table import ships_frame
from geoships.pipeline.batch import SceneJob
from geoships.scene.layers.vector_file import read_vector

WHEN = "2023-01-02T03:04:05Z"


@given(st.lists(st.integers(0, 1000), max_size=40), st.integers(1, 6))
def test_each_scene_is_in_one_shard_and_shards_are_even(pixels: list[int], count: int) -> None:
    jobs = [SceneJob(f"{number}.tif", place=f"{number}") for number in range(len(pixels))]
    shards = [shard_of(jobs, pixels, Shard(index, count)) for index in range(1, count + 1)]
    assert sorted(job.place for shard in shards for job in shard) == sorted(job.place for job in jobs)
    known = [number for number in pixels if number]
    mean = sum(known) // len(known) if known else 1
    loads = [sum(pixels[int(job.place)] or mean for job in shard) for shard in shards]
    assert max(loads) - min(loads) <= max([*pixels, mean])
    assert shards[0] == shard_of(jobs, pixels, Shard(1, count))


@pytest.mark.parametrize("text", ["2", "3/2", "0/2", "a/b", "1/0"])
def test_shards_that_do_not_exist_are_refused(text: str) -> None:
    with pytest.raises(GeoshipsError, match=f"--shard {text}: "):
        parse_shard(text)


def ships(
    scene: str, *outlines: tuple[float, float], border: bool = False, time: str | None = WHEN
) -> geopandas.GeoDataFrame:
    """Ships of 100 m by 20 m at some corners."""
    rows = [
        {
            "id": number, "score": 0.5 + number / 100, "area_m2": 2000.0, "pixels": 20, "on_border": border,
            "scene": scene, "datetime": time,
        }
        for number, _ in enumerate(outlines, 1)
    ]  # fmt: skip
    return ships_frame(rows, [box(x, y, x + 100, y + 20) for x, y in outlines], "EPSG:32631")


Write = Callable[..., None]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the outputs and the record of a scene."""

    def write(
        run: str, place: str, frame: geopandas.GeoDataFrame | None = None, *, crs: str = "EPSG:32631", digest: str = "",
        **record: object,
    ) -> None:  # fmt: skip
        outputs = {}
        if frame is not None:
            path = tmp_path / run / f"{place}.gpkg"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_ships(path, frame.to_crs(crs), georeference=None, title=place)
            outputs = {"vector": OutputFile(path=f"{place}.gpkg", bytes=1, sha256="0")}
        values = {
            "state": "done" if frame is not None else "failed", "attempts": 1, "finished": WHEN, "outputs": outputs,
            "ships": 0 if frame is None else len(frame), "model": Model(name="m", sha256="0" * 64),
            "files": (InputFile(path=place, bytes=1, modified_ns=1, sha256=digest or place),), **record,
        }  # fmt: skip
        Manifest(tmp_path / run).write(SceneRecord(scene=f"{place}.tif", place=place, **values))  # type: ignore[arg-type]

    return write


def merge(*arguments: object) -> tuple[int, str]:
    from geoships_cli.app import app

    result = CliRunner().invoke(app, ["merge-runs", *map(str, arguments)])
    return result.exit_code, str(result.exception or result.output)


def test_the_ships_of_shards_become_one_layer(write: Write, tmp_path: Path) -> None:
    write("one", "a", ships("a.tif", (500000, 4000000), (500300, 4000000)))
    write("two", "x/b", ships("b.tif", (600000, 4000000), time="2023-01-03T00:00:00Z"), crs="EPSG:32632")
    write("two", "c", ships("c.tif"))
    for name in ("ships.gpkg", "p.parquet", "g.geojson", "parts"):
        code, said = merge(tmp_path / "one", tmp_path / "two", "--out", tmp_path / name)
        assert (code, "3 ships of 3 scenes" in said) == (0, True)
        path = tmp_path / name
        layer = read_vector(path, "ships") if path.suffix else geopandas.read_parquet(path)
        layer = layer.sort_values("id")
        assert layer["id"].tolist() == [1, 2, 3]
        assert layer["place"].tolist() == ["a", "a", "x/b"]
        assert layer["scene_id"].tolist() == [1, 2, 1]
        assert layer.crs.to_epsg() == 4326
        assert layer.geometry.bounds.minx.round(2).tolist() == [3.0, 3.0, 4.11]
    assert sorted(path.parent.name for path in (tmp_path / "parts").rglob("*.parquet")) == [
        "date=2023-01-02", "date=2023-01-03",
    ]  # fmt: skip
    code, said = merge(tmp_path / "one", "--out", tmp_path / "parts", "--crs", "EPSG:32631")
    assert (code, "exists already; name another" in said) == (1, True)
    assert merge(tmp_path / "one", "--out", tmp_path / "parts", "--crs", "EPSG:32631", "--overwrite")[0] == 0
    assert geopandas.read_parquet(tmp_path / "parts").crs.to_epsg() == 32631
    with (tmp_path / "ships_scenes.csv").open() as file:
        assert [(row["place"], row["state"], row["ships"]) for row in csv.DictReader(file)] == [
            ("a", "done", "2"), ("c", "done", "0"), ("x/b", "done", "1"),
        ]  # fmt: skip


def test_scenes_that_are_not_done_are_told(write: Write, tmp_path: Path) -> None:
    write("one", "a", ships("a.tif", (500000, 4000000)))
    write("one", "b", reason="no raster")
    write("one", "c", state="running", finished="")
    Manifest(tmp_path / "one").write_list({place: f"{place}.tif" for place in "abcd"}, "1/2")
    code, said = merge(tmp_path / "one", "--out", tmp_path / "s.parquet")
    assert code == 1  # outside of `main`, which gives PartialFailureError the code 3
    assert "3 of 4 scenes are not done (1 failed, 1 stopped, 1 missing); see" in said
    assert len(geopandas.read_parquet(tmp_path / "s.parquet")) == 1
    assert merge_manifests([tmp_path / "one"]).count("missing") == 1


def test_a_scene_of_two_runs_is_taken_once_and_where_it_is_done(write: Write, tmp_path: Path) -> None:
    write("one", "a", reason="killed")
    write("two", "a", ships("a.tif", (500000, 4000000)))
    write("one", "b", ships("b.tif", (500000, 5000000)))
    write("two", "other/name/of/b", ships("b.tif", (500000, 5000000)), digest="b")
    merged = merge_manifests([tmp_path / "one", tmp_path / "two"])
    assert [(one.record.place, one.run.name, one.state) for one in merged.scenes] == [
        ("a", "two", "done"), ("b", "one", "done"),
    ]  # fmt: skip


def test_runs_with_different_settings_are_not_mixed_up(write: Write, tmp_path: Path) -> None:
    write("one", "a", ships("a.tif"), settings={"threshold": 0.5})
    write("two", "b", ships("b.tif"), settings={"threshold": 0.6}, model=Model(name="n", sha256="1" * 64))
    first, second = merge_manifests([tmp_path / "one", tmp_path / "two"]).warnings
    assert "threshold was 0.5, and is 0.6" in first
    assert "m 00000000, n 11111111" in second
    write("two", "a", ships("a.tif"), settings={"threshold": 0.6})
    with pytest.raises(OutputError, match=r"a\.tif is done in .* with different settings"):
        merge_manifests([tmp_path / "one", tmp_path / "two"])
    with pytest.raises(OutputError, match="is not the folder of outputs of a run"):
        merge_manifests([tmp_path])


def layer(*frames: geopandas.GeoDataFrame) -> geopandas.GeoDataFrame:
    parts = [frame.rename(columns={"id": "scene_id"}).assign(place=frame["scene"]) for frame in frames]
    table = pd.concat(parts, ignore_index=True)
    table.insert(0, "id", range(1, len(table) + 1))
    return table


def test_a_ship_in_two_scenes_of_one_pass_stays_once() -> None:
    later = "2023-01-02T03:04:25Z"
    first = ships("a", (0, 0), (1000, 0), (2000, 0))
    second = ships("b", (10, 0), (1060, 0), (5000, 0), time=later)
    kept, doubles = without_duplicates(layer(first, second))
    assert doubles == 1  # the second ships share 40 m of 100 m and stay
    assert kept["id"].tolist() == [1, 2, 3, 4, 5]
    assert kept[["scene", "scene_id"]].to_numpy().tolist() == [["a", 1], ["a", 2], ["a", 3], ["b", 2], ["b", 3]]


def test_the_whole_outline_stays_and_not_the_one_that_a_border_cuts() -> None:
    cut, whole = ships("a", (0, 0), border=True), ships("b", (0, 0))
    cut.geometry = [box(0, 0, 30, 20)]
    cut["score"] = 0.99
    kept, doubles = without_duplicates(layer(cut, whole))
    assert (doubles, kept["scene"].tolist()) == (1, ["b"])


def test_ships_of_other_passes_of_one_scene_and_without_a_time_stay() -> None:
    frames = [
        ships("a", (0, 0)), ships("b", (0, 0), time="2023-01-02T03:09:05Z"), ships("c", (0, 0), time=None),
        ships("d", (0, 0), time=None),
    ]  # fmt: skip
    assert without_duplicates(layer(*frames))[1] == 0
    assert without_duplicates(layer(ships("a", (0, 0), (10, 0))))[1] == 0
    interval = f"{WHEN}/2023-01-02T03:04:35Z"
    assert without_duplicates(layer(ships("a", (0, 0)), ships("b", (0, 0), time=interval)))[1] == 1
    assert without_duplicates(layer(ships("a")))[1] == 0
