"""The demonstration: a rendered harbour whose ships are known, found by the installed model."""

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
from geoships.pipeline.predict import Prediction, predict
from geoships.support.progress import Progress


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration found beside what is there.

    counts: ships in the scene and found ships. prediction: the run. picture: PNG with all outlines.
    """

    counts: ObjectCounts
    prediction: Prediction
    picture: Path

    def summary(self) -> dict[str, object]:
        """The result as plain values for JSON."""
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
        """The result as sentences."""
        counts, run = self.counts, self.prediction
        matched = counts.matched_predictions
        files = "\n".join(f"  {kind:8} {path}" for kind, path in [*run.outputs.items(), ("picture", self.picture)])
        return (
            f"The scene holds {counts.labelled} ships; geoships found {counts.matched_labels} of them "
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
) -> Demonstration:
    """Render a harbour into `folder`, find its ships and draw them.

    Writes harbour.tif, ships.geojson, mask.tif, scores.tif, their styles, a QGIS project of all of them,
    harbour.qgz, and ships.png. Raises GeoshipsError.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}; choose another") from error
    harbour = render_harbour(seed, size)
    scene = folder / "harbour.tif"
    write_harbour(harbour, scene)
    prediction = predict(
        scene,
        out=folder / "ships.geojson",
        mask=folder / "mask.tif",
        scores=folder / "scores.tif",
        project=folder / "harbour.qgz",
        config=config,
        progress=progress,
    )
    found = _in_pixels(list(prediction.ships.geometry), harbour)
    picture = folder / "ships.png"
    colours = true_colour(harbour.reflectance[[2, 1, 0]], harbour.valid)
    draw_overlay(picture, colours, found, list(harbour.ships), title=f"geoships demo, harbour {seed}", pixel_metres=10)
    return Demonstration(match_objects(found, list(harbour.ships)), prediction, picture)


def _in_pixels(polygons: list[BaseGeometry], harbour: Harbour) -> list[BaseGeometry]:
    """Polygons in map coordinates as (column, row)."""
    to_pixel = (~harbour.transform).to_shapely()
    return [affine_transform(polygon, to_pixel) for polygon in polygons]
