"""`geoships export` and `geoships quantize`: models for other programs, and int8 variants."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from geoships_cli import options
from geoships_cli.option_groups import grouped

ExportFormat = Literal["onnx", "openvino", "torch-export", "bundle"]


@grouped
def export(
    bundle: options.Bundle,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="File to write: .onnx, .xml or .pt2; a folder or .zip of a bundle")
    ],
    file_format: Annotated[
        ExportFormat,
        typer.Option("--format", help="Format; bundle: with a graph, which runs without PyTorch"),
    ] = "onnx",
    size: Annotated[int, typer.Option(min=32, max=8192, help="Rows and columns of a tile")] = 1024,
    background: Annotated[
        bool, typer.Option("--background", help="Add a first channel for background, as GeoDeep expects")
    ] = False,
    scale: Annotated[
        float | None, typer.Option(help="For Deepness: reflectance = value * SCALE + OFFSET", show_default="1")
    ] = None,
    offset: Annotated[float | None, typer.Option(help="See --scale", show_default="0")] = None,
    overwrite: options.Overwrite = False,
    *,
    run: options.RunOptions,
) -> None:
    """Write a model for other programs, or as a bundle that runs without PyTorch: reflectance in, scores out."""
    if scale is not None and not scale > 0:
        raise typer.BadParameter("a scale is greater than 0", param_hint="--scale")
    from geoships.model.bundle import load_bundle
    from geoships.workflows.export import export as write

    files = write(
        load_bundle(bundle), out, file_format, size=size, background=background,
        scale=1.0 if scale is None else scale, offset=offset or 0.0, overwrite=overwrite,
    )  # fmt: skip
    written = sum(path.stat().st_size for path in files)
    run.report(
        {"files": [str(path) for path in files], "bytes": written},
        f"{bundle}: {file_format}, {written / 1e6:.1f} MB -> {', '.join(map(str, files))}",
    )


@grouped
def quantize(
    bundle: options.Bundle,
    out: options.BundleOut,
    calibration: Annotated[list[str], typer.Option(help="Scenes to calibrate value ranges on; repeatable")],
    scenes: Annotated[
        list[str] | None, typer.Option(help="Labelled scenes to evaluate on, other ones; repeatable")
    ] = None,
    labels: Annotated[list[Path] | None, typer.Option(help="Labels named after --scenes; repeatable")] = None,
    ignore: Annotated[
        list[Path] | None, typer.Option(help="Polygons to leave out, named after --scenes; repeatable")
    ] = None,
    tiles: Annotated[int, typer.Option(min=1, max=4096, help="Number of tiles to calibrate on")] = 64,
    overwrite: options.Overwrite = False,
    *,
    scene: options.BandOptions,
    run: options.RunOptions,
) -> None:
    """Add an int8 variant to a bundle; refused where it finds fewer ships on labelled scenes."""
    if bool(scenes) != bool(labels):
        raise typer.BadParameter("--scenes and --labels go together", param_hint="--scenes")
    from geoships.config import predict_config
    from geoships.model.bundle import load_bundle
    from geoships.workflows.quantize import quantize as write

    config = predict_config(None, device="cpu", **options.settings_of(scene))
    with run.progress_display() as progress:
        result = write(
            load_bundle(bundle), out, calibration, tiles=tiles, scenes=scenes or (), labels=labels or (),
            ignore=ignore or (), config=config, progress=progress, overwrite=overwrite,
        )  # fmt: skip
    run.report({"bundle": str(out), "tiles": result.tiles, "f1": result.f1}, f"{bundle} -> {out}: {result}")
