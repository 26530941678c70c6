"""`geoships predict FOLDER`: a folder of chips instead of scenes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from geoships_cli.options import OutputOptions, ProgressRunOptions

if TYPE_CHECKING:
    from geoships.config import PredictConfig


def chip_folder(scenes: Sequence[object]) -> Path | None:
    """Return the folder, where one is all that was named; None for scenes."""
    return Path(scenes[0]) if len(scenes) == 1 and isinstance(scenes[0], str) and Path(scenes[0]).is_dir() else None


def predict_folder(folder: Path, outputs: OutputOptions, config: PredictConfig, run: ProgressRunOptions) -> None:
    """Classify the chips of a folder, and print how many hold a ship."""
    if outputs.out is None or outputs.mask or outputs.scores or outputs.preview:
        raise typer.BadParameter("a folder of chips has one output: --out FILE.csv or FILE.geojson", param_hint="--out")
    from geoships.workflows.predict_chips import predict_chips

    with run.progress_display() as progress:
        result = predict_chips(folder, outputs.out, config=config, progress=progress)
    correct = f" ({result.right} of {result.labelled} as their names say)" if result.labelled else ""
    with_ship = int(result.chips["ship"].sum())
    text = f"{folder}: {with_ship} of {len(result.chips)} chips with a ship{correct} -> {result.out}"
    width = max(map(len, result.meanings))
    columns = [f"  {name.ljust(width)}  {meaning}" for name, meaning in result.meanings.items()]
    run.report(result.summary(), "\n".join([text, "columns:", *columns]))
