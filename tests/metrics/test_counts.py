import math

import numpy as np
import shapely

from geoships.metrics.counts import ObjectCounts, PixelCounts, average_precision, count_pixels, match_objects


def test_pixels() -> None:
    found, true = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    found[:2], true[1:3] = True, True
    counts = count_pixels(found, true)
    assert (counts.true_positives, counts.false_positives, counts.false_negatives) == (4, 4, 4)
    assert counts.iou == 1 / 3
    assert counts.dice == 0.5
    assert (counts + counts).iou == counts.iou
    assert math.isnan(count_pixels(~found & found, true & ~true).iou)


def test_ships_that_overlap_match_and_neighbours_do_not() -> None:
    true = [shapely.box(0, 0, 2, 2), shapely.box(10, 0, 12, 2), shapely.box(20, 0, 22, 2)]
    found = [shapely.box(1, 0, 3, 2), shapely.box(12, 0, 14, 2)]
    counts = match_objects(found, true)
    assert counts == ObjectCounts(labelled=3, predicted=2, matched_labels=1, matched_predictions=1)
    assert counts.recall == 1 / 3
    assert counts.precision == 0.5
    assert counts.f1 == 0.4
    assert match_objects(found, true, min_iou=0.3).matched_labels == 1
    assert match_objects(found, true, min_iou=0.4).matched_labels == 0


def test_nothing_found_and_nothing_labelled() -> None:
    box = [shapely.box(0, 0, 1, 1)]
    assert match_objects([], box) == ObjectCounts(1, 0, 0, 0)
    assert match_objects(box, []).precision == 0
    assert math.isnan(match_objects([], []).recall)
    assert match_objects([], []).f1 == 0


def test_average_precision_is_the_area_under_the_best_precision_of_each_recall() -> None:
    assert average_precision([(0.5, 1.0), (1.0, 0.5), (0.25, 0.5)]) == 0.75
    assert average_precision([(0.5, 0.2), (0.5, 0.6), (math.nan, 1.0), (0.0, math.nan)]) == 0.3
    assert average_precision([]) == 0


def test_pixel_precision_and_recall() -> None:
    counts = PixelCounts(true_positives=6, false_positives=2, false_negatives=4)
    assert (counts.precision, counts.recall) == (0.75, 0.6)
    assert math.isnan(PixelCounts(0, 0, 3).precision)
    assert math.isnan(PixelCounts(0, 3, 0).recall)
