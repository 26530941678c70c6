"""Sizes of memory as people write them."""

from __future__ import annotations

import re

_SIZE = re.compile(r"(\d+(?:\.\d+)?) *([KMGT]?)(i?B)?", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes of a size.

    Args:
        text: A number with a unit: KB, MB, GB and TB are powers of 1,000; KiB, MiB, GiB, TiB, K, M, G and T are powers
            of 1,024; without a unit the number is bytes.

    Raises:
        ValueError: The text is not a size above 0.

    >>> parse_size("800MB"), parse_size("2GiB"), parse_size("4G"), parse_size("1.5 k")
    (800000000, 2147483648, 4294967296, 1536)
    """
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"{text!r} is not a size; write for example 800MB, 2GiB or 4G")
    number, unit, suffix = float(found[1]), found[2].upper(), (found[3] or "").upper()
    base = 1000 if unit and suffix == "B" else 1024
    size = int(number * base ** "KMGT".index(unit) * base) if unit else int(number)
    if size < 1:
        raise ValueError(f"{text!r} is not a size above 0; write for example 800MB, 2GiB or 4G")
    return size


def size_text(size: int) -> str:
    """A number of bytes that is rounded up to whole MiB, so that a run with it fits.

    >>> size_text(1), size_text(3 << 30)
    ('1MiB', '3072MiB')
    """
    return f"{-(-size // 2**20)}MiB"
