"""`geoships data chip-masks`: from chips with a class to masks of their ships."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped


@grouped
def chip_masks(
    chips: Annotated[Path, typer.Argument(help="Folder that holds ship/ and no-ship/, or the files of --labels")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for masks, scenes of chips, and chips.csv")],
    labels: Annotated[
        Path | None, typer.Option(help="CSV file with columns file and label, as of geoships data prepare")
    ] = None,
    corrections: Annotated[
        Path | None, typer.Option(help="CSV file of hand-drawn outlines", show_default="those of the Kaggle set")
    ] = None,
    parts: Annotated[int, typer.Option(min=2, help="Number of scenes; near-duplicate chips share one")] = 5,
    size: Annotated[int, typer.Option(min=32, max=512, help="Rows and columns that chips are resampled to")] = 80,
    gsd: Annotated[float, typer.Option(min=0.01, help="Pixel size of resampled chips in metres")] = 3.0,
    seed: Annotated[int, typer.Option(min=0, help="Random seed of the split into scenes")] = 1,
    overwrite: options.Overwrite = False,
    *,
    run: options.RunOptions,
) -> None:
    """Outline the ships of chips, and join chips and masks into scenes to train a segmentation model on."""
    from geoships.config.classification import ChipFiles
    from geoships_cli.train import training_libraries

    with training_libraries():
        from geoships.workflows.chip_masks import write_chip_masks

    files = ChipFiles(root=chips, labels=labels, size=size, gsd=gsd, split_seed=seed)
    result = write_chip_masks(files, out, parts=parts, corrections=corrections, overwrite=overwrite)
    facts = {"chips": result.chips, "masks": result.sources, "scenes": [str(path) for path in result.scenes]}
    counts = ", ".join(f"{count} {source}" for source, count in result.sources.items())
    run.report(
        {"index": str(result.index), **facts},
        f"{result.chips} chips ({counts}) in {len(result.scenes)} scenes -> {result.index}",
    )
