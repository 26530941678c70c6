"""Settings of glibc's malloc: what it does with freed memory."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

# parameters of mallopt, from glibc's malloc.h
_ARENA_MAX, _MMAP_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -4, -3, -1
_LARGE_BYTES = 32 << 20  # the highest value to which glibc raises the threshold by itself
_NEVER = -1  # the top of the heap is never returned to the system


def use_one_arena() -> None:
    """Make all threads of the process share one malloc arena, and map blocks of 32 MiB and more separately.

    By default glibc keeps the freed memory of each thread in an arena of its own. Over thousands of tiles these
    arenas hold hundreds of megabytes of unused memory. Existing arenas are not removed, so call this before any
    library starts its threads. Does nothing with other C libraries.
    """
    library = _glibc()
    if library:
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)


def reuse_large_blocks() -> None:
    """Allocate large blocks from freed memory instead of new mappings, until `release_memory` is called.

    By default glibc maps each block of 32 MiB and more anew, and the kernel zeroes all its pages. PyTorch allocates
    such blocks for the feature maps of every layer. Applies to threads of the main arena, see `use_one_arena`. Does
    nothing with other C libraries.
    """
    library = _glibc()
    if library:
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)


def release_memory() -> None:
    """Return freed memory to the operating system. Does nothing with C libraries other than glibc."""
    library = _glibc()
    if library:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") else None
