"""Each pixel of a mask is of one class, and each object of one."""

import numpy as np
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pyproj import CRS
from rio_cogeo import cog_validate

from geoships.output.class_choice import NONE, choose_class, only_highest
from geoships.output.class_mask import ClassMaskSink
from geoships.output.classes import ObjectClass
from geoships.output.raster import NODATA, ScoreSink
from geoships.output.stitch import RowBand, in_step
from geoships.scene.georeference import Georeference

SCORES = arrays(np.float32, (3, 4, 5), elements=st.floats(0, 1, width=32))
CLASSES = (ObjectClass("ship", (1, 2, 3), 1), ObjectClass("cloud", (4, 5, 6), 9), ObjectClass("ice", (7, 8, 9), 254))


@given(SCORES, st.tuples(*[st.floats(0.1, 0.9)] * 3), st.booleans())
def test_a_pixel_has_the_best_class_that_reaches_its_threshold(scores, thresholds, exclusive):
    chosen = choose_class(scores, thresholds, exclusive=exclusive)
    for row, column in np.ndindex(chosen.shape):
        pixel = scores[:, row, column]
        reached = [kind for kind in range(3) if pixel[kind] >= np.float32(thresholds[kind])]
        best = max(range(3) if exclusive else reached, key=lambda kind: (pixel[kind], -kind), default=NONE)
        assert chosen[row, column] == (best if best in reached else NONE)


@given(SCORES, st.tuples(*[st.floats(0.1, 0.9)] * 3))
def test_objects_of_exclusive_classes_are_made_of_the_pixels_of_the_mask(scores, thresholds):
    bands = only_highest([RowBand(0, plane, np.ones(plane.shape, bool)) for plane in scores])
    chosen = choose_class(scores, thresholds, exclusive=True)
    for kind, band in enumerate(bands):
        np.testing.assert_array_equal(band.scores >= np.float32(thresholds[kind]), chosen == kind)


def test_row_bands_come_together_and_none_is_held():
    def part(number):
        for row in range(3):
            yield RowBand(row, np.full((1, 2), number, np.float32), np.ones((1, 2), bool))

    both = list(in_step([part(0), part(1)]))
    assert [(one.row, two.row, two.scores[0, 0]) for one, two in both] == [(row, row, 1) for row in range(3)]
    assert list(in_step([part(0)])) != []


def test_rasters_of_classes_come_back_pixel_by_pixel(tmp_path):
    rng = np.random.default_rng(3)
    scores, valid = rng.random((3, 700, 530)).astype(np.float32), rng.random((700, 530)) > 0.2
    grid = Georeference(700, 530, Affine(10, 0, 500_000, 0, -10, 4_000_000), CRS(32631))
    mask = ClassMaskSink(tmp_path / "m.tif", grid, CLASSES, (0.5, 0.6, 0.7), exclusive=False)
    sink = ScoreSink(tmp_path / "s.tif", grid, name="ship", others=("cloud", "ice"))
    with mask, sink:
        for row in range(0, 700, 256):
            bands = [RowBand(row, plane[row : row + 256], valid[row : row + 256]) for plane in scores]
            mask.write(*bands)
            sink.write(*bands)
    values = np.array([1, 9, 254, 0])[choose_class(scores, (0.5, 0.6, 0.7), exclusive=False)]
    with rasterio.open(tmp_path / "m.tif") as file:
        np.testing.assert_array_equal(file.read(1), np.where(valid, values, NODATA))
        assert file.colormap(1)[9] == (4, 5, 6, 255)
        assert file.tags(1)["CLASS_254"] == "ice"
    with rasterio.open(tmp_path / "s.tif") as file:
        read = file.read(masked=True)
        np.testing.assert_allclose((read / 254).filled(0), np.where(valid, scores, 0), atol=1 / 507)
        assert file.descriptions == ("ship score", "cloud score", "ice score")
        assert file.scales == (1 / 254,) * 3
    assert all(cog_validate(tmp_path / name)[0] for name in ("m.tif", "s.tif"))
