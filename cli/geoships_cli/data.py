"""`geoships data`: getting scenes and labels."""

from __future__ import annotations

import typer

from geoships_cli.data_sentinel2 import sentinel2

data = typer.Typer(name="data", help="Get scenes and labels.", no_args_is_help=True)
data.command()(sentinel2)
