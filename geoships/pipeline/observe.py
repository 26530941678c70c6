"""What a run has seen of its scene: which ships lie under clouds, and how many there are in what was seen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from geoships.config import PredictConfig
from geoships.errors import SceneError
from geoships.output.seen_areas import seen_areas
from geoships.output.ship_filter import DetectedShip
from geoships.pipeline.scene_run import SceneRun
from geoships.scene.observed.kinds import SEEN, Kind
from geoships.scene.observed.seen_map import SeenMap, classes_of, see
from geoships.scene.opening.open import SceneFile

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

LAYER = "observed"  # of a GeoPackage
UNDER_CLOUD = 0.5  # share of clouds and shadows around a ship from which on it is flagged


def observes(config: PredictConfig, file: SceneFile) -> bool:
    """Whether a run tells what it has seen: where that is asked for, else where the scene has a classification."""
    if config.observed is None:
        return config.min_observed is not None or classes_of(file) is not None
    return config.observed


def observed_path(vector: Path) -> Path | None:
    """The file of what was seen, beside the ships; None for a GeoPackage, of which it is a layer."""
    if vector.suffix.lower() == ".gpkg":
        return None
    return vector.with_name(f"{vector.stem}.{LAYER}{vector.suffix}")


def observe(run: SceneRun, file: SceneFile) -> SeenMap:
    """Find out what can be seen of a scene, before its ships are searched.

    Raises:
        SceneError: Nothing tells clouds in it, or less is seen than the settings demand.
    """
    with run.timed("observed"):
        seen = see(run.scene, file, run.pixel_size, run.area, run.lands, trust_vrt=run.config.trust_vrt)
        require(seen, run)
    return seen


def require(seen: SeenMap, run: SceneRun) -> None:
    """Raise SceneError where less was seen than the settings demand."""
    least = run.config.min_observed
    if least is not None and seen.share < least:
        raise SceneError(
            f"{run.scene.title}: only {seen.share:.1%} of what is searched can be seen, less than --min-observed "
            f"{least:g}"
        )


def hidden_shares(seen: SeenMap, ships: Sequence[DetectedShip]) -> list[float]:
    """Share of clouds and shadows around each ship, 0 to 1."""
    return [round(seen.hidden_around(*ship.polygon.bounds), 3) for ship in ships]


def observed_table(seen: SeenMap, run: SceneRun) -> GeoDataFrame:
    """What was seen as polygons, in the scene's CRS."""
    scene, place = run.scene, run.georeference
    crs = place.crs if place.placed else None
    return seen_areas(seen, place, crs, scene=scene.title, datetime=scene.datetime)


def observed_summary(seen: SeenMap, ships: GeoDataFrame) -> dict[str, object]:
    """What was seen as plain values: shares, areas and densities."""
    areas = seen.square_metres()
    total, found = sum(areas.values()), sum(areas[kind] for kind in SEEN)
    sea = areas[Kind.SEA] / 1e6 if areas[Kind.SEA] or not areas[Kind.SURFACE] else None
    clear = int((~ships["under_cloud"]).sum())
    return {
        "source": seen.source,
        "share": round(found / total, 4) if total else 0.0,
        "km2": {kind.label: round(area / 1e6, 3) for kind, area in areas.items() if area},
        "seen_km2": round(found / 1e6, 3),
        "sea_seen_km2": None if sea is None else round(sea, 3),
        "ships_under_cloud": len(ships) - clear,
        "ships_per_km2_of_sea": round(clear / sea, 4) if sea else None,
        "sun_glint": None if seen.angles is None else seen.angles.may_glint,
        "glint_deg": None if seen.angles is None else round(seen.angles.glint, 1),
    }
