"""`geoships predict --out-dir`: many scenes, with a manifest of what is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from geoships.errors import GeoshipsError, OutputError
from geoships_cli.batch_options import BatchOptions
from geoships_cli.failures import PartialFailureError, print_error
from geoships_cli.options import OutputOptions
from geoships_cli.progress import JsonLines, Lines

if TYPE_CHECKING:
    from geoships.cluster.outcomes import Outcome
    from geoships.cluster.run import RunOptions, RunResult
    from geoships.config import PredictConfig
    from geoships.pipeline.jobs import SceneJob
    from geoships.scene.listing.listed import Listing
    from geoships.scene.tiling.windows import Window

NAMED = 5  # failed scenes in the last line of a run; all are in failures.csv


def predict_scenes(
    found: Listing, outputs: OutputOptions, config: PredictConfig, run: BatchOptions, *, read: Sequence[Path], box: bool
) -> None:
    """Find the ships of many scenes, or print what would be done.

    Args:
        found: The scenes.
        outputs: What is written.
        config: Settings.
        run: Which scenes are run, and how.
        read: Files that no output may replace.
        box: Whether the area is that of a search, which is given again with --bbox.

    Raises:
        typer.BadParameter: The outputs of two scenes would have the same names, or there is no such shard.
        GeoshipsError: Scenes failed; PartialFailureError where others are done.
    """
    from geoships.support.overwrite import refuse_overwrites

    assert outputs.out_dir is not None
    jobs = _plan(found, outputs)
    refuse_overwrites((path for job in jobs for path in job.outputs.values()), read, overwrite=True)
    options = run.run_options()
    if (shard := run.part()) is not None:
        from geoships.cluster.outcomes import shown_name
        from geoships.cluster.selection import shard_of
        from geoships.cluster.sizes import pixels_of, read_sizes

        sizes = read_sizes(jobs, trust_vrt=config.trust_vrt)
        options = replace(options, part=str(shard), listed={job.place: shown_name(job) for job in jobs})
        jobs = shard_of(jobs, [pixels_of(size) for size in sizes], shard)
    if run.dry_run:
        print_plan(found, jobs, outputs.out_dir, config, run)
        return
    with run.progress_display() as progress, _told_of_interrupts():
        result = _run(jobs, outputs.out_dir, config, options, progress)
    _report(result, outputs.out_dir, run, box=box)


def _plan(found: Listing, outputs: OutputOptions) -> list[SceneJob]:
    from geoships.pipeline.jobs import plan_outputs

    assert outputs.out_dir is not None
    try:
        return plan_outputs(
            found.scenes, outputs.out_dir, format=outputs.out_format, rasters=outputs.rasters,
            previews=outputs.previews, items=outputs.items,
        )  # fmt: skip
    except OutputError as error:
        raise typer.BadParameter(str(error)) from error


def print_plan(
    found: Listing, jobs: Sequence[SceneJob], out_dir: Path | None, config: PredictConfig, run: BatchOptions
) -> None:
    """Print what a run would do. Nothing is computed or written.

    Args:
        found: What is not taken as a scene.
        jobs: The scenes.
        out_dir: Folder of the outputs of many scenes; None: there is one scene and no manifest.
        config: Settings.
        run: Which scenes are made again, and how many at a time.
    """
    from geoships.cluster.dry_run import plan_dry_run
    from geoships.cluster.manifest import Manifest
    from geoships.cluster.run import expected_of
    from geoships.cluster.selection import Selection, select
    from geoships.model.bundle import load_bundle

    model = load_bundle(config.model) if config.model else None
    if out_dir is None:
        selection = Selection(tuple(jobs), ("",) * len(jobs), ())
    else:
        selection = select(jobs, expected_of(out_dir, config, run.run_options(), model))
    before = () if out_dir is None else Manifest(out_dir).records()
    plan = plan_dry_run(selection, found.left_out, before, config, run.jobs or 1)
    run.report(plan.to_json(), plan.text())


def _run(
    jobs: Sequence[SceneJob], out_dir: Path, config: PredictConfig, options: RunOptions, progress: Lines
) -> RunResult:
    """Run the scenes. What becomes of each is told at once; the failure of a lone scene ends the run."""
    from geoships.cluster.run import run_scenes

    counts = {"settled": 0, "failed": 0}

    def on_outcome(outcome: Outcome) -> None:
        counts["settled"] += 1
        counts["failed"] += outcome.failed
        progress.settle(f"{counts['settled']} of {len(jobs)} scenes, {counts['failed']} failed", _event(outcome))
        if outcome.failed and len(jobs) > 1:
            print_error(GeoshipsError(outcome.reason), outcome.scene)

    # programs that read JSON lines hear of one scene at a time
    options = replace(options, overlap=not isinstance(progress, JsonLines))
    return run_scenes(jobs, out_dir, config, options, progress=progress, on_outcome=on_outcome)


def _event(outcome: Outcome) -> dict[str, object]:
    """What programs that read JSON lines are told of a scene."""
    ships = outcome.record.ships if outcome.record and not outcome.failed else None
    return {"scene": outcome.scene, "state": outcome.state, "ships": ships, "reason": outcome.reason or None}


@contextmanager
def _told_of_interrupts() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("stopped: the same command goes on with the scenes that are not done", err=True)
        raise


def _report(result: RunResult, out_dir: Path, run: BatchOptions, *, box: bool) -> None:
    """Print what was found, and write the list of failures. box: as for `predict_scenes`.

    Raises:
        GeoshipsError: Scenes failed; PartialFailureError where others are done.
    """
    from geoships.cluster.report import summary_json, summary_table, write_failures
    from geoships.pipeline.record import without_area

    failures = write_failures(out_dir, result)
    failed, total = result.failed, len(result.outcomes)
    if run.as_json or len(failed) < total:
        sentences = [_sentence(one, out_dir) for one in result.outcomes if one.state == "done"]
        summary = summary_json(result)
        if box:
            summary["scenes"] = [without_area(each) for each in summary["scenes"]]
        run.report(summary, "\n".join([*sentences, *([summary_table(result)] if total > 1 else [])]))
    if failed and total == 1:
        raise GeoshipsError(f"{failed[0].scene}: {failed[0].reason}")
    if failed:
        kind = PartialFailureError if len(failed) < total else GeoshipsError
        names = ", ".join(one.scene for one in failed[:NAMED]) + (", ..." if len(failed) > NAMED else "")
        raise kind(f"{len(failed)} of {total} scenes failed: {names}; reasons are in {failures}")
    partly = [one for one in result.outcomes if one.record and one.record.summary.get("unread")]
    if partly:
        raise PartialFailureError("; ".join(_unread(one) for one in partly[:NAMED]))


def _unread(outcome: Outcome) -> str:
    from geoships.scene.tiling.windows import Window

    assert outcome.record is not None
    windows = [
        {key: each[key] for key in ("row", "column", "height", "width")} for each in outcome.record.summary["unread"]
    ]
    return unread_text(outcome.scene, [Window(**each) for each in windows])


def unread_text(scene: str, unread: Iterable[Window]) -> str:
    """One line that says which parts of a scene could not be read."""
    from geoships.pipeline.messages import window_text

    first, *others = unread
    more = f" and {len(others)} more" if others else ""
    return f"{scene} was read in part, without {window_text(first)}{more}: see unread in the JSON summary"


def _sentence(outcome: Outcome, out_dir: Path) -> str:
    record = outcome.record
    assert record is not None
    files = ", ".join(str(out_dir / output.path) for output in record.outputs.values())
    return (
        f"{outcome.scene}: {record.ships} ship{'' if record.ships == 1 else 's'} in {record.seconds:.1f} s -> {files}"
    )
