import numpy as np
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from geoships.metrics.comparison import compare
from geoships.metrics.matching import mostly_within, overlaps

coordinate = st.integers(0, 12)
boxes = st.lists(
    st.builds(lambda x, y, w, h: shapely.box(x, y, x + w, y + h), coordinate, coordinate, *[st.integers(1, 8)] * 2),
    max_size=8,
)
levels = st.sampled_from([0.0, 0.1, 0.3, 0.5])


def dense(found: list[shapely.Polygon], true: list[shapely.Polygon]) -> np.ndarray:
    return np.array([[a.intersection(b).area / a.union(b).area for b in true] for a in found]).reshape(
        len(found), len(true)
    )


@settings(deadline=None, max_examples=60)
@given(boxes, boxes, levels)
def test_no_ship_matches_twice_and_the_total_is_that_of_the_whole_assignment(found, true, level) -> None:
    matched = overlaps(found, true).one_to_one(level)
    assert len(set(matched.predicted)) == len(set(matched.labelled)) == len(matched.iou)
    iou = dense(found, true)
    np.testing.assert_allclose(iou[matched.predicted, matched.labelled], matched.iou)
    able = np.where(iou >= max(level, 1e-12), iou, 0)
    assert np.isclose(matched.iou.sum(), able[linear_sum_assignment(able, maximize=True)].sum())
    assert (matched.iou >= level).all()


@settings(deadline=None, max_examples=60)
@given(boxes, boxes, levels)
def test_f1_is_the_same_the_other_way_round(found, true, level) -> None:
    one, other = compare(found, true).one_to_one(level), compare(true, found).one_to_one(level)
    assert one.f1 == other.f1
    np.testing.assert_equal((one.precision, one.recall), (other.recall, other.precision))


def test_one_found_ship_over_two_labels_is_one_hit_and_touches_both() -> None:
    found = [shapely.box(0, 0, 10, 2)]
    true = [shapely.box(0, 0, 4, 2), shapely.box(5, 0, 10, 2)]
    comparison = compare(found, true)
    assert comparison.touched().matched_labels == 2
    assert comparison.one_to_one(0.3).matched_labels == 1
    assert comparison.missed(0.3) == [0]
    assert comparison.one_to_one(0.5).matched_labels == 1  # at an IoU of just 0.5
    assert comparison.one_to_one(0.6).matched_labels == 0


def test_the_best_total_is_not_the_best_pair_first() -> None:
    true = [shapely.box(0, 0, 10, 1), shapely.box(10, 0, 14, 1)]
    found = [shapely.box(1, 0, 12, 1), shapely.box(0, 0, 7, 1)]
    matched = overlaps(found, true).one_to_one(0.1)
    assert set(zip(matched.predicted.tolist(), matched.labelled.tolist(), strict=True)) == {(0, 1), (1, 0)}


def test_ships_in_ignored_parts_count_neither_way_unless_they_match() -> None:
    true = [shapely.box(0, 0, 4, 4)]
    found = [shapely.box(0, 0, 4, 4), shapely.box(20, 0, 24, 4), shapely.box(30, 0, 34, 4), shapely.box(40, 0, 44, 4)]
    ignored = shapely.union_all(
        [shapely.box(-1, -1, 5, 5), shapely.box(22, 0, 26, 4), shapely.box(31, 0, 32, 4), shapely.box(31, 0, 32, 4)]
    )
    assert mostly_within(found, ignored).tolist() == [True, True, False, False]
    comparison = compare(found, true, ignored)
    counts = comparison.one_to_one(0.3)
    assert (counts.labelled, counts.predicted, counts.matched_labels, counts.matched_predictions) == (1, 3, 1, 1)
    assert comparison.touched() == counts
    assert comparison.one_to_one(0.3, ignore=False).predicted == 4
    assert comparison.false_positives(0.3) == [2, 3]


def test_nothing_found_or_nothing_labelled_matches_nothing() -> None:
    box = [shapely.box(0, 0, 1, 1)]
    for found, true in (([], box), (box, []), ([], [])):
        assert overlaps(found, true).one_to_one(0.1).iou.size == 0
        assert compare(found, true, box[0]).touched().matched_labels == 0
