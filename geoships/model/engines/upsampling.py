"""Convolutions of doubled maps, computed on the maps as they were.

Each block of smp's U-Net doubles a map by repeating its pixels, sets the encoder's map beside it, and convolves both. A
3 x 3 convolution of a map whose pixels were repeated is a transposed convolution of the map itself, with a stride of
2 and a 4 x 4 kernel: the 3 x 3 kernel convolved with 2 x 2 ones. That takes 4 multiplications in place of 9 (Shi et al.
2016, "Is the deconvolution layer the same as a convolutional layer?", arXiv 1609.07009), writes no doubled map, and
gives the same sums but for the rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

BLOCK = "segmentation_models_pytorch.decoders.unet.decoder.UnetDecoderBlock"  # by name: its import takes seconds


class DoublingBlock(nn.Module):
    """A block of smp's U-Net decoder in evaluation mode, whose first convolution is parted in two.

    plain: the block. doubled: channels of the map that it doubles; those of the encoder's map follow.
    """

    def __init__(self, plain: Any, doubled: int) -> None:
        super().__init__()
        self.plain = plain
        weight, shift = _without_norm(plain.conv1[0], plain.conv1[1])
        self.up = nn.ConvTranspose2d(doubled, len(weight), 4, stride=2, padding=1)
        self.up.weight = nn.Parameter(doubling_kernel(weight[:, :doubled]))
        self.up.bias = nn.Parameter(shift)
        self.beside = weight[:, doubled:].contiguous()

    def forward(
        self, feature_map: torch.Tensor, target_height: int, target_width: int, skip_connection: torch.Tensor | None
    ) -> torch.Tensor:
        """As the plain block's, for maps that are to be doubled exactly; others take the plain block."""
        height, width = feature_map.shape[2:]
        if (2 * height, 2 * width) != (target_height, target_width):
            plain: torch.Tensor = self.plain(feature_map, target_height, target_width, skip_connection)
            return plain
        sums = self.up(feature_map)
        if skip_connection is not None:
            sums = sums + functional.conv2d(skip_connection, self.beside, padding=1)
        found: torch.Tensor = self.plain.conv2(sums.relu())
        return found


def _without_norm(convolution: Any, norm: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Weight and bias of a convolution that has taken in the norm behind it."""
    weight, bias = convolution.weight.detach(), convolution.bias
    shift = torch.zeros(len(weight)) if bias is None else bias.detach()
    if isinstance(norm, nn.Identity):
        return weight, shift
    scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    return weight * scale[:, None, None, None], norm.bias.detach() + (shift - norm.running_mean) * scale


def doubling_kernel(weight: torch.Tensor) -> torch.Tensor:
    """Kernel of the transposed convolution (in, out, 4, 4) that a 3 x 3 one (out, in, 3, 3) of a doubled map is.

    >>> doubling_kernel(torch.ones(1, 1, 3, 3))[0, 0].tolist()[0]
    [1.0, 2.0, 2.0, 1.0]
    """
    ones = torch.ones(1, 1, 2, 2)
    kernels = weight.flip(2, 3).flatten(0, 1)[:, None]
    spread = functional.conv2d(kernels, ones, padding=1).view(*weight.shape[:2], 4, 4)
    return spread.transpose(0, 1).contiguous()


def double_by_convolution(network: nn.Module) -> nn.Module:
    """Let the U-Net blocks of a network in evaluation mode double by convolution, in place; returns the network.

    Blocks of another kind (attention, other interpolation, other norms) stay as they are.
    """
    blocks = getattr(getattr(network, "decoder", None), "blocks", None)
    if not isinstance(blocks, nn.ModuleList):
        return network
    for number, (block, doubled) in enumerate(zip(blocks, _doubled_channels(network, blocks), strict=True)):
        if _is_plain(block):
            blocks[number] = DoublingBlock(block, doubled)
    return network


def _doubled_channels(network: Any, blocks: Any) -> list[int]:
    """Channels of the map that each block doubles: the encoder's last, then what the block before gives."""
    if not all(_is_block(block) for block in blocks):
        return [0] * len(blocks)
    given = [block.conv2[0].out_channels for block in blocks]
    return [network.encoder.out_channels[-1], *given[:-1]]


def _is_block(block: Any) -> bool:
    kind = type(block)
    return f"{kind.__module__}.{kind.__qualname__}" == BLOCK


def _is_plain(block: Any) -> bool:
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
