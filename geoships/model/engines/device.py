"""The device that computes: which one, what it can do, and how many pixels fit into its memory."""

from __future__ import annotations

import psutil
import torch

from geoships.errors import DeviceError

BF16_INSTRUCTIONS = "avx512_bf16", "amx_bf16", "bf16"  # names in torch.cpu.get_capabilities(); the last is for ARM
BYTES_PER_PIXEL = 400  # of a U-Net's widest feature maps, per input pixel: 100 float32 channels


def choose_device(name: str) -> torch.device:
    """The device of a name.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: CUDA if available, else the CPU.

    Raises:
        DeviceError: This machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("geoships supports only CPU and CUDA devices")
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        raise DeviceError(
            f"device {name!r} is not available ({str(error).splitlines()[0]}); use auto, cpu, cuda or cuda:N"
        ) from error
    return device


def has_fast_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware.

    PyTorch accepts bfloat16 on every x86 CPU with AVX-512; without the instructions for it, it is two to four times
    slower than float32.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch.ops builds its functions at run time, so that no type checker knows them
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):  # type: ignore[no-untyped-call]
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # older versions of PyTorch
        return True
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BF16_INSTRUCTIONS)


def tile_pixels(device: torch.device) -> int:
    """Maximum number of pixels of a tile that a U-Net can compute.

    On a CPU its widest feature maps may take a sixteenth of the memory, at most 1 GiB; CPU caches do not matter,
    because one feature map of the smallest tile is larger than they are. On a GPU they may take an eighth, and a tile
    has at most 2,048 x 2,048 pixels. Total memory counts, not free memory, so that a machine cuts a scene into the
    same tiles each time.
    """
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        return int(min(2048**2, total // 8 // BYTES_PER_PIXEL))
    return int(min(1 << 30, psutil.virtual_memory().total // 16) // BYTES_PER_PIXEL)


def choose_batch_size(device: torch.device, tile_pixels: int) -> int:
    """Number of tiles per batch: about a megapixel on a CPU, a quarter of the free memory on a GPU (at most 64).

    Args:
        device: What computes.
        tile_pixels: Pixels of a tile.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = min(psutil.virtual_memory().available, 4 * (1 << 20) * BYTES_PER_PIXEL)
    return max(1, min(64, free // 4 // (tile_pixels * BYTES_PER_PIXEL)))
