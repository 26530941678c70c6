"""`geoships doctor`: what this machine has, what is broken, and how to mend it."""

from __future__ import annotations

import typer

from geoships_cli import options
from geoships_cli.failures import ExitCode
from geoships_cli.option_groups import grouped


@grouped
def doctor(run: options.RunOptions) -> None:
    """Check versions, formats, engines, devices and folders; exit with 1 if something that a run needs is broken."""
    from geoships.workflows.doctor.examine import diagnose

    diagnosis = diagnose()
    run.report(diagnosis.summary(), diagnosis.report())
    if diagnosis.broken:
        raise typer.Exit(ExitCode.FAILED)
