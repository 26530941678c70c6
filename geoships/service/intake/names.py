"""Names of uploaded files: what is left of them is safe as a file name."""

from __future__ import annotations

import re
import unicodedata

LONGEST = 120  # characters

# By the first bytes, which tell what a file is; the ending only says what GDAL may look for beside it.
ENDINGS = (".tif", ".tiff", ".jp2", ".png", ".jpg", ".jpeg", ".zip")


def safe_name(name: str, position: int = 0) -> str:
    r"""A file name without folders, control characters and leading dots.

    Args:
        name: As the client sent it.
        position: Number of the file among those of a job, for one without a name.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\scenes\\a b.TIF"), safe_name("..")
    ('passwd', 'a b.TIF', 'scene-1')
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    kept = "".join(letter for letter in last if letter.isprintable() and letter not in "<>:\"|?*{}!$`'").strip(" .")
    if not kept:
        return f"scene-{position + 1}"
    stem, dot, ending = kept.rpartition(".")
    return f"{stem[: LONGEST - len(ending) - 1]}.{ending}" if dot and len(ending) < 12 else kept[:LONGEST]
