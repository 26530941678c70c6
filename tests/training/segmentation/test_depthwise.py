import pytest
import torch
from torch import nn

from geoships.training.segmentation.depthwise import Float32Depthwise


@pytest.mark.parametrize(("groups", "kind"), [(1, torch.bfloat16), (4, torch.float32)])
def test_only_convolutions_in_groups_leave_autocast(groups: int, kind: torch.dtype) -> None:
    layers = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, 8, 3, groups=groups, padding=1))
    images = torch.rand(2, 4, 8, 8)
    with torch.autocast("cpu", torch.bfloat16), Float32Depthwise():
        result = layers(images)
    assert result.dtype == kind
    torch.testing.assert_close(result.float(), layers(images), atol=2e-2, rtol=2e-2)


def test_without_autocast_nothing_changes() -> None:
    layer = nn.Conv2d(4, 4, 3, groups=4)
    images = torch.rand(2, 4, 8, 8)
    with Float32Depthwise():
        result = layer(images)
    assert torch.equal(result, layer(images))
