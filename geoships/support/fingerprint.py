"""Fingerprints: what tells whether a file, or a set of settings, is the same as at another time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

WHOLE = 16 << 20  # bytes of a file up to which all of it is hashed
SAMPLES, SAMPLE = 16, 1 << 20  # number and bytes of the parts of a larger file that are hashed
MOST = 64  # files whose content is hashed; of the others, size and time have to do

Fingerprint = dict[str, object]


def file_fingerprints(paths: Iterable[Path]) -> list[Fingerprint]:
    """Fingerprints of files; of the first 64 with a hash of their content.

    Args:
        paths: Files. Folders, and files that are not there, are left out.

    Returns:
        For each file ``path``, ``bytes``, ``modified`` (UTC) and ``sha256``; see `sampled_hash` for files of more than
        16 MiB.
    """
    found: list[Fingerprint] = []
    for path in dict.fromkeys(path.absolute() for path in paths):
        try:
            if path.is_file():
                found.append(_fingerprint(path, hashed=len(found) < MOST))
        except OSError:
            continue  # it was read a moment ago, so that this tells of nothing but a file that is gone
    return found


def content_of(fingerprint: Fingerprint) -> Fingerprint:
    """What stays the same in a fingerprint while the file does not change.

    Size and hash; the time, too, of a file of which not all is hashed, so that no change is overlooked.
    """
    left_out = {"path", "modified"} if "sha256" in fingerprint else {"path"}
    return {name: value for name, value in fingerprint.items() if name not in left_out}


def _fingerprint(path: Path, *, hashed: bool) -> Fingerprint:
    status = path.stat()
    modified = datetime.fromtimestamp(status.st_mtime, UTC).isoformat(timespec="microseconds")
    known: Fingerprint = {"path": str(path), "bytes": status.st_size, "modified": modified}
    if not hashed:
        return known
    if status.st_size > WHOLE:
        return {**known, "sampled_sha256": sampled_hash(path)}
    with path.open("rb") as file:
        return {**known, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def sampled_hash(path: Path) -> str:
    """SHA-256 of a large file's size, as decimal digits, and of 16 parts of 1 MiB.

    Part n of 0 to 15 begins at byte ``n * (size - 1 MiB) // 15``: the first is the beginning of the file, and the last
    its end. A change between two parts is not noticed, unless it changes the size.

    Args:
        path: A file of at least 1 MiB.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for number in range(SAMPLES):
            file.seek(number * (size - SAMPLE) // (SAMPLES - 1))
            digest.update(file.read(SAMPLE))
    return digest.hexdigest()


def settings_fingerprint(settings: Mapping[str, object]) -> str:
    """SHA-256 of settings as JSON, with sorted names and without spaces.

    >>> settings_fingerprint({"b": 1, "a": None}) == settings_fingerprint({"a": None, "b": 1})
    True
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
