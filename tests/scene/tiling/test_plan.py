import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geoships.scene.tiling.plan import (
    BLEND,
    FIRST_TILE_COST,
    MAX_ROW_BYTES,
    Context,
    Limits,
    bytes_per_row,
    overlap_fraction,
    plan_scene,
    tile_context,
)
from geoships.scene.tiling.resample import Ratio
from geoships.scene.tiling.windows import Window

SAME = (Ratio(32, 32), Ratio(32, 32))
sides = st.integers(1, 12_000)


def cost(plan) -> int:
    """Model pixels that are computed at a ratio of 1, with the first tile counted twice."""
    height, width = plan.tile_shape
    return (len(plan) + FIRST_TILE_COST) * height * width


@settings(deadline=None, max_examples=30)
@given(sides, sides, st.integers(0, 14), st.integers(300, 2000))
def test_no_tile_of_one_size_is_cheaper_within_the_limits(height: int, width: int, steps: int, side: int) -> None:
    shared = Context(16 * steps)
    plan = plan_scene(Window(0, 0, height, width), SAME, shared, Limits(side**2))
    least = 2 * -(-shared.overlap // 32) * 32
    assert all(size <= max(side, least, side**2 // plan.rows.size) for size in plan.tile_shape)
    for size in range(max(64, least), side + 1, 160):
        assert cost(plan) <= cost(plan_scene(Window(0, 0, height, width), SAME, shared, Limits(1), tile_size=size))


@settings(deadline=None, max_examples=30)
@given(sides, st.integers(0, 10), st.integers(300, 2000))
def test_the_reaches_of_tiles_are_where_they_have_weight(length: int, steps: int, side: int) -> None:
    rows = plan_scene(Window(0, 0, length, 40), SAME, Context(16 * steps), Limits(side**2)).rows
    total = np.zeros(length)
    for index in range(rows.count):
        first, last = rows.reach(index)
        weights = rows.weights(index)[max(0, -rows.start(index)) :]
        found = np.flatnonzero(weights) + max(0, rows.start(index))
        assert (first, last) == (found[0], found[-1] + 1)
        total[first:last] += 1
    assert total.min() >= 1


def test_the_overlap_is_what_the_network_needs_unless_it_is_given() -> None:
    scene = Window(0, 0, 6000, 6000)
    for halo in (0, 64, 224):
        plan = plan_scene(scene, SAME, tile_context(halo), Limits(1500**2))
        assert plan.rows.size - plan.rows.stride == 2 * halo + BLEND
    given_overlap = plan_scene(scene, SAME, tile_context(224, overlap=96), Limits(1500**2))
    assert (given_overlap.rows.size - given_overlap.rows.stride, given_overlap.rows.halo) == (96, 32)
    assert overlap_fraction(given_overlap) < overlap_fraction(plan)


def test_tiles_that_are_computed_several_times_overlap_less() -> None:
    once, often = (plan_scene(Window(0, 0, 1000, 2000), SAME, Context(224), Limits(1600**2), views=n) for n in (1, 8))
    assert len(often) < len(once)


def test_a_given_tile_size_overrides_the_limits() -> None:
    plan = plan_scene(Window(0, 0, 3000, 3000), SAME, Context(64), Limits(2000**2), tile_size=512)
    assert max(plan.tile_shape) <= 512


def test_tiles_of_wide_strips_are_low() -> None:
    scene = Window(0, 0, 20_000, 40_000)
    blocks, strips = (bytes_per_row(40_000, width, 11) for width in (512, 40_000))
    low, high = (plan_scene(scene, SAME, Context(64), Limits(1600**2, held)) for held in (strips, blocks))
    assert low.rows.size < high.rows.size <= 1600
    assert low.rows.size * strips <= MAX_ROW_BYTES
    assert low.columns.size > 1600


@settings(deadline=None, max_examples=30)
@given(sides, st.integers(1, 40_000), st.integers(0, 14), st.integers(1500, 2000))
def test_held_rows_and_a_tile_share_the_memory_limit(height: int, width: int, steps: int, side: int) -> None:
    held, pixel_bytes = bytes_per_row(width, 512, 11), 400
    limits = Limits(side**2, held, pixel_bytes)
    scene, shared = Window(0, 0, height, width), Context(16 * steps)
    rows, columns = plan_scene(scene, SAME, shared, limits).tile_shape
    alone = plan_scene(scene, SAME, shared, Limits(side**2, held))
    assert rows * columns + min(rows * held / pixel_bytes, side**2 / 2) <= side**2 + 1
    assert rows * columns <= limits.max_pixels(rows) <= limits.max_pixels(1)
    assert cost(alone) <= cost(plan_scene(scene, SAME, shared, limits))


@pytest.mark.parametrize("ratios", [(Ratio(32, 64), Ratio(32, 96)), (Ratio(32, 8), Ratio(32, 11))])
def test_limits_count_model_pixels(ratios: tuple[Ratio, Ratio]) -> None:
    plan = plan_scene(Window(0, 0, 9000, 9000), ratios, Context(96), Limits(1200**2))
    height, width = (scale.to_model(size) for scale, size in zip(ratios, plan.tile_shape, strict=True))
    assert height <= 1200
    assert height * width <= 1200**2
    assert height % 32 == width % 32 == 0
