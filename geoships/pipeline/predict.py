"""From a scene to ships: the whole pipeline on one page.

    scene -> tiles -> scores -> row bands -> rasters and ships -> verified ships -> vector file

Data goes one way, and no step holds more of the scene than a few rows of tiles.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from geoships.config import PredictConfig
from geoships.errors import GeoshipsError
from geoships.model.bundle import Bundle
from geoships.output.qgis.project import project_warnings
from geoships.output.qgis.style_files import StylePlan, appearing_styles, plan_styles
from geoships.output.stitch import RowBand
from geoships.pipeline.find_ships import find_ships
from geoships.pipeline.messages import announce, warn_of_unread
from geoships.pipeline.outputs import (
    appearing_vector,
    check_outputs,
    class_counts,
    config_files,
    raster_sinks,
    ship_table,
    write_companions,
)
from geoships.pipeline.record import input_fingerprints, run_record
from geoships.pipeline.scene_run import SceneRun, open_run
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.names import without_secrets
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import public_name
from geoships.scene.streaming import TileCounts
from geoships.scene.tiling.windows import Window
from geoships.support.memory import use_one_arena
from geoships.support.progress import NoProgress, Progress

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prediction:
    """What was found in one scene.

    scene: its name. model: name of the model. threshold: score from which on a pixel was ship.
    verifier: name of the classifier that looked again at every ship; None where none did.
    ships: one row a ship, in the scene's CRS or in pixel coordinates (column, row).
    outputs: files written, by kind (vector, mask, scores, preview, project, stac).
    bands, radiometry: how the scene was read. warnings: what was assumed.
    pixels: of the scene. seconds: from opening the scene to the last file.
    tiles: how many were computed, and how many skipped for which reason.
    unread: windows of the scene that could not be read and have no data, with the reason; see `PredictConfig.on_error`.
    timings: seconds of each part: open, scores, ships, outputs.
    record: what the run was made of, see `geoships.pipeline.record.run_record`.
    classes: objects of each class, where the model finds several.
    """

    scene: str
    model: str
    threshold: float
    ships: GeoDataFrame
    outputs: dict[str, Path]
    bands: str
    radiometry: str
    pixels: int
    seconds: float
    warnings: tuple[str, ...] = field(default=())
    verifier: str | None = None
    tiles: TileCounts = field(default_factory=TileCounts)
    unread: dict[Window, str] = field(default_factory=dict)
    timings: dict[str, float] = field(default_factory=dict)
    record: dict[str, object] = field(default_factory=dict, repr=False)
    classes: dict[str, int] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """What a notebook shows of it: a small map, and the first ships."""
        from geoships.output.viewer.notebook import ships_html

        return ships_html(self.ships, f"{Path(self.scene).name}, {self.model}")

    def summary(self) -> dict[str, object]:
        """The result as plain values for JSON."""
        return {
            "scene": self.scene,
            "ships": len(self.ships),
            **({"classes": self.classes} if self.classes else {}),
            "model": self.model,
            "threshold": self.threshold,
            "verifier": self.verifier,
            "outputs": {kind: str(path) for kind, path in self.outputs.items()},
            "bands": self.bands,
            "radiometry": self.radiometry,
            "megapixels": round(self.pixels / 1e6, 3),
            "seconds": round(self.seconds, 3),
            "megapixels_per_second": round(self.pixels / 1e6 / self.seconds, 3),
            "tiles": self.tiles.summary(),
            "unread": [{**asdict(window), "reason": reason} for window, reason in self.unread.items()],
            "warnings": list(self.warnings),
            "timings": {part: round(seconds, 3) for part, seconds in self.timings.items()},
            **self.record,
        }


def predict(
    scene: SceneName,
    *,
    out: str | Path | None = None,
    mask: str | Path | None = None,
    scores: str | Path | None = None,
    stac: str | Path | None = None,
    preview: str | Path | None = None,
    project: str | Path | None = None,
    config: PredictConfig | None = None,
    progress: Progress | None = None,
    model: Bundle | None = None,
) -> Prediction:
    """Find the ships of one scene.

    Args:
        scene: a path, a subdataset, an ``http(s)://`` or ``s3://`` address of a raster or a STAC Item, or files band
            by band (see `geoships.band_files`).
        out: vector file to write (.geojson, .gpkg, .fgb or .parquet).
        mask: GeoTIFF of the ship mask to write: 0 and 1, 255 without data; of several classes: the class's value.
        scores: GeoTIFF of the scores to write: 0 to 1; a band for each class.
        stac: STAC Item of the run to write (.json), after all other outputs.
        preview: PNG image to write of the scene with its ships.
        project: QGIS project (.qgz) to write, of the scene and of `out`, `mask` and `scores`.
        config: settings; outputs that exist are refused without its `overwrite`.
        progress: is told how far the run is.
        model: a loaded bundle, which saves loading `config.model` again for every scene.

    Returns:
        The ships, and the files that were written.

    Raises:
        GeoshipsError: with one line that says what is wrong; outputs then do not exist, or are as they were.

    """
    started, clock = time.monotonic(), datetime.now(UTC)
    config, progress = config or PredictConfig(), progress or NoProgress()
    kinds = {"vector": out, "mask": mask, "scores": scores, "preview": preview, "project": project, "stac": stac}
    paths = {kind: Path(path) for kind, path in kinds.items() if path}
    use_one_arena()
    with SceneFile(scene, trust_vrt=config.trust_vrt, incomplete=config.on_error == "skip") as file:
        layers = list(config_files(config))
        if paths:
            check_outputs(paths, chain(layers, file.local_files()), overwrite=config.overwrite)
        inputs = input_fingerprints(file, layers)
        with open_run(file, config=config, model=model) as run:
            record = run_record(run, inputs)
            announce(run, progress)
            run.timings["open"] = time.monotonic() - started
            ships, notes = _run(run, paths, progress)
            notes += tuple(warn_of_unread(run.scene.unread, progress))
    seconds = time.monotonic() - started
    written = ", ".join(map(str, paths.values())) or "no file"
    _log.info("%s: %d found in %.1f s; written: %s", public_name(file.name), len(ships), seconds, written)
    return Prediction(
        scene=without_secrets(file.name),
        model=run.bundle.card.name,
        threshold=run.threshold,
        ships=ships,
        outputs=paths,
        bands=run.scene.bands.summary,
        radiometry=run.scene.radiometry.origin,
        pixels=run.georeference.height * run.georeference.width,
        seconds=seconds,
        warnings=(*run.warnings, *notes),
        verifier=run.verifier.bundle.card.name if run.verifier else None,
        tiles=run.counts,
        unread=run.scene.unread,
        timings={**run.timings, "outputs": seconds - sum(run.timings.values())},
        record={"started": clock.isoformat(timespec="seconds"), **record},
        classes=class_counts(run, ships),
    )


def _run(run: SceneRun, paths: dict[str, Path], progress: Progress) -> tuple[GeoDataFrame, tuple[str, ...]]:
    """Find the ships and write all outputs; returns the ships, and warnings about the outputs."""
    files = {kind: path for kind, path in paths.items() if kind not in ("project", "stac")}
    styles = plan_styles(files, run.scene.source.path, run.object_class) if run.config.style else StylePlan({})
    notes = styles.warnings + (project_warnings(run.scene, files) if "project" in paths else ())
    for text in notes:
        progress.warn(text)
    sinks = tuple(raster_sinks(run, paths))
    with appearing_styles(styles), ExitStack() as vector, find_ships(run, sinks=sinks, progress=progress) as kept:
        progress.detail(str(run.counts))
        ships = ship_table(run, kept)
        if "vector" in paths:
            vector.enter_context(appearing_vector(run, paths["vector"], ships))
    write_companions(run, paths, kept, ships, progress)
    return ships, notes


def score_rows(
    scene: SceneName,
    *,
    config: PredictConfig | None = None,
    model: Bundle | None = None,
    class_name: str | None = None,
) -> Iterator[RowBand]:
    """Yield the scores of a scene as finished rows, from top to bottom, without writing anything.

    Args:
        scene: as for `predict`.
        config: settings.
        model: a loaded bundle, in place of `config.model`.
        class_name: class of a model of several classes; None: the first.

    Raises:
        GeoshipsError: as for `predict`, and for a class that the model does not find.

    """
    with open_run(scene, config=config or PredictConfig(), model=model) as run:
        names = [found.name for found in run.object_class.members]
        if class_name is not None and class_name not in names:
            raise GeoshipsError(f"{run.bundle.card.name} finds {', '.join(names)}, not {class_name}")
        kind = 0 if class_name is None else names.index(class_name)
        with closing(run.bands()) as bands:
            for each in bands:
                yield each[kind]
