"""Whether a scene is to be computed, was done before, or must not be touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

from geoships.cluster.fingerprint import changed_file, installed_mark, installed_mark_apart
from geoships.cluster.records import Model, SceneRecord
from geoships.pipeline.jobs import SceneJob
from geoships.pipeline.run_mark import differences
from geoships.support.remote.objects import exists


@dataclass(frozen=True)
class Expected:
    """What the outputs of a run are made from, and what may be made again.

    Attributes:
        out_dir: Folder of the outputs.
        settings: See `settings_mark`.
        model: The bundle of all scenes; None: each scene has the installed one that suits it.
        overwrite: Make again what is done, and write over files of other runs.
        retry_failed: Try again what failed.
        since: When the run began. What ended later was done by this run, or by another beside it.
        run: Name of the run, by which other machines know what it did whatever their clocks say.
        apart: Models are looked at in processes of their own, because this one has to stay small.
    """

    out_dir: Path
    settings: Mapping[str, Any]
    model: Model | None = None
    overwrite: bool = False
    retry_failed: bool = False
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    run: str = field(default_factory=lambda: token_hex(8))
    apart: bool = False

    def ended_now(self, record: SceneRecord) -> bool:
        """Whether a scene was done, or failed, since the run began."""
        return bool(record.finished) and (record.run == self.run or record.ended_after(self.since))

    def installed(self, name: str) -> Model | None:
        """Mark of an installed model; None if none has this name."""
        return (installed_mark_apart if self.apart else installed_mark)(name)


@dataclass(frozen=True)
class Decision:
    """What to do with a scene.

    Attributes:
        what: ``run``; ``done`` or ``failed`` before; ``refused``, because the scene is not what its outputs were made
            from; and what ends a whole run: ``other``, because they were made with other settings or another model, and
            ``foreign``, because no record tells from what they were made.
        reason: Why, for people; empty for a scene that is new.
    """

    what: Literal["run", "done", "failed", "refused", "other", "foreign"]
    reason: str = ""


def decide(
    job: SceneJob, record: SceneRecord | None, expected: Expected, is_there: Callable[[Path], bool] = exists
) -> Decision:
    """Decide what to do with a scene.

    Args:
        job: The scene and its outputs.
        record: Its record; None: it has none.
        expected: What the run would make.
        is_there: Tells whether an output is there.
    """
    if record is None or not record.finished:
        return _unfinished(job, record, expected, is_there)
    if expected.ended_now(record):
        return Decision("done" if record.state == "done" else "failed", record.reason or "")
    if expected.overwrite:
        return Decision("run", "made again")
    if record.state == "failed":
        return _failed(record, expected)
    paths = job.outputs
    if not any(is_there(expected.out_dir / output.path) for output in record.outputs.values()):
        return Decision("run", "its outputs are gone")
    if other := _other_origin(record, expected) or _other_outputs(record, paths, expected.out_dir):
        return Decision("other", other)
    if missing := [path for path in paths.values() if not is_there(path)]:
        return Decision("run", f"{missing[0]} is missing")
    if changed := changed_file(record.files):
        return Decision("refused", f"{changed} has changed since {next(iter(paths.values()))} was made from it")
    return Decision("done", f"finished {record.finished[:19].replace('T', ' ')} UTC")


def _unfinished(
    job: SceneJob, record: SceneRecord | None, expected: Expected, is_there: Callable[[Path], bool]
) -> Decision:
    if record is not None:
        return Decision("run", "stopped before")
    existing = [str(path) for path in job.outputs.values() if is_there(path)]
    if existing and not expected.overwrite:
        return Decision("foreign", f"{existing[0]} exists, and no record tells from what it was made")
    return Decision("run", f"{existing[0]} is written over" if existing else "")


def _failed(record: SceneRecord, expected: Expected) -> Decision:
    """A scene that failed is tried again when asked for, or when anything has changed that may mend it."""
    if expected.retry_failed:
        return Decision("run", f"failed before: {record.reason}")
    if differences(record.settings, expected.settings) or changed_file(record.files):
        return Decision("run", "failed before with other settings, or another file")
    return Decision("failed", record.reason or "")


def _other_origin(record: SceneRecord, expected: Expected) -> str:
    """What differs between the settings and the model of a record and those of a run."""
    found = differences(record.settings, expected.settings)
    if record.model is not None:
        now = expected.model or expected.installed(record.model.name)
        if now is None:
            found.append(f"the model {record.model.name} is not installed now")
        elif now.name != record.model.name:
            found.append(f"the model was {record.model.name}, and is {now.name} now")
        elif now != record.model:
            found.append(f"the model {now.name} has other weights or another card now")
    return "; ".join(found)


def _other_outputs(record: SceneRecord, paths: Mapping[str, Path], out_dir: Path) -> str:
    """Which outputs a run would write that the run before did not."""
    written = {kind: out_dir / output.path for kind, output in record.outputs.items()}
    new = [path.name for kind, path in paths.items() if written.get(kind) != path]
    return f"{' and '.join(new)} {'was' if len(new) == 1 else 'were'} not among its outputs" if new else ""
