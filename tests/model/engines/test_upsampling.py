import copy

import pytest
import torch
from torch import nn

from geoships.model.engines.upsampling import FusedUpsamplingBlock, fuse_upsampling, fused_kernel
from geoships.model.networks import Architecture, build_network


def network(decoder: str = "unet", **options: object) -> nn.Module:
    """A small network with random batch norms."""
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


def fused_blocks(model: nn.Module) -> int:
    return sum(isinstance(part, FusedUpsamplingBlock) for part in model.modules())


def test_the_transposed_convolution_equals_upsampling_and_convolution() -> None:
    weight, image = torch.rand(3, 2, 3, 3), torch.rand(1, 2, 5, 4)
    upsampled = nn.functional.interpolate(image, scale_factor=2, mode="nearest")
    expected = nn.functional.conv2d(upsampled, weight, padding=1)
    found = nn.functional.conv_transpose2d(image, fused_kernel(weight), stride=2, padding=1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("norm", ["batchnorm", "identity"])
@torch.inference_mode()
def test_a_fused_network_gives_the_same_output(norm: str) -> None:
    original = network(decoder_use_norm=norm)
    faster = fuse_upsampling(copy.deepcopy(original))
    assert fused_blocks(faster) == 3
    original, faster = original.double(), faster.double()  # float32 sums round otherwise on each processor
    image = torch.rand(2, 2, 64, 96, dtype=torch.float64)
    torch.testing.assert_close(faster(image), original(image), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_a_map_that_is_not_upsampled_by_exactly_two_gives_the_same_output() -> None:
    original = network()
    faster = fuse_upsampling(copy.deepcopy(original))
    block = faster.decoder.blocks[1]
    map_, skip = torch.rand(1, block.upsample.in_channels, 5, 4), torch.rand(1, block.skip_weight.shape[1], 9, 8)
    torch.testing.assert_close(block(map_, 9, 8, skip), original.decoder.blocks[1](map_, 9, 8, skip))


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
def test_other_networks_are_not_changed(decoder: str, options: dict[str, object]) -> None:
    original = network(decoder, **options)
    assert fused_blocks(fuse_upsampling(original)) == 0
