"""`geoships data`: scenes, data sets of Kaggle, and labels from annotation tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options
from geoships_cli.data_chips import chip_masks
from geoships_cli.data_sentinel2 import sentinel2
from geoships_cli.data_upload import upload

data = typer.Typer(
    name="data", help="Get scenes and data sets, and turn annotations into masks and parts to train on.",
    no_args_is_help=True,
)  # fmt: skip
data.command()(sentinel2)
data.command("chip-masks")(chip_masks)
data.command()(upload)

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
    from geoships.datasets.group_split import parse_shares
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


@data.command("label-tiles")
def label_tiles(
    scene: Annotated[str, typer.Argument(help="A raster, as for geoships predict.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the tiles and tiles.json.")],
    size: Annotated[int, typer.Option(min=16, max=8192, help="Pixels a side.")] = 512,
    overlap: Annotated[int, typer.Option(min=0, help="Pixels that neighbours share.")] = 0,
    tile_format: Annotated[str, typer.Option("--format", help="png (with a world file) or tif.")] = "png",
    bands: Annotated[
        str | None, typer.Option(help="Bands to show as red, green, blue, e.g. 3,2,1.", show_default="by name")
    ] = None,
    trust_vrt: options.TrustVrt = False,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Cut a scene into pictures for an annotation tool; tiles.json leads their labels back."""
    if tile_format not in ("png", "tif"):
        raise typer.BadParameter("choose png or tif", param_hint="--format")
    from geoships.datasets.annotations.tiles import Kind, cut_tiles

    kind: Kind = "png" if tile_format == "png" else "tif"
    shown = options.split_bands(bands)
    cut = cut_tiles(scene, out, size=size, overlap=overlap, kind=kind, bands=shown, trust_vrt=trust_vrt)
    if as_json:
        typer.echo(json.dumps({"tiles": cut.tiles, "empty": cut.empty, "manifest": str(cut.manifest)}))
    elif not quiet:
        typer.echo(f"{cut.tiles} tiles, {cut.empty} without data left out -> {cut.manifest}")


@data.command()
def masks(
    labels: Annotated[
        Path, typer.Argument(help="CVAT XML, COCO or Labelme JSON, a folder of YOLO or Labelme, or a vector file.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Mask to write, .tif.")],
    tiles: Annotated[Path | None, typer.Option(help="tiles.json of label-tiles, where tiles were annotated.")] = None,
    scene: Annotated[str | None, typer.Option(help="The scene, where it was annotated whole.")] = None,
    classes: Annotated[
        Path | None, typer.Option(help="YAML file of classes.", show_default="ship 1, ignore 255")
    ] = None,
    kind: Annotated[
        str | None, typer.Option("--format", help="cvat, coco, labelme, yolo, vector.", show_default="by content")
    ] = None,
    column: Annotated[str, typer.Option(help="Of a vector file: the column of labels.")] = "class",
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Turn annotations into a mask on the scene's grid."""
    if (tiles is None) == (scene is None):
        raise typer.BadParameter("give --tiles or --scene", param_hint="--tiles")
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise typer.BadParameter("its name must end with .tif", param_hint="--out")
    from geoships.config import label_settings
    from geoships.datasets.annotations.masks import ImageLayout, write_mask
    from geoships.datasets.annotations.read import FORMATS
    from geoships.datasets.annotations.shapes import LabelClass
    from geoships.datasets.annotations.tiles import read_manifest

    if kind not in (None, *FORMATS):
        raise typer.BadParameter(f"choose one of {', '.join(FORMATS)}", param_hint="--format")
    known = [LabelClass(c.name, c.value, c.rgb, c.aliases) for c in label_settings(classes).classes]
    layout = ImageLayout.of_tiles(read_manifest(tiles)) if tiles else ImageLayout.of_scene(scene or "")
    result = write_mask(labels, layout, out, known, annotation_format=kind, column=column)
    if result.unmatched:
        _warn(f"{len(result.unmatched)} pictures are of no tile of {layout.name}: {', '.join(result.unmatched[:3])}")
    if as_json:
        facts = {
            "format": result.annotation_format,
            "pictures": result.images,
            "shapes": result.shapes,
            "pixels": result.pixels,
        }
        typer.echo(json.dumps({"mask": str(out), **facts, "other_pictures": len(result.unmatched)}))
    elif not quiet:
        counts = ", ".join(f"{count} of {name} ({result.pixels[name]} pixels)" for name, count in result.shapes.items())
        typer.echo(f"{result.annotation_format}, {result.images} pictures: {counts} -> {out}")


@data.command()
def split(
    scenes: Annotated[list[Path], typer.Argument(help="Scenes, or folders of GeoTIFFs.")],
    masks: Annotated[Path, typer.Option(help="Folder of NAME.tif or NAME_mask.tif, or the one mask.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for chips and scenes.")],
    by: Annotated[str, typer.Option(help="What stays whole: scene, block or chip.")] = "scene",
    shares: Shares = "70,15,15",
    chip: Annotated[int, typer.Option(min=16, max=8192, help="Pixels a side of a chip.")] = 256,
    block: Annotated[int, typer.Option(min=16, help="Pixels a side of a block, in whole chips.")] = 1024,
    seed: Seed = 0,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Split scenes and their masks into parts, written as chips and as whole scenes."""
    if by not in ("scene", "block", "chip"):
        raise typer.BadParameter("choose scene, block or chip", param_hint="--by")
    from geoships.datasets.annotations.split_scenes import SplitBy, find_pairs
    from geoships.datasets.annotations.split_scenes import split as write_parts
    from geoships.datasets.group_split import parse_shares

    unit: SplitBy = "scene" if by == "scene" else "block" if by == "block" else "chip"
    pairs = find_pairs(scenes, masks)
    made = write_parts(pairs, out, by=unit, shares=parse_shares(shares), chip=chip, block=block, seed=seed)
    _warn(*made.warnings)
    if as_json:
        facts = {"chips": made.chips, "ship_pixels": made.ship_pixels, "known_pixels": made.known_pixels}
        typer.echo(json.dumps({"index": str(made.index), "scenes": len(pairs), **facts}))
    elif not quiet:
        counts = ", ".join(
            f"{part} {count} ({made.ship_pixels[part]} pixels of ships)" for part, count in made.chips.items()
        )
        typer.echo(f"{len(pairs)} scenes, chips: {counts} -> {made.index}")
