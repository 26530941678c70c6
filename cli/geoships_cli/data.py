"""`geoships data`: data sets of Kaggle, and labels from annotation tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options

data = typer.Typer(
    name="data", help="Get data sets, and turn annotations into masks and parts to train on.", no_args_is_help=True
)

Shares = Annotated[
    str, typer.Option("--shares", help="Of train, validation and test (or of the first two), e.g. 70,15,15.")
]
Seed = Annotated[int, typer.Option("--seed", help="Decides between equal groups.")]


def _warn(*texts: str) -> None:
    for text in texts:
        typer.echo(f"warning: {text}", err=True)


@data.command()
def kaggle(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files.")] = Path("data/raw/shipsnet"),
    slug: Annotated[
        str, typer.Option(help="OWNER/NAME, or OWNER/NAME/VERSION.")
    ] = "rhammell/ships-in-satellite-imagery",
    force: Annotated[bool, typer.Option("--force", help="Download again, in place of what is there.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the archive.")] = False,
    max_gib: Annotated[float, typer.Option(min=0, help="Most that the files may take, in GiB.")] = 16,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Download a data set of Kaggle; a download that was cut off goes on."""
    from geoships.datasets.kaggle import download

    done = download(slug, out, force=force, keep=keep, largest=int(max_gib * 2**30), quiet=quiet)
    if as_json:
        facts = {"slug": slug, "files": len(done.files), "bytes": done.size, "sha256": done.sha256}
        typer.echo(json.dumps({"folder": str(done.folder), **facts, "downloaded": done.fresh}))
    elif not quiet:
        how = f"{done.size / 1e6:.1f} MB" if done.fresh else "there already"
        typer.echo(f"{slug}: {len(done.files)} files ({how}) -> {done.folder}")


@data.command()
def prepare(
    folder: Annotated[Path, typer.Argument(help="Folder of the Kaggle set: shipsnet.json, chips, scenes.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Index to write, .csv.")],
    chips: Annotated[
        Path | None, typer.Option(help="Where chips of the JSON go.", show_default="FOLDER/shipsnet")
    ] = None,
    shares: Shares = "70,15,15",
    seed: Seed = 0,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Write an index of chips: label, scene, longitude, latitude and part, split by scene."""
    from geoships.datasets.shares import parse_shares
    from geoships.datasets.shipsnet import prepare as write_index

    index = write_index(folder, out, shares=parse_shares(shares), seed=seed, chips=chips)
    _warn(*index.warnings)
    if as_json:
        counts = {part: {"ship": found[1], "no-ship": found[0]} for part, found in index.counts.items()}
        facts = {"chips": index.chips, "scenes": index.scenes, "whole_scenes": index.whole_scenes}
        typer.echo(json.dumps({"index": str(index.path), **facts, "parts": counts}))
    elif not quiet:
        parts = ", ".join(f"{part} {found[1]} + {found[0]}" for part, found in index.counts.items())
        typer.echo(f"{index.chips} chips of {index.scenes} scenes (ship + no-ship: {parts}) -> {index.path}")
