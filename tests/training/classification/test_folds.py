from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled_chips import make_chip, write_chip, write_chips

from geoships.config.classification import ChipFiles, HeldFold
from geoships.datasets.chip_files import Chip, find_chips, read_chip
from geoships.errors import GeoshipsError
from geoships.training.classification.duplicates import group_chips, similarities
from geoships.training.classification.folds import make_folds, open_chips, split_chips

THRESHOLD = ChipFiles().similarity


def image(seed: int, *, ship: bool = True, size: int = 80) -> np.ndarray:
    return make_chip(seed, ship=ship, size=size).transpose(2, 0, 1).astype(np.float32) / 255


def test_a_shifted_chip_is_a_near_duplicate_and_another_ship_is_none() -> None:
    scene = image(1, size=96)
    chips = [scene[:, :80, :80], scene[:, 13:93, 7:87], scene[:, 3:83, 16:], image(2), image(3, ship=False)]
    found = similarities(chips)
    assert found[0, 1] > 0.9 and found[0, 2] > 0.9
    assert max(found[0, 3], found[0, 4], found[3, 4]) < THRESHOLD
    assert not np.tril(found).any()


def test_another_brightness_and_some_noise_do_not_hide_a_near_duplicate() -> None:
    one, noise = image(1), np.random.default_rng(0).normal(0, 0.01, (3, 80, 80))
    assert similarities([one, (one * 1.2 + noise + 0.05).astype(np.float32)])[0, 1] > THRESHOLD


def test_ships_of_one_shape_correlate_but_are_no_near_duplicates() -> None:
    hull = cv2.GaussianBlur((image(5).mean(axis=0) > 0.5).astype(np.float32), (0, 0), 3)
    pair = [(hull + np.random.default_rng(seed).normal(0, 0.05, (1, 80, 80))).astype(np.float32) for seed in (1, 2)]
    assert np.corrcoef(pair[0].ravel(), pair[1].ravel())[0, 1] > 0.9
    assert similarities(pair)[0, 1] < THRESHOLD


def test_even_chips_are_like_no_other() -> None:
    assert similarities([np.full((3, 80, 80), 0.2, np.float32)] * 2).max() == 0


def test_groups_are_linked_by_likeness_and_by_scene_through_others() -> None:
    scene = image(1, size=96)
    chips = [scene[:, :80, :80], scene[:, 9:89, 9:89], image(2), image(3), image(4)]
    groups = group_chips(chips, [None, "a", "a", "b", None], THRESHOLD)
    assert groups[0] == groups[1] == groups[2]
    assert len({groups[0], groups[3], groups[4]}) == 3


@pytest.mark.parametrize(
    ("name", "scene"),
    [
        ("1__20170414_180529_0f28__-122.354_37.758.png", "20170414_180529_0f28"),
        ("0__20160905_193457_1_0c37__-122.43_37.72.png", "20160905_193457_1_0c37"),
        ("batch_02_label_1__20170505_181258_0e2f__-122.3_37.7.png", "20170505_181258_0e2f"),
        ("0__unknown__1.png", None),
        ("ship_000001.png", None),
    ],
)
def test_the_scene_is_read_from_the_name(name: str, scene: str | None) -> None:
    assert Chip(Path(name), 1).scene == scene


def test_folds_share_out_all_chips_and_keep_groups_whole(tmp_path: Path) -> None:
    chips = open_chips(ChipFiles(root=write_chips(tmp_path), size=32))
    group = {chip.path.stem: number for chip, number in zip(chips.chips, chips.groups, strict=True)}
    moved = [name for name in group if name.endswith("_moved")]
    assert len(moved) == 8 and len(group) == 40
    assert all(group[name] == group[name.removesuffix("_moved")] for name in moved)
    assert len(set(group.values())) >= 28
    folds = make_folds(chips.labels, chips.groups, 4, seed=1)
    assert sorted(np.concatenate(folds)) == list(range(40))
    for held in folds:
        assert not set(chips.groups[held]) & set(np.delete(chips.groups, held))
        assert 0.2 < chips.labels[held].mean() < 0.55


def test_the_held_fold_is_neither_trained_on_nor_validates(tmp_path: Path) -> None:
    data = ChipFiles(root=write_chips(tmp_path), size=32, validation=0.25, hold_out=HeldFold(folds=4, fold=2))
    chips = open_chips(data)
    split = split_chips(chips, data)
    parts = [split.train, split.validation, split.held]
    assert sorted(np.concatenate(parts)) == list(range(40))
    assert all(len(part) for part in parts)
    groups = [set(chips.groups[part]) for part in parts]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])


def test_chips_of_any_size_and_depth_are_read_alike(tmp_path: Path) -> None:
    small = make_chip(1, ship=True, size=40)
    write_chip(tmp_path / "a.png", small)
    write_chip(tmp_path / "b.tif", small.astype(np.uint16) * 257)
    np.testing.assert_allclose(read_chip(tmp_path / "a.png", 40), small.transpose(2, 0, 1) / 255, atol=1e-6)
    np.testing.assert_allclose(read_chip(tmp_path / "b.tif", 40), read_chip(tmp_path / "a.png", 40), atol=1e-5)
    assert read_chip(tmp_path / "a.png", 80).shape == (3, 80, 80)


def test_a_list_of_labels_takes_the_place_of_folders(tmp_path: Path) -> None:
    write_chips(tmp_path / "pictures", ships=2, others=2)
    table = tmp_path / "labels.csv"
    table.write_text("file,label,more\nship/ship_001.png,0,x\nno-ship/no-ship_001.png,ship,y\n")
    chips = find_chips(ChipFiles(root=tmp_path / "pictures", labels=table))
    assert {chip.path.name: chip.label for chip in chips} == {"ship_001.png": 0, "no-ship_001.png": 1}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("file,label\nship/ship_001.png,2\n", "line 2: expected a label of 1, ship, 0, no-ship, got '2'"),
        ("file,label\nship/none.png,1\n", "line 2: no file ship/none.png"),
        ("name,label\na,1\n", "columns file and label"),
        ("file,label\nship/ship_001.png,1\n", "no chip of class no-ship"),
    ],
)
def test_wrong_labels_are_named(table: str, message: str, tmp_path: Path) -> None:
    write_chips(tmp_path, ships=2, others=2)
    (tmp_path / "labels.csv").write_text(table)
    with pytest.raises(GeoshipsError, match=message):
        find_chips(ChipFiles(root=tmp_path, labels=tmp_path / "labels.csv"))


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("no picture")
    with pytest.raises(GeoshipsError, match=r"cannot read the chip .*a\.png"):
        read_chip(tmp_path / "a.png", 80)


def test_too_few_groups_for_the_folds_are_an_error() -> None:
    with pytest.raises(GeoshipsError, match=r"3 folds need .* one class has 2"):
        make_folds(np.array([1, 1, 1, 0, 0, 0]), np.array([0, 1, 1, 2, 3, 4]), 3, seed=1)
