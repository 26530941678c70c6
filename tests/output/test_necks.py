from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from shapely import box, union_all

from geoships.output import necks as split
from geoships.output.necks import MAX_SIDE, Splitter, necked_parts
from geoships.output.ships import Ship, ShipBuilder
from geoships.output.stitch import RowBand

THRESHOLD = 0.5


def ships_of(scores: np.ndarray, rows: int = 0, valid: np.ndarray | None = None) -> list[Ship]:
    """Ships of an array that comes in bands of so many rows (0: in one), split, in reading order."""
    builder, splitter = ShipBuilder(scores.shape[1], THRESHOLD), Splitter(scores.shape[1])
    valid = np.ones(scores.shape, bool) if valid is None else valid
    ships: list[Ship] = []
    step = rows or len(scores)
    for row in range(0, len(scores), step):
        band = RowBand(row, scores[row : row + step], valid[row : row + step])
        ships += splitter.split(builder.feed(band), THRESHOLD, band)
        splitter.remember(band)
    ships += splitter.split(builder.finish(), THRESHOLD)
    return sorted(ships, key=lambda ship: ship.first_pixel)


def quay(shape: tuple[int, int] = (70, 40)) -> np.ndarray:
    """Two ships in a row, joined by a neck, whose scores differ; and one at the lower edge."""
    scores = np.zeros(shape, np.float32)
    scores[4:30, 10:17] = 0.9
    scores[30:34, 13:15] = 0.6
    scores[34:60, 10:17] = 0.7
    scores[65:, 5:30] = 0.8
    return scores


def test_two_ships_in_a_row_come_apart() -> None:
    scores = quay()
    upper, lower, edge = ships_of(scores)
    assert upper.pixels + lower.pixels == (scores[:62] >= THRESHOLD).sum()
    assert (upper.peak, lower.peak) == (pytest.approx(0.9), pytest.approx(0.7))
    assert upper.score > 0.88 and 0.68 < lower.score <= 0.7
    mask = union_all([box(10, 4, 17, 30), box(13, 30, 15, 34), box(10, 34, 17, 60)])
    assert union_all([upper.polygon, lower.polygon]).equals(mask)
    assert upper.polygon.intersection(lower.polygon).area == 0
    assert [ship.on_border for ship in (upper, lower, edge)] == [False, False, True]


@pytest.mark.parametrize("rows", [1, 7, 33, 69])
def test_bands_leave_no_trace(rows: int) -> None:
    scores = quay()
    assert ships_of(scores, rows) == ships_of(scores)


def test_only_the_part_at_the_edge_of_the_scene_touches_it() -> None:
    scores = quay()[:60]
    for rows in (0, 13):
        assert [ship.on_border for ship in ships_of(scores, rows)] == [False, True]
    assert [ship.on_border for ship in ships_of(np.ascontiguousarray(scores.T))] == [False, True]


def test_pixels_without_data_are_no_neck() -> None:
    scores, valid = quay(), np.ones((70, 40), bool)
    valid[31] = False
    apart = np.where(valid, scores, 0)
    assert ships_of(scores, valid=valid) == ships_of(apart)


def bent() -> np.ndarray:
    rows, columns = np.mgrid[:60, :60]
    return np.abs(np.hypot(rows, columns) - 45) < 3.5


def ragged() -> np.ndarray:
    mask = np.zeros((12, 50), bool)
    mask[3:9, 2:48] = True
    mask[3, 10:14] = mask[8, 30:33] = mask[2:5, 40] = False
    return mask


def holed() -> np.ndarray:
    mask = np.zeros((11, 40), bool)
    mask[2:9, 2:38] = True
    mask[4:7, 18:21] = False
    return mask


def diagonal() -> np.ndarray:
    rows, columns = np.mgrid[:40, :40]
    return (np.abs(rows - columns) < 3) & (rows + columns > 8) & (rows + columns < 70)


@pytest.mark.parametrize("ship", [bent, ragged, holed, diagonal])
def test_one_ship_stays_whole(ship: object) -> None:
    mask = ship()  # type: ignore[operator]
    assert necked_parts([mask]) == [None]
    assert len(ships_of(mask.astype(np.float32))) == 1


def test_a_neck_is_judged_by_its_share_of_the_width() -> None:
    for scale in (1, 3):
        narrow, wide = (np.kron(neck_of(width), np.ones((scale, scale), bool)) for width in (2, 6))
        (parts,) = necked_parts([narrow])
        assert parts is not None and parts.max() == 2
        assert ((parts > 0) == narrow).all()
        assert necked_parts([wide]) == [None]


def neck_of(width: int) -> np.ndarray:
    """Two ships of eight columns in a row, and a neck between them."""
    mask = np.zeros((48, 10), bool)
    mask[2:22, 1:9] = mask[26:46, 1:9] = True
    mask[22:26, 5 - width // 2 : 5 + width // 2] = True
    return mask


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(0, 9)), min_size=2, max_size=6))
def test_sets_side_by_side_do_not_see_each_other(shapes: list[tuple[int, int, int]]) -> None:
    masks = []
    for height, width, seed in shapes:
        smooth = ndimage.uniform_filter(np.random.default_rng(seed).random((height, width)), 5)
        labels, _ = ndimage.label(smooth >= np.median(smooth), np.ones((3, 3)))
        masks.append(labels == np.bincount(labels[labels > 0]).argmax())
    for mask, together in zip(masks, necked_parts(masks), strict=True):
        (alone,) = necked_parts([mask])
        np.testing.assert_equal(together, alone)


def test_many_ships_are_searched_in_several_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.tile(quay(), (1, 6))
    whole = ships_of(scores)
    monkeypatch.setattr(split, "STRIP", 3000)
    assert ships_of(scores) == whole
    assert len(whole) == 18


def test_ships_beyond_reach_stay_whole() -> None:
    scores = np.zeros((MAX_SIDE + 40, 20), np.float32)
    scores[2:150, 4:14] = scores[154 : MAX_SIDE + 10, 4:14] = 1
    scores[150:154, 8:10] = 1
    assert len(ships_of(scores, 50)) == 1
    assert len(ships_of(scores[20:], 50)) == 2
