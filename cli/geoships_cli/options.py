"""Options that several commands share, declared once, and their groups; each group is a panel of `--help`.

Fields of the groups that have the name of a field of `PredictConfig` are settings, see `settings_of`. Their default is
None, so that a setting that is not given leaves that of a YAML file; `show_default` tells the default of PredictConfig.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from contextlib import AbstractContextManager, closing, nullcontext, redirect_stdout
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from geoships.errors import GeoshipsWarning
from geoships.support.remote.address import as_path
from geoships_cli.display import Display, progress_display
from geoships_cli.logs import LogLevel, logged
from geoships_cli.progress import Lines

OUTPUTS, SCENE, MODEL, SHIPS, SPEED, RUN = "Outputs", "Scene", "Model", "Ships", "Speed", "Run"
THE_MODELS_OWN = "the model's own"

STDOUT = Path("-")

VectorFormat = Literal["geojson", "gpkg", "fgb", "parquet"]

# Alone, outside of a group

Bundle = Annotated[str, typer.Argument(help="Installed model, bundle folder or bundle zip")]
BundleOut = Annotated[Path, typer.Option("--out", "-o", help="Bundle to write: a folder or a .zip file")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model", "-m", help="Installed model, bundle folder or bundle zip", show_default="by bands and pixel size",
        envvar="GEOSHIPS_MODEL", rich_help_panel=MODEL,
    ),
]  # fmt: skip
Device = Annotated[
    str | None,
    typer.Option(
        help="auto, cpu, cuda or cuda:N", show_default="auto", envvar="GEOSHIPS_DEVICE", rich_help_panel=SPEED
    ),
]
TrustVrt = Annotated[
    bool | None, typer.Option("--trust-vrt", help="Open a VRT whatever files it refers to", rich_help_panel=SCENE)
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="YAML file of settings, e.g. configs/predict.yaml",
        envvar="GEOSHIPS_CONFIG",
        rich_help_panel=RUN,
    ),
]
TrainingFile = Annotated[
    Path, typer.Option("--config", "-c", help="YAML file of the training, e.g. configs/sentinel2-5band.yaml")
]
OVERWRITE = "Replace outputs that exist; a file that is read never is"
Overwrite = Annotated[bool, typer.Option("--overwrite", help=OVERWRITE, rich_help_panel=OUTPUTS)]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="NAME=VALUE", help="Change a setting, e.g. optimiser.rate=3e-4; repeatable"),
]
ShownBands = Annotated[
    str | None, typer.Option(help="Bands to show as red, green, blue, e.g. 3,2,1", show_default="by name")
]


def _leave_out_warnings(quiet: bool) -> bool:
    """With --quiet, leave out warnings of geoships that no display of progress gets, as those are left out."""
    if quiet:
        warnings.simplefilter("ignore", GeoshipsWarning)
    return quiet


Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        help="Print errors only",
        envvar="GEOSHIPS_QUIET",
        rich_help_panel=RUN,
        callback=_leave_out_warnings,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON summary on stdout", rich_help_panel=RUN)]
Progress = Annotated[
    Display,
    typer.Option(
        "--progress",
        help="Progress on stderr; auto: a bar or lines, json: JSON lines",
        envvar="GEOSHIPS_PROGRESS",
        rich_help_panel=RUN,
    ),
]


@dataclass(frozen=True)
class OutputOptions:
    """The files to write: those of one scene by name, or those of several in a folder."""

    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Ships of one scene: .geojson, .gpkg, .fgb, .parquet, or - for stdout",
            show_default="SCENE.ships.geojson here", rich_help_panel=OUTPUTS,
        ),
    ] = None  # fmt: skip
    mask: Annotated[
        Path | None, typer.Option(help="Ship mask of one scene, as a GeoTIFF (COG)", rich_help_panel=OUTPUTS)
    ] = None
    scores: Annotated[
        Path | None, typer.Option(help="Scores of one scene, as a GeoTIFF (COG)", rich_help_panel=OUTPUTS)
    ] = None
    stac: Annotated[
        Path | None, typer.Option(help="STAC Item of one scene's outputs (.json)", rich_help_panel=OUTPUTS)
    ] = None
    preview: Annotated[
        Path | None, typer.Option(help="Image of one scene with its ships (.png)", rich_help_panel=OUTPUTS)
    ] = None
    project: Annotated[
        Path | None, typer.Option(help="QGIS project of one scene and its outputs (.qgz)", rich_help_panel=OUTPUTS)
    ] = None
    out_dir: Annotated[
        Path | None, typer.Option(help="Folder for the outputs of several scenes", rich_help_panel=OUTPUTS)
    ] = None
    out_format: Annotated[
        VectorFormat,
        typer.Option(
            "--format", help="With --out-dir: format of the ships", envvar="GEOSHIPS_FORMAT", rich_help_panel=OUTPUTS
        ),
    ] = "geojson"
    rasters: Annotated[
        bool,
        typer.Option("--rasters", help="With --out-dir: also write masks and scores", rich_help_panel=OUTPUTS),
    ] = False
    previews: Annotated[
        bool, typer.Option("--previews", help="With --out-dir: also write previews", rich_help_panel=OUTPUTS)
    ] = False
    items: Annotated[
        bool, typer.Option("--items", help="With --out-dir: also write STAC Items", rich_help_panel=OUTPUTS)
    ] = False
    style: Annotated[
        bool | None,
        typer.Option(
            "--style/--no-style", help="Write a QGIS style next to every output", show_default="on",
            envvar="GEOSHIPS_STYLE", rich_help_panel=OUTPUTS,
        ),
    ] = None  # fmt: skip
    overwrite: Annotated[
        bool | None,
        typer.Option(
            "--overwrite", help="Replace outputs that exist, even of the same run; never a file that is read",
            rich_help_panel=OUTPUTS,
        ),
    ] = None  # fmt: skip

    def __post_init__(self) -> None:
        for field in fields(self):  # Typer makes a path of an address
            if isinstance(value := getattr(self, field.name), Path):
                object.__setattr__(self, field.name, as_path(value))

    def of_one_scene(self) -> dict[str, Any]:
        """Return the paths of the outputs of one scene, by kind; None: not wanted."""
        kinds = ("out", "mask", "scores", "stac", "preview", "project")
        return {kind: getattr(self, kind) for kind in kinds}

    @property
    def names_no_result(self) -> bool:
        """Whether no file is named that holds ships: neither a vector file nor a raster nor an image."""
        return self.out_dir is None and not (self.out or self.mask or self.scores or self.preview)

    @property
    def to_stdout(self) -> bool:
        """Whether the ships go to standard output."""
        return self.out == STDOUT

    def check(self) -> None:
        """Refuse outputs that are named in both of the two ways.

        Raises:
            typer.BadParameter: Says what to leave out.
        """
        if self.out_dir is not None and any(self.of_one_scene().values()):
            raise typer.BadParameter(
                "--out-dir names all outputs itself; leave out --out, --mask, --scores, --preview, --stac and --project"
            )


@dataclass(frozen=True)
class BandOptions:
    """How the values of a scene become reflectance of the model's bands."""

    bands: Annotated[
        str | None,
        typer.Option(
            help="Band numbers or descriptions in the model's order, e.g. 1,2,3", show_default="by description",
            rich_help_panel=SCENE,
        ),
    ] = None  # fmt: skip
    scale: Annotated[
        float | None,
        typer.Option(
            help="Reflectance = value * SCALE + OFFSET", show_default="from the file", rich_help_panel=SCENE
        ),
    ] = None  # fmt: skip
    offset: Annotated[
        float | None,
        typer.Option(
            help="OFFSET of the reflectance, see --scale", show_default="from the file", rich_help_panel=SCENE
        ),
    ] = None
    sensor: Annotated[
        str | None,
        typer.Option(
            help="Preset of scale and offset, e.g. sentinel-2-l2a", show_default="from the file",
            rich_help_panel=SCENE,
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True)
class SceneOptions(BandOptions):
    """How a scene is read."""

    gsd: Annotated[
        float | None, typer.Option(help="Pixel size in metres", show_default="from the scene", rich_help_panel=SCENE)
    ] = None
    trust_vrt: TrustVrt = None


Area = Annotated[
    Path | None,
    typer.Option(
        "--area", "-a", help="Vector file of the area to search, in any CRS", show_default="the whole scene",
        rich_help_panel=SCENE,
    ),
]  # fmt: skip


@dataclass(frozen=True)
class PredictSceneOptions(SceneOptions):
    """How a scene is read, and which part of it."""

    area: Area = None
    observed: Annotated[
        bool | None,
        typer.Option(
            "--observed/--no-observed", help="Tell what was seen: clouds, sea and land, around each ship, too",
            show_default="where there is an SCL", envvar="GEOSHIPS_OBSERVED", rich_help_panel=SCENE,
        ),
    ] = None  # fmt: skip
    min_observed: Annotated[
        float | None,
        typer.Option(help="Refuse a scene of which a smaller share is seen, 0 to 1", show_default="none",
                     rich_help_panel=SCENE),
    ] = None  # fmt: skip
    on_error: Annotated[
        Literal["fail", "skip"] | None,
        typer.Option(
            help="A part that cannot be read: fail, or skip it as nodata", show_default="fail", rich_help_panel=SCENE
        ),
    ] = None


@dataclass(frozen=True)
class InferenceOptions:
    """What the model does beside scoring each tile once."""

    views: Annotated[
        Literal[1, 2, 4, 8] | None,
        typer.Option(
            help="Test-time augmentation: average over 1, 2, 4 or 8 flips and rotations", show_default=THE_MODELS_OWN,
            envvar="GEOSHIPS_VIEWS", rich_help_panel=MODEL,
        ),
    ] = None  # fmt: skip
    verify: Annotated[
        bool | None,
        typer.Option(
            "--verify/--no-verify", help="Drop false alarms with the model's verifier", show_default=THE_MODELS_OWN,
            envvar="GEOSHIPS_VERIFY", rich_help_panel=MODEL,
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True)
class ShipOptions:
    """What a ship is."""

    threshold: Annotated[
        float | None,
        typer.Option(help="Minimum score of a ship pixel", show_default=THE_MODELS_OWN, rich_help_panel=SHIPS),
    ] = None
    min_peak: Annotated[
        float | None,
        typer.Option(help="Minimum peak score of a ship", show_default=THE_MODELS_OWN, rich_help_panel=SHIPS),
    ] = None
    sensitivity: Annotated[
        Literal["high", "balanced", "precise"] | None,
        typer.Option(
            help="Threshold and peak of the model for more ships or fewer alarms", show_default="none",
            envvar="GEOSHIPS_SENSITIVITY", rich_help_panel=SHIPS,
        ),
    ] = None  # fmt: skip
    split: Annotated[
        bool | None,
        typer.Option(
            "--split/--no-split", help="Split ships that touch at a narrow neck", show_default="on",
            rich_help_panel=SHIPS,
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True)
class OutlineOptions(ShipOptions):
    """What a ship is, and its outline."""

    min_area: Annotated[
        float | None,
        typer.Option(help="Minimum area of a ship in square metres", show_default="300", rich_help_panel=SHIPS),
    ] = None
    max_hole: Annotated[
        float | None,
        typer.Option(
            help="Fill holes in ships up to this area in square metres", show_default="500", rich_help_panel=SHIPS
        ),
    ] = None
    simplify: Annotated[
        float | None,
        typer.Option(help="Simplify outlines by up to this many metres", show_default="0", rich_help_panel=SHIPS),
    ] = None


@dataclass(frozen=True)
class PredictShipOptions(OutlineOptions):
    """What a ship is, its outline, and what is none although it looks like one."""

    fixed: Annotated[
        Path | None,
        typer.Option(help="Mark what stands fixed, by a file of geoships fixed", show_default="none",
                     envvar="GEOSHIPS_FIXED", rich_help_panel=SHIPS),
    ] = None  # fmt: skip
    drop_fixed: Annotated[
        bool | None,
        typer.Option("--drop-fixed", help="Leave it out instead of marking it", rich_help_panel=SHIPS),
    ] = None
    motion: Annotated[
        bool | None,
        typer.Option("--motion", help="Tell which ships move, how fast and which way (Sentinel-2)",
                     rich_help_panel=SHIPS),
    ] = None  # fmt: skip
    aircraft: Annotated[
        Literal["flag", "drop"] | None,
        typer.Option(help="With --motion: flag aircraft, or drop them", show_default="flag", rich_help_panel=SHIPS),
    ] = None


@dataclass(frozen=True)
class SpeedOptions:
    """Where and how the model runs."""

    device: Device = None
    engine: Annotated[
        Literal["auto", "torch", "openvino", "onnx"] | None,
        typer.Option(help="Inference engine", show_default="auto", envvar="GEOSHIPS_ENGINE", rich_help_panel=SPEED),
    ] = None
    precision: Annotated[
        Literal["auto", "fp32", "bf16", "int8"] | None,
        typer.Option(
            help="Numerical precision of the model",
            show_default="auto",
            envvar="GEOSHIPS_PRECISION",
            rich_help_panel=SPEED,
        ),
    ] = None


@dataclass(frozen=True)
class PredictSpeedOptions(SpeedOptions):
    """Where and how the model runs, on which tiles."""

    device: Annotated[
        str | None,
        typer.Option(
            help="auto, cpu, cuda, cuda:N, or cuda:all with --out-dir",
            show_default="auto",
            envvar="GEOSHIPS_DEVICE",
            rich_help_panel=SPEED,
        ),
    ] = None
    tile_size: Annotated[
        int | None,
        typer.Option(
            help="Maximum tile size in model pixels",
            show_default="the fastest",
            envvar="GEOSHIPS_TILE_SIZE",
            rich_help_panel=SPEED,
        ),
    ] = None
    overlap: Annotated[
        int | None,
        typer.Option(
            help="Overlap of tiles in model pixels", show_default="by the model's halo", rich_help_panel=SPEED
        ),
    ] = None
    batch_size: Annotated[
        int | None,
        typer.Option(
            help="Tiles in a batch", show_default="by the device", envvar="GEOSHIPS_BATCH_SIZE", rich_help_panel=SPEED
        ),
    ] = None
    max_memory: Annotated[
        str | None,
        typer.Option(
            help="Memory beyond the loaded model, such as 800MB or 2GiB", show_default="by the device",
            envvar="GEOSHIPS_MAX_MEMORY", rich_help_panel=SPEED,
        ),
    ] = None  # fmt: skip
    screen: Annotated[
        bool | None,
        typer.Option(
            "--screen/--no-screen", help="Skip tiles that the model's screen finds empty", show_default="on",
            envvar="GEOSHIPS_SCREEN", rich_help_panel=SPEED,
        ),
    ] = None  # fmt: skip
    land: Annotated[
        Path | None,
        typer.Option(
            help="Skip tiles on the land of this vector file",
            show_default="none",
            envvar="GEOSHIPS_LAND",
            rich_help_panel=SPEED,
        ),
    ] = None
    land_mask: Annotated[
        bool | None,
        typer.Option(
            "--land-mask",
            help=r"Skip tiles on land by a global mask (geoships\[landmask])",
            envvar="GEOSHIPS_LAND_MASK",
            rich_help_panel=SPEED,
        ),
    ] = None
    shore: Annotated[
        float | None,
        typer.Option(help="Keep tiles within so many metres of the shore", show_default="200", rich_help_panel=SPEED),
    ] = None


@dataclass(frozen=True)
class LabelledScenes:
    """Scenes and their labels."""

    scenes: Annotated[
        list[str],
        typer.Option(help="Labelled scenes: file, folder or pattern; repeatable", rich_help_panel=SCENE),
    ]
    labels: Annotated[
        list[Path],
        typer.Option(help="Labels, polygons or masks named after their scene; repeatable", rich_help_panel=SCENE),
    ]
    ignore: Annotated[
        list[Path] | None,
        typer.Option(help="Polygons to leave out, named after their scene; repeatable", rich_help_panel=SCENE),
    ] = None


@dataclass(frozen=True)
class RunOptions:
    """What is printed."""

    quiet: Quiet = False
    as_json: AsJson = False
    verbose: Annotated[
        bool,
        typer.Option("--verbose", "-v", help="Print more: the log, the tile plan, skipped tiles", rich_help_panel=RUN),
    ] = False
    log_level: Annotated[
        LogLevel | None,
        typer.Option(
            help="Least level of the log",
            show_default="warning; info with -v",
            envvar="GEOSHIPS_LOG_LEVEL",
            rich_help_panel=RUN,
        ),
    ] = None
    log_file: Annotated[
        Path | None,
        typer.Option(
            help="File to append the log to", show_default="none", envvar="GEOSHIPS_LOG_FILE", rich_help_panel=RUN
        ),
    ] = None

    def around(self, command: str) -> AbstractContextManager[None]:
        """Return the log of a command, which is written while the block runs."""
        return logged(
            command.replace("_", "-"), level=self.log_level, file=self.log_file, verbose=self.verbose,
            quiet=self.quiet, json_lines=getattr(self, "progress", Display.auto) is Display.json,
        )  # fmt: skip

    def progress_display(self) -> closing[Lines]:
        """Return the display of progress, which the block closes."""
        return closing(progress_display(quiet=self.quiet, verbose=self.verbose))

    def clean_stdout(self) -> AbstractContextManager[object]:
        """Return what sends to stderr all that libraries print in the block, where stdout is one JSON object."""
        return redirect_stdout(sys.stderr) if self.as_json else nullcontext()

    def report(self, summary: Mapping[str, object], text: str) -> None:
        """Print the result of a command: as JSON, as text, or not at all."""
        if self.as_json:
            typer.echo(json.dumps(summary))
        elif not self.quiet:
            typer.echo(text)


@dataclass(frozen=True)
class ProgressRunOptions(RunOptions):
    """What is printed, and how progress is shown."""

    progress: Progress = Display.auto

    def progress_display(self) -> closing[Lines]:
        """Return the display of progress, which the block closes."""
        return closing(progress_display(quiet=self.quiet, display=self.progress, verbose=self.verbose))


def settings_of(*groups: Any) -> dict[str, object]:
    """Return the settings in groups of options, by their name in `PredictConfig`; None where one is not given."""
    settings = {field.name: getattr(group, field.name) for group in groups for field in fields(group)}
    return {**settings, "bands": split_bands(settings.get("bands"))}


def split_bands(text: str | None) -> tuple[int | str, ...] | None:
    """Split a comma-separated list of band numbers and descriptions.

    >>> split_bands("1, B03,8")
    (1, 'B03', 8)
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",") if name.strip()]
    return tuple(int(name) if name.isdigit() else name for name in names)
