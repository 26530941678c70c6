from __future__ import annotations

import numpy as np
import pytest
import rasterio

from geoships.errors import SceneError
from geoships.scene.bands import BandDescription, choose_bands, describe_bands

FIVE = ("blue", "green", "red", "nir", "swir16")
THREE = ("blue", "green", "red")


def named(*descriptions: str) -> list[BandDescription]:
    return [BandDescription(index, text) for index, text in enumerate(descriptions, start=1)]


def colored(*colors: str) -> list[BandDescription]:
    return [BandDescription(index, color=color) for index, color in enumerate(colors, start=1)]


@pytest.mark.parametrize(
    ("descriptions", "indexes"),
    [
        (("B02", "B03", "B04", "B08", "B11"), (1, 2, 3, 4, 5)),
        (("b11", "b8", "b4", "b3", "b2"), (5, 4, 3, 2, 1)),
        (("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"), (2, 3, 4, 8, 11)),
        (("band_11", "band_8", "band_4", "band_3", "band_2"), (5, 4, 3, 2, 1)),
        (("blue", "green", "red", "nir", "swir16"), (1, 2, 3, 4, 5)),
        (("Red (665 nm)", "Green (560 nm)", "Blue (490 nm)", "Near-infrared (842 nm)", "SWIR 1"), (3, 2, 1, 4, 5)),
        (("B2, central wavelength 490 nm", "B3 x", "B4 x", "B8 x", "B11 x"), (1, 2, 3, 4, 5)),
        (("Sentinel-2 B02", "Red Edge 1", "B03", "B04", "B08", "B11"), (1, 3, 4, 5, 6)),
        (("B8A", "B11", "B02", "B03", "B04", "B08"), (3, 4, 5, 6, 2)),
    ],
)
def test_by_description(descriptions, indexes):
    choice = choose_bands(FIVE, named(*descriptions))
    assert choice.indexes == indexes
    assert choice.warning is None
    assert not choice.assumed


def test_the_summary_names_bands_and_labels():
    assert choose_bands(("blue", "nir"), named("B08", "B02")).summary == "blue=2 (B02), nir=1 (B08)"


def test_by_tags():
    bands = [BandDescription(1, common_name="red"), BandDescription(2, band_name="B02"), BandDescription(3, "B03")]
    assert choose_bands(THREE, bands).indexes == (2, 3, 1)


def test_by_color_and_alpha_is_ignored():
    assert choose_bands(THREE, colored("red", "green", "blue", "alpha")).indexes == (3, 2, 1)
    assert choose_bands(THREE, colored("undefined", "undefined", "undefined", "alpha")).indexes == (1, 2, 3)


def test_names_win_over_colors():
    bands = [
        BandDescription(1, "B02", color="red"),
        BandDescription(2, "B03", color="green"),
        BandDescription(3, "B04"),
    ]
    assert choose_bands(THREE, bands).indexes == (1, 2, 3)


@pytest.mark.parametrize("bands", [named("", "", ""), named("Band 1", "Band 2", "Band 3"), named("B1", "B2", "B3")])
def test_bands_without_names_are_taken_in_order_with_a_warning(bands):
    choice = choose_bands(THREE, bands)
    assert choice.indexes == (1, 2, 3)
    assert choice.assumed
    assert choice.warning is not None and "--bands" in choice.warning


def test_landsat_names_are_used_only_where_they_are_unambiguous():
    oli = named(*(f"SR_B{number}" for number in range(1, 8)))
    choice = choose_bands(FIVE, oli)
    assert choice.indexes == (2, 3, 4, 5, 6)
    assert choice.warning is not None and "nir08" in choice.warning
    with pytest.raises(SceneError, match="--bands"):
        choose_bands(THREE, named("SR_B2", "SR_B3", "SR_B4"))


@pytest.mark.parametrize(
    "bands",
    [
        named("B02", "B03", "B04", "B08"),
        named("", "", ""),
        colored("red", "green", "blue", "undefined", "undefined"),
        named("one", "two", "three", "four", "five"),
        named("B02", "B03", "B04", "B08", "red edge"),
    ],
)
def test_a_missing_band_is_an_error_that_names_the_option(bands):
    with pytest.raises(SceneError, match="the model needs") as caught:
        choose_bands(FIVE, bands)
    assert "--bands" in str(caught.value)


def test_two_bands_of_one_name_are_an_error():
    with pytest.raises(SceneError, match="bands 1, 2 of the scene all have this name"):
        choose_bands(("blue",), named("B02", "blue"))


def test_the_user_may_choose_bands_by_number_or_name():
    bands = named("B02", "B03", "B04")
    assert choose_bands(THREE, bands, [3, 2, 1]).indexes == (3, 2, 1)
    assert choose_bands(THREE, bands, ["3", "b03", "blue"]).indexes == (3, 2, 1)
    assert choose_bands(THREE, bands, [1, 1, 1]).indexes == (1, 1, 1)


@pytest.mark.parametrize("override", [[1, 2], [1, 2, 4], [0, 1, 2], ["B02", "B03", "none"]])
def test_an_invalid_choice_is_an_error(override):
    with pytest.raises(SceneError, match="--bands"):
        choose_bands(THREE, named("B02", "B03", "B04"), override)


def test_describe_bands(write):
    path = write("a.tif", np.zeros((4, 4, 4), np.uint8), photometric="RGB", alpha="YES")
    with rasterio.open(path, "r+") as dataset:
        dataset.set_band_description(1, "B04")
        dataset.update_tags(2, common_name="green", BAND_NAME="B03")
    with rasterio.open(path) as dataset:
        first, second, _, fourth = describe_bands(dataset)
    assert first == BandDescription(1, "B04", color="red")
    assert (second.common_name, second.band_name) == ("green", "B03")
    assert fourth.color == "alpha"


def test_bands_of_real_scenes(shared_data):
    for path in sorted((shared_data / "sen2ships" / "images").glob("*.tif")):
        with rasterio.open(path) as dataset:
            assert choose_bands(FIVE, describe_bands(dataset)).indexes == (1, 2, 3, 4, 5)
