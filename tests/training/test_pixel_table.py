import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from geoships.training.pixel_table import PixelTable, new_table, rotation

SHAPES = ((9, 12), (16, 7))


@pytest.fixture(scope="module")
def table() -> PixelTable:
    pixels = torch.rand(9 * 12 + 16 * 7, 3, generator=torch.Generator().manual_seed(1)).half()
    return new_table(SHAPES, pixels)


def image(table: PixelTable, number: int) -> torch.Tensor:
    first, (rows, columns) = int(table.first[number]), SHAPES[number]
    return table.pixels[first : first + rows * columns].float().T.reshape(3, rows, columns)


@pytest.mark.parametrize("number", [0, 1])
def test_without_rotation_a_window_is_a_part_of_the_image(table: PixelTable, number: int) -> None:
    values, inside = table.sample([number], rotation((3, 3), 0, 1, False)[None], (5, 5))
    assert torch.equal(values[0], image(table, number)[:, 1:6, 1:6])
    assert inside.all()


def test_a_mirrored_quarter_turn_is_that_of_the_image(table: PixelTable) -> None:
    values, _ = table.sample([0], rotation((4, 4), math.pi / 2, 1, True)[None], (5, 5))
    part = image(table, 0)[:, 2:7, 2:7]
    options = [
        torch.rot90(part.flip(2) if flip else part, turns, (1, 2)) for flip in (True, False) for turns in range(4)
    ]
    close = [torch.allclose(values[0], option, atol=1e-3) for option in options]
    assert close.count(True) == 1 and any(close[:4])


def test_beyond_an_edge_the_image_is_mirrored_and_not_inside(table: PixelTable) -> None:
    values, inside = table.sample([1], rotation((0, 3), 0, 1, False)[None], (5, 5))
    whole = image(table, 1)
    assert torch.equal(values[0, :, 2:], whole[:, :3, 1:6])
    assert torch.equal(values[0, :, :2], whole[:, :2, 1:6].flip(1))
    assert not inside[0, :2].any() and inside[0, 2:].all()


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 2 * math.pi), st.floats(0.5, 2), st.booleans(), st.floats(0, 8), st.floats(0, 11))
def test_a_window_is_what_grid_sample_gives(
    angle: float, zoom: float, mirrored: bool, row: float, column: float
) -> None:
    pixels = torch.rand(9 * 12, 2, generator=torch.Generator().manual_seed(2)).half()
    transform = rotation((row, column), angle, zoom, mirrored)
    values, _ = new_table([(9, 12)], pixels).sample([0], transform[None], (8, 6))
    i, j = np.meshgrid(np.arange(8) - 3.5, np.arange(6) - 2.5, indexing="ij")
    rows, columns = (part[0] * i + part[1] * j + part[2] for part in transform)
    grid = torch.from_numpy(np.stack(((columns + 0.5) / 12, (rows + 0.5) / 9), -1) * 2 - 1).float()[None]
    source = pixels.float().T.reshape(1, 2, 9, 12)
    expected = functional.grid_sample(source, grid, padding_mode="reflection", align_corners=False)
    torch.testing.assert_close(values, expected, atol=3e-3, rtol=0)


def test_windows_of_a_batch_are_those_that_are_sampled_alone(table: PixelTable) -> None:
    transforms = np.stack([rotation((4, 5), 0.3, 1.2, False), rotation((8, 3), 2, 0.8, True)])
    together, _ = table.sample([0, 1], transforms, (6, 6))
    alone = [table.sample([number], transforms[number : number + 1], (6, 6))[0] for number in (0, 1)]
    assert torch.equal(together, torch.cat(alone))
