"""The demonstration: the installed model detects ships in a rendered harbour with ground truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shapely.affinity import affine_transform
from shapely.geometry.base import BaseGeometry

from geoships.config import PredictConfig
from geoships.datasets.harbour import Harbour, render_harbour, write_harbour
from geoships.errors import OutputError
from geoships.metrics.counts import ObjectCounts, match_objects
from geoships.output.pictures.overlay import draw_overlay, true_colour
from geoships.pipeline.outputs import config_files
from geoships.pipeline.predict import Prediction, predict
from geoships.support.overwrite import refuse_overwrites
from geoships.support.progress import Progress

FOLDER = Path("data/demo")  # where the command writes unless told otherwise
FILES = ("harbour.tif", "ships.geojson", "mask.tif", "scores.tif", "harbour.qgz", "ships.png")


@dataclass(frozen=True)
class Demonstration:
    """The result of the demonstration.

    Attributes:
        counts: Detections compared with the ships in the scene.
        prediction: Result and output files of the prediction.
        picture: PNG with the outlines of detections and of ships in the scene.
    """

    counts: ObjectCounts
    prediction: Prediction
    picture: Path

    def summary(self) -> dict[str, object]:
        """Return the result as plain values for JSON."""
        counts = self.counts
        return {
            **self.prediction.summary(),
            "ships_in_scene": counts.labelled,
            "ships_hit": counts.matched_labels,
            "found_right": counts.matched_predictions,
            "recall": round(counts.recall, 4),
            "false_share": round(1 - counts.precision, 4),
            "picture": str(self.picture),
        }

    def report(self) -> str:
        """Return the result as sentences."""
        counts, run = self.counts, self.prediction
        matched = counts.matched_predictions
        files = "\n".join(f"  {kind:8} {path}" for kind, path in [*run.outputs.items(), ("picture", self.picture)])
        return (
            f"The scene has {counts.labelled} ships; geoships found {counts.matched_labels} of them "
            f"({counts.recall:.0%}).\n"
            f"Of its {counts.predicted} polygons {matched} lie on a ship and {counts.predicted - matched} do not.\n"
            f"{run.pixels / 1e6:.1f} Mpix in {run.seconds:.1f} s. Written:\n  {'scene':8} {run.scene}\n{files}"
        )


def run_demo(
    folder: Path,
    *,
    seed: int = 7,
    size: int = 2048,
    config: PredictConfig | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
) -> Demonstration:
    """Render a harbour, detect its ships, and draw them.

    Args:
        folder: Folder for harbour.tif, ships.geojson, mask.tif, scores.tif, their styles, the QGIS project harbour.qgz
            and ships.png; created if needed.
        seed: Seed of the harbour.
        size: Pixels per side.
        config: Prediction settings.
        progress: Receives progress and messages.
        overwrite: Replace files of the same names. The default folder is the demonstration's own, and what an earlier
            one left there is always replaced.

    Returns:
        Detections compared with the ships in the scene, and the output files.

    Raises:
        GeoshipsError: The folder cannot be written or holds such files, or the settings are not valid.
    """
    config = (config or PredictConfig()).model_copy(update={"overwrite": True})  # all files are checked here
    scene, out, mask, scores, project, picture = (folder / name for name in FILES)
    own = folder.absolute() == FOLDER.absolute()
    refuse_overwrites((folder / name for name in FILES), config_files(config), overwrite=overwrite or own)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the folder {folder}: {error.strerror or error}; choose another") from error
    harbour = render_harbour(seed, size)
    write_harbour(harbour, scene)
    prediction = predict(scene, out=out, mask=mask, scores=scores, project=project, config=config, progress=progress)
    detections = _to_pixels(list(prediction.ships.geometry), harbour)
    colours = true_colour(harbour.reflectance[[2, 1, 0]], harbour.valid)
    draw_overlay(
        picture, colours, detections, list(harbour.ships), title=f"geoships demo, harbour {seed}", pixel_metres=10
    )
    return Demonstration(match_objects(detections, list(harbour.ships)), prediction, picture)


def _to_pixels(polygons: list[BaseGeometry], harbour: Harbour) -> list[BaseGeometry]:
    """Convert polygons from map coordinates to pixel coordinates (column, row)."""
    to_pixel = (~harbour.transform).to_shapely()
    return [affine_transform(polygon, to_pixel) for polygon in polygons]
