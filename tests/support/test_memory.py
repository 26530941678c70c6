"""How glibc allocates large blocks."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import ctypes
import numpy as np
from geoships.support.memory import reuse_large_blocks, release_memory, use_one_arena

class MallInfo(ctypes.Structure):  # struct mallinfo2 of glibc's malloc.h
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks".split()
                + ["fordblks", "keepcost"]]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = MallInfo

def mapped_bytes():
    before = mallinfo().hblkhd
    block = np.ones(64 << 20, np.uint8)
    return mallinfo().hblkhd - before

use_one_arena()
print(mapped_bytes())
reuse_large_blocks()
print(mapped_bytes())
before = mallinfo().arena
release_memory()
print(before - mallinfo().arena)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the settings apply to glibc only")
def test_large_blocks_are_mapped_until_reuse_is_set_and_then_freed_on_release() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=False)
    if "mallinfo2" in done.stderr:
        pytest.skip("this C library has no mallinfo2: not glibc, or one before 2.33")
    mapped, mapped_after, released = map(int, done.stdout.split())
    assert mapped >= 64 << 20
    assert mapped_after == 0
    assert released >= 60 << 20
