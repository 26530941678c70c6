"""`geoships predict FOLDER`: a folder of chips instead of scenes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from geoships_cli.options import OutputOptions, ProgressRunOptions

if TYPE_CHECKING:
    from geoships.config import PredictConfig


def chip_folder(scenes: Sequence[str] | None) -> Path | None:
    """Return the folder of chips, where one is all that was named; None for scenes and Sentinel-2 products."""
    if scenes is None or len(scenes) != 1 or not scenes[0]:
        return None
    if not os.path.isdir(scenes[0]):  # noqa: PTH112 (False for a name that cannot be)
        return None
    from geoships.scene.opening.sentinel2_product import is_product

    return None if is_product(Path(scenes[0])) else Path(scenes[0])


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
