"""Nearest-neighbour upsampling of U-Net decoders, fused with the convolution that follows.

Each decoder block of smp's U-Net upsamples a feature map by 2 (nearest neighbour), concatenates the encoder's feature
map (skip connection), and convolves both. A 3 x 3 convolution of the upsampled map equals a transposed convolution of
the original map with a stride of 2 and a 4 x 4 kernel: the 3 x 3 kernel convolved with a 2 x 2 kernel of ones. That
takes 4 multiplications instead of 9 (Shi et al. 2016, "Is the deconvolution layer the same as a convolutional layer?",
arXiv 1609.07009), writes no upsampled map, and gives the same result up to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

BLOCK = (
    "segmentation_models_pytorch.decoders.unet.decoder.UnetDecoderBlock"  # as text, because its import takes seconds
)


class FusedUpsamplingBlock(nn.Module):
    """A block of smp's U-Net decoder in evaluation mode, with upsampling fused into its first convolution.

    Args:
        original: The block.
        channels: Number of channels of the feature map that is upsampled; the skip connection's channels follow.
    """

    skip_weight: torch.Tensor

    def __init__(self, original: Any, channels: int) -> None:
        super().__init__()
        self.original = original
        weight, bias = _fold_batch_norm(original.conv1[0], original.conv1[1])
        self.upsample = nn.ConvTranspose2d(channels, len(weight), 4, stride=2, padding=1)
        self.upsample.weight = nn.Parameter(fused_kernel(weight[:, :channels]))
        self.upsample.bias = nn.Parameter(bias)
        self.register_buffer("skip_weight", weight[:, channels:].contiguous())

    def forward(
        self, feature_map: torch.Tensor, target_height: int, target_width: int, skip_connection: torch.Tensor | None
    ) -> torch.Tensor:
        """The original block's result; that block computes it where the map is not to be upsampled by exactly 2."""
        height, width = feature_map.shape[2:]
        if (2 * height, 2 * width) != (target_height, target_width):
            unfused: torch.Tensor = self.original(feature_map, target_height, target_width, skip_connection)
            return unfused
        convolved = self.upsample(feature_map)
        if skip_connection is not None:
            convolved = convolved + functional.conv2d(skip_connection, self.skip_weight, padding=1)
        fused: torch.Tensor = self.original.conv2(convolved.relu())
        return fused


def _fold_batch_norm(convolution: Any, norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of a convolution with the batch norm after it folded in."""
    weight = convolution.weight.detach()
    bias = torch.zeros(len(weight)) if convolution.bias is None else convolution.bias.detach()
    if isinstance(norm, nn.Identity):
        return weight, bias
    scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    return weight * scale[:, None, None, None], norm.bias.detach() + (bias - norm.running_mean) * scale


def fused_kernel(weight: torch.Tensor) -> torch.Tensor:
    """Kernel (in, out, 4, 4) of the transposed convolution that replaces upsampling and a 3 x 3 convolution.

    Args:
        weight: Kernel (out, in, 3, 3) of the convolution of the upsampled map.

    >>> fused_kernel(torch.ones(1, 1, 3, 3))[0, 0].tolist()[0]
    [1.0, 2.0, 2.0, 1.0]
    """
    ones = torch.ones(1, 1, 2, 2)
    kernels = weight.flip(2, 3).flatten(0, 1)[:, None]
    spread = functional.conv2d(kernels, ones, padding=1).view(*weight.shape[:2], 4, 4)
    return spread.transpose(0, 1).contiguous()


def fuse_upsampling(network: nn.Module) -> nn.Module:
    """Fuse upsampling and convolution in the U-Net decoder blocks of a network in evaluation mode, in place.

    Other blocks (with attention, another interpolation or another norm) are not changed.

    Returns:
        The same network.
    """
    blocks = getattr(getattr(network, "decoder", None), "blocks", None)
    if not isinstance(blocks, nn.ModuleList):
        return network
    for number, (block, channels) in enumerate(zip(blocks, _upsampled_channels(network, blocks), strict=True)):
        if _can_fuse(block):
            blocks[number] = FusedUpsamplingBlock(block, channels)
    return network


def _upsampled_channels(network: Any, blocks: Any) -> list[int]:
    """Channels of the feature map that each block upsamples: the encoder's last map, then the block before."""
    if not all(_is_block(block) for block in blocks):
        return [0] * len(blocks)
    outputs = [block.conv2[0].out_channels for block in blocks]
    return [network.encoder.out_channels[-1], *outputs[:-1]]


def _is_block(block: Any) -> bool:
    kind = type(block)
    return f"{kind.__module__}.{kind.__qualname__}" == BLOCK


def _can_fuse(block: Any) -> bool:
    if not _is_block(block) or block.interpolation_mode != "nearest":
        return False
    convolution, norm, activation = block.conv1
    attentions = (block.attention1.attention, block.attention2.attention)
    return (
        convolution.kernel_size == (3, 3)
        and type(norm) in (nn.BatchNorm2d, nn.Identity)
        and type(activation) is nn.ReLU
        and all(isinstance(attention, nn.Identity) for attention in attentions)
    )
