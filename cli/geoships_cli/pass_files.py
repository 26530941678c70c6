"""What the commands over many passes share: the ships they take, and a warning where these do not say what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from geoships_cli.options import RunOptions

PassShips = Annotated[list[Path], typer.Argument(help="Files of ships, one a scene, or folders of them")]


def warn_of_unobserved(facts: Mapping[str, Any], run: RunOptions, therefore: str) -> None:
    """Warn of passes that do not say what they saw.

    Args:
        facts: Summary with the numbers of passes.
        run: How the run is reported.
        therefore: What is not known of them.
    """
    lacking = facts["passes"] - facts["passes_with_observed"]
    if lacking and not run.quiet:
        typer.echo(
            f"warning: {lacking} of {facts['passes']} passes do not say what they saw (geoships predict --observed): "
            f"{therefore}",
            err=True,
        )
