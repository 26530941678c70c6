import copy

import pytest
import torch
from torch import nn

from geoships.model.engines.upsampling import DoublingBlock, double_by_convolution, doubling_kernel
from geoships.model.networks import Architecture, build_network


def network(decoder: str = "unet", **options: object) -> nn.Module:
    """A small network whose norms do something."""
    torch.manual_seed(0)
    if "unet" in decoder:
        options = {"decoder_channels": [16, 12, 8], "encoder_depth": 3, **options}
    built = build_network(Architecture(decoder, "resnet18", 2, options=options))
    for part in built.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.normal_(0, 0.1)
            part.running_var.uniform_(0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 2)
            nn.init.normal_(part.bias)
    return built.eval()


def blocks(found: nn.Module) -> int:
    return sum(isinstance(part, DoublingBlock) for part in found.modules())


def test_a_transposed_convolution_is_the_convolution_of_the_doubled_map() -> None:
    weight, image = torch.rand(3, 2, 3, 3), torch.rand(1, 2, 5, 4)
    doubled = nn.functional.interpolate(image, scale_factor=2, mode="nearest")
    expected = nn.functional.conv2d(doubled, weight, padding=1)
    found = nn.functional.conv_transpose2d(image, doubling_kernel(weight), stride=2, padding=1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("norm", ["batchnorm", "identity"])
@torch.inference_mode()
def test_a_network_computes_what_it_did(norm: str) -> None:
    plain = network(decoder_use_norm=norm)
    faster = double_by_convolution(copy.deepcopy(plain))
    assert blocks(faster) == 3
    image = torch.rand(2, 2, 64, 96)
    torch.testing.assert_close(faster(image), plain(image), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_a_map_that_is_not_doubled_exactly_is_computed_too() -> None:
    plain = network()
    faster = double_by_convolution(copy.deepcopy(plain))
    block = faster.decoder.blocks[1]
    map_, skip = torch.rand(1, block.up.in_channels, 5, 4), torch.rand(1, block.beside.shape[1], 9, 8)
    torch.testing.assert_close(block(map_, 9, 8, skip), plain.decoder.blocks[1](map_, 9, 8, skip))


@pytest.mark.parametrize(
    ("decoder", "options"),
    [
        ("unet", {"decoder_attention_type": "scse", "decoder_channels": [32, 16, 16]}),
        ("unet", {"decoder_interpolation": "bilinear"}),
        ("unet", {"decoder_use_norm": "layernorm"}),
        ("unetplusplus", {}),
        ("fpn", {}),
    ],
)
def test_other_networks_stay_as_they_are(decoder: str, options: dict[str, object]) -> None:
    plain = network(decoder, **options)
    assert blocks(double_by_convolution(plain)) == 0
