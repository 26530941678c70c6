"""The device that computes: which one, what it can do, and how many pixels fit into its memory."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

from geoships.errors import DeviceError

if TYPE_CHECKING:
    import torch

BF16_INSTRUCTIONS = "avx512_bf16", "amx_bf16", "bf16"  # names in torch.cpu.get_capabilities(); the last is for ARM
BYTES_PER_PIXEL = 400  # of a U-Net's widest feature maps, per input pixel: 100 float32 channels
MAX_CPU_BYTES, MAX_CPU_PIXELS = 3 << 29, 1 << 23  # of a tile on a CPU, see tile_pixels
# files that a driver of NVIDIA (also below Windows) or AMD makes; without one PyTorch finds no GPU
GPU_FILES = "/dev/nvidiactl", "/proc/driver/nvidia/version", "/dev/dxg", "/dev/kfd"
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Device:
    """What computes; its text is PyTorch's name of the device.

    Attributes:
        type: ``cpu`` or ``cuda``.
        index: Number of the GPU; None: the first.
    """

    type: Literal["cpu", "cuda"]
    index: int | None = None

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"


def torch_device(device: Device) -> torch.device:
    """The device as PyTorch's own object."""
    import torch

    return torch.device(str(device))


def has_torch() -> bool:
    """Whether PyTorch is installed."""
    return "torch" in sys.modules or importlib.util.find_spec("torch") is not None


def choose_device(name: str) -> Device:
    """The device of a name.

    PyTorch, whose import takes seconds, is asked only where there may be a GPU.

    Args:
        name: ``cpu``, ``cuda``, ``cuda:N``, or ``auto``: CUDA if available, else the CPU.

    Raises:
        DeviceError: This machine has no such device.
    """
    if name == "cpu" or (name == "auto" and not (_may_have_gpu() and has_torch())):
        return Device("cpu")
    if not has_torch():
        raise DeviceError(f"device {name!r} is not available (PyTorch is not installed); use auto or cpu")
    import torch

    if name == "auto":
        return Device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        if device.type not in ("cpu", "cuda"):
            raise RuntimeError("geoships supports only CPU and CUDA devices")
        torch.zeros(1, device=device)
    except (AssertionError, RuntimeError) as error:
        raise DeviceError(
            f"device {name!r} is not available ({str(error).splitlines()[0]}); use auto, cpu, cuda or cuda:N"
        ) from error
    return Device("cuda" if device.type == "cuda" else "cpu", device.index)


def _may_have_gpu() -> bool:
    """Whether PyTorch has to be asked for a GPU: False where the system certainly has no driver of one."""
    if "torch" in sys.modules or not sys.platform.startswith(("linux", "darwin")):
        return True
    return sys.platform == "linux" and any(Path(name).exists() for name in GPU_FILES)


def has_fast_bf16(device: Device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware.

    PyTorch accepts bfloat16 on every x86 CPU with AVX-512; without the instructions for it, it is two to four times
    slower than float32.
    """
    import torch

    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # torch.ops builds its functions at run time, so that no type checker knows them
    if not (torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()):  # type: ignore[no-untyped-call]
        return False
    if not hasattr(torch.cpu, "get_capabilities"):  # older versions of PyTorch
        return True
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in BF16_INSTRUCTIONS)


def has_amx() -> bool:
    """Whether the CPU multiplies matrices of bfloat16 by AMX; True where the system does not tell (it is no Linux)."""
    try:
        text = CPU_INFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return "amx_bf16" in text.split()


def tile_pixels(device: Device, bytes_per_pixel: int = BYTES_PER_PIXEL) -> int:
    """Maximum number of pixels of a tile that a U-Net can compute.

    On a CPU its widest feature maps may take a twelfth of the memory, at most 1.5 GiB, and a tile has at most 2^23
    pixels, beyond which tiles overlap little anyway; CPU caches do not matter, because one feature map of the smallest
    tile is larger than they are. On a GPU they may take an eighth, and a tile has at most 2,048 x 2,048 pixels. Total
    memory counts, not free memory, so that a machine cuts a scene into the same tiles each time.

    Args:
        device: What computes.
        bytes_per_pixel: Memory that the engine takes on a CPU for a pixel of its input, see `EngineChoice.pixel_bytes`.
    """
    if device.type == "cuda":
        import torch

        total = torch.cuda.get_device_properties(torch_device(device)).total_memory
        return int(min(2048**2, total // 8 // BYTES_PER_PIXEL))
    return min(MAX_CPU_PIXELS, min(MAX_CPU_BYTES, psutil.virtual_memory().total // 12) // bytes_per_pixel)


def choose_batch_size(device: Device, tile_pixels: int) -> int:
    """Number of tiles per batch: about a megapixel on a CPU, a quarter of the free memory on a GPU (at most 64).

    Args:
        device: What computes.
        tile_pixels: Pixels of a tile.
    """
    if device.type == "cuda":
        import torch

        free, _ = torch.cuda.mem_get_info(torch_device(device))
    else:
        free = min(psutil.virtual_memory().available, 4 * (1 << 20) * BYTES_PER_PIXEL)
    return max(1, min(64, free // 4 // (tile_pixels * BYTES_PER_PIXEL)))
