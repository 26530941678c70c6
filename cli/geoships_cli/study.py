"""`geoships study`: ways to train, losses and optimisers side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from geoships_cli import options
from geoships_cli.train import Setting, training_errors

if TYPE_CHECKING:
    from geoships.config.study import StudyRun


def study(
    config: Annotated[Path, typer.Option("--config", "-c", help="YAML file, such as configs/study_two_ways.yaml.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the runs.", show_default="runs/NAME")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Folder of the report.", show_default="reports/NAME")
    ] = None,
    report_only: Annotated[
        bool, typer.Option("--report-only", help="Train nothing; report on the runs that are finished.")
    ] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Runs at once, each in a process.", show_default="one a GPU, else one")
    ] = None,
    settings: Setting = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Train and judge every cell of a study, and report on it; run it again to go on after a stop."""
    from geoships.config.study import study_config

    checked = study_config(config, tuple(settings or ()))
    runs, pages = out or Path("runs") / checked.name, report or Path("reports") / checked.name
    with training_errors():
        from geoships.workflows.study.report import write_study_report
        from geoships.workflows.study.runs import prepare, run_all

    wanted, done = len(checked.runs()), 0

    def tell(run: StudyRun, result: dict[str, Any]) -> None:
        nonlocal done
        done += 1
        if not quiet:
            typer.echo(f"{done}/{wanted} {run.cell}, seed {run.seed}: IoU {result['iou']:.3f}", err=True)

    if not report_only:
        run_all(prepare(checked, runs), jobs=jobs, tell=tell)
    written = write_study_report(checked, runs, pages)
    if as_json:
        facts = {"runs": len(written.runs), "missing": len(written.missing), "conclusion": written.conclusion}
        typer.echo(json.dumps({"report": str(written.folder / "report.md"), **facts}))
    elif not quiet:
        typer.echo("\n".join(written.conclusion))
        typer.echo(f"{len(written.runs)} runs, {len(written.missing)} missing -> {written.folder / 'report.md'}")
