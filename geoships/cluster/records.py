"""The record of one scene: from what its outputs were made, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

VERSION = 1  # of the format
State = Literal["running", "done", "failed"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", protected_namespaces=())


class InputFile(_Part):
    """A file of a scene as it was read.

    Attributes:
        path: Absolute path, or ``FILE#ID`` of a STAC Item in a collection.
        bytes: Its size.
        modified_ns: When it was changed last, in nanoseconds since 1970; 0 if that says nothing.
        sha256: Digest of its content.
    """

    path: str
    bytes: int
    modified_ns: int
    sha256: str


class OutputFile(_Part):
    """A file that was written.

    Attributes:
        path: Relative to the folder of outputs.
        bytes: Its size.
        sha256: Digest of its content.
    """

    path: str
    bytes: int
    sha256: str


class Model(_Part):
    """The bundle. name: of its card. sha256: digest of card and weights."""

    name: str
    sha256: str


class SceneRecord(_Part):
    """What is known of one scene of a run.

    Attributes:
        version: Of the format of records.
        scene: Name of the scene, without secrets of its address.
        place: Relative path of its outputs, without an ending.
        state: ``running`` until it is ``done`` or ``failed``. A record that says ``running`` while no process holds
            the scene is that of a run that was stopped.
        settings: The settings that decide what is found, by name; of files their digest.
        model: The bundle; None before it is known, and for a scene that failed earlier.
        files: The local files of the scene, with the digests of what was read.
        outputs: Files that were written, by kind.
        attempts: How often the scene was begun.
        run: Which run began it last.
        lost: How often a process of this run died with it before.
        started, finished: When, in UTC (ISO 8601).
        seconds: Duration of the last attempt.
        pixels: Rows times columns of the scene.
        ships: Number of ships.
        warnings: What was assumed.
        reason: Why it failed.
        summary: Result as ``geoships predict --json`` prints it.
        host: Machine that computed it.
        geoships: Version of geoships.
    """

    version: int = VERSION
    scene: str
    place: str
    state: State
    settings: dict[str, Any] = {}
    model: Model | None = None
    files: tuple[InputFile, ...] = ()
    outputs: dict[str, OutputFile] = {}
    attempts: int = 0
    run: str = ""
    lost: int = 0
    started: str = ""
    finished: str = ""
    seconds: float = 0.0
    pixels: int = 0
    ships: int = 0
    warnings: tuple[str, ...] = ()
    reason: str | None = None
    summary: dict[str, Any] = {}
    host: str = ""
    geoships: str = ""

    def ended_after(self, moment: datetime) -> bool:
        """Whether the scene was done, or failed, after a moment."""
        return bool(self.finished) and datetime.fromisoformat(self.finished) > moment


def now_text() -> str:
    """The time in UTC (ISO 8601), to the microsecond."""
    return datetime.now(UTC).isoformat()


def parse_record(content: bytes | None) -> SceneRecord | None:
    """The record in a file; None if there is no file, or if it is of no use, such as after a power failure."""
    try:
        record = SceneRecord.model_validate_json(content or b"")
    except ValidationError:
        return None
    return record if record.version == VERSION else None
