"""Devices, engines, memory and folders."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from geoships.errors import GeoshipsError
from geoships.model.bundle_files import load_card
from geoships.model.engines.cache import cache_folder
from geoships.model.engines.choose import choose_engine
from geoships.model.engines.device import Device, choose_device, has_torch
from geoships.model.installed import installed
from geoships.workflows.doctor.finding import Finding

GIB = 2**30
LITTLE_MEMORY, LITTLE_DISK = 2 * GIB, GIB
ENGINES = {"openvino": "OpenVINO", "onnxruntime": "ONNX Runtime"}
VECTOR_INSTRUCTIONS = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "bf16", "neon")


def check_engines() -> Iterator[Finding]:
    """What computes: the engines, and the one that a run takes unless told otherwise."""
    topic = "engines"
    if has_torch():
        import torch

        yield Finding(topic, "PyTorch", f"{torch.__version__}, {torch.get_num_threads()} threads")
    else:
        yield Finding(topic, "PyTorch", "not installed", "note", "for training, GPUs and --engine torch")
    for package, title in ENGINES.items():
        try:
            yield Finding(topic, title, version(package))
        except PackageNotFoundError:
            advice = "faster on most CPUs: pip install openvino" if package == "openvino" else "for --engine onnx only"
            yield Finding(topic, title, "not installed", "note", advice)
    try:
        chosen = choose_engine("auto", "auto", choose_device("auto"))
        yield Finding(topic, "a run takes", str(chosen))
    except Exception as error:  # engines that are broken raise errors of any type
        reason = (str(error) or type(error).__name__).splitlines()[0]
        yield Finding(topic, "a run takes", reason, "broken", "pip install --force-reinstall openvino torch")


def check_devices() -> Iterator[Finding]:
    """The CPU and its instructions, and GPUs."""
    topic = "devices"
    if not has_torch():
        yield Finding(topic, "CPU", f"{os.cpu_count()} cores, {platform.machine()}")
        return
    import torch

    known = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    able = [name for name in VECTOR_INSTRUCTIONS if known.get(name)]
    cores = f"{os.cpu_count()} cores, {platform.machine()}"
    if known and "x86" in str(known.get("architecture", "")) and "avx2" not in able:
        yield Finding(topic, "CPU", cores, "note", "it has no AVX2, so that runs are several times slower")
    else:
        yield Finding(topic, "CPU", f"{cores}{': ' if able else ''}{', '.join(able)}")
    fast = choose_engine("auto", "auto", Device("cpu")).precision == "bf16"
    yield Finding(topic, "number type on the CPU", f"runs compute in {'bfloat16' if fast else 'float32'}")
    if not torch.cuda.is_available():
        built = "PyTorch is built for it, but finds no device" if torch.version.cuda else "PyTorch is built without it"
        advice = "where there is an NVIDIA GPU: check nvidia-smi, and install PyTorch for CUDA"
        yield Finding(topic, "CUDA", built, "note", advice)
        return
    for number in range(torch.cuda.device_count()):
        yield _gpu(topic, number)


def _gpu(topic: str, number: int) -> Finding:
    import torch

    name = f"cuda:{number}"
    try:
        properties = torch.cuda.get_device_properties(number)
        torch.zeros(1, device=name)
        free, total = torch.cuda.mem_get_info(number)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        return Finding(topic, name, reason, "broken", "use --device cpu, or free the GPU and check its driver")
    return Finding(topic, name, f"{properties.name}, {free / GIB:.1f} of {total / GIB:.1f} GiB free")


def check_memory() -> Iterator[Finding]:
    """Free memory, and free space where outputs would be written."""
    topic = "memory and folders"
    memory = psutil.virtual_memory()
    few = memory.available < LITTLE_MEMORY
    yield Finding(
        topic, "memory", f"{memory.available / GIB:.1f} of {memory.total / GIB:.1f} GiB free", "note" if few else "ok",
        "close other programs, or use a smaller --tile-size" if few else "",
    )  # fmt: skip
    yield _folder(topic, "this folder", Path.cwd(), needed=False, advice="name outputs in another folder")
    temporary = os.environ.get("TMPDIR")
    advice = "set TMPDIR to a folder that can be written to"
    if temporary and not Path(temporary).is_dir():
        yield Finding(topic, "TMPDIR", f"{temporary}: no such folder", "broken", advice)
    else:
        yield _folder(topic, "TMPDIR", Path(temporary or _temporary()), needed=True, advice=advice)
    cache = cache_folder()
    place = next((folder for folder in (cache, *cache.parents) if folder.exists()), cache)
    advice = "without it each run converts its model anew: set XDG_CACHE_HOME to a folder that can be written to"
    yield _folder(topic, "cache", place, needed=False, advice=advice, shown=cache)


def _temporary() -> str:
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:  # no folder for temporary files can be written to
        return "/tmp"  # noqa: S108


def _folder(topic: str, name: str, folder: Path, *, needed: bool, advice: str, shown: Path | None = None) -> Finding:
    """Whether a file can be written in a folder, and the free space there."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"geoships")
    except OSError as error:
        value = f"{shown or folder}: {error.strerror or error}"
        return Finding(topic, name, value, "broken" if needed else "note", advice)
    free = shutil.disk_usage(folder).free
    value = f"{shown or folder}, {free / GIB:.1f} GiB free"
    if free < LITTLE_DISK:
        return Finding(topic, name, value, "note", "free some space: a mask and scores take up to 2 bytes a pixel")
    return Finding(topic, name, value)


def check_models() -> Iterator[Finding]:
    """The installed models, and whether their cards can be read."""
    topic = "models"
    advice = "install geoships again: pip install --force-reinstall --no-deps geoships"
    found = list(installed())
    if not found:
        yield Finding(topic, "installed models", "none", "broken", advice)
    for name, path in found:
        try:
            card = load_card(path)
        except GeoshipsError as error:
            yield Finding(topic, name, str(error), "broken", advice)
        else:
            yield Finding(topic, name, f"{', '.join(card.bands)}; {card.gsd:g} m")
