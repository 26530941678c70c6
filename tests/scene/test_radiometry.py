from __future__ import annotations

import numpy as np
import pytest
import rasterio

from geoships.errors import SceneError
from geoships.scene.radiometry import PRESETS, Radiometry, choose_radiometry

S2 = {"BOA_QUANTIFICATION_VALUE": "10000", "PROCESSING_BASELINE": "04.00"}


def never():
    raise AssertionError("the sample is not needed")


def sample_of(value):
    return lambda: np.full(1000, value)


def one(dtype="uint16", scale=1.0, offset=0.0, tags=None, **options):
    found = choose_radiometry(dtype, [scale], [offset], tags or {}, **options)
    return found.scale[0], found.offset[0], found


def test_the_order_option_preset_file_metadata_rule():
    assert one(scale=0.5, tags=S2, sample=never, sensor=None)[:2] == (0.5, 0.0)
    found = choose_radiometry("uint16", [0.5], [0.1], S2, scale=2.0, offset=1.0, sample=never)
    assert (found.scale, found.offset) == ((2.0,), (1.0,))
    assert "option" in found.origin
    found = choose_radiometry("uint16", [0.5], [0.1], S2, sensor="reflectance", sample=never)
    assert (found.scale, found.origin) == ((1.0,), "preset reflectance")
    found = choose_radiometry("uint16", [0.5, 0.25], [0.1, 0.0], S2, sample=never)
    assert (found.scale, found.offset) == ((0.5, 0.25), (0.1, 0.0))
    found = choose_radiometry("uint16", [1.0], [0.0], S2, sample=never)
    assert (found.scale, found.offset, found.warning) == ((1e-4,), (-0.1,), None)
    assert choose_radiometry("uint16", [1.0], [0.0], {}, sample=sample_of(3000)).warning is not None


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"QUANTIFICATION_VALUE": "10000", "PROCESSING_BASELINE": "02.04"}, (1e-4, 0.0)),
        ({"QUANTIFICATION_VALUE": "10000", "PROCESSING_BASELINE": "05.11"}, (1e-4, -0.1)),
        ({"quantification_value": "10000 none", "processing_baseline": "N0510"}, (1e-4, -0.1)),
        ({"BOA_QUANTIFICATION_VALUE": "10000", "BOA_ADD_OFFSET": "-1000"}, (1e-4, -0.1)),
        ({"QUANTIFICATION_VALUE": "10000", "RADIO_ADD_OFFSET": "0", "PROCESSING_BASELINE": "05.00"}, (1e-4, 0.0)),
    ],
)
def test_sensor_metadata(tags, expected):
    scale, offset, found = one(tags=tags, sample=never)
    assert (scale, offset) == pytest.approx(expected)
    assert "metadata" in found.origin
    assert found.warning is None


def test_metadata_without_a_baseline_warn():
    _, offset, found = one(tags={"QUANTIFICATION_VALUE": "10000"}, sample=never)
    assert offset == 0.0
    assert found.warning is not None


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float32", 1.2, 1.0),
        ("float64", 3000.0, 1e-4),
        ("float32", np.nan, 1.0),
        ("uint16", 16_000, 1e-4),
        ("uint16", 16_001, 1 / 65535),
    ],
)
def test_rules_that_need_a_sample(dtype, value, expected):
    scale, _, found = one(dtype, sample=sample_of(value))
    assert scale == pytest.approx(expected)
    assert found.warning is not None and "--sensor" in found.warning


@pytest.mark.parametrize(
    ("dtype", "expected"), [("uint8", 1 / 255), ("int16", 1e-4), ("int32", 1e-4), ("uint32", 1e-4)]
)
def test_rules_that_need_none(dtype, expected):
    assert one(dtype, sample=never)[0] == pytest.approx(expected)


def test_a_rare_bright_pixel_does_not_change_the_rule():
    values = np.full(100_000, 900, np.uint16)
    values[:50] = 65535
    assert one(sample=lambda: values)[0] == pytest.approx(1e-4)


def test_every_preset_is_known_and_an_unknown_one_lists_them():
    for name, (scale, offset) in PRESETS.items():
        assert one(sensor=name)[:2] == (scale, offset)
    with pytest.raises(SceneError, match="landsat-c2-l2"):
        one(sensor="sputnik")


@pytest.mark.parametrize(
    "options", [{"offset": 1.0}, {"scale": 0.0}, {"scale": float("nan")}, {"scale": 1.0, "sensor": "uint8"}]
)
def test_options_that_make_no_sense(options):
    with pytest.raises(SceneError, match="--scale"):
        choose_radiometry("uint16", [1.0], [0.0], {}, **options)


def test_apply_works_band_by_band_and_leaves_its_input_alone():
    dn = np.array([[[0, 1000]], [[0, 1000]]], np.uint16)
    reflectance = Radiometry((1e-4, 1e-3), (-0.1, 0.0), "test").apply(dn)
    assert reflectance.dtype == np.float32
    np.testing.assert_allclose(reflectance, [[[-0.1, 0.0]], [[0.0, 1.0]]], atol=1e-7)
    assert dn[0, 0, 1] == 1000
    floats = np.ones((2, 1, 1), np.float32)
    Radiometry((2.0, 2.0), (0.0, 0.0), "test").apply(floats)
    assert (floats == 1).all()


def test_real_cities_are_known_for_full_range(shared_data):
    paths = sorted((shared_data / "sen2ships" / "images").glob("*.tif"))
    assert paths
    for path in paths:
        with rasterio.open(path) as dataset:
            sample = dataset.read()[:, ::3, ::3]
            found = choose_radiometry(
                dataset.dtypes[0], dataset.scales, dataset.offsets, dataset.tags(), sample=lambda s=sample: s
            )
        assert found.scale[0] == pytest.approx(1 / 65535), path.name
