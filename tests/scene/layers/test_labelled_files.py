from pathlib import Path

import pytest

from geoships.errors import GeoshipsError
from geoships.scene.layers.labelled_files import pair_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "scenes/a.tif", "scenes/b.tif", "scenes/b_mask.tif", "labels/a.geojson", "labels/b.gpkg", "labels/b_mask.tif",
        "masks/a_mask.tif", "ignore/b.geojson", "coast.gpkg", "odd.tif",
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def test_folders_are_paired_by_stem(folder: Path) -> None:
    a, b = pair_files([folder / "scenes"], [folder / "labels"], [folder / "ignore"], [folder / "coast.gpkg"])
    assert (a.name, b.name) == ("a", "b")
    assert a.scene == str(folder / "scenes/a.tif")
    assert (a.labels, b.labels) == (folder / "labels/a.geojson", folder / "labels/b.gpkg")
    assert (a.ignore, b.ignore) == (None, folder / "ignore/b.geojson")
    assert a.land == b.land == folder / "coast.gpkg"


def test_a_scene_is_not_its_own_label_and_its_mask_is(folder: Path) -> None:
    (pair,) = pair_files([folder / "scenes/b.tif"], [folder / "scenes"])
    assert pair.labels == folder / "scenes/b_mask.tif"


def test_patterns_and_several_arguments(folder: Path) -> None:
    pairs = pair_files([f"{folder}/scenes/?.tif"], [folder / "masks", f"{folder}/labels/*.gpkg"])
    assert [pair.labels.name for pair in pairs] == ["a_mask.tif", "b.gpkg"]


def test_the_labels_of_one_scene_may_have_any_name_and_those_of_several_not(folder: Path) -> None:
    assert pair_files([folder / "scenes/a.tif"], [folder / "odd.tif"])[0].labels == folder / "odd.tif"
    with pytest.raises(GeoshipsError, match="no labels for a, b in"):
        pair_files([folder / "scenes"], [folder / "odd.tif"])


def test_an_ignore_file_that_is_named_after_a_scene_is_for_that_one_only(folder: Path) -> None:
    a, b = pair_files([folder / "scenes"], [folder / "labels"], [folder / "ignore/b.geojson"])
    assert (a.ignore, b.ignore) == (None, folder / "ignore/b.geojson")


def test_missing_files_and_duplicates_are_errors(folder: Path) -> None:
    with pytest.raises(GeoshipsError, match="no labels for b in"):
        pair_files([folder / "scenes"], [folder / "masks"])
    with pytest.raises(GeoshipsError, match=r"no file at .*nowhere \(labels\)"):
        pair_files([folder / "scenes"], [folder / "nowhere"])
    with pytest.raises(GeoshipsError, match="has no scenes"):
        pair_files([folder / "scenes", folder / "ignore"], [folder / "labels"])
    with pytest.raises(GeoshipsError, match="several scenes are named b"):
        pair_files([folder / "scenes/b.tif", folder / "labels/b.gpkg"], [folder / "labels"])
    with pytest.raises(GeoshipsError, match="no scenes were given"):
        pair_files([], [])
