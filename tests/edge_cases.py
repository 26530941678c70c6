"""Edge cases of scenes and ships, and all outputs for each."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from affine import Affine
from fake_models import fake_bundle
from rasterio.control import GroundControlPoint
from scenes import SHIPS, UTM, ship_scene

from geoships import PredictConfig, Prediction, predict
from geoships.output.formats import write_ships
from geoships.output.qgis.styles import ship_style
from geoships.scene.georeference import Georeference
from geoships.scene.reader import open_scene

CONFIG = PredictConfig(min_area=0, device="cpu", precision="fp32", tile_size=384)
FORMATS = ("geojson", "gpkg", "fgb", "parquet")
ANTIMERIDIAN = Affine(1e-4, 0, 179.99, 0, -9e-5, -17.0)  # column 100 is on the antimeridian


@dataclass(frozen=True)
class Case:
    """A scene: its ships as (row, column, height, width), and its georeference."""

    ships: tuple[tuple[int, int, int, int], ...] = SHIPS
    crs: str | None = "EPSG:32631"
    shape: tuple[int, int] = (180, 200)
    georeference: dict[str, object] = field(default_factory=dict)


def at(transform: Affine | None, crs: str | None = "EPSG:32631") -> Case:
    return Case(crs=crs, georeference={"transform": transform})


CONTROL = [GroundControlPoint(r, c, *(UTM @ (c, r))) for r in (0, 90, 180) for c in (0, 100, 200)]
CASES = {
    "zero ships": Case(ships=()),
    "one ship on the border": Case(ships=((0, 90, 4, 20),)),
    "one ship in the corner": Case(ships=((160, 195, 20, 5),)),
    "a thousand ships": Case(
        tuple((row, column, 3, 9) for row in range(4, 640, 16) for column in range(4, 640, 25)), shape=(640, 640)
    ),
    "a ship across the antimeridian": Case(
        ((20, 90, 4, 20), (90, 150, 30, 5)), "EPSG:4326", georeference={"transform": ANTIMERIDIAN}
    ),
    "across the antimeridian in UTM": at(Affine(10, 0, 819000, 0, -10, 8115000), "EPSG:32760"),
    "southern hemisphere": at(Affine(10, 0, 500000, 0, -10, 6000000), "EPSG:32731"),
    "rotated": at(UTM @ Affine.rotation(31)),
    "south up": at(Affine(10, 0, 500000, 0, 10, 4000000)),
    "without a CRS": at(UTM, None),
    "without a georeference": at(None, None),
    "control points": Case(georeference={"transform": None, "gcps": CONTROL}),
}


@dataclass(frozen=True)
class Run:
    """The outputs of one case."""

    folder: Path
    true: np.ndarray
    result: Prediction
    georeference: Georeference


def write_all(folder: Path, case: Case) -> Run:
    true = ship_scene(folder / "scene.tif", case.shape, ships=case.ships, crs=case.crs, **case.georeference)
    result = predict(
        folder / "scene.tif",
        out=folder / "ships.geojson",
        mask=folder / "mask.tif",
        scores=folder / "scores.tif",
        project=folder / "all.qgz",
        config=CONFIG,
        model=fake_bundle(),
    )
    with open_scene(folder / "scene.tif", ("red",)) as scene:
        georeference = scene.georeference
    for extension in FORMATS[1:]:
        path, style = folder / f"ships.{extension}", ship_style().qml()
        write_ships(path, result.ships, georeference=georeference, title="Ships", style=style)
    return Run(folder, true, result, georeference)
