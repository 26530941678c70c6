"""Which scenes of a run are computed, which are settled already, and what a shard of them is."""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from geoships.cluster.decide import Decision, Expected, decide
from geoships.cluster.manifest import Manifest
from geoships.cluster.outcomes import Outcome, outcome_of
from geoships.cluster.record_files import presence
from geoships.errors import GeoshipsError, OutputError
from geoships.pipeline.jobs import SceneJob
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
    """Read a shard such as ``2/8``; ``auto`` is that of the task of an array of SLURM or AWS Batch.

    Raises:
        GeoshipsError: The text has another form, there is no such part, or this process is no task of an array.

    >>> parse_shard("2/8")
    Shard(index=2, count=8)
    """
    if text.strip() == "auto":
        return shard_of_task(os.environ)
    match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
    if match is None:
        raise GeoshipsError(f"--shard {text}: expected I/N, such as 2/8, or auto")
    index, count = int(match[1]), int(match[2])
    if not 1 <= index <= count:
        hint = "; add 1 to an index that starts at 0" if index == 0 else ""
        raise GeoshipsError(f"--shard {text}: I runs from 1 to {count}{hint}")
    return Shard(index, count)


def shard_of_task(environment: Mapping[str, str]) -> Shard:
    """The part of a run that a task of an array computes.

    Args:
        environment: Variables that SLURM or AWS Batch have set.

    Raises:
        GeoshipsError: They have set none.

    >>> shard_of_task({"AWS_BATCH_JOB_ARRAY_INDEX": "1", "AWS_BATCH_JOB_ARRAY_SIZE": "8"})
    Shard(index=2, count=8)
    >>> array = {"MIN": "10", "MAX": "30", "STEP": "10", "COUNT": "3", "ID": "20"}
    >>> shard_of_task({f"SLURM_ARRAY_TASK_{name}": value for name, value in array.items()})
    Shard(index=2, count=3)
    """
    try:
        if "AWS_BATCH_JOB_ARRAY_INDEX" in environment:
            index, count = int(environment["AWS_BATCH_JOB_ARRAY_INDEX"]), int(environment["AWS_BATCH_JOB_ARRAY_SIZE"])
        else:
            names = ("ID", "MIN", "MAX", "STEP", "COUNT")
            number, first, last, step, count = (int(environment[f"SLURM_ARRAY_TASK_{name}"]) for name in names)
            index = (number - first) // step
            if count != (last - first) // step + 1:
                raise GeoshipsError("--shard auto: an array with gaps, such as --array=0,2,5, would leave scenes out")
    except (KeyError, ValueError) as error:
        raise GeoshipsError("--shard auto: this is no task of an array of SLURM or AWS Batch; give I/N") from error
    return Shard(index + 1, count)


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
