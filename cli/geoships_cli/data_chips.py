"""`geoships data chip-masks`: from chips that say "ship" to masks that say where."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options


def chip_masks(
    chips: Annotated[Path, typer.Argument(help="Folder that holds ship/ and no-ship/, or the files of --labels.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for masks, scenes of chips, and chips.csv.")],
    labels: Annotated[
        Path | None, typer.Option(help="CSV file with the columns file and label, as geoships data prepare writes it.")
    ] = None,
    corrections: Annotated[
        Path | None, typer.Option(help="CSV file of outlines drawn by hand.", show_default="those of the Kaggle set")
    ] = None,
    parts: Annotated[int, typer.Option(min=2, help="Scenes to lay the chips out in; near-duplicates share one.")] = 5,
    size: Annotated[int, typer.Option(min=32, max=512, help="Pixels a side that chips are brought to.")] = 80,
    gsd: Annotated[float, typer.Option(min=0.01, help="Metres of such a pixel.")] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="Decides which chips share a part.")] = 1,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Outline the ships of chips, and lay chips and masks out as scenes to train a segmentation model on."""
    from geoships.config.classification import ChipFiles
    from geoships_cli.train import training_errors

    with training_errors():
        from geoships.workflows.chip_masks import write_chip_scenes

    files = ChipFiles(root=chips, labels=labels, size=size, gsd=gsd, split_seed=seed)
    made = write_chip_scenes(files, out, parts=parts, corrections=corrections)
    if as_json:
        facts = {"chips": made.chips, "masks": made.sources, "scenes": [str(path) for path in made.scenes]}
        typer.echo(json.dumps({"index": str(made.index), **facts}))
    elif not quiet:
        counts = ", ".join(f"{count} {source}" for source, count in made.sources.items())
        typer.echo(f"{made.chips} chips ({counts}) in {len(made.scenes)} scenes -> {made.index}")
