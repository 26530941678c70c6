"""What became of each ship of the scenes, as vector files: to look at on a map, and to find hard examples in."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import geopandas
import pandas as pd

from geoships.errors import OutputError
from geoships.evaluation.evaluation import Evaluation
from geoships.evaluation.judge_scene import CURVE_IOU, JudgedScene, LabelledShip
from geoships.output.formats import write_ships
from geoships.output.ship_filter import KeptShip
from geoships.pipeline.outputs import on_map

RIGHT, FALSE, IGNORED, MISSED = "right", "false", "ignored", "missed"
MEASURES = ("area_m2", "length_m", "width_m", "heading_deg", "lon", "lat")


def write_outcomes(evaluation: Evaluation, folder: Path) -> list[Path]:
    """Write FOLDER/SCENE.geojson of all found and all missed ships, for each scene; returns the paths.

    Raises OutputError where they cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}; choose another") from error
    paths = []
    for scene in evaluation.scenes:
        paths.append(folder / f"{scene.files.name}.geojson")
        title = f"Ships found and missed by {evaluation.model.card.name} in {scene.files.name}"
        write_ships(paths[-1], outcomes(scene), georeference=scene.georeference, title=title)
    return paths


def outcomes(scene: JudgedScene) -> geopandas.GeoDataFrame:
    """The found ships and the missed labelled ones, on the map or in pixels (column, row).

    outcome: of a found ship, RIGHT where it matches a label one to one at CURVE_IOU, else IGNORED where it lies mostly
    in ignored parts, else FALSE; of a labelled ship, MISSED. score: of a found ship. MEASURES: on the ellipsoid.
    """
    missed = [scene.labels[index] for index in scene.comparison.missed(CURVE_IOU)]
    ships: list[KeptShip | LabelledShip] = [*scene.found, *missed]
    columns: dict[str, pd.Series] = {
        "outcome": pd.Series([*_of_found(scene), *[MISSED] * len(missed)], dtype="string"),
        "score": pd.Series([*[kept.ship.score for kept in scene.found], *[None] * len(missed)], dtype="float64"),
    }
    measures = [asdict(ship.measures) for ship in ships]
    columns |= {name: pd.Series([row[name] for row in measures], dtype="float64") for name in MEASURES}
    crs = scene.georeference.crs if scene.georeference.placed else None
    placed = on_map([ship.polygon for ship in ships], scene.georeference)
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries(placed, crs=crs))


def _of_found(scene: JudgedScene) -> list[str]:
    right = set(scene.comparison.pairs.one_to_one(CURVE_IOU).predicted.tolist())
    false = set(scene.comparison.false_positives(CURVE_IOU))
    return [RIGHT if i in right else FALSE if i in false else IGNORED for i in range(len(scene.found))]
