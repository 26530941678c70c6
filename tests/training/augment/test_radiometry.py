import numpy as np
import pytest

from geoships.config.augment import BandDropout
from geoships.training.augment.radiometry import drop_bands

BANDS = ("blue", "green", "red", "nir")


def kept(step: BandDropout, absent: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Which bands are left in many tries."""
    rng = np.random.default_rng(1)
    image = np.ones((4, 3, 3), np.float32)
    image[np.isin(BANDS, absent)] = np.nan
    results = [drop_bands(image, step, BANDS, rng) for _ in range(300)]
    assert np.isfinite(image).all(axis=(1, 2)).sum() == 4 - len(absent)  # the crop itself is left alone
    return {tuple(name for name, band in zip(BANDS, result, strict=True) if (band == 1).all()) for result in results}


def test_some_bands_are_taken_away_and_one_stays() -> None:
    assert {len(bands) for bands in kept(BandDropout(most=4))} == {1, 2, 3}
    assert kept(BandDropout(most=4), absent=BANDS[:3]) == {("nir",)}


def test_kept_bands_stay() -> None:
    assert all("green" in bands for bands in kept(BandDropout(most=4, keep=("green",))))


def test_half_the_crops_look_like_another_sensor() -> None:
    step = BandDropout(most=1, subsets=(("blue", "green", "red"), ("green", "nir")))
    assert {len(bands) for bands in kept(step)} == {2, 3}
    assert ("green", "nir") in kept(step)
    assert all("nir" in bands for bands in kept(step, absent=("red", "blue", "green")))


def test_a_subset_is_never_empty() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        BandDropout(subsets=((),))
