import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoships.config.segmentation import LossName
from geoships.config.training import Optimiser, Schedule
from geoships.scene.layers.labels import IGNORED
from geoships.training.optimisers import make_optimiser, make_schedule, rate_factor
from geoships.training.segmentation.losses import LOSSES, WeightedLoss

NAMES = get_args(LossName)
MASK = (torch.arange(64).reshape(1, 1, 8, 8) % 3 == 0).to(torch.uint8)


def test_every_loss_of_the_settings_exists() -> None:
    assert tuple(sorted(LOSSES)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_right_answer_costs_less_than_the_wrong_one(name: str) -> None:
    loss = WeightedLoss({name: 1.0})
    right = (MASK.float() - 0.5) * 12
    assert loss(right, MASK) < 0.1 < loss(-right, MASK)


@pytest.mark.parametrize("name", NAMES)
def test_ignored_pixels_cost_nothing(name: str) -> None:
    loss, logits = WeightedLoss({name: 1.0}), torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    hidden = MASK.clone()
    hidden[..., 4:] = IGNORED
    torch.testing.assert_close(loss(logits, hidden), loss(logits[..., :4], MASK[..., :4]))
    changed = logits.clone()
    changed[..., 4:] += 5
    torch.testing.assert_close(loss(changed, hidden), loss(logits, hidden))


def test_sums_are_weighted_and_nothing_known_is_no_loss() -> None:
    logits = torch.randn(1, 1, 8, 8, requires_grad=True)
    parts = [WeightedLoss({name: 1.0})(logits, MASK) for name in ("bce", "dice")]
    torch.testing.assert_close(WeightedLoss({"bce": 2.0, "dice": 0.5})(logits, MASK), 2 * parts[0] + 0.5 * parts[1])
    nothing = WeightedLoss({"bce": 1.0})(logits, torch.full_like(MASK, IGNORED))
    nothing.backward()
    assert nothing == 0


def test_weights_of_pixels_count_in_bce_alone() -> None:
    logits, known = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1)), MASK.float()
    weight = torch.ones(1, 1, 8, 8)
    weight[..., :2] = 5
    expected = torch.nn.functional.binary_cross_entropy_with_logits(
        logits, known, weight=weight, pos_weight=torch.tensor(2.0)
    )
    torch.testing.assert_close(WeightedLoss({"bce": 1.0}, ship_weight=2)(logits, MASK, weight), expected)
    dice = WeightedLoss({"dice": 1.0})
    torch.testing.assert_close(dice(logits, MASK, weight), dice(logits, MASK))


def test_dice_by_crop_leaves_crops_without_ships_out_and_counts_the_others_alike() -> None:
    loss = WeightedLoss({"crop_dice": 1.0})
    empty, right, wrong = torch.zeros_like(MASK), (MASK.float() - 0.5) * 12, (0.5 - MASK.float()) * 12
    torch.testing.assert_close(loss(torch.cat((right, right)), torch.cat((MASK, empty))), loss(right, MASK))
    mixed = loss(torch.cat((right, wrong)), torch.cat((MASK, MASK)))
    torch.testing.assert_close(mixed, (loss(right, MASK) + loss(wrong, MASK)) / 2)


@pytest.mark.parametrize("name", ["adam", "adamw", "lion", "sgd"])
@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "poly", "constant"])
def test_every_optimiser_and_schedule_goes_downhill(name: str, schedule: str) -> None:
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    optimiser = make_optimiser([weight], Optimiser(name=name, rate=0.1, weight_decay=0))
    moving = make_schedule(optimiser, Schedule(name=schedule, warmup=0.1), 40)
    for _ in range(40):
        optimiser.zero_grad()
        (weight**2).sum().backward()
        optimiser.step()
        moving.step()
    assert abs(weight.item()) < 2.5


@given(st.floats(0, 1), st.floats(0, 0.9), st.sampled_from(["onecycle", "cosine", "poly", "constant"]))
def test_a_rate_never_leaves_its_range(done: float, warmup: float, name: str) -> None:
    factor = rate_factor(Schedule(name=name, warmup=warmup), done)
    assert 0 < factor <= 1
    assert math.isfinite(factor)
