"""From names to scenes: files, folders, patterns, lists, tables, collections, products and zips."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterable
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
from safe_products import write_product
from scenes import ship_scene

from geoships.errors import SceneError
from geoships.scene.listing.list_scenes import list_scenes
from geoships.scene.listing.listed import Listing
from geoships.scene.listing.places import places
from geoships.scene.opening.band_files import BandFile, BandFiles
from geoships.scene.opening.open import SceneFile


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(listing: Listing) -> dict[str, str]:
    """Scenes by the place of their outputs."""
    return dict(zip(places(listing.scenes), (str(one.scene) for one in listing.scenes), strict=True))


def reasons(listing: Listing) -> dict[str, str]:
    return {Path(one.name).name: one.reason for one in listing.left_out}


def test_files_and_addresses_are_taken_as_they_are_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "in/a.tif", "[1].tif")
    bands = BandFiles("d", (BandFile("red", "r.tif"),))
    names = ["in/a.tif", Path("in/a.tif"), "./in/a.tif", "[1].tif", "none.tif", "https://host/b.tif?key=1", bands]
    listing = list_scenes(names)
    assert [one.scene for one in listing.scenes] == [
        "in/a.tif", "[1].tif", "none.tif", "https://host/b.tif?key=1", bands
    ]  # fmt: skip
    assert places(listing.scenes) == ["a", "[1]", "none", "b", "d"]


def test_a_folder_gives_its_scenes_with_their_folders(tmp_path: Path) -> None:
    touch(
        tmp_path, "b.tif", "x/a.JP2", "x/y/a.tif", "x/y/a_mask.tif", "x/y/c_mask.tif", "x/look.png", "x/read.me",
        ".hidden/d.tif", "x/.part.tif",
    )  # fmt: skip
    listing = list_scenes([tmp_path])
    assert list(found(listing)) == ["b", "x/a", "x/y/a", "x/y/c_mask"]
    assert reasons(listing) == {
        "a_mask.tif": "mask of a scene beside it", "look.png": "a picture; --pattern takes it",
    }  # fmt: skip
    assert list(found(list_scenes([tmp_path], patterns=["*.PNG", "x/y/*"]))) == [
        "x/look", "x/y/a", "x/y/a_mask", "x/y/c_mask",
    ]  # fmt: skip
    excluded = list_scenes([tmp_path], excluded=lambda path: "outputs" if path.name in ("y", "b.tif") else None)
    assert (list(found(excluded)), reasons(excluded)["b.tif"]) == (["x/a"], "outputs")


def test_links_in_a_circle_are_entered_once(tmp_path: Path) -> None:
    touch(tmp_path, "x/a.tif")
    (tmp_path / "x" / "back").symlink_to(tmp_path)
    assert list(found(list_scenes([tmp_path]))) == ["x/a"]


def test_products_and_zips_are_scenes(tmp_path: Path) -> None:
    product = write_product(tmp_path / "in", {"B04_10m": np.zeros((64, 64), "uint16")})
    touch(tmp_path, "in/no-scene.txt")
    with zipfile.ZipFile(tmp_path / "in" / "two.zip", "w") as archive:
        archive.writestr("x/a.tif", b"")
        archive.writestr("b.tif", b"")
        archive.writestr("read.me", b"")
    with zipfile.ZipFile(tmp_path / "in" / "product.zip", "w") as archive:
        archive.write(product / "MTD_MSIL2A.xml", f"{product.name}/MTD_MSIL2A.xml")
    with zipfile.ZipFile(tmp_path / "in" / "none.zip", "w") as archive:
        archive.writestr("read.me", b"")
    (tmp_path / "in" / "broken.zip").write_bytes(b"PK")
    listing = list_scenes([tmp_path / "in"])
    folder = tmp_path / "in"
    assert found(listing) == {
        product.stem: str(product),
        "product": str(folder / "product.zip"),
        "two/b": f"zip://{folder}/two.zip!b.tif",
        "two/x/a": f"zip://{folder}/two.zip!x/a.tif",
    }
    assert reasons(listing)["none.zip"] == "no scene is in the archive"
    assert "cannot be read" in reasons(listing)["broken.zip"]
    assert list(found(list_scenes([product]))) == [product.stem]
    unnamed = product.rename(tmp_path / "in" / "unpacked")
    assert list(found(list_scenes([folder]))) == ["product", "two/b", "two/x/a", "unpacked"]
    assert list(found(list_scenes([unnamed]))) == ["unpacked"]


def test_patterns_keep_the_folders_from_the_first_wildcard_on(tmp_path: Path) -> None:
    touch(tmp_path, "in/jan/a.tif", "in/feb/a.tif", "in/feb/deep/b.tif")
    assert list(found(list_scenes([f"{tmp_path}/in/*/a.tif"]))) == ["feb/a", "jan/a"]
    assert list(found(list_scenes([f"{tmp_path}/in/**/*.tif"]))) == ["feb/a", "feb/deep/b", "jan/a"]
    assert list(found(list_scenes([f"{tmp_path}/i?"]))) == ["in/feb/a", "in/feb/deep/b", "in/jan/a"]
    with pytest.raises(SceneError, match=r"no file matches .*\*\.jp2"):
        list_scenes([f"{tmp_path}/*.jp2"])


def test_lists_name_scenes_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "jan/a.tif", "feb/a.tif", "more/x/b.tif")
    lines = ["# scenes of the night", "", "jan/a.tif", "./feb/a.tif\r", "more", "https://host/c.tif"]
    (tmp_path / "list.txt").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    wanted = ["jan/a", "feb/a", "x/b", "c"]
    assert list(found(list_scenes(["@list.txt"]))) == wanted
    monkeypatch.setattr("sys.stdin", io.StringIO("\n".join(lines)))
    assert list(found(list_scenes(["-"]))) == wanted


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["# none"], "the list has no scene"),
        (["@other.txt"], "a list in a list"),
        (["-"], "a list in a list"),
        (["*.none"], "no file matches"),
    ],
)
def test_lists_that_cannot_be_used_say_why(lines: Iterable[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("\n".join(lines))
    with pytest.raises(SceneError, match=message):
        list_scenes([f"@{tmp_path}/list.txt"])


def test_a_missing_list_and_an_empty_folder_say_so(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match=r"none\.txt: the list of scenes cannot be read"):
        list_scenes([f"@{tmp_path}/none.txt"])
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(SceneError, match="no UTF-8 text"):
        list_scenes([f"@{tmp_path}/list.txt"])
    with pytest.raises(SceneError, match=r"the folder has no scene; .*--pattern"):
        list_scenes([tmp_path])
    with pytest.raises(SceneError, match=r"no scene that matches \*\.jp2"):
        list_scenes([tmp_path], patterns=["*.jp2"])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_may_not_be_read_is_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a.tif", "x/b.tif")
    (tmp_path / "x").chmod(0)
    listing = list_scenes([tmp_path])
    (tmp_path / "x").chmod(0o700)
    assert (list(found(listing)), "cannot be read" in reasons(listing)["x"]) == (["a"], True)


def test_tables_name_scenes_in_a_column(tmp_path: Path) -> None:
    rows = pd.DataFrame({"clouds": [1, 2, 3], "Path": ["jan/a.tif", str(tmp_path / "b.tif"), "https://host/c.tif"]})
    rows.to_csv(tmp_path / "scenes.csv", index=False)
    rows.to_parquet(tmp_path / "scenes.parquet")
    for name in ("scenes.csv", "scenes.parquet"):
        assert found(list_scenes([tmp_path / name])) == {
            "jan/a": str(tmp_path / "jan" / "a.tif"), "b": str(tmp_path / "b.tif"), "c": "https://host/c.tif",
        }  # fmt: skip
    rows.drop(columns="Path").to_csv(tmp_path / "bare.csv", index=False)
    with pytest.raises(SceneError, match=r"no column of scenes; name one of its columns scene, path, file"):
        list_scenes([tmp_path / "bare.csv"])
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(SceneError, match=r"broken\.parquet: the table cannot be read"):
        list_scenes([tmp_path / "broken.parquet"])
    rows[:0].to_csv(tmp_path / "empty.csv", index=False)
    with pytest.raises(SceneError, match="the table has no scene"):
        list_scenes([tmp_path / "empty.csv"])


def stac_item(name: str, href: str) -> dict[str, object]:
    return {
        "type": "Feature", "stac_version": "1.0.0", "id": name, "bbox": [0, 0, 1, 1], "links": [],
        "geometry": {"type": "Point", "coordinates": [0, 0]},
        "properties": {"datetime": "2023-01-02T03:04:05Z"},
        "assets": {"red": {"href": href, "type": "image/tiff", "eo:bands": [{"name": "B04", "common_name": "red"}]}},
    }  # fmt: skip


def test_each_item_of_a_collection_is_a_scene(tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif")
    items = [stac_item("one", "./a.tif"), stac_item("two", "https://host/b.tif")]
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    listing = list_scenes([tmp_path / "items.json"])
    assert found(listing) == {name: f"{tmp_path}/items.json#{name}" for name in ("one", "two")}
    with SceneFile(listing.scenes[0].scene) as file:
        assert (file.title, str(file.acquired)[:4] != "None") == ("one", True)
        assert file.inputs[1:] == (str(tmp_path / "a.tif"),)
        assert file.header.pixel_size == pytest.approx(10, rel=0.01)
    with pytest.raises(SceneError, match=r"items\.json: has no STAC Item three"):
        SceneFile(f"{tmp_path}/items.json#three")
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": [items[0]] * 2}))
    with pytest.raises(SceneError, match="several STAC Items with the id one"):
        list_scenes([tmp_path / "items.json"])
    (tmp_path / "items.json").write_text(json.dumps({"type": "FeatureCollection", "features": []}))
    with pytest.raises(SceneError, match="has no STAC Item; search again"):
        list_scenes([tmp_path / "items.json"])


def test_items_in_geoparquet_are_those_of_the_collection(tmp_path: Path) -> None:
    ship_scene(tmp_path / "a.tif")
    item = stac_item("one", str(tmp_path / "a.tif"))
    columns = {key: [item[key]] for key in ("type", "stac_version", "id", "links", "assets")}
    frame = geopandas.GeoDataFrame(
        {
            **columns, "datetime": [pd.Timestamp("2023-01-02T03:04:05Z")],
            "bbox": [{"xmin": 0, "ymin": 0, "xmax": 1, "ymax": 1}],
        },
        geometry=geopandas.points_from_xy([0], [0]), crs=4326,
    )  # fmt: skip
    frame.to_parquet(tmp_path / "items.parquet")
    listing = list_scenes([tmp_path / "items.parquet"])
    assert list(found(listing)) == ["one"]
    with SceneFile(listing.scenes[0].scene) as file:
        assert file.acquired is not None
        assert file.acquired.text.startswith("2023-01-02T03:04:05")
        assert file.inputs[1:] == (str(tmp_path / "a.tif"),)


def test_a_file_whose_name_holds_a_number_sign_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "items.json").write_text("{}")
    ship_scene(tmp_path / "items.json#1")
    with SceneFile(tmp_path / "items.json#1") as file:
        assert file.files is None
