import copy

import numpy as np
import pytest
import torch
from torch import nn

from geoships.model import graph
from geoships.model.engines.wide_head import WideHead, wide_kernel, widen_head
from geoships.model.networks import Architecture, build_network


def network(decoder: str = "unet", classes: int = 1) -> nn.Module:
    torch.manual_seed(0)
    return build_network(Architecture(decoder, "resnet18", 2, classes=classes)).eval()


@pytest.mark.parametrize(("count", "columns"), [(2, 2), (4, 12), (16, 48)])
@pytest.mark.parametrize("bias", [True, False])
def test_neighbours_computed_at_once_equal_a_plain_convolution(count: int, columns: int, bias: bool) -> None:
    torch.manual_seed(1)
    plain, image = nn.Conv2d(3, 1, 3, padding=1, bias=bias), torch.rand(2, 3, 5, columns)
    torch.testing.assert_close(WideHead(plain, count)(image), plain(image))


@torch.inference_mode()
def test_a_widened_network_gives_the_same_output() -> None:
    plain = network()
    wide = widen_head(copy.deepcopy(plain), 32)
    assert isinstance(wide.segmentation_head[0], WideHead)
    image = torch.rand(2, 2, 64, 96)
    torch.testing.assert_close(wide(image), plain(image), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("decoder", "classes", "step"),
    [("unet", 3, 32), ("unet", 1, 8), ("fpn", 1, 32)],
    ids=["several classes", "widths that are no multiples", "upsampling behind it"],
)
def test_other_heads_are_not_changed(decoder: str, classes: int, step: int) -> None:
    assert not isinstance(widen_head(network(decoder, classes), step).segmentation_head[0], WideHead)


def test_numpy_widens_as_pytorch_does() -> None:
    weight = torch.rand(1, 4, 3, 3)
    np.testing.assert_array_equal(graph.wide_kernel(weight.numpy()), wide_kernel(weight, graph.WIDTH).numpy())
