import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoships.config.segmentation import LossName
from geoships.config.training import Optimiser, Schedule
from geoships.model.activation import class_scores
from geoships.model.card import Activation
from geoships.scene.layers.labels import IGNORED
from geoships.training.optimisers import make_optimiser, make_schedule, rate_factor
from geoships.training.segmentation.losses import LOSSES, WeightedLoss, cross_entropy, one_against_others

NAMES = get_args(LossName)
THREE = torch.stack([torch.arange(64).reshape(8, 8) % 4 == kind for kind in range(3)])[None].to(torch.uint8)
MASK = (torch.arange(64).reshape(1, 1, 8, 8) % 3 == 0).to(torch.uint8)


def test_every_loss_of_the_settings_exists() -> None:
    assert tuple(sorted(LOSSES)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_the_right_answer_costs_less_than_the_wrong_one(name: str) -> None:
    loss = WeightedLoss({name: 1.0})
    right = (MASK.float() - 0.5) * 12
    assert loss(right, MASK) < 0.1 < loss(-right, MASK)


@pytest.mark.parametrize("activation", ["softmax", "sigmoid"])
@pytest.mark.parametrize("name", NAMES)
def test_several_classes_cost_less_where_each_is_right(name: str, activation: Activation) -> None:
    loss = WeightedLoss({name: 1.0}, activation=activation)
    right = (THREE.float() - 0.5) * 24
    assert loss(right, THREE) < 0.1 < loss(right.roll(1, 1), THREE)
    hidden = THREE.clone()
    hidden[..., 4:] = IGNORED
    torch.testing.assert_close(loss(right.roll(1, 1), hidden), loss(right.roll(1, 1)[..., :4], THREE[..., :4]))


@pytest.mark.parametrize("name", NAMES)
def test_a_softmax_of_one_class_is_its_sigmoid(name: str) -> None:
    logits = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(one_against_others(logits), logits)
    torch.testing.assert_close(class_scores(logits, "softmax"), class_scores(logits, "sigmoid"))
    mask, none = MASK.expand(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    alone = WeightedLoss({name: 1.0})(logits, mask)
    if name == "bce":
        torch.testing.assert_close(cross_entropy(logits, mask.float(), none + 1, none + 1), alone)
    # A second class that nobody sees and the network rules out changes nothing but the mean over classes.
    two = WeightedLoss({name: 1.0}, activation="softmax")
    both = two(torch.cat((logits, none - 40), 1), torch.cat((mask, none.to(torch.uint8)), 1))
    if name in ("bce", "focal"):
        torch.testing.assert_close(both * (1 if name == "bce" else 2), alone)


@given(st.lists(st.floats(-20, 20), min_size=2, max_size=5))
def test_the_logit_of_a_class_against_the_others_gives_its_softmax_score(values: list[float]) -> None:
    logits = torch.tensor(values).reshape(1, -1, 1)
    scores = torch.softmax(torch.cat((torch.zeros(1, 1, 1), logits), 1), 1)[:, 1:]
    torch.testing.assert_close(one_against_others(logits).sigmoid(), scores, rtol=1e-4, atol=1e-6)


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
