"""The files that a run leaves: checked before it, written after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geoships.config import PredictConfig
from geoships.errors import OutputError
from geoships.model.bundle_files import bundle_files
from geoships.output.class_mask import ClassMaskSink
from geoships.output.classes import ObjectClass
from geoships.output.formats import PIXEL_NOTE, appearing_ships, check_format
from geoships.output.pictures.overlay import Classes
from geoships.output.pictures.preview import check_preview, write_preview
from geoships.output.qgis.project import check_project, write_project
from geoships.output.qgis.styles import vector_style
from geoships.output.raster import MaskSink, RasterSink, ScoreSink, check_raster
from geoships.output.ship_filter import DetectedShip
from geoships.output.ship_table import ships_frame
from geoships.output.stac_item import NO_TIME, ItemContent, card_path, check_item, write_item
from geoships.pipeline.observe import LAYER, UNDER_CLOUD, hidden_shares, observed_table
from geoships.pipeline.scene_run import SceneRun
from geoships.scene.georeference import Georeference
from geoships.scene.layers.vector_file import vector_files
from geoships.scene.observed.seen_map import SeenMap
from geoships.scene.quicklook import open_quicklook
from geoships.support.files import real_path
from geoships.support.overwrite import refuse_overwrites
from geoships.support.progress import Progress

if TYPE_CHECKING:
    from geopandas import GeoDataFrame


def check_outputs(paths: dict[str, Path], inputs: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse outputs that cannot be written, before any work.

    Args:
        paths: files to write, by kind (vector, mask, scores, preview, project, stac).
        inputs: files that are read, see `refuse_overwrites`.
        overwrite: whether outputs may replace existing files.

    Raises:
        OutputError: an unknown format, two outputs in one file, an output that exists, or that is an input.

    """
    checks = {
        "vector": check_format,
        "mask": check_raster,
        "scores": check_raster,
        "preview": check_preview,
        "project": check_project,
        "stac": check_item,
        "observed": check_format,
    }
    for kind, check in checks.items():
        if kind in paths:
            check(paths[kind])
    written = with_cards(paths)
    places = [real_path(path) for path in written]
    if len(set(places)) < len(places):
        raise OutputError(f"two outputs are to be written to one file: {', '.join(map(str, written))}")
    refuse_overwrites(written, inputs, overwrite=overwrite)


def with_cards(paths: dict[str, Path]) -> list[Path]:
    """The files of outputs by kind, and the cards that are written beside a STAC Item."""
    cards = [card_path(paths["stac"], kind) for kind in ("model", "verifier")] if "stac" in paths else []
    return [*paths.values(), *cards]


def config_files(config: PredictConfig) -> Iterator[Path]:
    """Local files that the settings of a run name: they are read, so that no output may replace them."""
    for layer in (config.area, config.land, config.fixed):
        if layer:
            yield from vector_files(layer)
    if config.model and Path(config.model).exists():
        yield from bundle_files(Path(config.model))


def raster_sinks(run: SceneRun, paths: dict[str, Path]) -> Iterator[RasterSink]:
    """The rasters of a run: a mask and scores, as far as they have a path."""
    tags = {"software": "geoships", "model": run.bundle.card.name, "threshold": str(run.threshold)}
    if not run.georeference.placed:
        tags["note"] = PIXEL_NOTE
    first, *others = run.object_class.members
    if others:
        tags["threshold"] = ", ".join(f"{name} {value:g}" for name, value in _class_thresholds(run).items())
    if "mask" in paths:
        yield _mask_sink(run, paths["mask"], tags)
    if "scores" in paths:
        names = [found.name for found in others]
        yield ScoreSink(paths["scores"], run.georeference, tags, name=first.name, others=names)


def _mask_sink(run: SceneRun, path: Path, tags: dict[str, str]) -> RasterSink:
    found = run.object_class
    if isinstance(found, ObjectClass):
        return MaskSink(path, run.georeference, run.threshold, tags, name=found.name, colour=found.rgb)
    return ClassMaskSink(path, run.georeference, found.members, run.thresholds, tags, exclusive=run.exclusive)


def _class_thresholds(run: SceneRun) -> dict[str, float]:
    """Minimum score of a pixel of each class, by its name."""
    return {found.name: value for found, value in zip(run.object_class.members, run.thresholds, strict=True)}


def class_counts(run: SceneRun, ships: GeoDataFrame) -> dict[str, int]:
    """Number of objects of each class, where the model finds several; else empty."""
    members = run.object_class.members
    return {found.name: int((ships["class"] == found.name).sum()) for found in members} if len(members) > 1 else {}


def ship_table(run: SceneRun, ships: Sequence[DetectedShip], seen: SeenMap | None = None) -> GeoDataFrame:
    """One row a ship, in the scene's CRS, or in pixel coordinates (column, row) where it has none.

    Args:
        run: The scene and its model.
        ships: The ships.
        seen: What was seen of the scene; None: the table tells nothing of clouds.

    """
    scene, found = run.scene, run.object_class
    hidden = hidden_shares(seen, ships) if seen else [0.0] * len(ships)
    rows: list[dict[str, object]] = [
        {
            "id": number,
            "score": kept.ship.score,
            **vars(kept.measures),
            "pixels": kept.ship.pixels,
            "on_border": kept.ship.on_border,
            "scene": scene.title,
            "datetime": scene.datetime,
            **({"class_prob": kept.class_prob} if run.verifier else {}),
            **({"cloud_fraction": share, "under_cloud": share >= UNDER_CLOUD} if seen else {}),
            **({"fixed": kept.fixed} if run.config.fixed else {}),
            **({} if found.is_ship else {"class": found.members[kept.kind].name}),
        }
        for number, (kept, share) in enumerate(zip(ships, hidden, strict=True), 1)
    ]
    polygons = on_map([kept.polygon for kept in ships], run.georeference)
    crs = run.georeference.crs if run.georeference.placed else None
    return ships_frame(
        rows,
        polygons,
        crs,
        verified=run.verifier is not None,
        observed=seen is not None,
        fixed=run.config.fixed is not None,
        classed=not found.is_ship,
    )


def on_map(polygons: Sequence[BaseGeometry], georeference: Georeference) -> list[BaseGeometry]:
    """Polygons in pixel coordinates (column, row) as polygons in map coordinates."""

    def place(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(georeference.to_map(points[:, 0], points[:, 1]))

    return [shapely.transform(polygon, place) for polygon in polygons]


@contextmanager
def appearing_vector(
    run: SceneRun, paths: dict[str, Path], ships: GeoDataFrame, seen: SeenMap | None
) -> Iterator[None]:
    """Write the vector file, and what was seen; they appear when the block ends without an error."""
    title = f"{run.object_class.layer} found by geoships in {run.scene.title}"
    style = vector_style(run.object_class).qml() if run.config.style else None
    with ExitStack() as files:
        layers = {}
        if seen:
            table = observed_table(seen, run)
            if "observed" in paths:
                name = f"What was seen of {run.scene.title}"
                files.enter_context(
                    appearing_ships(paths["observed"], table, georeference=run.georeference, title=name)
                )
            else:
                layers[LAYER] = table
        files.enter_context(
            appearing_ships(
                paths["vector"], ships, georeference=run.georeference, title=title, style=style, layers=layers
            )
        )
        yield


def write_companions(
    run: SceneRun, paths: dict[str, Path], kept: Sequence[DetectedShip], ships: GeoDataFrame, progress: Progress
) -> None:
    """Write what describes the other outputs: preview, QGIS project and STAC Item, as far as they have a path."""
    described = {kind: path for kind, path in paths.items() if kind not in ("project", "stac")}
    if "preview" in paths:
        _write_preview(run, paths["preview"], kept)
    if "project" in paths:
        write_project(paths["project"], run.scene, described, ships, run.object_class)
    if "stac" in paths:
        _write_item(run, paths["stac"], len(ships), described, progress)


def _write_preview(run: SceneRun, path: Path, ships: Sequence[DetectedShip]) -> None:
    bands = run.scene.bands
    known = dict(zip(bands.names, bands.indexes, strict=True))
    with open_quicklook(run.scene.source, known=known, skip=run.config.on_error == "skip") as look:
        members = run.object_class.members
        names = [members[kept.kind].name for kept in ships]
        classes = Classes(names, {found.name: found.rgb for found in members}) if len(members) > 1 else None
        write_preview(path, look, [kept.polygon for kept in ships], classes)


def _write_item(run: SceneRun, path: Path, ships: int, outputs: dict[str, Path], progress: Progress) -> None:
    """Write the STAC Item of a run: what was found, in what, by which model."""
    scene, card = run.scene, run.bundle.card
    if scene.acquired is None:
        progress.warn(NO_TIME)
    verifier = run.verifier.bundle.card if run.verifier else None
    facts = {
        "processing:lineage": f"{card.name} of geoships; bands {scene.bands.summary}; {scene.radiometry.origin}",
        "geoships:ships": ships,
        "geoships:threshold": run.threshold,
        **({"geoships:class_thresholds": _class_thresholds(run)} if run.bundle.card.several else {}),
        "geoships:min_peak": run.min_peak,
        "geoships:min_area_m2": run.config.min_area,
        "geoships:tiles": run.counts.summary(),
    }
    cards = {"model": card.to_json(), **({"verifier": verifier.to_json()} if verifier else {})}
    place = run.georeference
    write_item(
        path, ItemContent(scene.title, place, scene.acquired, scene.origins, outputs, cards, facts, run.object_class)
    )
