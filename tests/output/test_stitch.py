import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoships.output.stitch import RowBand, Stitcher
from geoships.scene.tiling.windows import TilePlan, Window, paste, plan_axis


def stitch(plan: TilePlan, scores: np.ndarray, valid: np.ndarray, skip: frozenset[int] = frozenset()) -> list[RowBand]:
    """Cut a picture into the plan's tiles and stitch them again."""
    height, width = scores.shape
    stitcher, bands = Stitcher(height, width), []
    for index, tile in enumerate(plan):
        if index in skip:
            continue
        tile_scores, tile_valid = np.full(plan.tile_shape, 9, np.float32), np.zeros(plan.tile_shape, bool)
        paste(tile_scores, tile.window, scores, plan.scene)
        paste(tile_valid, tile.window, valid, plan.scene)
        rows, columns = plan.weights(tile)
        bands += stitcher.add(tile.window, tile_scores, tile_valid, rows[:, None] * columns)
    return [*bands, *stitcher.finish()]


@given(st.integers(1, 150), st.integers(1, 150), st.integers(1, 6), st.integers(0, 9), st.integers(0, 2**32 - 1))
def test_tiles_of_one_picture_give_the_picture_back(height: int, width: int, unit: int, halo: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random((height, width), np.float32)
    valid = rng.random((height, width)) < 0.8
    plan = TilePlan(plan_axis(height, 48, unit, halo, 5, 4), plan_axis(width, 48, unit, halo, 5, 4))
    bands = stitch(plan, scores, valid)
    assert [band.row for band in bands] == [0, *(band.row_end for band in bands[:-1])]
    assert bands[-1].row_end == height
    np.testing.assert_array_equal(np.vstack([band.valid for band in bands]), valid)
    expected = np.where(valid, scores, 0)
    np.testing.assert_allclose(np.vstack([band.scores for band in bands]), expected, atol=1e-5)


def test_rows_without_tiles_come_out_invalid() -> None:
    plan = TilePlan(plan_axis(3000, 64, 1, 0, 8, 0), plan_axis(20, 64, 1, 0, 8, 0))
    skipped = frozenset(range(1, len(plan) - 1))
    bands = stitch(plan, np.ones((3000, 20), np.float32), np.ones((3000, 20), bool), skipped)
    valid = np.vstack([band.valid for band in bands])
    assert valid.shape == (3000, 20)
    assert valid[0].all()
    assert valid[-1].all()
    assert not valid[1000:2000].any()


def test_it_holds_no_more_rows_than_a_tile_has() -> None:
    plan = TilePlan(plan_axis(5000, 64, 1, 4, 8, 0), plan_axis(8, 64, 1, 0, 8, 0))
    assert (
        max(band.scores.shape[0] for band in stitch(plan, np.ones((5000, 8), np.float32), np.ones((5000, 8), bool)))
        <= 64
    )


def test_a_tile_above_released_rows_is_refused() -> None:
    stitcher, ones = Stitcher(100, 10), np.ones((10, 10), np.float32)
    assert not list(stitcher.add(Window(50, 0, 10, 10), ones, ones > 0, ones))[1:]
    with pytest.raises(ValueError, match="top to bottom"):
        list(stitcher.add(Window(20, 0, 10, 10), ones, ones > 0, ones))
