import math

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from geoships.metrics.blocks import BlockCounts
from geoships.metrics.comparison import compare
from geoships.metrics.counts import ObjectCounts
from geoships.metrics.intervals import Units, object_intervals, pixel_intervals, proportion_interval, resample
from geoships.metrics.scores import ScoreCounts
from geoships.scene.layers.labels import BACKGROUND, IGNORED, SHIP


def test_wilson_interval_of_a_perfect_figure_is_not_a_point() -> None:
    assert proportion_interval(10, 10) == pytest.approx((0.7225, 1), abs=1e-4)  # 1 / (1 + z^2 / 10)
    assert all(math.isnan(limit) for limit in proportion_interval(0, 0))


def test_f1_interval_is_that_of_scipys_bootstrap() -> None:
    counts = ObjectCounts(labelled=60, predicted=55, matched_labels=45, matched_predictions=45)
    single = np.repeat([0, 1, 2], [45, 15, 10])  # match, missed, false

    def f1(drawn: np.ndarray, axis: int) -> np.ndarray:
        matched = (drawn == 0).sum(axis)
        return 2 * matched / (2 * matched + (drawn != 0).sum(axis))

    expected = bootstrap(
        (single,), f1, n_resamples=5000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    low, high = object_intervals([Units.of_matches(counts)], counts)["f1"]
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.012)
    assert low < counts.f1 < high
    assert object_intervals([Units.of_matches(counts)], counts)["f1"] == (low, high)  # the same in each call


def test_more_ships_give_narrower_intervals() -> None:
    few, many = ObjectCounts(10, 10, 8, 8), ObjectCounts(1000, 1000, 800, 800)
    for metric in ("precision", "recall", "f1"):
        (low, high), (less, more) = (object_intervals([Units.of_matches(c)], c)[metric] for c in (few, many))
        assert low < less < 0.8 < more < high


def test_f1_of_matches_only_has_the_interval_of_their_share() -> None:
    counts = ObjectCounts(10, 10, 10, 10)
    share = proportion_interval(10, 10)[0]
    assert object_intervals([Units.of_matches(counts)], counts)["f1"] == pytest.approx((2 * share / (1 + share), 1))
    nothing = ObjectCounts(0, 0, 0, 0)
    assert all(
        math.isnan(limit)
        for interval in object_intervals([Units.of_matches(nothing)], nothing).values()
        for limit in interval
    )


@given(st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=4))
def test_each_scene_keeps_its_number_of_units(scenes: list[tuple[int, int, int]]) -> None:
    units = [Units.of_matches(ObjectCounts(m + missed, m + false, m, m)) for m, missed, false in scenes]
    labelled, predicted, matched, _ = resample(units).T
    assert (labelled + predicted - matched == sum(map(sum, scenes))).all()


def test_units_of_ships_that_touch_are_whole_sets() -> None:
    labels = [shapely.box(0, 0, 4, 2), shapely.box(5, 0, 9, 2), shapely.box(20, 0, 22, 2)]
    predicted = [shapely.box(0, 0, 9, 2), shapely.box(30, 0, 32, 2), shapely.box(40, 0, 42, 2)]
    comparison = compare(predicted, labels, ignored=shapely.box(39, 0, 43, 2))
    units = comparison.touched_units()
    assert dict(zip(map(tuple, units.values.tolist()), units.number.tolist(), strict=True)) == {
        (2, 1, 2, 1): 1, (1, 0, 0, 0): 1, (0, 1, 0, 0): 1,
    }  # fmt: skip
    assert (comparison.touched_units(ignore=False).number @ comparison.touched_units(ignore=False).values).tolist() == [
        3, 3, 2, 1,
    ]  # fmt: skip


def test_a_comparison_of_some_predicted_ships_is_that_of_them_alone() -> None:
    labels = [shapely.box(0, 0, 4, 2), shapely.box(20, 0, 22, 2)]
    predicted = [shapely.box(0, 0, 3, 2), shapely.box(0, 0, 4, 2), shapely.box(20, 0, 22, 2), shapely.box(50, 0, 51, 1)]
    ignored = shapely.box(49, 0, 52, 2)
    some = compare(predicted, labels, ignored).with_predicted(np.array([True, False, True, True]))
    alone = compare([predicted[index] for index in (0, 2, 3)], labels, ignored)
    for ignore in (True, False):
        assert some.one_to_one(0.3, ignore=ignore) == alone.one_to_one(0.3, ignore=ignore)
    assert some.false_positives(0.3) == alone.false_positives(0.3) == []
    assert compare(predicted, labels, ignored).one_to_one(0.3).predicted == 3


def test_blocks_sum_to_the_counts_of_the_scene_whatever_the_row_bands() -> None:
    random = np.random.default_rng(0)
    scores = random.random((37, 50)).astype(np.float32)
    labels = random.choice(np.array([BACKGROUND, SHIP, IGNORED], np.uint8), scores.shape)
    valid = random.random(scores.shape) > 0.1
    blocks, whole = BlockCounts(scores.shape, 10, 0.6), ScoreCounts.none((0.6,))
    for start in range(0, 37, 7):
        rows = slice(start, start + 7)
        blocks.feed(start, scores[rows], valid[rows], labels[rows])
        whole.feed(scores[rows], valid[rows], labels[rows])
    assert blocks.counts.shape == (4 * 5, 4)
    for ignore in (True, False):
        units, expected = blocks.units(ignore=ignore), whole.at(0.6, ignore=ignore)
        assert units.number.sum() == 20
        assert (units.number @ units.values).tolist() == [
            expected.true_positives, expected.false_positives, expected.false_negatives,
        ]  # fmt: skip
    corner = (scores >= np.float32(0.6)) & (labels == SHIP) & valid
    assert blocks.counts[7, 0] == corner[10:20, 20:30].sum()


def test_pixel_intervals_need_several_blocks_with_ships() -> None:
    rows = np.array([[6, 2, 2]] * 4 + [[0, 0, 0]] * 100)
    assert all(math.isnan(low) for low, _ in pixel_intervals([Units.of(rows)]).values())
    rows = np.array([[6, 2, 2], [3, 1, 6], [8, 0, 1], [1, 5, 0], [9, 1, 0], [4, 4, 4]] + [[0, 0, 0]] * 100)
    intervals = pixel_intervals([Units.of(rows)])
    hit, false, missed = rows.sum(axis=0)
    for name, value in {
        "iou": hit / (hit + false + missed), "dice": 2 * hit / (2 * hit + false + missed),
        "precision": hit / (hit + false), "recall": hit / (hit + missed),
    }.items():  # fmt: skip
        assert intervals[name][0] < value < intervals[name][1]
