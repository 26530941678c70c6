"""When the bands saw a place: by the angles of a product, published, or as given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from defusedxml.ElementTree import fromstring
from granule_xml import granule_xml
from pyproj import CRS
from safe_products import PRODUCT, write_product

from geoships.errors import GeoshipsError, SceneError
from geoships.motion.angles import ground_velocity, read_angles
from geoships.motion.delays import PUBLISHED, parse_delays
from geoships.motion.settings import MotionSettings
from geoships.motion.times import NO_DELAYS, TWO_DETECTORS, BandTimes

ODD = {"blue": 0.0, "nir": 0.26, "green": 0.52, "red": 1.0}
EVEN = {band: -seconds for band, seconds in ODD.items()}
UTM31 = CRS.from_epsg(32631)
DETECTORS = {3: (range(3), ODD), 4: (range(2, 6), EVEN)}


@pytest.fixture
def product(tmp_path: Path) -> Path:
    bands = {f"{name}_10m": np.full((64, 64), 500, "uint16") for name in ("B02", "B03", "B04", "B08")}
    root = write_product(tmp_path, bands)
    next(root.glob("GRANULE/*/MTD_TL.xml")).write_text(granule_xml(DETECTORS))
    return root


def test_the_angles_tell_times_and_their_order_on_every_detector() -> None:
    angles = read_angles(fromstring(granule_xml(DETECTORS)))
    for x, expected in ((501_000, ODD), (523_000, EVEN)):
        delays = angles.delays(x, 3_990_000)
        assert delays is not None
        assert delays.signed
        assert delays.seconds == pytest.approx(expected, rel=0.02, abs=1e-6)


def test_where_two_detectors_meet_nothing_is_guessed() -> None:
    angles = read_angles(fromstring(granule_xml(DETECTORS)))
    assert angles.detectors_near("blue", 511_000, 3_990_000) == [3, 4]
    assert angles.delays(511_000, 3_990_000) is None
    known = angles.delays(511_000, 3_990_000, lambda *_: 4)
    assert known is not None
    assert known.seconds["red"] == pytest.approx(-1.0, rel=0.02)


def test_an_ascending_pass_turns_the_order() -> None:
    descending = read_angles(fromstring(granule_xml(DETECTORS)), True).delays(501_000, 3_990_000)
    ascending = read_angles(fromstring(granule_xml(DETECTORS)), False).delays(501_000, 3_990_000)
    assert descending is not None
    assert ascending is not None
    assert np.sign(descending.seconds["red"]) == -np.sign(ascending.seconds["red"])


def test_the_satellite_flies_west_of_south_at_the_speed_of_its_orbit() -> None:
    east, north = ground_velocity(40.0)
    assert np.hypot(east, north) == pytest.approx(6_720, rel=0.01)
    assert np.degrees(np.arctan2(east, north)) % 360 == pytest.approx(194, abs=1)


def test_a_product_is_asked_for_its_detectors(product: Path) -> None:
    with BandTimes(str(product), MotionSettings()) as times:
        assert times.at(511_000, 3_990_000, UTM31) == TWO_DETECTORS
    folder = next(product.glob("GRANULE/*")) / "QI_DATA"
    folder.mkdir()
    for name in ("B02", "B03", "B04", "B08"):
        with rasterio.open(
            folder / f"MSK_DETFOO_{name}.jp2", "w", driver="JP2OpenJPEG", width=300, height=300, count=1, dtype="uint8",
            crs=UTM31, transform=Affine(100, 0, 500_000, 0, -100, 4_000_000), QUALITY="100", REVERSIBLE="YES",
        ) as dataset:  # fmt: skip
            dataset.write(np.full((300, 300), 4, "uint8"), 1)
    with BandTimes(str(product), MotionSettings()) as times:
        delays = times.at(511_000, 3_990_000, UTM31)
        assert not isinstance(delays, str)
        assert delays.seconds["red"] == pytest.approx(-1.0, rel=0.02)
        assert times.source == "viewing angles of the product"


def test_metadata_alone_serve_a_scene_in_another_crs(tmp_path: Path) -> None:
    (tmp_path / "MTD_TL.xml").write_text(granule_xml(DETECTORS))
    settings = MotionSettings(metadata=tmp_path / "MTD_TL.xml")
    with BandTimes("any.tif", settings) as times:
        delays = times.at(3.01, 36.05, CRS.from_epsg(4326))
        assert not isinstance(delays, str)
        assert delays.seconds["red"] == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("text", ["<a/>", "no xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_other_metadata_are_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "MTD_TL.xml").write_text(text)
    with pytest.raises(SceneError) as error:
        BandTimes("any.tif", MotionSettings(metadata=tmp_path / "MTD_TL.xml"))
    assert "MTD_TL.xml" in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_metadata_are_told(tmp_path: Path) -> None:
    with pytest.raises(SceneError, match="cannot be read"):
        BandTimes("any.tif", MotionSettings(metadata=tmp_path / "none.xml"))


@pytest.mark.parametrize(
    ("name", "known"),
    [(f"{PRODUCT}.tif", True), ("x/T31TCJ_20230101T105421_B02.jp2", True), ("S2A_31TCJ_20230101_0_L2A.json", True),
     ("mosaic.tif", False), ("S2_mosaic_2023.tif", False)],
)  # fmt: skip
def test_names_of_one_pass_have_the_published_delays_without_an_order(name: str, known: bool) -> None:
    with BandTimes(name, MotionSettings()) as times:
        delays = times.at(0, 0, None)
    if known:
        assert not isinstance(delays, str)
        assert not delays.signed
        assert delays.seconds == PUBLISHED
    else:
        assert delays == NO_DELAYS


@pytest.mark.parametrize(
    "text", ["", "blue=0", "blue=0,red=0", "blue=0,red=x", "blue=0,ultraviolet=1", "blue=0,red=inf"]
)
def test_wrong_delays_are_one_line(text: str) -> None:
    with pytest.raises(GeoshipsError, match="delays") as error:
        parse_delays(text)
    assert "\n" not in str(error.value)


def test_delays_and_metadata_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(GeoshipsError, match="not both"):
        MotionSettings(delays="sentinel-2", metadata=tmp_path)
    with pytest.raises(GeoshipsError, match="registration"):
        MotionSettings(registration=-1)
    with pytest.raises(GeoshipsError, match="aircraft"):
        MotionSettings(aircraft="shoot")  # type: ignore[arg-type]
