"""Which scenes of a run are computed, which are settled already, and what a shard of them is."""

from __future__ import annotations

import heapq
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from geoships.cluster.attempt import Outcome, outcome_of
from geoships.cluster.decide import Decision, Expected, decide
from geoships.cluster.manifest import Manifest
from geoships.cluster.record_files import presence
from geoships.errors import GeoshipsError, OutputError
from geoships.pipeline.batch import SceneJob
from geoships.support.overwrite import refuse_overwrites


@dataclass(frozen=True)
class Shard:
    """A part of a run, such as one task of a SLURM array.

    Attributes:
        index: Which part, from 1 to `count`.
        count: Number of parts.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def parse_shard(text: str) -> Shard:
    """Read a shard such as ``2/8``.

    Raises:
        GeoshipsError: The text has another form, or there is no such part.

    >>> parse_shard("2/8")
    Shard(index=2, count=8)
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None:
        raise GeoshipsError(f"--shard {text}: expected I/N, such as 2/8")
    index, count = int(match[1]), int(match[2])
    if not 1 <= index <= count:
        hint = "; add 1 to an index that starts at 0" if index == 0 else ""
        raise GeoshipsError(f"--shard {text}: I runs from 1 to {count}{hint}")
    return Shard(index, count)


def shard_of(jobs: Sequence[SceneJob], pixels: Sequence[int], shard: Shard) -> list[SceneJob]:
    """The scenes of one shard. Each scene is in exactly one, whatever process asks, and all have about as many pixels.

    The largest scene goes first to the shard with the fewest pixels so far; of equals, the first in the alphabet. A
    scene of unknown size counts as one of the mean size.

    Args:
        jobs: All scenes, the same for each shard.
        pixels: Of each scene; 0: unknown.
        shard: Which one.

    Returns:
        Its scenes, in the order of `jobs`.
    """
    known = [count for count in pixels if count]
    mean = sum(known) // len(known) if known else 1
    order = sorted(range(len(jobs)), key=lambda number: (-(pixels[number] or mean), jobs[number].place))
    loads = [(0, number) for number in range(1, shard.count + 1)]
    ours = []
    for number in order:
        load, least = heapq.heappop(loads)
        heapq.heappush(loads, (load + (pixels[number] or mean), least))
        if least == shard.index:
            ours.append(number)
    return [jobs[number] for number in sorted(ours)]


@dataclass(frozen=True)
class Selection:
    """What a run has to do.

    Attributes:
        run: Scenes to compute.
        why: Why each of them is computed, where it is not new; in the order of `run`.
        settled: Outcomes of the others.
    """

    run: tuple[SceneJob, ...]
    why: tuple[str, ...]
    settled: tuple[Outcome, ...]


def select(jobs: Sequence[SceneJob], expected: Expected) -> Selection:
    """Compare scenes with the manifest.

    Args:
        jobs: The scenes and their outputs.
        expected: What the run makes.

    Raises:
        OutputError: Outputs were made with other settings or another model, or by something that left no record, and
            are not to be made again.
    """
    manifest = Manifest(expected.out_dir)
    run: list[tuple[SceneJob, str]] = []
    settled: list[Outcome] = []
    others: list[tuple[SceneJob, Decision]] = []
    foreign: list[Path] = []
    records, is_there = manifest.read_all([job.place for job in jobs]), presence(expected.out_dir)
    for job in jobs:
        record = records.get(job.place)
        decision = decide(job, record, expected, is_there)
        if decision.what == "run":
            run.append((job, decision.reason))
        elif decision.what == "other":
            others.append((job, decision))
        elif decision.what == "foreign":
            foreign += job.outputs.values()
        else:
            settled.append(outcome_of(job, record, decision.what, decision.reason))
    refuse_overwrites(foreign, overwrite=False)
    if others:
        _refuse(others)
    return Selection(tuple(job for job, _ in run), tuple(why for _, why in run), tuple(settled))


def _refuse(others: Sequence[tuple[SceneJob, Decision]]) -> None:
    job, decision = others[0]
    first = next(iter(job.outputs.values()))
    more = f", as {len(others) - 1} more were" if len(others) > 1 else ""
    raise OutputError(
        f"{first} was made from something else{more}: {decision.reason}; name another folder, or add --overwrite"
    )
