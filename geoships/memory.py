"""Memory that was freed, and that the C library keeps."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # names of parameters, from glibc's malloc.h
_LARGE = 32 << 20  # bytes; the most that glibc itself would raise the threshold to


def share_memory() -> None:
    """Let all threads of the process share one arena, and give blocks of 32 MB and more a mapping of their own.

    glibc keeps what several threads free in arenas of their own; over thousands of tiles these hold
    hundreds of megabytes that nobody uses. Does nothing with other C libraries.
    """
    library = _glibc()
    if library:
        library.mallopt(_ARENA_MAX, 1)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)


def release_memory() -> None:
    """Hand freed memory back to the system. Does nothing with other C libraries than glibc."""
    library = _glibc()
    if library:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") else None
