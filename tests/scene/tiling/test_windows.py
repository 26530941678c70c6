import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geoships.scene.tiling.windows import Axis, TilePlan, Window, paste, plan_axis, reflect, source_window

lengths = st.integers(1, 700)


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    unit = draw(st.sampled_from([1, 3, 8, 32, 37]))
    halo = draw(st.integers(0, 40))
    blend = draw(st.integers(0, 40))
    margin = draw(st.integers(0, 40))
    size = draw(st.integers(unit, 400))
    return plan_axis(draw(lengths), size, unit, halo, blend, margin)


@given(axes())
def test_weights_sum_to_one_on_every_pixel(axis: Axis) -> None:
    total = np.zeros(axis.length + 2 * axis.margin + 2 * axis.size)
    for index in range(axis.count):
        start = axis.start(index) + axis.margin
        total[start : start + axis.size] += axis.weights(index)
    inside = slice(axis.margin, axis.margin + axis.length)
    np.testing.assert_allclose(total[inside], 1, atol=1e-6)
    assert total[: inside.start].sum() == total[inside.stop :].sum() == 0


@given(axes())
def test_every_pixel_is_covered_by_the_fewest_tiles(axis: Axis) -> None:
    last = axis.start(axis.count - 1)
    assert axis.start(0) <= 0
    assert last + axis.size >= axis.length + axis.margin
    assert axis.count == 1 or last + axis.size - axis.stride < axis.length + axis.margin


@given(axes())
def test_the_halo_has_no_weight_between_tiles(axis: Axis) -> None:
    for index in range(axis.count):
        weights = axis.weights(index)
        if index > 0:
            assert not weights[: axis.halo].any()
        if index < axis.count - 1:
            assert not weights[axis.size - axis.halo :].any()


@given(lengths, st.sampled_from([8, 32, 37]), st.integers(0, 50))
def test_starts_and_sizes_are_multiples_of_the_unit(length: int, unit: int, halo: int) -> None:
    axis = plan_axis(length, 256, unit, halo, 16, 20)
    assert axis.size % unit == axis.margin % unit == 0
    assert axis.count == 1 or axis.stride % unit == 0


@given(st.integers(-300, 300), st.integers(1, 60), st.integers(1, 40))
def test_reflect_is_numpys_reflection(start: int, count: int, length: int) -> None:
    pad = 400
    expected = np.pad(np.arange(length), pad, mode="reflect") if length > 1 else np.zeros(2 * pad + 1, int)
    values = expected[pad + start : pad + start + count]
    np.testing.assert_array_equal(reflect(start, start + count, length)[: len(values)], values)


@given(st.integers(-40, 40), st.integers(-40, 40), st.integers(1, 50), st.integers(1, 50))
def test_source_window_contains_all_mirrored_pixels(row: int, column: int, height: int, width: int) -> None:
    scene = Window(0, 0, 30, 20)
    source = source_window(Window(row, column, height, width), scene)
    assert source.intersection(scene) == source
    rows = reflect(row, row + height, 30)
    assert source.row == rows.min()
    assert source.row_end == rows.max() + 1


def test_paste_copies_only_the_intersection() -> None:
    target = np.zeros((2, 4, 4), int)
    paste(target, Window(0, 0, 4, 4), np.ones((2, 3, 3), int), Window(2, -1, 3, 3))
    assert target.sum() == 2 * 2 * 2
    assert target[:, 2:, :2].all()


def test_a_plan_lists_its_tiles_from_top_to_bottom() -> None:
    plan = TilePlan(plan_axis(500, 256, 32, 32, 32, 32), plan_axis(300, 256, 32, 32, 32, 32))
    tiles = list(plan)
    assert len(tiles) == len(plan)
    assert [tile.window for tile in tiles] == sorted(tile.window for tile in tiles)
    assert {tile.window.shape for tile in tiles} == {plan.tile_shape}


@pytest.mark.parametrize(("size", "stride", "halo"), [(10, 4, 0), (10, 0, 0), (10, 8, 2), (10, 11, 0)])
def test_impossible_tilings_are_errors(size: int, stride: int, halo: int) -> None:
    with pytest.raises(ValueError, match=r"invalid tiling"):
        Axis(100, size, stride, 0, halo)
