"""`geoships export` and `geoships quantize`: models for other programs, and in eight bits."""

from __future__ import annotations

import json
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from geoships_cli import options
from geoships_cli.progress import progress_display

_BUNDLE = "Installed model, bundle folder or bundle zip."


class Format(StrEnum):
    """Formats of an exported model."""

    onnx = "onnx"
    openvino = "openvino"
    torch_export = "torch-export"


def export(
    bundle: Annotated[str, typer.Argument(help=_BUNDLE)],
    out: Annotated[Path, typer.Option("--out", "-o", help="File to write: .onnx, .xml or .pt2.")],
    form: Annotated[Format, typer.Option("--format", help="Format of the file.")] = Format.onnx,
    size: Annotated[int, typer.Option(min=32, max=8192, help="Rows and columns of a tile.")] = 1024,
    background: Annotated[
        bool, typer.Option("--background", help="Add a first channel for background, as GeoDeep wants it.")
    ] = False,
    scale: Annotated[
        float | None,
        typer.Option(help="For Deepness: reflectance = value of the raster * SCALE + OFFSET.", show_default="1"),
    ] = None,
    offset: Annotated[float | None, typer.Option(help="See --scale.", show_default="0")] = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Write a model for other programs: reflectance in, scores out."""
    if scale is not None and not scale > 0:
        raise typer.BadParameter("a scale is greater than 0", param_hint="--scale")
    from geoships.model.bundle import load_bundle
    from geoships.workflows.export import export as write

    files = write(
        load_bundle(bundle),
        out,
        form.value,
        size=size,
        background=background,
        scale=1.0 if scale is None else scale,
        offset=offset or 0.0,
    )
    if as_json:
        typer.echo(json.dumps({"files": [str(path) for path in files], "bytes": sum(p.stat().st_size for p in files)}))
    elif not quiet:
        size_mb = sum(path.stat().st_size for path in files) / 1e6
        typer.echo(f"{bundle}: {form.value}, {size_mb:.1f} MB -> {', '.join(map(str, files))}")


def quantize(
    bundle: Annotated[str, typer.Argument(help=_BUNDLE)],
    calibration: Annotated[list[str], typer.Option(help="Scenes that ranges of values are learnt from; repeat.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Bundle to write: a folder, or a zip file (.zip).")],
    scenes: Annotated[
        list[str] | None, typer.Option(help="Labelled scenes to judge on, not those of --calibration; repeat.")
    ] = None,
    labels: Annotated[list[Path] | None, typer.Option(help="Labels of --scenes, paired by name; repeat.")] = None,
    ignore: Annotated[list[Path] | None, typer.Option(help="Polygons that say nothing about ships; repeat.")] = None,
    tiles: Annotated[int, typer.Option(min=1, max=4096, help="Tiles to learn from.")] = 64,
    bands: options.Bands = None,
    scale: options.Scale = None,
    offset: options.Offset = None,
    sensor: options.Sensor = None,
    quiet: options.Quiet = False,
    as_json: options.AsJson = False,
) -> None:
    """Add an int8 variant to a bundle; refused where it finds fewer ships on labelled scenes."""
    if bool(scenes) != bool(labels):
        raise typer.BadParameter("--scenes and --labels go together", param_hint="--scenes")
    from geoships.config import predict_config
    from geoships.model.bundle import load_bundle
    from geoships.workflows.quantize import quantize as write

    config = predict_config(
        None, bands=options.split_bands(bands), scale=scale, offset=offset, sensor=sensor, device="cpu"
    )
    with closing(progress_display(quiet=quiet)) as progress:
        result = write(
            load_bundle(bundle),
            out,
            calibration,
            tiles=tiles,
            scenes=scenes or (),
            labels=labels or (),
            ignore=ignore or (),
            config=config,
            progress=progress,
        )
    if as_json:
        typer.echo(json.dumps({"bundle": str(out), "tiles": result.tiles, "f1": result.f1}))
    elif not quiet:
        typer.echo(f"{bundle} -> {out}: {result}")
