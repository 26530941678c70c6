"""What the C library does with large blocks."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import ctypes
import numpy as np
from geoships.support.memory import keep_memory, release_memory, share_memory

class Facts(ctypes.Structure):  # struct mallinfo2 of glibc's malloc.h
    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks".split()
                + ["fordblks", "keepcost"]]

mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Facts

def mapped():
    before = mallinfo().hblkhd
    block = np.ones(64 << 20, np.uint8)
    return mallinfo().hblkhd - before

share_memory()
print(mapped())
keep_memory()
print(mapped())
kept = mallinfo().arena
release_memory()
print(kept - mallinfo().arena)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc alone is told what to do")
def test_large_blocks_are_mapped_until_they_are_to_be_kept_and_go_when_handed_back() -> None:
    done = subprocess.run([sys.executable, "-c", COUNT], capture_output=True, text=True, check=False)
    if "mallinfo2" in done.stderr:
        pytest.skip("this C library has no mallinfo2: not glibc, or one before 2.33")
    mapped, kept, returned = map(int, done.stdout.split())
    assert mapped >= 64 << 20
    assert kept == 0
    assert returned >= 60 << 20
