"""Options that several commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from geoships_cli.progress import Display

Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Installed model, bundle folder or bundle zip.", show_default="by bands and pixel size"
    ),
]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N.", show_default="auto")]
Devices = Annotated[
    str | None,
    typer.Option("--device", help="auto, cpu, cuda, cuda:N, or cuda:all with --out-dir.", show_default="auto"),
]
Engine = Annotated[
    str | None, typer.Option(help="auto, torch, openvino or onnx; see docs/how-to/engines.md.", show_default="auto")
]
Precision = Annotated[str | None, typer.Option(help="auto, fp32, bf16 or int8.", show_default="auto")]
Views = Annotated[
    int | None,
    typer.Option(
        help="Mean score over 1, 2, 4 or 8 ways to turn and mirror a tile; as many times the work.", show_default="1"
    ),
]
MinPeak = Annotated[
    float | None, typer.Option(help="Score that one pixel of a ship has to reach.", show_default="the model's own")
]
Verify = Annotated[
    bool | None,
    typer.Option(
        "--verify/--no-verify",
        help="Drop found ships that the model's verifier takes for none.",
        show_default="as the model's card says",
    ),
]
Split = Annotated[
    bool | None,
    typer.Option("--split/--no-split", help="Cut found ships where a neck joins two wide parts.", show_default="split"),
]
Style = Annotated[
    bool | None,
    typer.Option("--style/--no-style", help="Write a style for QGIS with every output.", show_default="on"),
]
Screen = Annotated[
    bool | None,
    typer.Option(
        "--screen/--no-screen", help="Skip tiles that the model's screen finds empty.", show_default="if it has one"
    ),
]
Land = Annotated[
    Path | None, typer.Option(help="Vector file of land, any CRS: tiles on it are skipped.", show_default="none")
]
LandMask = Annotated[
    bool, typer.Option("--land-mask", help="Skip tiles on land after a mask of the Earth (geoships[landmask]).")
]
Shore = Annotated[
    float | None, typer.Option(help="Metres from the shore that are no land for these two.", show_default="200")
]
Overlap = Annotated[
    int | None, typer.Option(help="Model pixels that tiles share.", show_default="what the model's halo needs")
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Tell the tile plan, and which tiles were skipped.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one machine-readable summary on stdout.")]
Progress = Annotated[
    Display, typer.Option("--progress", help="On stderr: a bar or lines (auto), lines, or JSON lines for programs.")
]
Bands = Annotated[
    str | None,
    typer.Option(
        help="Band numbers or descriptions in the model's order, e.g. 1,2,3,8,11.", show_default="by description"
    ),
]
Scale = Annotated[
    float | None, typer.Option(help="reflectance = value * SCALE + OFFSET.", show_default="from the file")
]
Offset = Annotated[float | None, typer.Option(help="See --scale.", show_default="from the file")]
Sensor = Annotated[
    str | None, typer.Option(help="Preset of scale and offset, e.g. sentinel-2-l2a.", show_default="from the file")
]
TrustVrt = Annotated[bool, typer.Option("--trust-vrt", help="Open a VRT whatever files it refers to.")]
Area = Annotated[
    Path | None,
    typer.Option("--area", "-a", help="Vector file of the area to search, any CRS.", show_default="whole scene"),
]


def split_bands(text: str | None) -> tuple[int | str, ...] | None:
    """Band numbers and descriptions of a comma-separated list.

    >>> split_bands("1, B03,8")
    (1, 'B03', 8)
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return tuple(int(part) if part.isdigit() else part for part in parts)
