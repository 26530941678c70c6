"""From a scene to ships: the whole pipeline on one page.

    scene -> tiles -> scores -> row bands -> rasters and ships -> verified ships -> vector file

Data goes one way, and no step holds more of the scene than a few rows of tiles.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Literal, TypeVar, Unpack, cast, overload

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from geoships.config import PredictConfig
from geoships.config.predict import PredictOptions
from geoships.errors import GeoshipsError
from geoships.model.bundle import Bundle
from geoships.model.engines.choose import EngineCache
from geoships.output.qgis.project import project_warnings
from geoships.output.qgis.style_files import StylePlan, appearing_styles, plan_styles
from geoships.output.score_arrays import ScoreArrays, require_rioxarray
from geoships.output.stitch import RowBand
from geoships.pipeline.find_ships import find_ships
from geoships.pipeline.inputs import ConfigLike, ModelLike, RunInputs, run_inputs
from geoships.pipeline.messages import announce, warn_of_unread
from geoships.pipeline.moving import ShipMotion, measures_motion
from geoships.pipeline.observe import observe, observed_path, observed_summary, observed_table, observes, require
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
from geoships.pipeline.run_mark import RunMark, run_mark
from geoships.pipeline.scene_run import Layers, RowSource, SceneRun, open_run
from geoships.pipeline.stored_outputs import stored_outputs
from geoships.scene.observed.seen_map import SeenMap
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.data_array import is_data_array
from geoships.scene.opening.given import Placement
from geoships.scene.opening.names import without_secrets
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import public_name
from geoships.scene.streaming import TileCounts
from geoships.scene.tiling.windows import Window
from geoships.support.memory import use_one_arena
from geoships.support.progress import NoProgress, Progress
from geoships.support.remote.address import as_path

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from xarray import DataArray

    from geoships.scene.opening.given import SceneLike

Scores = TypeVar("Scores")
Mask = TypeVar("Mask")

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
    observed: what was seen: polygons of sea, land, cloud, shadow and no data with their km2; None where that was not
        looked at. observed_summary: the same as numbers.
    motion_summary: how many ships move, and how many are aircraft, dropped ones, too; empty where it was not measured.
    mark: what tells the run from another, see `geoships.pipeline.run_mark`; None where that is not known.
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
    observed: GeoDataFrame | None = field(default=None, repr=False)
    observed_summary: dict[str, object] = field(default_factory=dict, repr=False)
    motion_summary: dict[str, object] = field(default_factory=dict, repr=False)
    mark: RunMark | None = field(default=None, repr=False)

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
            **({"observed": self.observed_summary} if self.observed_summary else {}),
            **({"motion": self.motion_summary} if self.motion_summary else {}),
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


@dataclass(frozen=True)
class ScoredPrediction(Prediction, Generic[Scores, Mask]):
    """A prediction with the scores and the mask of the whole scene.

    scores: 0 to 1, float32, NaN without data. mask: 1 where a pixel is ship, 0 elsewhere, 255 without data, uint8. Both
    have the shape (rows, columns), as NumPy arrays or as DataArrays on the grid of the scene.
    """

    scores: Scores = field(kw_only=True)
    mask: Mask = field(kw_only=True)

    @classmethod
    def of(cls, prediction: Prediction, scores: Scores, mask: Mask) -> ScoredPrediction[Scores, Mask]:
        """Add scores and mask to a prediction."""
        known = {item.name: getattr(prediction, item.name) for item in fields(prediction)}
        return cls(**known, scores=scores, mask=mask)


class PredictKeywords(PredictOptions, total=False):
    """All keywords of `predict` but `return_scores`."""

    out: str | Path | None
    mask: str | Path | None
    scores: str | Path | None
    stac: str | Path | None
    preview: str | Path | None
    project: str | Path | None
    config: ConfigLike | None
    progress: Progress | None
    model: ModelLike | None
    transform: Affine | None
    crs: object
    nodata: float | None


@overload
def predict(scene: SceneLike, *, return_scores: None = None, **options: Unpack[PredictKeywords]) -> Prediction: ...


@overload
def predict(
    scene: SceneLike, *, return_scores: Literal["array"], **options: Unpack[PredictKeywords]
) -> ScoredPrediction[NDArray[np.float32], NDArray[np.uint8]]: ...


@overload
def predict(
    scene: SceneLike, *, return_scores: Literal["xarray"], **options: Unpack[PredictKeywords]
) -> ScoredPrediction[DataArray, DataArray]: ...


def predict(
    scene: SceneLike,
    *,
    out: str | Path | None = None,
    mask: str | Path | None = None,
    scores: str | Path | None = None,
    stac: str | Path | None = None,
    preview: str | Path | None = None,
    project: str | Path | None = None,
    config: ConfigLike | None = None,
    progress: Progress | None = None,
    model: ModelLike | None = None,
    transform: Affine | None = None,
    crs: object = None,
    nodata: float | None = None,
    return_scores: Literal["array", "xarray"] | None = None,
    **options: Unpack[PredictOptions],
) -> Prediction:
    """Find the ships of one scene.

    Args:
        scene: a path, a subdataset, an ``http(s)://`` or ``s3://`` address of a raster or a STAC Item, or files band
            by band (see `geoships.band_files`); a rasterio dataset that is open for reading, a WarpedVRT, too; a NumPy
            array, shape (bands, rows, columns), whose masked values are no data; or an xarray DataArray after the
            conventions of rioxarray. An array is copied once in memory.
        out: vector file to write (.geojson, .gpkg, .fgb or .parquet). This and all other outputs may be an address in a
            store (``s3://``, ``gs://``, ``az://``, ``https://``), to which finished files are sent.
        mask: GeoTIFF of the ship mask to write: 0 and 1, 255 without data; of several classes: the class's value.
        scores: GeoTIFF of the scores to write: 0 to 1; a band for each class.
        stac: STAC Item of the run to write (.json), after all other outputs.
        preview: PNG image to write of the scene with its ships.
        project: QGIS project (.qgz) to write, of the scene and of `out`, `mask` and `scores`.
        config: settings, or a dict of some of them; outputs that exist are refused without its `overwrite`.
        progress: is told how far the run is.
        model: name of an installed model, path of a bundle, or a loaded bundle, which saves loading it again for every
            scene.
        transform: of an array: affine.Affine from pixel coordinates (column, row) to map coordinates.
        crs: of an array: coordinate reference system, e.g. ``"EPSG:32631"``.
        nodata: of an array: stored value of pixels without data.
        return_scores: also return scores and mask of the whole scene: ``"array"`` or ``"xarray"``.
        **options: single settings, by their names in `geoships.PredictConfig`, e.g. ``threshold=0.4``. `area` and
            `land` may also be a shapely geometry in the scene's coordinates or a GeoDataFrame. Of an array whose bands
            have no names, texts in `bands` are their names, one for each in the order of the array.

    Returns:
        The ships, and the files that were written; a `geoships.ScoredPrediction` if scores are to be returned.

    Raises:
        GeoshipsError: with one line that says what is wrong; outputs then do not exist, or are as they were.

    """
    started, clock = time.monotonic(), datetime.now(UTC)
    progress = progress or NoProgress()
    kinds = {"vector": out, "mask": mask, "scores": scores, "preview": preview, "project": project, "stac": stac}
    paths = {kind: as_path(path) for kind, path in kinds.items() if path}
    _check_return(return_scores)
    use_one_arena()
    placement: Placement = {"transform": transform, "crs": crs, "nodata": nodata}
    with (
        run_inputs(scene, config, model, placement, options) as given,
        stored_outputs(paths, given.scene, overwrite=given.config.overwrite) as files,
    ):
        prediction, run, arrays = _predict(given, files.paths, progress, started, keep_scores=return_scores is not None)
    prediction.record.update(started=clock.isoformat(timespec="seconds"))
    if files.folder is not None:
        prediction = sent(prediction, paths, time.monotonic() - started)
    if run.fixed is not None:
        prediction.record.update(fixed=run.found_fixed)
    if arrays is None:
        return prediction
    if return_scores == "array":
        return ScoredPrediction.of(prediction, arrays.scores, arrays.mask)
    like = cast("DataArray", scene) if is_data_array(scene) else None
    return ScoredPrediction.of(prediction, *arrays.as_data_arrays(run.georeference, like))


def predict_scene(
    scene: SceneName,
    outputs: Mapping[str, Path],
    *,
    config: PredictConfig,
    progress: Progress,
    model: Bundle | None = None,
    source: RowSource | None = None,
    engines: EngineCache | None = None,
) -> Prediction:
    """Find the ships of one scene as `predict` does, with scores that may be computed elsewhere.

    Args:
        scene: its name.
        outputs: files to write, by kind (vector, mask, scores, preview, project, stac).
        config: settings.
        progress: is told how far the run is.
        model: the loaded bundle of `config.model`.
        source: where finished rows of scores come from; None: they are computed here.
        engines: stay open for the scenes to come.

    Raises:
        GeoshipsError: as for `predict`.

    """
    started, clock = time.monotonic(), datetime.now(UTC)
    use_one_arena()
    given = RunInputs(scene, config, model, Layers.of(config))
    prediction, _, _ = _predict(
        given, dict(outputs), progress, started, keep_scores=False, source=source, engines=engines
    )
    prediction.record.update(started=clock.isoformat(timespec="seconds"))
    return prediction


def _predict(
    given: RunInputs,
    paths: dict[str, Path],
    progress: Progress,
    started: float,
    *,
    keep_scores: bool,
    source: RowSource | None = None,
    engines: EngineCache | None = None,
) -> tuple[Prediction, SceneRun, ScoreArrays | None]:
    """Run a scene; returns what was found, the run, and the scores in memory if they are to be kept."""
    config = given.config
    with SceneFile(given.scene, trust_vrt=config.trust_vrt, incomplete=config.on_error == "skip") as file:
        layers = list(config_files(config))
        paths = _checked(paths, file, layers, config)
        inputs = input_fingerprints(file, layers)
        with open_run(file, config=config, model=given.model, engines=engines, layers=given.layers) as run:
            run.source = source
            record = run_record(run, inputs)
            mark = run_mark(file, inputs, layers, run.bundle, config, run.searched)
            announce(run, progress)
            run.timings["open"] = time.monotonic() - started
            arrays = _score_arrays(run) if keep_scores else None
            seen = observe(run, file) if observes(config, file) else None
            motion = ShipMotion(run, file) if measures_motion(config) else None
            ships, notes, moved = _run(run, paths, progress, arrays, seen, motion)
            notes += tuple(warn_of_unread(run.scene.unread, progress))
    seconds = _ended(file, ships, started, paths)
    prediction = Prediction(
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
        record=record,
        classes=class_counts(run, ships),
        observed=observed_table(seen, run) if seen else None,
        observed_summary=observed_summary(seen, ships) if seen else {},
        motion_summary=moved,
        mark=mark,
    )
    return prediction, run, arrays


def _score_arrays(run: SceneRun) -> ScoreArrays:
    """Where the scores of a scene are kept in memory."""
    if len(run.thresholds) > 1:
        raise GeoshipsError(
            f"return_scores=: {run.bundle.card.name} finds several classes; write them with scores= and mask="
        )
    return ScoreArrays(*run.scene.window.shape, run.threshold)


def sent(prediction: Prediction, paths: dict[str, Path], seconds: float) -> Prediction:
    """A prediction whose local files have been sent to where they belong.

    Args:
        prediction: What was found.
        paths: Where the outputs are now, by kind.
        seconds: Since the scene was opened.
    """
    if "observed" in prediction.outputs and (beside := observed_path(paths["vector"])):
        paths = {**paths, "observed": beside}
    timings = {**prediction.timings, "upload": seconds - prediction.seconds}
    return replace(prediction, outputs=paths, seconds=seconds, timings=timings)


def _ended(file: SceneFile, ships: GeoDataFrame, started: float, paths: dict[str, Path]) -> float:
    """Log that a run has ended; returns its seconds."""
    seconds = time.monotonic() - started
    written = ", ".join(map(str, paths.values())) or "no file"
    _log.info("%s: %d found in %.1f s; written: %s", public_name(file.name), len(ships), seconds, written)
    return seconds


def _checked(paths: dict[str, Path], file: SceneFile, layers: Sequence[Path], config: PredictConfig) -> dict[str, Path]:
    """The outputs, with that of what was seen; refused where they cannot be written."""
    if observes(config, file) and "vector" in paths and (beside := observed_path(paths["vector"])):
        paths = {**paths, "observed": beside}
    if paths:
        check_outputs(paths, chain(layers, file.local_files()), overwrite=config.overwrite)
    return paths


def _check_return(return_scores: str | None) -> None:
    if return_scores not in (None, "array", "xarray"):
        raise GeoshipsError(f"return_scores=: expected 'array', 'xarray' or None, got {return_scores!r}")
    if return_scores == "xarray":
        require_rioxarray()


def _run(
    run: SceneRun,
    paths: dict[str, Path],
    progress: Progress,
    arrays: ScoreArrays | None = None,
    seen: SeenMap | None = None,
    motion: ShipMotion | None = None,
) -> tuple[GeoDataFrame, tuple[str, ...], dict[str, object]]:
    """Find the ships and write all outputs; returns the ships, warnings about the outputs, and counts of motion."""
    files = {kind: path for kind, path in paths.items() if kind not in ("project", "stac")}
    styles = plan_styles(files, run.scene.source.path, run.object_class) if run.config.style else StylePlan({})
    notes = styles.warnings + (project_warnings(run.scene, files) if "project" in paths else ())
    for text in notes:
        progress.warn(text)
    sinks = tuple(raster_sinks(run, paths))
    finding = find_ships(run, sinks=sinks, progress=progress, on_rows=_on_rows(arrays, seen))
    with appearing_styles(styles), ExitStack() as vector, finding as kept:
        progress.detail(str(run.counts))
        for text in run.doubts:
            progress.warn(text)
        if seen:
            require(seen, run)  # now it is known which pixels have data
        ships, moved = ship_table(run, kept, seen), dict[str, object]()
        if motion:
            moving = motion.measure(kept, ships)
            kept, ships, moved = moving.kept, moving.table, moving.summary
            for text in moving.warnings:
                progress.warn(text)
            notes += moving.warnings
        if "vector" in paths:
            vector.enter_context(appearing_vector(run, paths, ships, seen))
    write_companions(run, paths, kept, ships, progress)
    return ships, (*notes, *run.doubts), moved


def _on_rows(arrays: ScoreArrays | None, seen: SeenMap | None) -> Callable[[RowBand], None] | None:
    """What is to be told of each finished band of rows."""
    if arrays is None and seen is None:
        return None

    def tell(rows: RowBand) -> None:
        if arrays is not None:
            arrays.add(rows)
        if seen is not None:
            seen.add_data(rows.row, rows.valid)

    return tell


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
