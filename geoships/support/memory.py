"""Memory that was freed, and that the C library keeps."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

# names of parameters, from glibc's malloc.h
_ARENA_MAX, _MMAP_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -4, -3, -1
_LARGE = 32 << 20  # bytes; the most that glibc itself would raise the threshold to
_NEVER = -1  # the end of the heap is handed back


def share_memory() -> None:
    """Let all threads of the process share one arena, and give blocks of 32 MB and more a mapping of their own.

    glibc keeps what several threads free in arenas of their own; over thousands of tiles these hold
    hundreds of megabytes that nobody uses. Arenas that there are stay, so that it is best called before libraries start
    their threads. Does nothing with other C libraries.
    """
    library = _glibc()
    if library:
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)


def keep_memory() -> None:
    """Serve large blocks from memory that was freed before, as long as nobody hands it back.

    glibc maps each block of 32 MB and more anew, and the system clears every page of it: PyTorch takes such blocks for
    the maps of each layer. Holds for the threads that share the first arena, see `share_memory`. Does nothing with
    other C libraries.
    """
    library = _glibc()
    if library:
        library.mallopt(_MMAP_MAX, 0)
        library.mallopt(_TRIM_THRESHOLD, _NEVER)


def release_memory() -> None:
    """Hand freed memory back to the system. Does nothing with other C libraries than glibc."""
    library = _glibc()
    if library:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") else None
