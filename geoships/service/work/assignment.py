"""What a worker hands to its process: light, so that a process need not import what its job does not use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoships.errors import GeoshipsError
from geoships.service.settings import ServiceSettings

Tell = Callable[[object], None]


class JobFailedError(GeoshipsError):
    """A job that cannot be done, with a reason that its owner may see."""


@dataclass(frozen=True)
class Assignment:
    """A job for a worker's process.

    Attributes:
        settings: Of the service.
        input: Folder of the job's files.
        output: Folder of this attempt, which need not exist.
        source: Where the scene comes from, see `geoships.service.jobs.NewJob`.
        options: Of the prediction.
    """

    settings: ServiceSettings
    input: Path
    output: Path
    source: Mapping[str, Any]
    options: Mapping[str, Any]
