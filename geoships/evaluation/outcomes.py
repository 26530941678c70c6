"""Write the outcome of each ship as vector files, for a GIS and as hard examples for training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import geopandas
import pandas as pd

from geoships.errors import OutputError
from geoships.evaluation.evaluate_scene import CURVE_IOU, EvaluatedScene, LabelledShip
from geoships.evaluation.evaluation import Evaluation
from geoships.output.formats import write_ships
from geoships.output.ship_filter import DetectedShip
from geoships.pipeline.outputs import on_map
from geoships.scene.layers.labelled_files import LabelledFiles
from geoships.support.overwrite import refuse_overwrites

RIGHT, FALSE, IGNORED, MISSED = "right", "false", "ignored", "missed"
MEASURES = ("area_m2", "length_m", "width_m", "heading_deg", "lon", "lat")


def outcome_path(folder: Path, files: LabelledFiles) -> Path:
    """The file of a scene's outcomes."""
    return folder / f"{files.name}.geojson"


def write_outcomes(evaluation: Evaluation, folder: Path, *, overwrite: bool = False) -> list[Path]:
    """Write FOLDER/SCENE.geojson for each scene, with all predicted and all missed ships; of several, with the class.

    Args:
        evaluation: The evaluation.
        folder: Created where it is missing.
        overwrite: Replace existing files; never the labels or other files that were read.

    Returns:
        The paths, one per scene.

    Raises:
        OutputError: Where a file exists or cannot be written.
    """
    files = [scene.files for scene in evaluation.scenes]
    inputs = (path for each in files for path in each.paths())
    refuse_overwrites((outcome_path(folder, each) for each in files), inputs, overwrite=overwrite)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the folder {folder}: {error.strerror or error}; choose another") from error
    paths = []
    for number, scene in enumerate(evaluation.scenes):
        paths.append(outcome_path(folder, scene.files))
        title = f"Ships found and missed by {evaluation.model.card.name} in {scene.files.name}"
        table = outcomes(scene)
        if evaluation.others:
            title = title.replace("Ships", "Objects", 1)
            tables = {name: outcomes(own[number]) for name, own in evaluation.by_class.items()}
            table = pd.concat([own.assign(**{"class": name}) for name, own in tables.items()], ignore_index=True)
        write_ships(paths[-1], table, georeference=scene.georeference, title=title)
    return paths


def outcomes(scene: EvaluatedScene) -> geopandas.GeoDataFrame:
    """Table of the predicted ships and the missed labelled ships of a scene.

    Args:
        scene: The evaluated scene.

    Returns:
        One row per ship, in the scene's CRS, or in pixels (column, row) where it is not georeferenced. `outcome` of a
        predicted ship is RIGHT where it matches a label one to one at CURVE_IOU, else IGNORED where at least half of
        it is in the ignore layer, else FALSE; of a labelled ship it is MISSED. `score` is that of a predicted ship.
        MEASURES are on the ellipsoid.
    """
    missed = [scene.labels[index] for index in scene.comparison.missed(CURVE_IOU)]
    ships: list[DetectedShip | LabelledShip] = [*scene.found, *missed]
    columns: dict[str, pd.Series] = {
        "outcome": pd.Series([*_outcomes_of_predicted(scene), *[MISSED] * len(missed)], dtype="string"),
        "score": pd.Series([*[ship.ship.score for ship in scene.found], *[None] * len(missed)], dtype="float64"),
    }
    measures = [asdict(ship.measures) for ship in ships]
    columns |= {name: pd.Series([row[name] for row in measures], dtype="float64") for name in MEASURES}
    crs = scene.georeference.crs if scene.georeference.placed else None
    geometries = on_map([ship.polygon for ship in ships], scene.georeference)
    return geopandas.GeoDataFrame(columns, geometry=geopandas.GeoSeries(geometries, crs=crs))


def _outcomes_of_predicted(scene: EvaluatedScene) -> list[str]:
    matched = set(scene.comparison.pairs.one_to_one(CURVE_IOU).predicted.tolist())
    false = set(scene.comparison.false_positives(CURVE_IOU))
    return [RIGHT if i in matched else FALSE if i in false else IGNORED for i in range(len(scene.found))]
