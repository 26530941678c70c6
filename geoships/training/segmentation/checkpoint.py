"""Checkpoints of a training: files that are whole or absent."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import torch

from geoships.errors import GeoshipsError
from geoships.support.files import atomic_write


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a state; the older file is replaced when the new one is complete.

    Raises:
        OutputError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()  # torch hides errors of the disk behind its own
    torch.save(state, content)
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        # Not getbuffer(): when the write fails, Python 3.12 crashes as it collects that view of the content.
        file.write(content.getvalue())
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave an empty file under the new name


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state; nothing but tensors and plain values is unpickled.

    Raises:
        GeoshipsError: If it cannot be read.
    """
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has many ways to say it
        raise GeoshipsError(f"cannot read the checkpoint {path}: {error}; remove it to start anew") from error
    return state


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed run left half written."""
    for path in folder.glob(".geoships-*"):
        path.unlink(missing_ok=True)
