"""From a folder of chips to a table: which hold a ship, and where a segmentation model is given, its outline."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import geopandas
import numpy as np
import pandas as pd
import rasterio
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.errors import NotGeoreferencedWarning
from shapely.geometry.base import BaseGeometry

from geoships.config import PredictConfig
from geoships.datasets.chip_files import FULL_SCALE, SUFFIXES, read_chip
from geoships.datasets.shipsnet import CHIP_SIZE, GSD, NamedChip, parse_name
from geoships.errors import GeoshipsError, OutputError
from geoships.model.bundle import Bundle, load_bundle
from geoships.model.bundle_files import load_card
from geoships.model.classify import classify
from geoships.model.engines.choose import EngineCache
from geoships.model.engines.device import choose_device
from geoships.model.installed import installed
from geoships.output.formats import write_ships
from geoships.pipeline.find_ships import find_ships
from geoships.pipeline.outputs import ship_table
from geoships.pipeline.scene_run import open_run
from geoships.scene.georeference import Georeference
from geoships.support.files import atomic_write, reserve
from geoships.support.memory import use_one_arena
from geoships.support.progress import NoProgress, Progress

CLASSIFIER = "chips-rgb3m"
BANDS = ("red", "green", "blue")
FORMATS = (".csv", ".geojson", ".json")
BATCH = 64  # chips that are read at a time

# Nullable where a value may be missing, so that a column keeps its type.
COLUMNS: dict[str, str] = {
    "file": "string",
    "label": "Int64",  # that the name tells
    "scene": "string",
    "lon": "float64",  # of the chip's centre, that the name tells
    "lat": "float64",
    "class_prob": "float64",
    "ship": "boolean",  # whether class_prob reaches the classifier's threshold
    "ships": "Int64",  # outlined by the segmentation model, here and below
    "area_m2": "float64",
    "score": "float64",
}


@dataclass(frozen=True)
class ChipPrediction:
    """What was found in a folder of chips.

    chips: one row a chip, of COLUMNS, in longitude and latitude: the outline of its ships, or else its centre.
    classifier, model: names of the models; model is None where no model outlines ships.
    labelled, right: chips whose name tells their class, and those of which `ship` says the same.
    """

    folder: Path
    out: Path
    chips: geopandas.GeoDataFrame
    classifier: str
    model: str | None
    labelled: int
    right: int

    def summary(self) -> dict[str, object]:
        """The result as plain values for JSON."""
        return {
            "folder": str(self.folder),
            "out": str(self.out),
            "chips": len(self.chips),
            "with_ship": int(self.chips["ship"].sum()),
            "classifier": self.classifier,
            "model": self.model,
            "labelled": self.labelled,
            "right": self.right,
        }


@dataclass(frozen=True)
class _Outline:
    """Ships of one chip: how many, their area, their best score, and where they are; None without a place."""

    ships: int
    area: float
    score: float | None
    shape: BaseGeometry | None


def predict_chips(
    folder: Path, out: Path, *, config: PredictConfig | None = None, progress: Progress | None = None
) -> ChipPrediction:
    """Score all chips of a folder, and outline their ships where there is a segmentation model for them.

    folder: PNG, JPEG or TIFF files of 8 or 16 bits, in subfolders too; names such as
    LABEL__SCENE__LONGITUDE_LATITUDE.png place them, with pixels of `config.gsd` (3 m), north up.
    out: .csv, whose last column is WKT, or .geojson.
    config: its `model` is a classifier of chips, instead of the installed one, or a segmentation model that outlines
    ships; without one, an installed segmentation model is taken if it does with red, green and blue at this pixel
    size. Its other settings are the segmentation's, as for `predict`.

    Raises GeoshipsError where there are no chips, one cannot be read, or the output cannot be written.
    """
    config, progress = config or PredictConfig(), progress or NoProgress()
    if out.suffix.lower() not in FORMATS:
        raise OutputError(f"cannot write {out}: chips go to .csv or .geojson")
    reserve(out)
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise GeoshipsError(f"{folder} holds no chips: PNG, JPEG or TIFF files")
    classifier, model = _models(config)
    progress.start(folder.name or str(folder), len(files) * CHIP_SIZE**2)
    progress.note(f"classifier: {classifier.card.name}")
    progress.note(f"ships are outlined by {model.card.name}" if model else "no model here outlines ships in chips")
    scores: list[float] = []
    use_one_arena()
    outlines: list[_Outline | None] = []
    engines = EngineCache()
    for batch in (files[start : start + BATCH] for start in range(0, len(files), BATCH)):
        scores += _scores(classifier, batch, config)
        if model:
            outlines += [_outline(path, model, config, engines) for path in batch]
        progress.advance(len(batch) * CHIP_SIZE**2)
    chips = _frame(folder, files, scores, outlines or [None] * len(files), classifier.card.threshold)
    _write(out, chips)
    named = chips[chips["label"].notna()]
    right = int((named["label"] == named["ship"].astype("Int64")).sum())
    return ChipPrediction(
        folder, out, chips, classifier.card.name, model.card.name if model else None, len(named), right
    )


def _models(config: PredictConfig) -> tuple[Bundle, Bundle | None]:
    """The classifier, and the segmentation model if there is one."""
    given = load_bundle(config.model) if config.model else None
    if given and given.card.is_classifier:
        return given, None
    if given and (lacking := set(given.card.bands) - set(given.card.optional) - set(BANDS)):
        raise GeoshipsError(
            f"{given.card.name} needs {', '.join(sorted(lacking))}, which chips lack; "
            "name a model of red, green and blue"
        )
    return load_bundle(CLASSIFIER), given or _suiting(config.gsd or GSD)


def _suiting(pixel: float) -> Bundle | None:
    for name, path in installed():
        card = load_card(path)
        low, high = card.gsd_range
        enough = set(card.bands) - set(card.optional) <= set(BANDS)
        if not card.is_classifier and enough and low <= pixel <= high:
            return load_bundle(name)
    return None


def _scores(classifier: Bundle, files: Sequence[Path], config: PredictConfig) -> list[float]:
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


def _outline(path: Path, model: Bundle, config: PredictConfig, engines: EngineCache) -> _Outline:
    """Find the ships of one chip, as `predict` does in a scene."""
    with TemporaryDirectory(prefix="geoships-") as scratch:
        scene = Path(scratch) / f"{path.stem}.tif"
        placed = _write_scene(scene, path, parse_name(path.name), config.gsd or GSD)
        settings = config.model_copy(update={"model": None, "gsd": None if placed else config.gsd or GSD})
        with (
            open_run(str(scene), config=settings, model=model, engines=engines) as run,
            find_ships(run) as found,
        ):
            ships = ship_table(run, found)
    shape = None
    if placed and len(ships):
        shape = shapely.union_all(ships.to_crs(4326).geometry.to_numpy())
    score = float(ships["score"].max()) if len(ships) else None
    return _Outline(len(ships), float(ships["area_m2"].sum()), score, shape)


def _write_scene(path: Path, chip: Path, named: NamedChip | None, pixel: float) -> bool:
    """Write a chip as a GeoTIFF, in the UTM zone of its place if it has one; returns whether it has."""
    values = _bands(chip)
    _, height, width = values.shape
    placement: dict[str, object] = {}
    if named:
        crs, transform = chip_grid(named, (height, width), pixel)
        placement = {"crs": crs.to_wkt(), "transform": transform}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", count=3, dtype=values.dtype, height=height, width=width, **placement
        ) as file:
            file.write(values)
            file.descriptions = BANDS
            file.scales = (1 / FULL_SCALE[values.dtype.name],) * 3
    return bool(named)


def chip_grid(named: NamedChip, shape: tuple[int, int], pixel: float = GSD) -> tuple[CRS, Affine]:
    """UTM zone, and the transform from (column, row) to it, of a chip of (rows, columns) with north up."""
    frame = geopandas.GeoSeries([shapely.Point(named.lon, named.lat)], crs=4326)
    crs = frame.estimate_utm_crs()
    middle = frame.to_crs(crs).iloc[0]
    rows, columns = shape
    corner = (middle.x - pixel * columns / 2, middle.y + pixel * rows / 2)
    return crs, Affine(pixel, 0, corner[0], 0, -pixel, corner[1])


def _bands(path: Path) -> NDArray[np.generic]:
    """Red, green and blue as stored, (3, rows, columns)."""
    stored = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    assert stored is not None  # the classifier has read it
    return np.ascontiguousarray(stored[..., ::-1].transpose(2, 0, 1))


def _frame(
    folder: Path, files: Sequence[Path], scores: Sequence[float], outlines: Sequence[_Outline | None], threshold: float
) -> geopandas.GeoDataFrame:
    rows = list(_rows(folder, files, scores, outlines, threshold))
    columns = {name: pd.Series([row.get(name) for row, _ in rows], dtype=kind) for name, kind in COLUMNS.items()}
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries([shape for _, shape in rows], crs=4326))


def _rows(
    folder: Path, files: Sequence[Path], scores: Sequence[float], outlines: Sequence[_Outline | None], threshold: float
) -> Iterator[tuple[dict[str, object], BaseGeometry]]:
    for path, score, outline in zip(files, scores, outlines, strict=True):
        named = parse_name(path.name)
        row: dict[str, object] = {"file": path.relative_to(folder).as_posix(), "class_prob": score}
        row["ship"] = score >= threshold
        shape: BaseGeometry = shapely.Point()
        if named:
            row |= {"label": named.label, "scene": named.scene, "lon": named.lon, "lat": named.lat}
            shape = shapely.Point(named.lon, named.lat)
        if outline:
            row |= {"ships": outline.ships, "area_m2": round(outline.area, 2), "score": outline.score}
            shape = outline.shape or shape
        yield row, shape


def _write(out: Path, chips: geopandas.GeoDataFrame) -> None:
    if out.suffix.lower() == ".csv":
        table = pd.DataFrame(chips.drop(columns="geometry"))
        table["geometry"] = [None if shape.is_empty else shapely.to_wkt(shape, 7) for shape in chips.geometry]
        with atomic_write(out) as temporary:
            table.to_csv(temporary, index=False)
        return
    place = Georeference(1, 1, Affine.identity(), CRS(4326))  # rows say for themselves where they are
    write_ships(out, chips, georeference=place, title="Ships in chips")
