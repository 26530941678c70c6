"""`geoships data`: get scenes and data sets, and turn annotations into masks and training data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from geoships_cli import options
from geoships_cli.data_chips import chip_masks
from geoships_cli.data_sentinel2 import sentinel2
from geoships_cli.data_upload import upload
from geoships_cli.failures import one_line
from geoships_cli.logs import LOGGER, SHOWN
from geoships_cli.option_groups import grouped

data = typer.Typer(
    name="data", help="Get scenes and data sets, and turn annotations into masks and training data.",
    no_args_is_help=True,
)  # fmt: skip
data.command()(sentinel2)
data.command("chip-masks")(chip_masks)
data.command()(upload)

TileFormat = Literal["png", "tif"]
AnnotationFormat = Literal["cvat", "coco", "labelme", "yolo", "vector"]
SplitUnit = Literal["scene", "block", "chip"]
Shares = Annotated[
    str, typer.Option("--shares", help="Percent of training, validation and test data; the last may be left out")
]
Seed = Annotated[int, typer.Option("--seed", help="Random seed of the split")]


def _warn(*texts: str) -> None:
    for text in texts:
        LOGGER.warning(text, extra={SHOWN: True})
        typer.echo(f"warning: {one_line(text)}", err=True)


@data.command()
@grouped
def kaggle(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the files")] = Path("data/raw/shipsnet"),
    slug: Annotated[
        str, typer.Option(help="Data set: OWNER/NAME or OWNER/NAME/VERSION")
    ] = "rhammell/ships-in-satellite-imagery",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", "--force", help="Download again and replace existing files")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the archive")] = False,
    max_gib: Annotated[float, typer.Option(min=0, help="Maximum size of the files in GiB")] = 16,
    *,
    run: options.RunOptions,
) -> None:
    """Download a data set of Kaggle; an interrupted download is resumed."""
    from geoships.datasets.kaggle import download

    result = download(slug, out, overwrite=overwrite, keep=keep, max_bytes=int(max_gib * 2**30), quiet=run.quiet)
    facts = {"slug": slug, "files": len(result.files), "bytes": result.size, "sha256": result.sha256}
    size = f"{result.size / 1e6:.1f} MB" if result.downloaded else "there already"
    run.report(
        {"folder": str(result.folder), **facts, "downloaded": result.downloaded},
        f"{slug}: {len(result.files)} files ({size}) -> {result.folder}",
    )


@data.command()
@grouped
def prepare(
    folder: Annotated[Path, typer.Argument(help="Folder of the Kaggle set: shipsnet.json, chips, scenes")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Index to write (.csv)")],
    chips: Annotated[
        Path | None, typer.Option(help="Folder for the chips of the JSON file", show_default="FOLDER/shipsnet")
    ] = None,
    shares: Shares = "70,15,15",
    seed: Seed = 0,
    overwrite: options.Overwrite = False,
    *,
    run: options.RunOptions,
) -> None:
    """Write an index of chips: label, scene, longitude, latitude and subset, split by scene."""
    from geoships.datasets.group_split import parse_shares
    from geoships.datasets.shipsnet import prepare as write_index

    index = write_index(folder, out, shares=parse_shares(shares), seed=seed, chips=chips, overwrite=overwrite)
    _warn(*index.warnings)
    counts = {subset: {"ship": labels[1], "no-ship": labels[0]} for subset, labels in index.counts.items()}
    facts = {"chips": index.chips, "scenes": index.scenes, "whole_scenes": index.whole_scenes}
    subsets = ", ".join(f"{subset} {labels[1]} + {labels[0]}" for subset, labels in index.counts.items())
    run.report(
        {"index": str(index.path), **facts, "parts": counts},
        f"{index.chips} chips of {index.scenes} scenes (ship + no-ship: {subsets}) -> {index.path}",
    )


@data.command("label-tiles")
@grouped
def label_tiles(
    scene: Annotated[str, typer.Argument(help="A raster, as for geoships predict")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the tiles and tiles.json")],
    size: Annotated[int, typer.Option(min=16, max=8192, help="Rows and columns of a tile")] = 512,
    overlap: Annotated[int, typer.Option(min=0, help="Overlap of neighbouring tiles in pixels")] = 0,
    tile_format: Annotated[TileFormat, typer.Option("--format", help="png (with a world file) or tif")] = "png",
    bands: options.ShownBands = None,
    trust_vrt: options.TrustVrt = None,
    overwrite: options.Overwrite = False,
    *,
    run: options.RunOptions,
) -> None:
    """Cut a scene into images for an annotation tool; tiles.json maps their labels back to the scene."""
    from geoships.datasets.annotations.tiles import cut_tiles

    cut = cut_tiles(
        scene, out, size=size, overlap=overlap, kind=tile_format, bands=options.split_bands(bands),
        trust_vrt=bool(trust_vrt), overwrite=overwrite,
    )  # fmt: skip
    run.report(
        {"tiles": cut.tiles, "empty": cut.empty, "manifest": str(cut.manifest)},
        f"{cut.tiles} tiles, {cut.empty} without data left out -> {cut.manifest}",
    )


@data.command()
@grouped
def masks(
    labels: Annotated[Path, typer.Argument(help="Annotations of CVAT, COCO, Labelme or YOLO, or a vector file")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Mask to write (.tif)")],
    tiles: Annotated[Path | None, typer.Option(help="tiles.json of label-tiles, if tiles were annotated")] = None,
    scene: Annotated[str | None, typer.Option(help="The scene, if it was annotated whole")] = None,
    classes: Annotated[
        Path | None, typer.Option(help="YAML file of classes", show_default="ship 1, ignore 255")
    ] = None,
    annotation_format: Annotated[
        AnnotationFormat | None, typer.Option("--format", help="Format of the annotations", show_default="by content")
    ] = None,
    column: Annotated[str, typer.Option(help="Column of the labels in a vector file")] = "class",
    overwrite: options.Overwrite = False,
    *,
    run: options.RunOptions,
) -> None:
    """Turn annotations into a mask on the scene's grid."""
    if (tiles is None) == (scene is None):
        raise typer.BadParameter("give --tiles or --scene", param_hint="--tiles")
    if out.suffix.lower() not in (".tif", ".tiff"):
        raise typer.BadParameter("its name must end with .tif", param_hint="--out")
    from geoships.config import label_settings
    from geoships.datasets.annotations.masks import ImageLayout, write_mask
    from geoships.datasets.annotations.shapes import LabelClass
    from geoships.datasets.annotations.tiles import read_manifest

    known = [LabelClass(c.name, c.value, c.rgb, c.aliases) for c in label_settings(classes).classes]
    layout = ImageLayout.of_tiles(read_manifest(tiles)) if tiles else ImageLayout.of_scene(scene or "")
    mask = write_mask(
        labels, layout, out, known, annotation_format=annotation_format, column=column, overwrite=overwrite
    )
    _warn(*mask.warnings)
    if mask.unmatched:
        _warn(f"{len(mask.unmatched)} images are of no tile of {layout.name}: {', '.join(mask.unmatched[:3])}")
    facts = {"format": mask.annotation_format, "pictures": mask.images, "shapes": mask.shapes, "pixels": mask.pixels}
    counts = ", ".join(f"{count} of {name} ({mask.pixels[name]} pixels)" for name, count in mask.shapes.items())
    run.report(
        {"mask": str(out), **facts, "other_pictures": len(mask.unmatched)},
        f"{mask.annotation_format}, {mask.images} images: {counts} -> {out}",
    )


@data.command()
@grouped
def split(
    scenes: Annotated[list[Path], typer.Argument(help="Scenes, or folders of GeoTIFFs")],
    masks: Annotated[Path, typer.Option(help="Folder of NAME.tif or NAME_mask.tif, or one mask")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for chips and scenes")],
    by: Annotated[SplitUnit, typer.Option(help="What is never divided between subsets")] = "scene",
    shares: Shares = "70,15,15",
    chip: Annotated[int, typer.Option(min=16, max=8192, help="Rows and columns of a chip")] = 256,
    block: Annotated[int, typer.Option(min=16, help="Rows and columns of a block, a multiple of --chip")] = 1024,
    seed: Seed = 0,
    overwrite: options.Overwrite = False,
    *,
    run: options.RunOptions,
) -> None:
    """Split scenes and their masks into training, validation and test data: chips and whole scenes."""
    from geoships.datasets.annotations.split_scenes import find_pairs
    from geoships.datasets.annotations.split_scenes import split as write_subsets
    from geoships.datasets.group_split import parse_shares

    pairs = find_pairs(scenes, masks)
    result = write_subsets(
        pairs, out, by=by, shares=parse_shares(shares), chip=chip, block=block, seed=seed, overwrite=overwrite
    )
    _warn(*result.warnings)
    facts = {"chips": result.chips, "ship_pixels": result.ship_pixels, "known_pixels": result.known_pixels}
    counts = ", ".join(
        f"{subset} {count} ({result.ship_pixels[subset]} pixels of ships)" for subset, count in result.chips.items()
    )
    run.report(
        {"index": str(result.index), "scenes": len(pairs), **facts},
        f"{len(pairs)} scenes, chips: {counts} -> {result.index}",
    )
