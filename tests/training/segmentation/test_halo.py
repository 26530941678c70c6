import numpy as np
import pytest
import torch

from geoships.training.segmentation.halo import GREATEST, measure_halo


class Box(torch.nn.Module):
    """Logits that a ship of the first band has, and that bright pixels at most `reach` away change by `weight`."""

    def __init__(self, reach: int, weight: float) -> None:
        super().__init__()
        self.reach, self.weight = reach, weight

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        side = 2 * self.reach + 1
        around = torch.nn.functional.avg_pool2d(images[:, 1:2], (side, 1), 1, (self.reach, 0))
        around = torch.nn.functional.avg_pool2d(around, (1, side), 1, (0, self.reach))
        return images[:, :1] * 8 - 4 + around * self.weight


def scene() -> np.ndarray:
    """Ships everywhere, and brightness outside of the tile that is cut."""
    image = np.zeros((2, 704, 704), np.float32)
    image[0, ::4] = 1
    image[1, :64] = image[1, -64:] = image[1, :, :64] = image[1, :, -64:] = 1
    return image


@pytest.mark.parametrize("reach", [20, 75])
def test_the_halo_is_as_far_as_scores_of_ships_depend_on(reach: int) -> None:
    halo = measure_halo(Box(reach, -8.0), [scene()], cut=64)
    assert reach - 16 <= halo <= reach + 16
    assert halo % 16 == 0


def test_what_changes_ships_by_less_than_a_hundredth_needs_no_halo() -> None:
    assert measure_halo(Box(75, 0.01), [scene()], cut=64) == 0


def test_water_that_stays_water_needs_no_halo() -> None:
    image = scene()
    image[0] = 0
    image[0, 300:340, 300:340] = 1  # far from the edges
    assert measure_halo(Box(75, 1.0), [image], cut=64) == 0


def test_without_ships_the_highest_scores_count() -> None:
    image = scene() * np.array([0.3, 1.0], np.float32)[:, None, None]
    assert measure_halo(Box(75, -3.0), [image], cut=64, threshold=0.9) >= 48


def test_a_score_that_depends_on_all_has_the_greatest() -> None:
    class Mean(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images[:, :1] * 8 - 4 + images[:, 1:].mean() * 4

    assert measure_halo(Mean(), [scene()], cut=64) == GREATEST
