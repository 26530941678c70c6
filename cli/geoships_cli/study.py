"""`geoships study`: compare ways to train, losses and optimisers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped
from geoships_cli.train import training_libraries

if TYPE_CHECKING:
    from geoships.config.study import StudyRun


@grouped
def study(
    config: Annotated[
        Path, typer.Option("--config", "-c", help="YAML file of the study, e.g. configs/study_two_ways.yaml")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the runs", show_default="runs/NAME")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Folder for the report", show_default="reports/NAME")
    ] = None,
    report_only: Annotated[bool, typer.Option("--report-only", help="Train nothing; report on finished runs")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Parallel runs, each in its own process", show_default="one for each GPU, else one"),
    ] = None,
    settings: options.Setting = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing report; runs are kept")] = False,
    *,
    run: options.RunOptions,
) -> None:
    """Train and evaluate every cell of a study, and report on it; the same command resumes a stopped study."""
    from geoships.config.study import study_config

    plan = study_config(config, tuple(settings or ()))
    runs, pages = out or Path("runs") / plan.name, report or Path("reports") / plan.name
    with training_libraries():
        from geoships.workflows.study.report import check_report, write_study_report
        from geoships.workflows.study.runs import prepare_study, run_study

    check_report(pages, overwrite=overwrite)
    total, done = len(plan.runs()), 0

    def tell(finished: StudyRun, result: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        if not run.quiet:
            typer.echo(f"{done}/{total} {finished.cell}, seed {finished.seed}: IoU {result['iou']:.3f}", err=True)

    if not report_only:
        run_study(prepare_study(plan, runs), jobs=jobs, on_result=tell)
    written = write_study_report(plan, runs, pages, overwrite=overwrite)
    facts = {"runs": len(written.runs), "missing": len(written.missing), "conclusion": written.conclusion}
    counts = f"{len(written.runs)} runs, {len(written.missing)} missing -> {written.folder / 'report.md'}"
    run.report({"report": str(written.folder / "report.md"), **facts}, "\n".join([*written.conclusion, counts]))
