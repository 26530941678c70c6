"""Sizes of scenes, read from their headers before anything is computed, and what they let expect."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from math import inf
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import median

import psutil
from rasterio.errors import RasterioError

from geoships.cluster.records import SceneRecord
from geoships.errors import GeoshipsError
from geoships.pipeline.jobs import SceneJob
from geoships.scene.opening.band_files import BandFiles
from geoships.scene.opening.item_collection import split_name
from geoships.scene.opening.names import is_remote
from geoships.scene.opening.open import SceneFile
from geoships.support.transform_warning import without_transform_warning

THREADS = 8  # headers at a time: on a server each costs some round trips
PATIENCE = 120.0  # s for all headers, after which the rest counts as unreadable
Size = tuple[int, int]  # rows, columns
UNKNOWN: Size = (0, 0)

# Rough figures for a five-band network, from benchmarks/: they order and bound, and are not measured on this machine.
BASE_BYTES = 700 << 20  # of a process with a loaded model
TILE_BYTES = 400  # for each pixel of a tile, up to MAX_TILE_BYTES
MAX_TILE_BYTES = 1 << 30
ROW_BYTES, MAX_ROW_BYTES = 15 * 1024, 256 << 20  # for each column of a scene: a row of tiles
SECONDS = {"cpu": 0.5, "cuda": 0.02}  # for each megapixel and view


def read_sizes(jobs: Sequence[SceneJob], *, trust_vrt: bool = False, patience: float = PATIENCE) -> list[Size]:
    """Read the rows and columns of scenes.

    Args:
        jobs: The scenes.
        trust_vrt: As in `PredictConfig`.
        patience: Seconds for all of them together. A read that never returns costs no more than that.

    Returns:
        (rows, columns) of each scene; UNKNOWN of one that cannot be read.
    """
    waiting: SimpleQueue[int] = SimpleQueue()
    read: SimpleQueue[tuple[int, Size]] = SimpleQueue()
    for number in range(len(jobs)):
        waiting.put(number)

    def work() -> None:
        while True:
            try:
                number = waiting.get_nowait()
            except Empty:
                return
            read.put((number, _size(jobs[number], trust_vrt=trust_vrt)))

    with without_transform_warning():
        for _ in range(min(THREADS, len(jobs))):
            threading.Thread(target=work, name="headers", daemon=True).start()
        sizes, until = [UNKNOWN] * len(jobs), time.monotonic() + patience
        for _ in jobs:
            try:
                number, size = read.get(timeout=max(0.0, until - time.monotonic()))
            except Empty:
                break
            sizes[number] = size
    return sizes


def _size(job: SceneJob, *, trust_vrt: bool) -> Size:
    if not _is_readable(job):
        return UNKNOWN
    try:
        with SceneFile(job.scene, trust_vrt=trust_vrt) as file:
            return file.header.shape
    except (GeoshipsError, OSError, RasterioError, ValueError):
        return UNKNOWN


def _is_readable(job: SceneJob) -> bool:
    """Whether a name is an address, a file or a folder, and not a pipe, which would be waited for."""
    if isinstance(job.scene, BandFiles) or "://" in str(job.scene) or is_remote(job.scene) or ":" in str(job.scene):
        return True
    path = Path(job.scene)
    try:
        return split_name(str(path)) is not None or path.is_file() or path.is_dir()
    except (OSError, ValueError):
        return False


def pixels_of(size: Size) -> int:
    """Pixels of a scene; 0 if its size is unknown."""
    return size[0] * size[1]


def memory_of(size: Size) -> int:
    """Memory in bytes that a process may take for a scene, a rough upper figure.

    >>> memory_of((512, 512)) >> 20, memory_of((10240, 10240)) >> 20, memory_of((10240, 100_000)) >> 20
    (807, 1874, 1980)
    """
    tile = min(MAX_TILE_BYTES, pixels_of(size) * TILE_BYTES)
    return BASE_BYTES + tile + min(MAX_ROW_BYTES, size[1] * ROW_BYTES)


def seconds_for(pixels: int, records: Sequence[SceneRecord], device: str, views: int = 1) -> tuple[float, bool]:
    """Time that some pixels may take in one process.

    Args:
        pixels: Their number.
        records: Of scenes that were computed before with the same settings.
        device: That computes.
        views: Of test-time augmentation.

    Returns:
        Seconds, and whether they follow from the records and not from a rough figure.
    """
    rates = [record.seconds / record.pixels for record in records if record.state == "done" and record.pixels]
    if rates:
        return pixels * median(rates), True
    kind = "cuda" if device.startswith("cuda") else "cpu"
    return pixels / 1e6 * SECONDS[kind] * views, False


def free_memory() -> float:
    """Memory in bytes that all processes of a run may take together: four fifths of what is free."""
    available = psutil.virtual_memory().available
    return inf if not available else 0.8 * available
