"""The `geoships` command: its commands, and the one place where errors become messages."""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from geoships import __version__
from geoships.errors import GeoshipsError
from geoships.support.memory import use_one_arena
from geoships_cli.crossval import crossval
from geoships_cli.data import data
from geoships_cli.demo import demo
from geoships_cli.evaluate import evaluate
from geoships_cli.export import export, quantize
from geoships_cli.info import info, models
from geoships_cli.predict import predict
from geoships_cli.screen import screen
from geoships_cli.study import study
from geoships_cli.train import train
from geoships_cli.verifier import verifier
from geoships_cli.view import view

app = typer.Typer(
    name="geoships",
    help="Find ships in satellite scenes of any size.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    predict,
    view,
    evaluate,
    demo,
    train,
    crossval,
    study,
    verifier,
    screen,
    export,
    quantize,
    models,
    info,
):
    app.command()(command)
app.add_typer(data)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"geoships {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Find ships in satellite scenes of any size."""


def main() -> None:
    """Run the command line; an error that geoships raised on purpose is one line on stderr and exit code 1."""
    use_one_arena()  # before any library starts its threads
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a stopped run, too, removes what is half written
    try:
        app()
    except GeoshipsError as error:
        typer.echo(f"error: {' '.join(str(error).split())}", err=True)
        sys.exit(1)
