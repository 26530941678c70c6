import numpy as np
import pytest
import shapely

from geoships.scene.layers.labels import IGNORED, SHIP, Labels
from geoships.scene.tiling.resample import Ratio
from geoships.training.segmentation.target_planes import ModelGrid, hide_rim, ship_masks, ship_plane


@pytest.mark.parametrize(("ratio", "factor"), [(Ratio(32, 32), 1), (Ratio(32, 16), 2), (Ratio(32, 64), 0.5)])
def test_ships_keep_their_place_and_size_at_any_pixel_size(ratio: Ratio, factor: float) -> None:
    labels = Labels((shapely.box(20, 8, 40, 16), shapely.box(-4, 50, 8, 58)))
    grid = ModelGrid((ratio, ratio), (64, 96))
    plane = ship_plane(list(ship_masks(labels, grid)), grid.shape)
    expected = np.zeros((64, 96), np.uint8)
    expected[8:16, 20:40] = expected[50:58, :8] = 1
    whole = expected.repeat(2, 0).repeat(2, 1) if factor == 2 else expected[:: int(1 / factor), :: int(1 / factor)]
    assert plane.shape == whole.shape
    assert (plane != whole).sum() <= (8 if factor == 2 else 0)  # interpolation rounds the corners


@pytest.mark.parametrize("rim", [1, 2])
def test_the_rim_is_ignored_on_both_sides_and_every_ship_keeps_a_pixel(rim: int) -> None:
    mask = np.zeros((30, 30), np.uint8)
    mask[5:15, 5:15] = SHIP
    mask[22:24, 22:24] = SHIP  # too small for any rim inside
    hidden = hide_rim(mask, rim)
    assert (hidden[5 + rim : 15 - rim, 5 + rim : 15 - rim] == SHIP).all()
    assert (hidden[5, 5:15] == IGNORED).all()
    assert (hidden[5 - rim, 8:12] == IGNORED).all()
    assert (hidden[22:24, 22:24] == SHIP).all()
    assert hidden[5 - rim - 1, 10] == 0
