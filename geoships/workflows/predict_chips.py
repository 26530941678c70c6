"""Classifies the chips of a folder and, with a segmentation model, outlines their ships."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas
import pandas as pd
import rasterio
import shapely
from affine import Affine
from pyproj import CRS
from shapely.geometry.base import BaseGeometry

from geoships.config import PredictConfig
from geoships.datasets.chip_files import BANDS, FULL_SCALE, SUFFIXES, read_chip, read_stored
from geoships.datasets.shipsnet import CHIP_SIZE, GSD, NamedChip, parse_name
from geoships.errors import GeoshipsError, OutputError
from geoships.model.bundle import Bundle, load_bundle
from geoships.model.bundle_files import load_card
from geoships.model.classify import classify
from geoships.model.engines.choose import EngineCache
from geoships.model.engines.device import choose_device
from geoships.model.installed import installed
from geoships.output.antimeridian import cut_at_antimeridian
from geoships.output.formats import write_ships
from geoships.pipeline.find_ships import find_ships
from geoships.pipeline.outputs import config_files, ship_table
from geoships.pipeline.scene_run import open_run
from geoships.scene.georeference import Georeference
from geoships.support.files import atomic_write, reserve
from geoships.support.memory import use_one_arena
from geoships.support.overwrite import refuse_overwrites
from geoships.support.progress import NoProgress, Progress
from geoships.support.transform_warning import without_transform_warning

CLASSIFIER = "chips-rgb3m"
FORMATS = (".csv", ".geojson", ".json")
BATCH = 64  # chips per batch

# Nullable types where values can be missing.
COLUMNS: dict[str, str] = {
    "file": "string",
    "label": "Int64",
    "scene": "string",
    "lon": "float64",
    "lat": "float64",
    "class_prob": "float64",
    "ship": "boolean",
    "shapes": "Int64",
    "shape_area_m2": "float64",
    "shape_score": "float64",
}

MEANINGS = {
    "file": "the chip, from the folder on",
    "label": "1 ship, 0 none, as its file name says",
    "scene": "scene that its file name gives",
    "lon": "longitude of its centre, from its file name",
    "lat": "latitude of its centre, from its file name",
    "class_prob": "classifier: probability that one whole ship lies in the middle of the chip",
    "ship": "classifier's verdict: {verdict}",
    "shapes": "segmentation model: ships outlined anywhere in the chip, whatever the verdict",
    "shape_area_m2": "segmentation model: their area in square metres",
    "shape_score": "segmentation model: the highest score of an outline",
}


@dataclass(frozen=True)
class ChipPrediction:
    """The prediction for a folder of chips.

    Attributes:
        folder: Folder of the chips.
        out: Written table.
        chips: One row per chip with COLUMNS. The geometry is the outline of its ships, or otherwise its centre, in
            longitude and latitude.
        classifier: Name of the classifier.
        model: Name of the segmentation model; None without one.
        labelled: Number of chips whose file name gives their label.
        right: Number of those that are classified correctly.
        threshold: Minimum `class_prob` of a chip with a ship.
    """

    folder: Path
    out: Path
    chips: geopandas.GeoDataFrame
    classifier: str
    model: str | None
    labelled: int
    right: int
    threshold: float = 0.5

    @property
    def meanings(self) -> dict[str, str]:
        """What each column says that has a value, by its name."""
        verdict = f"whether class_prob reaches {self.threshold:g}"
        named = {name: text.format(verdict=verdict) for name, text in MEANINGS.items()}
        return {name: text for name, text in named.items() if self.chips[name].notna().any()}

    def summary(self) -> dict[str, object]:
        """Return the result as plain values for JSON."""
        return {
            "folder": str(self.folder),
            "out": str(self.out),
            "chips": len(self.chips),
            "with_ship": int(self.chips["ship"].sum()),
            "classifier": self.classifier,
            "model": self.model,
            "labelled": self.labelled,
            "right": self.right,
            "threshold": self.threshold,
            "columns": self.meanings,
        }


@dataclass(frozen=True)
class _ChipShips:
    """The ships of one chip: number, area in m2, highest score, and outline; None without a location."""

    ships: int
    area: float
    score: float | None
    shape: BaseGeometry | None


def predict_chips(
    folder: Path, out: Path, *, config: PredictConfig | None = None, progress: Progress | None = None
) -> ChipPrediction:
    """Classify all chips of a folder, and outline their ships if there is a segmentation model for them.

    Args:
        folder: PNG, JPEG or TIFF files of 8 or 16 bits, at any depth. Names such as
            LABEL__SCENE__LONGITUDE_LATITUDE.png give their location; they are north up with a GSD of `config.gsd`
            (default 3 m).
        out: Table to write, .csv (the last column is WKT) or .geojson.
        config: `model` is a chip classifier that replaces the installed one, or a segmentation model; by default, an
            installed segmentation model is used if red, green and blue at this GSD are enough for it. The other
            settings are those of the segmentation, as for `geoships.predict`.
        progress: Receives progress and messages.

    Returns:
        The prediction.

    Raises:
        GeoshipsError: There are no chips, a chip cannot be read, or the model does not fit.
        OutputError: The table cannot be written, or exists and `config.overwrite` is not set.
    """
    config, progress = config or PredictConfig(), progress or NoProgress()
    if out.suffix.lower() not in FORMATS:
        raise OutputError(f"cannot write {out}: expected a file name that ends with .csv or .geojson")
    reserve(out)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise GeoshipsError(f"{folder}: expected PNG, JPEG or TIFF files, got none")
    refuse_overwrites([out], (*files, *config_files(config)), overwrite=config.overwrite)
    classifier, model = _load_models(config)
    progress.start(folder.name or str(folder), len(files) * CHIP_SIZE**2)
    progress.note(f"classifier: {classifier.card.name}")
    progress.note(
        f"segmentation model: {model.card.name}" if model else "no segmentation model for chips; ships get no outline"
    )
    scores: list[float] = []
    use_one_arena()
    ships: list[_ChipShips | None] = []
    engines = EngineCache()
    for batch in (files[start : start + BATCH] for start in range(0, len(files), BATCH)):
        scores += _classify(classifier, batch, config)
        if model:
            ships += [_segment(path, model, config, engines) for path in batch]
        progress.advance(len(batch) * CHIP_SIZE**2)
    chips = _make_table(folder, files, scores, ships or [None] * len(files), classifier.card.threshold)
    _write(out, chips)
    labelled = chips[chips["label"].notna()]
    right = int((labelled["label"] == labelled["ship"].astype("Int64")).sum())
    return ChipPrediction(
        folder, out, chips, classifier.card.name, model.card.name if model else None, len(labelled), right,
        classifier.card.threshold,
    )  # fmt: skip


def _load_models(config: PredictConfig) -> tuple[Bundle, Bundle | None]:
    """Return the classifier, and the segmentation model if there is one."""
    given = load_bundle(config.model) if config.model else None
    if given and given.card.is_classifier:
        return given, None
    if given and (missing := set(given.card.bands) - set(given.card.optional) - set(BANDS)):
        raise GeoshipsError(
            f"{given.card.name} needs the bands {', '.join(sorted(missing))}, which chips do not have; "
            "choose a model for red, green and blue"
        )
    return load_bundle(CLASSIFIER), given or _find_segmentation_model(config.gsd or GSD)


def _find_segmentation_model(gsd: float) -> Bundle | None:
    for name, path in installed():
        card = load_card(path)
        low, high = card.gsd_range
        has_bands = set(card.bands) - set(card.optional) <= set(BANDS)
        if not card.is_classifier and has_bands and low <= gsd <= high:
            return load_bundle(name)
    return None


def _classify(classifier: Bundle, files: Sequence[Path], config: PredictConfig) -> list[float]:
    size = classifier.card.input.input.shape[2]
    scores = classify(
        classifier,
        (read_chip(path, size) for path in files),
        batch_size=config.batch_size or BATCH,
        device=choose_device(config.device),
        bf16=config.precision == "bf16",
        views=config.views or 8,
    )
    return [round(float(score), 6) for score in scores]


def _segment(path: Path, model: Bundle, config: PredictConfig, engines: EngineCache) -> _ChipShips:
    """Detect the ships of one chip, as `predict` does in a scene."""
    with TemporaryDirectory(prefix="geoships-") as scratch:
        scene = Path(scratch) / f"{path.stem}.tif"
        located = _write_scene(scene, path, parse_name(path.name), config.gsd or GSD)
        settings = config.model_copy(update={"model": None, "gsd": None if located else config.gsd or GSD})
        with (
            open_run(str(scene), config=settings, model=model, engines=engines) as run,
            find_ships(run) as detections,
        ):
            ships = ship_table(run, detections)
    shape = None
    if located and len(ships):
        shape = shapely.union_all([cut_at_antimeridian(outline) for outline in ships.to_crs(4326).geometry])
    score = float(ships["score"].max()) if len(ships) else None
    return _ChipShips(len(ships), float(ships["area_m2"].sum()), score, shape)


def _write_scene(path: Path, chip: Path, named: NamedChip | None, gsd: float) -> bool:
    """Write a chip as a GeoTIFF, in its UTM zone if its name gives a location; return whether it does."""
    values = read_stored(chip)
    _, height, width = values.shape
    grid: dict[str, object] = {}
    if named:
        crs, transform = chip_grid(named, (height, width), gsd)
        grid = {"crs": crs.to_wkt(), "transform": transform}
    with (
        without_transform_warning(),
        rasterio.open(
            path, "w", driver="GTiff", count=3, dtype=values.dtype, height=height, width=width, **grid
        ) as file,
    ):
        file.write(values)
        file.descriptions = BANDS
        file.scales = (1 / FULL_SCALE[values.dtype.name],) * 3
    return bool(named)


def chip_grid(named: NamedChip, shape: tuple[int, int], gsd: float = GSD) -> tuple[CRS, Affine]:
    """Return the grid of a north-up chip whose name gives its centre.

    Args:
        named: Metadata of the chip.
        shape: (rows, columns).
        gsd: Metres.

    Returns:
        UTM zone of the chip, and the geotransform from (column, row) to it.
    """
    point = geopandas.GeoSeries([shapely.Point(named.lon, named.lat)], crs=4326)
    crs = point.estimate_utm_crs()
    centre = point.to_crs(crs).iloc[0]
    rows, columns = shape
    left, top = centre.x - gsd * columns / 2, centre.y + gsd * rows / 2
    return crs, Affine(gsd, 0, left, 0, -gsd, top)


def _make_table(
    folder: Path, files: Sequence[Path], scores: Sequence[float], ships: Sequence[_ChipShips | None], threshold: float
) -> geopandas.GeoDataFrame:
    rows = list(_rows(folder, files, scores, ships, threshold))
    columns = {name: pd.Series([row.get(name) for row, _ in rows], dtype=kind) for name, kind in COLUMNS.items()}
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries([shape for _, shape in rows], crs=4326))


def _rows(
    folder: Path, files: Sequence[Path], scores: Sequence[float], ships: Sequence[_ChipShips | None], threshold: float
) -> Iterator[tuple[dict[str, object], BaseGeometry]]:
    for path, score, chip_ships in zip(files, scores, ships, strict=True):
        named = parse_name(path.name)
        row: dict[str, object] = {"file": path.relative_to(folder).as_posix(), "class_prob": score}
        row["ship"] = score >= threshold  # of the rounded score, so that the table cannot contradict itself
        shape: BaseGeometry = shapely.Point()
        if named:
            lon = named.lon if abs(named.lon) <= 180 else (named.lon + 180) % 360 - 180
            row |= {"label": named.label, "scene": named.scene, "lon": lon, "lat": named.lat}
            shape = shapely.Point(lon, named.lat)
        if chip_ships:
            area = round(chip_ships.area, 2)
            row |= {"shapes": chip_ships.ships, "shape_area_m2": area, "shape_score": chip_ships.score}
            shape = chip_ships.shape or shape
        yield row, shape


def _write(out: Path, chips: geopandas.GeoDataFrame) -> None:
    if out.suffix.lower() == ".csv":
        table = pd.DataFrame(chips.drop(columns="geometry"))
        table["geometry"] = [None if shape.is_empty else shapely.to_wkt(shape, 7) for shape in chips.geometry]
        with atomic_write(out) as temporary:
            table.to_csv(temporary, index=False)
        return
    grid = Georeference(1, 1, Affine.identity(), CRS(4326))  # rows have their own coordinates
    write_ships(out, chips, georeference=grid, title="Ships in chips")
