from __future__ import annotations

import itertools
from collections.abc import Iterable

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from rasterio.features import shapes
from shapely import MultiPolygon, Polygon, box
from shapely.geometry import shape

from geoships.output.ships import Ship, ShipBuilder, simplified, without_small_holes
from geoships.output.stitch import RowBand

Mask = NDArray[np.bool_]


def picture(*rows: str) -> Mask:
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def scores_of(mask: Mask) -> NDArray[np.float32]:
    """Scores that differ from pixel to pixel, at least 0.5 on the mask and below it elsewhere."""
    noise = np.random.default_rng(7).random(mask.shape, np.float32) / 2
    return np.where(mask, noise + np.float32(0.5), noise)


def bands(scores: NDArray[np.float32], valid: Mask, heights: Iterable[int]) -> Iterable[RowBand]:
    row = 0
    for height in heights:
        if row >= len(scores):
            return
        yield RowBand(row, scores[row : row + height], valid[row : row + height])
        row += height


def build(
    mask: Mask, heights: Iterable[int], valid: Mask | None = None, scores: NDArray[np.float32] | None = None
) -> list[Ship]:
    scores = scores_of(mask) if scores is None else scores
    valid = np.ones_like(mask) if valid is None else valid
    builder = ShipBuilder(mask.shape[1], 0.5)
    ships = [ship for band in bands(scores, valid, heights) for ship in builder.feed(band)]
    return [*ships, *builder.finish()]


def whole(mask: Mask, scores: NDArray[np.float32]) -> list[Ship]:
    """The ships of a whole mask, by other means: OpenCV's labels and GDAL's polygons."""
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    parts: dict[int, list[Polygon]] = {}
    for geometry, label in shapes(labels.astype(np.int32), mask, connectivity=4):
        parts.setdefault(int(label), []).append(shape(geometry))
    rows, columns = (np.arange(size) for size in mask.shape)
    ships = []
    for label, polygons in parts.items():
        inside = labels == label
        own_rows, own_columns = rows[inside.any(1)], columns[inside.any(0)]
        border = own_rows[0] == 0 or own_columns[0] == 0 or own_rows[-1] == rows[-1] or own_columns[-1] == columns[-1]
        polygon = polygons[0] if len(polygons) == 1 else MultiPolygon(polygons)
        values = scores[inside].astype(np.float64)
        ships.append(
            Ship(shapely.normalize(polygon), int(inside.sum()), values.mean(), float(values.max()), bool(border))
        )
    return sorted(ships, key=lambda ship: ship.first_pixel)


def assert_same(ships: list[Ship], expected: list[Ship]) -> None:
    ships = sorted(ships, key=lambda ship: ship.first_pixel)
    assert [ship.polygon.wkt for ship in ships] == [ship.polygon.wkt for ship in expected]
    for ship, other in zip(ships, expected, strict=True):
        assert (ship.pixels, ship.peak, ship.on_border) == (other.pixels, other.peak, other.on_border)
        assert ship.score == pytest.approx(other.score, abs=1e-12)
        assert ship.polygon.is_valid
        assert ship.polygon.area == ship.pixels


MASKS = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=14))
HEIGHTS = st.lists(st.integers(1, 5), min_size=14, max_size=14)


@given(MASKS, HEIGHTS)
@settings(deadline=None, max_examples=200)
def test_any_mask_in_any_bands_equals_the_whole_mask_polygonised_at_once(mask: Mask, heights: list[int]) -> None:
    assert_same(build(mask, heights), whole(mask, scores_of(mask)))


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.8), HEIGHTS)
@settings(deadline=None, max_examples=80)
def test_noise_of_any_density_equals_the_whole_mask_polygonised_at_once(
    seed: int, density: float, heights: list[int]
) -> None:
    mask = np.random.default_rng(seed).random((30, 33)) < density
    assert_same(build(mask, itertools.cycle(heights)), whole(mask, scores_of(mask)))


PICTURES = {
    "diagonal neighbours": picture("#..", ".#.", "#.."),
    "diamond around a hole of other water": picture(".#.", "#.#", ".#."),
    "ring that touches itself": picture("####.", "#.##.", "##.#.", "#####"),
    "island in a hole": picture("#######", "#.....#", "#..#..#", "#.....#", "#######"),
    "part that touches the hole it lies in": picture("#####", "#...#", "#.#.#", "##..#", "#####"),
    "U": picture("#...#", "#...#", "#...#", "#####"),
    "W": picture("#.#.#.#", "#.#.#.#", "###.###", "..###..", "......."),
    "two arms that meet by a corner": picture("##.##", "#...#", "##.#.", ".##..", "....#"),
    "spiral": picture("######", "#.....", "#.####", "#.#..#", "#.##.#", "#....#", "######"),
}


@pytest.mark.parametrize("height", [1, 2, 3, 7])
@pytest.mark.parametrize("name", PICTURES)
def test_known_shapes_over_every_seam(name: str, height: int) -> None:
    for mask in (PICTURES[name], np.flipud(PICTURES[name]), np.pad(PICTURES[name], 2)):
        assert_same(build(mask, itertools.repeat(height)), whole(mask, scores_of(mask)))


def test_an_island_in_a_hole_is_its_own_ship() -> None:
    ring, island = sorted(build(PICTURES["island in a hole"], itertools.repeat(2)), key=lambda ship: ship.first_pixel)
    assert ring.polygon.equals(Polygon(box(0, 0, 7, 5).exterior, [box(1, 1, 6, 4).exterior]))
    assert (island.polygon, island.pixels) == (shapely.normalize(box(3, 2, 4, 3)), 1)
    assert (ring.first_pixel, island.first_pixel) == ((0, 0), (2, 3))
    assert (ring.on_border, island.on_border) == (True, False)


@given(MASKS, HEIGHTS)
@settings(deadline=None, max_examples=50)
def test_ships_and_their_order_do_not_depend_on_the_bands(mask: Mask, heights: list[int]) -> None:
    at_once = build(mask, [len(mask)])
    assert build(mask, heights) == at_once
    assert at_once == sorted(at_once, key=lambda ship: (ship.polygon.bounds[3], ship.first_pixel))


@given(MASKS, MASKS, HEIGHTS)
@settings(deadline=None, max_examples=50)
def test_pixels_without_data_are_no_ships(mask: Mask, valid: Mask, heights: list[int]) -> None:
    valid = np.resize(valid, mask.shape)
    scores = scores_of(mask)
    assert_same(build(mask, heights, valid, scores), whole(mask & valid, scores))


def test_a_ship_comes_as_soon_as_it_cannot_grow() -> None:
    mask = picture("#...", "#..#", "...#", "....")
    builder = ShipBuilder(4, 0.5)
    counts = [len(list(builder.feed(band))) for band in bands(scores_of(mask), np.ones_like(mask), [1, 1, 1, 1])]
    assert (counts, list(builder.finish())) == ([0, 0, 1, 1], [])


def test_the_threshold_belongs_to_the_mask() -> None:
    scores = np.array([[0.25, 0.5, 0.75]], np.float32)
    (ship,) = build(np.ones((1, 3), np.bool_), [1], scores=scores)
    assert ship == Ship(shapely.normalize(box(1, 0, 3, 1)), 2, 0.625, 0.75, True)


def test_a_tall_ship_of_many_bands_keeps_four_corners_and_little_memory() -> None:
    builder = ShipBuilder(3, 0.5)
    scores, valid = np.ones((1, 3), np.float32), np.ones((1, 3), np.bool_)
    for row in range(1000):
        assert not list(builder.feed(RowBand(row, scores, valid)))
    assert sum(len(corners) for outline in builder._outlines for corners in outline.corners) == 2
    (ship,) = builder.finish()
    assert ship == Ship(shapely.normalize(box(0, 0, 3, 1000)), 3000, 1.0, 1.0, True)


def test_a_band_may_be_larger_than_what_is_looked_at_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    mask = np.random.default_rng(3).random((20, 10)) < 0.5
    expected = build(mask, [20])
    monkeypatch.setattr("geoships.output.ships._CHUNK_PIXELS", 30)
    assert build(mask, [20]) == expected


def test_scenes_without_ships() -> None:
    assert build(np.zeros((5, 4), np.bool_), [2, 3]) == []
    assert list(ShipBuilder(4, 0.5).finish()) == []


@pytest.mark.parametrize(("row", "width"), [(1, 4), (0, 5)])
def test_a_band_in_the_wrong_place_is_refused(row: int, width: int) -> None:
    band = RowBand(row, np.zeros((2, width), np.float32), np.ones((2, width), np.bool_))
    with pytest.raises(ValueError, match="expected 4 columns from row 0 on"):
        ShipBuilder(4, 0.5).feed(band)


def test_small_holes_are_filled_and_large_ones_kept() -> None:
    small, large = box(1, 1, 2, 2), box(4, 1, 8, 5)
    polygon = Polygon(box(0, 0, 10, 10).exterior, [small.exterior, large.exterior])
    assert without_small_holes(polygon, 2).equals(Polygon(polygon.exterior, [large.exterior]))
    assert without_small_holes(polygon, 1).equals(polygon)
    assert without_small_holes(polygon, 17).equals(box(0, 0, 10, 10))


def test_a_part_in_a_filled_hole_is_swallowed() -> None:
    (ship,) = build(PICTURES["part that touches the hole it lies in"], [5])
    assert ship.polygon.geom_type == "MultiPolygon"
    assert without_small_holes(ship.polygon, 9).equals(box(0, 0, 5, 5))


@given(MASKS, st.floats(0, 5), st.floats(0, 20))
@settings(deadline=None, max_examples=50)
def test_cleaned_polygons_are_valid_and_not_empty(mask: Mask, tolerance: float, area: float) -> None:
    for ship in build(mask, [len(mask)]):
        for polygon in (simplified(ship.polygon, tolerance), without_small_holes(ship.polygon, area)):
            assert polygon.is_valid
            assert not polygon.is_empty
        assert without_small_holes(ship.polygon, 0).equals(ship.polygon)
