"""`geoships predict FOLDER`: chips instead of scenes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from geoships_cli.progress import Display, progress_display

if TYPE_CHECKING:
    from geoships.config import PredictConfig


@dataclass(frozen=True)
class Outputs:
    """The outputs that were named for one scene."""

    out: Path | None = None
    mask: Path | None = None
    scores: Path | None = None
    stac: Path | None = None
    preview: Path | None = None
    project: Path | None = None


def folder_of(scenes: Sequence[object]) -> Path | None:
    """The folder, where that is all that was named; None for scenes."""
    return Path(scenes[0]) if len(scenes) == 1 and isinstance(scenes[0], str) and Path(scenes[0]).is_dir() else None


def predict_folder(
    folder: Path, outputs: Outputs, config: PredictConfig, *, quiet: bool, as_json: bool, display: Display
) -> None:
    """Score the chips of a folder, and say what was found."""
    if outputs.out is None or outputs.mask or outputs.scores or outputs.preview:
        raise typer.BadParameter("a folder of chips has one output: --out FILE.csv or FILE.geojson", param_hint="--out")
    from geoships.workflows.predict_chips import predict_chips

    with closing(progress_display(quiet=quiet, display=display)) as progress:
        done = predict_chips(folder, outputs.out, config=config, progress=progress)
    if as_json:
        typer.echo(json.dumps(done.summary()))
    elif not quiet:
        judged = f" ({done.right} of {done.labelled} as their names say)" if done.labelled else ""
        found = int(done.chips["ship"].sum())
        typer.echo(f"{folder}: {found} of {len(done.chips)} chips with a ship{judged} -> {done.out}")
