"""What became of a scene of many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from geoships.cluster.records import InputFile, SceneRecord, now_text
from geoships.pipeline.jobs import SceneJob
from geoships.scene.opening.raster import public_name

TRIES = 2  # of a scene whose process dies


@dataclass(frozen=True)
class Outcome:
    """What became of a scene in a run.

    Attributes:
        place: Of the scene.
        scene: Its name, without secrets.
        state: ``done`` or ``failed`` in this run, ``done before`` or ``failed before``; ``refused``, because its
            outputs are of something else; ``busy``, because another process works on it.
        record: Its record; None where it has none, or where it does not belong to this run.
        reason: Why it failed or was refused, or when it was done before.
    """

    place: str
    scene: str
    state: Literal["done", "failed", "done before", "failed before", "refused", "busy"]
    record: SceneRecord | None = None
    reason: str = ""

    @property
    def failed(self) -> bool:
        """Whether the scene has no outputs that belong to this run."""
        return self.state in ("failed", "failed before", "refused")


def outcome_of(job: SceneJob, record: SceneRecord | None, what: str, reason: str, *, now: bool = False) -> Outcome:
    """The outcome of a scene that is not to be computed, by its decision.

    Args:
        job: The scene.
        record: Its record.
        what: The decision: ``done``, ``failed`` or ``refused``.
        reason: The reason of the decision.
        now: Whether the scene ended since the run began.
    """
    name = shown_name(job)
    if what == "done":
        return Outcome(job.place, name, "done" if now else "done before", record, reason)
    if what == "failed":
        return Outcome(job.place, name, "failed" if now else "failed before", record, reason)
    return Outcome(job.place, name, "refused", reason=f"{reason}; move its outputs away, or add --overwrite")


def shown_name(job: SceneJob) -> str:
    """Name of a scene as the user gave it, but without the query of an address, which may be secret."""
    text = str(job.scene)
    return public_name(text) if "://" in text else text


def timeout_reason(seconds: float) -> str:
    """Why a scene failed that took too long."""
    return f"not done after {seconds:g} s (--scene-timeout)"


def failed_record(
    begun: SceneRecord, reason: str, *, files: tuple[InputFile, ...] = (), seconds: float = 0.0
) -> SceneRecord:
    """The record of a scene that failed."""
    return begun.model_copy(
        update={"state": "failed", "reason": reason, "files": files, "finished": now_text(), "seconds": seconds}
    )
