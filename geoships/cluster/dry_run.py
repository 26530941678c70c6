"""What a run would do, without doing it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoships.cluster.blocks import shared_scenes
from geoships.cluster.fingerprint import settings_mark
from geoships.cluster.outcomes import shown_name
from geoships.cluster.records import SceneRecord
from geoships.cluster.selection import Selection
from geoships.cluster.sizes import free_memory, memory_of, pixels_of, read_sizes, seconds_for
from geoships.config import PredictConfig
from geoships.pipeline.run_mark import differences
from geoships.scene.listing.listed import LeftOut


@dataclass(frozen=True)
class Planned:
    """A scene that would be computed.

    Attributes:
        scene: Its name.
        outputs: Files that would be written.
        pixels: Of the scene; 0: its header cannot be read.
        why: Why it is computed, where it is not new.
    """

    scene: str
    outputs: tuple[Path, ...]
    pixels: int
    why: str


@dataclass(frozen=True)
class DryRun:
    """What a run would do.

    Attributes:
        planned: Scenes that would be computed.
        skipped: Scenes and files that would not, with the reason.
        memory: Memory in bytes that may be needed, a rough upper figure.
        seconds: Time that may be needed.
        measured: Whether the time follows from scenes that were computed before.
    """

    planned: tuple[Planned, ...]
    skipped: tuple[LeftOut, ...]
    memory: int
    seconds: float
    measured: bool

    @property
    def pixels(self) -> int:
        """Of all scenes that would be computed."""
        return sum(one.pixels for one in self.planned)

    def to_json(self) -> dict[str, Any]:
        """The plan as plain values for JSON."""
        return {
            "planned": [
                {
                    "scene": one.scene,
                    "outputs": [str(path) for path in one.outputs],
                    "megapixels": round(one.pixels / 1e6, 3),
                    "reason": one.why,
                }
                for one in self.planned
            ],
            "skipped": [{"scene": one.name, "reason": one.reason} for one in self.skipped],
            "megapixels": round(self.pixels / 1e6, 3),
            "memory_gib": round(self.memory / 2**30, 2),
            "seconds": round(self.seconds, 1),
        }

    def text(self) -> str:
        """One line for each scene, and one for all."""
        lines = []
        for one in self.planned:
            size = f"{one.pixels / 1e6:.1f} Mpix" if one.pixels else "of unknown size"
            why = f" ({one.why})" if one.why else ""
            lines.append(f"run   {one.scene}, {size}{why} -> {', '.join(map(str, one.outputs))}")
        lines += [f"skip  {one.name}: {one.reason}" for one in self.skipped]
        how = "as fast as the scenes before" if self.measured else "a rough figure"
        lines.append(
            f"{len(self.planned)} to run, {len(self.skipped)} to skip: {self.pixels / 1e6:.1f} Mpix, "
            f"about {_duration(self.seconds)} ({how}), up to {self.memory / 2**30:.1f} GiB"
        )
        return "\n".join(lines)


def plan_dry_run(
    selection: Selection,
    left_out: Sequence[LeftOut],
    before: Iterable[SceneRecord],
    config: PredictConfig,
    processes: int,
) -> DryRun:
    """Estimate what a selection of scenes would take.

    Args:
        selection: What would be computed and what not.
        left_out: Files that were not taken as scenes.
        before: Records of scenes of the same folder, whose speed counts where their settings are the same.
        config: Settings.
        processes: Number of processes.
    """
    sizes = read_sizes(selection.run, trust_vrt=config.trust_vrt)
    planned = tuple(
        Planned(shown_name(job), tuple(job.outputs.values()), pixels_of(size), why)
        for job, size, why in zip(selection.run, sizes, selection.why, strict=True)
    )
    settings = settings_mark(config)
    alike = [record for record in before if not differences(record.settings, settings)]
    work, measured = seconds_for(sum(map(pixels_of, sizes)), alike, config.device, config.views or 1)
    shared = shared_scenes(list(map(pixels_of, sizes)), processes) if processes > 1 else []
    needs = [memory_of(size) for size in sizes]
    alone = sorted(needs, reverse=True)[:processes]
    together = max([alone, *([needs[number]] * processes for number in shared)], key=sum)
    skipped = tuple(LeftOut(one.scene, f"{one.state}, {one.reason}") for one in selection.settled)
    memory = int(min(sum(together), max([free_memory(), *together[:1]])))
    return DryRun(planned, (*skipped, *left_out), memory, work / processes, measured)


def _duration(seconds: float) -> str:
    """A duration for people.

    >>> _duration(4), _duration(100), _duration(9000)
    ('4 s', '2 min', '2.5 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
