import numpy as np
import pytest
import torch
from fake_models import FakeBundle, fake_bundle

from geoships.model.engines.torch import TorchEngine
from geoships.model.engines.views import VIEWS


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
    """Looks at the pixel to the left, so that its output depends on the orientation of the image."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images[:, :1].roll(1, -1)


class ShiftBundle(FakeBundle):
    def network(self) -> torch.nn.Module:
        return Shift()


@pytest.mark.parametrize("views", [1, 2, 4, 8])
def test_the_mean_over_all_views_does_not_depend_on_orientation(views: int) -> None:
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
    assert all(same[:views])  # the first views are a group: each of them only reorders the others
    assert all(same) == (views == 8)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no CUDA device")
def test_cuda_gives_the_scores_of_the_cpu() -> None:
    images = torch.rand(4, 1, 64, 64)
    results = []
    for name in ("cpu", "cuda"):
        engine = TorchEngine(fake_bundle(), device=torch.device(name), bf16=False, batch_size=2)
        results.append(engine.collect(engine.submit(images)))
    np.testing.assert_allclose(*results, atol=1e-5)
