"""Rasters come back pixel by pixel, on the grid of their scene, as valid COGs."""

import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.control import GroundControlPoint
from rasterio.errors import NotGeoreferencedWarning
from rio_cogeo import cog_validate

from geoships.errors import OutputError
from geoships.output.classes import SHIP_COLOUR
from geoships.output.raster import MaskSink, ScoreSink
from geoships.output.stitch import RowBand
from geoships.scene.georeference import Georeference

UTM = CRS(32630)
CONTROL = tuple(
    GroundControlPoint(row=row, col=column, x=1 + column / 100 + row / 1000, y=50 - row / 100, z=7)
    for row, column in ((0, 0), (0, 90), (70, 0), (70, 90.5))
)
PLACES = {
    "north-up": {"transform": Affine(10.1, 0, 500000.3, 0, -10.1, 6000000.7), "crs": UTM},
    "rotated": {"transform": Affine(8.1, 6.2, 500000, 6.3, -8.4, 6000000), "crs": UTM},
    "south-up": {"transform": Affine(10, 0, 500000, 0, 10, 6000000), "crs": UTM},
    "control points": {"gcps": CONTROL, "crs": CRS(4326)},
    "control points without CRS": {"gcps": CONTROL},
    "transform without CRS": {"transform": Affine(2, 0, 5, 0, -2, 6)},
    "nowhere": {},
}


def bands(scores, valid, heights):
    row = 0
    while row < len(scores):
        for height in heights:
            if row < len(scores):
                yield RowBand(row, scores[row : row + height], valid[row : row + height])
                row += height


def random_scene(shape, seed=0):
    rng = np.random.default_rng(seed)
    valid = rng.random(shape) > 0.2
    return np.where(valid, rng.random(shape), 0).astype(np.float32), valid


def stream(sink, scores, valid, heights=(300,)):
    with sink:
        for band in bands(scores, valid, heights):
            sink.write(band)


@contextmanager
def reading(path):
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        assert cog_validate(path, strict=True) == (True, [], [])
        with rasterio.open(path) as dataset:
            yield dataset, dataset.read(1)


@pytest.mark.parametrize("shape", [(1, 1), (700, 900)])
@pytest.mark.parametrize("place", PLACES)
def test_the_place_of_the_scene_is_kept(tmp_path, place, shape):
    georeference = Georeference(*shape, **PLACES[place])
    stream(MaskSink(tmp_path / "m.tif", georeference, 0.5), *random_scene(shape))
    with reading(tmp_path / "m.tif") as (dataset, _):
        overviews, (points, points_crs) = dataset.overviews(1), dataset.gcps
    assert dataset.shape == shape
    assert dataset.transform == (georeference.transform or Affine.identity())
    assert [(p.row, p.col, p.x, p.y, p.z) for p in points] == [(p.row, p.col, p.x, p.y, p.z) for p in georeference.gcps]
    crs = points_crs if georeference.gcps else dataset.crs
    assert (None if crs is None else CRS.from_user_input(crs)) == georeference.crs
    assert bool(overviews) == (max(shape) > 512)


def test_mask_file(tmp_path):
    scores, valid = random_scene((600, 40))
    scores[0], valid[0] = 0.5, True  # from the threshold on a pixel is ship
    sink = MaskSink(tmp_path / "m.tif", Georeference(600, 40, **PLACES["north-up"]), 0.5, {"GEOSHIPS_MODEL": "m1"})
    stream(sink, scores, valid)
    with reading(tmp_path / "m.tif") as (dataset, values):
        assert (values == np.where(valid, scores >= 0.5, 255)).all()
        assert (dataset.dtypes, dataset.nodata, dataset.descriptions) == (("uint8",), 255, ("ship",))
        assert dataset.tags()["GEOSHIPS_MODEL"] == "m1"
        assert dataset.colormap(1)[1][:3] == SHIP_COLOUR
    with rasterio.open(tmp_path / "m.tif", overview_level=0) as overview:
        assert set(np.unique(overview.read(1))) <= {0, 1, 255}


def test_score_file_shows_0_to_1(tmp_path):
    scores, valid = random_scene((600, 40))
    scores[0, :2], valid[0, :2] = (0, 1), True
    stream(ScoreSink(tmp_path / "s.tif", Georeference(600, 40, **PLACES["north-up"])), scores, valid)
    with reading(tmp_path / "s.tif") as (dataset, values):
        shown = values * dataset.scales[0] + dataset.offsets[0]
    assert ((values == 255) == ~valid).all()
    assert np.abs(shown - scores)[valid].max() <= 1 / 508 + 1e-6
    assert shown[0, :2].tolist() == [0, 1]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.tuples(st.integers(1, 1100), st.integers(8, 40)),
    heights=st.lists(st.integers(1, 700), min_size=1, max_size=4),
    seed=st.integers(0, 99),
)
def test_bands_of_any_height(tmp_path, shape, heights, seed):
    scores, valid = random_scene(shape, seed)
    stream(ScoreSink(tmp_path / "s.tif", Georeference(*shape)), scores, valid, heights)
    with reading(tmp_path / "s.tif") as (_, values):
        assert (values == np.where(valid, np.rint(scores * np.float32(254)), 255)).all()


def test_a_scene_without_data(tmp_path):
    nothing = np.zeros((520, 520), np.float32)
    stream(MaskSink(tmp_path / "m.tif", Georeference(520, 520), 0.5), nothing, nothing > 0)
    with reading(tmp_path / "m.tif") as (_, values):
        assert (values == 255).all()


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_nothing_is_left_after_an_error(tmp_path, error):
    scores, valid = random_scene((600, 10))
    with pytest.raises(error), MaskSink(tmp_path / "m.tif", Georeference(600, 10), 0.5) as sink:
        sink.write(RowBand(0, scores, valid))
        raise error
    assert not list(tmp_path.iterdir())


def test_an_unfinished_scene_does_not_appear(tmp_path):
    scores, valid = random_scene((600, 10))
    with pytest.raises(OutputError, match="only 599 of 600"):
        stream(MaskSink(tmp_path / "m.tif", Georeference(600, 10), 0.5), scores[:599], valid[:599])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("row", "shape"), [(1, (5, 10)), (0, (5, 9)), (0, (601, 10))])
def test_bands_that_do_not_fit_are_refused(tmp_path, row, shape):
    with (
        pytest.raises(ValueError, match="expected rows of"),
        MaskSink(tmp_path / "m.tif", Georeference(600, 10), 0.5) as sink,
    ):
        sink.write(RowBand(row, *random_scene(shape)))


def test_a_truncated_file_does_not_appear(tmp_path, monkeypatch):
    copy = rasterio.shutil.copy

    def copy_to_a_full_disk(source, target, **options):
        copy(source, target, **options)
        with target.open("r+b") as file:
            file.truncate(target.stat().st_size - 100)

    monkeypatch.setattr(rasterio.shutil, "copy", copy_to_a_full_disk)
    with pytest.raises(OutputError, match="cannot write"):
        stream(ScoreSink(tmp_path / "s.tif", Georeference(600, 600)), *random_scene((600, 600)))
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_reported_before_any_work(tmp_path):
    with (
        pytest.raises(OutputError, match="does not exist"),
        MaskSink(tmp_path / "no" / "m.tif", Georeference(1, 1), 0.5),
    ):
        pytest.fail("the block must not run")
