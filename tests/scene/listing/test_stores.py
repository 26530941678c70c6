"""Folders and patterns of an object store as lists of scenes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import BUCKET, S3Server, running

from geoships.errors import SceneError
from geoships.scene.listing.list_scenes import list_scenes
from geoships.scene.listing.places import places
from geoships.support.remote.address import RemotePath

ROOT = f"s3://{BUCKET}"
KEYS = (
    "in/a.tif", "in/a_mask.tif", "in/x/b.TIF", "in/x/b.jpg", "in/x/y/c.jp2", "in/.hidden/d.tif", "in/z.zip",
    "in/P.SAFE/GRANULE/B02.jp2", "in/notes.txt", "elsewhere/e.tif",
)  # fmt: skip


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    with running(monkeypatch) as server:
        server.objects |= dict.fromkeys(KEYS, b"x")
        yield server


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("name", "patterns", "found"),
    [
        ("in/", (), ["in/a.tif", "in/x/b.TIF", "in/x/y/c.jp2"]),
        ("in/x/", (), ["in/x/b.TIF", "in/x/y/c.jp2"]),
        ("in/", ("*.jpg", "x/*.tif"), ["in/x/b.TIF", "in/x/b.jpg"]),
        ("in/*.tif", (), ["in/a.tif", "in/a_mask.tif"]),
        ("in/*/b.*", (), ["in/x/b.TIF", "in/x/b.jpg"]),
        ("in/**/*.jp2", (), ["in/P.SAFE/GRANULE/B02.jp2", "in/x/y/c.jp2"]),
        ("in/a.tif", (), ["in/a.tif"]),
    ],
)
def test_scenes_of_a_folder_or_a_pattern(name: str, patterns: tuple[str, ...], found: list[str]) -> None:
    listing = list_scenes([f"{ROOT}/{name}"], patterns=patterns)
    assert [str(one.scene) for one in listing.scenes] == [f"{ROOT}/{key}" for key in found]


@pytest.mark.usefixtures("store")
def test_the_folders_below_are_kept_and_what_is_left_out_is_told() -> None:
    listing = list_scenes([f"{ROOT}/in/"])
    assert places(listing.scenes) == ["a", "x/b", "x/y/c"]
    assert {one.name.removeprefix(f"{ROOT}/in/"): one.reason.partition(";")[0] for one in listing.left_out} == {
        "a_mask.tif": "mask of a scene beside it", "x/b.jpg": "a picture", "z.zip": "an archive in a store",
        "P.SAFE/GRANULE/B02.jp2": "a part of P.SAFE",
    }  # fmt: skip


@pytest.mark.usefixtures("store")
def test_the_folder_of_outputs_is_left_out() -> None:
    own = RemotePath(f"{ROOT}/in/x")
    listing = list_scenes([f"{ROOT}/in/"], excluded=lambda path: "own" if path.resolve() == own else None)
    assert [str(one.scene) for one in listing.scenes] == [f"{ROOT}/in/a.tif"]


@pytest.mark.usefixtures("store")
def test_a_list_may_name_folders_of_stores(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{ROOT}/in/x/\n{ROOT}/elsewhere/e.tif\n")
    assert len(list_scenes([f"@{tmp_path / 'list.txt'}"]).scenes) == 3


@pytest.mark.parametrize(("name", "said"), [("in/nothing/", "no scene there"), ("in/*.png", "no scene there")])
@pytest.mark.usefixtures("store")
def test_a_folder_without_scenes_is_one_line(name: str, said: str) -> None:
    with pytest.raises(SceneError, match=said):
        list_scenes([f"{ROOT}/{name}"])


def test_a_store_that_refuses_is_one_line(store: S3Server) -> None:
    store.mode, store.bad = "403", 100
    with pytest.raises(SceneError, match="refuses access") as error:
        list_scenes([f"{ROOT}/in/"])
    assert len(str(error.value).splitlines()) == 1
