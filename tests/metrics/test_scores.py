import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.special import expit, logit
from sklearn.metrics import brier_score_loss, log_loss
from torchmetrics.functional.classification import binary_calibration_error

from geoships.metrics.calibration import calibration, fit_temperature, tempered
from geoships.metrics.counts import count_pixels
from geoships.metrics.scores import STEPS, ScoreCounts
from geoships.scene.layers.labels import IGNORED, SHIP

THRESHOLDS = (0.1, 0.3, 0.7, 0.9)
shape = (3, 7)


def counted(scores: np.ndarray, ship: np.ndarray) -> ScoreCounts:
    counts = ScoreCounts.none(THRESHOLDS)
    counts.feed(scores.astype(np.float32), np.ones(scores.shape, bool), np.where(ship, SHIP, 0).astype(np.uint8))
    return counts


def random_pixels(temperature: float = 1.0, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose logits are whole steps, and labels that are true to the scores at a temperature."""
    generator = np.random.default_rng(5)
    logits = np.rint(generator.normal(-1, 2, count) * STEPS) / STEPS
    return expit(logits), generator.random(count) < expit(logits / temperature)


@settings(deadline=None, max_examples=60)
@given(
    arrays.arrays(np.float32, shape, elements=st.sampled_from([0.0, 0.1, 0.3, 0.31, 0.7, 0.8, 1.0]).map(np.float32)),
    arrays.arrays(np.bool_, shape),
    arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, SHIP, IGNORED])),
)
def test_masks_are_those_of_every_threshold_to_the_pixel(scores, valid, labels) -> None:
    counts = ScoreCounts.none(THRESHOLDS)
    for row in range(len(scores)):
        counts.feed(scores[row : row + 1], valid[row : row + 1], labels[row : row + 1])
    for threshold in THRESHOLDS:
        found, true = (scores >= np.float32(threshold)), labels == SHIP
        known = valid & (labels != IGNORED)
        assert counts.at(threshold) == count_pixels(found & known, true & known)
        assert counts.at(threshold, ignore=False) == count_pixels(found & valid, true & valid)
    assert counts.pixels.count.sum() == (valid & (labels != IGNORED)).sum()
    assert (counts + counts).at(0.3).true_positives == 2 * counts.at(0.3).true_positives


def test_calibration_is_that_of_trusted_libraries() -> None:
    scores, ship = random_pixels(temperature=3)
    found = calibration(counted(scores, ship).pixels)
    expected = binary_calibration_error(torch.tensor(scores), torch.tensor(ship).int(), n_bins=10, norm="l1")
    assert found.ece == pytest.approx(float(expected), abs=1e-6)
    assert found.brier == pytest.approx(brier_score_loss(ship, scores))
    assert found.log_loss == pytest.approx(log_loss(ship, scores))
    middle = (scores >= 0.5) & (scores < 0.6)
    assert found.bins[5].pixels == middle.sum()
    assert found.bins[5].score == pytest.approx(scores[middle].mean())
    assert found.bins[5].ship == pytest.approx(ship[middle].mean())


def test_the_temperature_of_scores_is_found_and_mends_them() -> None:
    scores, ship = random_pixels(temperature=2.5)
    pixels = counted(scores, ship).pixels
    temperature = fit_temperature(pixels)
    assert temperature == pytest.approx(2.5, rel=0.05)
    mended = tempered(pixels, temperature)
    np.testing.assert_allclose(logit(mended.scores), pixels.logits / temperature, atol=1e-9)
    assert calibration(mended).ece < 0.2 * calibration(pixels).ece
    assert fit_temperature(mended) == pytest.approx(1, abs=1e-3)


def test_scores_of_zero_and_one_have_finite_logits() -> None:
    pixels = counted(np.array([0.0, 1.0, 0.0, 1.0]), np.array([True, True, False, False])).pixels
    assert np.isfinite(pixels.logits).all()
    assert np.isfinite(calibration(pixels).log_loss)
