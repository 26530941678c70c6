import numpy as np
import pytest
import torch
from fakes import BrightnessEngine, FakeBundle, fake_bundle, fake_card

from geoships.errors import DeviceError
from geoships.model.engines.base import VIEWS, Normalised, TorchEngine, choose_batch_size, choose_device, run


def samples(count: int) -> list[dict[str, torch.Tensor]]:
    return [{"image": torch.full((1, 4, 4), index / 100), "index": torch.tensor(index)} for index in range(count)]


@pytest.mark.parametrize("batch_size", [1, 3, 7, 50])
def test_scores_come_in_order_whatever_the_batch(batch_size: int) -> None:
    engine = BrightnessEngine(batch_size)
    results = list(run(engine, samples(20)))
    assert [int(sample["index"]) for sample, _ in results] == list(range(20))
    assert [round(float(scores[0, 0]) * 100) for _, scores in results] == list(range(20))
    assert max(engine.batches) <= batch_size


def test_a_full_device_halves_the_batch_and_loses_nothing() -> None:
    engine = BrightnessEngine(batch_size=16, limit=5)
    results = list(run(engine, samples(23)))
    assert [int(sample["index"]) for sample, _ in results] == list(range(23))
    assert engine.batch_size == 4
    assert max(engine.batches) == 4


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_samples_without_an_image_keep_their_place_and_cost_nothing(batch_size: int) -> None:
    engine = BrightnessEngine(batch_size, limit=2)
    mixed = samples(40)
    for sample in (*mixed[:3], *mixed[7:30:2], *mixed[31:]):
        del sample["image"]
    results = list(run(engine, iter(mixed)))
    assert [int(sample["index"]) for sample, _ in results] == list(range(40))
    scored = [int(sample["index"]) for sample, scores in results if scores.size]
    assert scored == [3, 4, 5, 6, *range(8, 31, 2)]
    assert all(round(float(s[0, 0]) * 100) == int(sample["index"]) for sample, s in results if s.size)
    assert sum(engine.batches) == len(scored)


def test_one_tile_too_much_is_a_clear_error() -> None:
    with pytest.raises(DeviceError, match="--tile-size"):
        list(run(BrightnessEngine(batch_size=8, limit=0), samples(3)))


def test_other_errors_are_not_taken_for_a_full_device() -> None:
    class Broken(BrightnessEngine):
        def submit(self, images: torch.Tensor) -> np.ndarray:  # noqa: ARG002
            raise RuntimeError("shape mismatch")

    with pytest.raises(RuntimeError, match="shape mismatch"):
        list(run(Broken(), samples(3)))


def test_the_recipe_is_the_root_of_reflectance_scaled() -> None:
    recipe = fake_card(
        **{
            "mlm:input": [
                {
                    "bands": ["red"],
                    "input": {"shape": (-1, 1, -1, -1)},
                    "value_scaling": [{"mean": 0.2, "stddev": 0.1}],
                    "pre_processing_function": {"expression": "sqrt"},
                }
            ]
        }
    ).input
    images = torch.tensor([-1.0, 0.0, 0.25, 4.0]).reshape(1, 1, 2, 2)
    expected = (torch.tensor([0.0, 0.0, 0.5, 1.0]) - 0.2) / 0.1
    torch.testing.assert_close(Normalised(torch.nn.Identity(), recipe)(images).flatten(), expected)


@pytest.mark.parametrize("bf16", [False, True])
def test_the_torch_engine_scores_a_batch(bf16: bool) -> None:
    engine = TorchEngine(fake_bundle(), device=torch.device("cpu"), bf16=bf16, batch_size=2)
    scores = engine.collect(engine.submit(torch.tensor([0.1, 0.9]).reshape(2, 1, 1, 1).expand(2, 1, 4, 4)))
    assert scores.shape == (2, 4, 4)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores[:, 0, 0], torch.tensor([-8.0, 8.0]).sigmoid(), atol=1e-3)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 0.5])
def test_a_bundle_scores_at_the_temperature_of_its_card(temperature: float) -> None:
    images = torch.linspace(0, 1, 16).reshape(1, 1, 4, 4)
    scores = []
    for card in ({"geoships:temperature": temperature}, {}):
        engine = TorchEngine(fake_bundle(**card), device=torch.device("cpu"), bf16=False, batch_size=1)
        scores.append(engine.collect(engine.submit(images)))
    expected = ((images[:, 0] - 0.5) * 20 / temperature).sigmoid()
    np.testing.assert_array_equal(scores[0], expected)
    assert np.array_equal(*scores) == (temperature == 1)


class Shift(torch.nn.Module):
    """Looks at the pixel to the left: not the same for a picture that is turned."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :1].roll(1, -1)


class ShiftBundle(FakeBundle):
    def network(self) -> torch.nn.Module:
        return Shift()


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_a_view_is_undone_and_all_differ(views: int) -> None:
    picture = torch.rand(2, 3, 4, 6)
    turned = [view.apply(picture) for view in VIEWS[:views]]
    by_steps = [(picture.flip(-1) if view.mirrored else picture).rot90(view.quarters, (-2, -1)) for view in VIEWS]
    assert all(torch.equal(image, steps) for image, steps in zip(turned, by_steps, strict=False))
    assert all(torch.equal(view.undo(image), picture) for view, image in zip(VIEWS, turned, strict=False))
    assert len({image.numpy().tobytes() for image in turned}) == views
    assert views == 8 or all(image.shape == picture.shape for image in turned)


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_the_mean_over_views_does_not_care_how_a_ship_lies(views: int) -> None:
    bundle = fake_bundle()
    engine = TorchEngine(
        ShiftBundle(bundle.card, bundle.weights, bundle.path),
        device=torch.device("cpu"), bf16=False, batch_size=1, views=views,
    )  # fmt: skip
    images = torch.rand(1, 1, 4, 6)
    scores = torch.from_numpy(engine.collect(engine.submit(images)))
    same = [
        torch.allclose(view.undo(torch.from_numpy(engine.collect(engine.submit(view.apply(images))))), scores)
        for view in VIEWS
    ]
    assert all(same[:views])  # the first views are a group: each of them only orders the others anew
    assert all(same) == (views == 8)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_cuda_gives_the_scores_of_the_cpu() -> None:
    images = torch.rand(4, 1, 64, 64)
    results = []
    for name in ("cpu", "cuda"):
        engine = TorchEngine(fake_bundle(), device=torch.device(name), bf16=False, batch_size=2)
        results.append(engine.collect(engine.submit(images)))
    np.testing.assert_allclose(*results, atol=1e-5)


def test_devices_are_chosen_by_name() -> None:
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("cuda:99", "toaster"):
        with pytest.raises(DeviceError, match="use auto, cpu"):
            choose_device(name)


def test_batches_shrink_as_tiles_grow() -> None:
    cpu = torch.device("cpu")
    sizes = [choose_batch_size(cpu, side * side) for side in (64, 256, 512, 8192)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] == 1
