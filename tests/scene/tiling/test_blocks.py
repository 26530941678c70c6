"""The cache of decoded blocks, against the raster that it reads."""

from __future__ import annotations

import weakref
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from geoships.scene.tiling.blocks import BlockCache, BlockGrid, Pixels
from geoships.scene.tiling.windows import Window

HEIGHT, WIDTH = 40, 30
VALUES = np.arange(2 * HEIGHT * WIDTH).reshape(2, HEIGHT, WIDTH)
VALID = VALUES[0] % 7 > 0


@st.composite
def windows(draw: st.DrawFn) -> Window:
    row, column = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - 1))
    return Window(row, column, draw(st.integers(1, HEIGHT - row)), draw(st.integers(1, WIDTH - column)))


@given(st.lists(windows(), min_size=1, max_size=8), st.integers(1, 20), st.integers(1, 20))
def test_windows_have_the_pixels_of_the_raster_and_each_block_is_decoded_once(
    run: list[Window], block_height: int, block_width: int
) -> None:
    grid = BlockGrid(HEIGHT, WIDTH, block_height, block_width)
    decoded: Counter[Window] = Counter()

    def decode(window: Window) -> Pixels:
        decoded[window] += 1
        slices = window.within(Window(0, 0, HEIGHT, WIDTH))
        return Pixels(VALUES[:, *slices], VALID[slices])

    with BlockCache(decode, grid, run, threads=2, bytes_per_pixel=1) as cache:
        for window in run:
            pixels = cache.fetch(window)
            slices = window.within(Window(0, 0, HEIGHT, WIDTH))
            np.testing.assert_array_equal(pixels.values, VALUES[:, *slices])
            np.testing.assert_array_equal(pixels.valid, VALID[slices])
            cache.release(window)
    assert set(decoded.values()) == {1}


def test_upper_rows_of_a_block_are_dropped_before_lower_ones() -> None:
    decoded: list[weakref.ref[np.ndarray]] = []

    def decode(window: Window) -> Pixels:
        values = np.ones((1, *window.shape))
        decoded.append(weakref.ref(values))
        return Pixels(values, np.ones(window.shape, np.bool_))

    upper, lower = Window(0, 0, 30, WIDTH), Window(20, 0, 20, WIDTH)
    with BlockCache(
        decode, BlockGrid(HEIGHT, WIDTH, HEIGHT, WIDTH), [upper, lower], threads=1, bytes_per_pixel=1
    ) as cache:
        cache.fetch(upper)
        assert decoded[0]() is not None
        cache.release(upper)
        assert decoded[0]() is None
        assert cache.fetch(lower).values.all()
    assert len(decoded) == 1
