"""Looks at the ships of one scene that was computed: attributes, rules, and messages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from geoships.config.watch import WatchConfig
from geoships.errors import SceneError
from geoships.output.read_ships import read_ships
from geoships.pipeline.batch import SceneJob
from geoships.scene.acquisition import Acquisition, acquisition
from geoships.scene.georeference import Georeference, georeference_of
from geoships.scene.layers.pixel_projection import PixelProjection
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.open import SceneFile
from geoships.scene.opening.raster import gdal_env, public_name
from geoships.support.files import output_errors
from geoships.watch.attributes import attributes
from geoships.watch.chips import ChipMaker
from geoships.watch.messages import key_of, matching, ship_messages
from geoships.watch.rules import Compiled
from geoships.watch.store import Message, Store

CHIPS = "alerts"  # folder of the pictures, in that of the outputs


@dataclass(frozen=True)
class SceneFacts:
    """What is written down of a scene.

    Attributes:
        moment: Its time, in seconds since 1970.
        bounds: West, south, east and north in degrees; None where it has no place.
        lonlat: Where its ships lie.
        messages: Messages of its ships.
        alerts: Attributes of the ships for which a rule holds, with the name of the rule.
    """

    moment: float
    bounds: tuple[float, float, float, float] | None
    lonlat: list[tuple[float, float]]
    messages: list[Message]
    alerts: list[dict[str, Any]]


def look_at(
    job: SceneJob,
    key: str,
    rules: list[Compiled],
    zones: geopandas.GeoDataFrame | None,
    store: Store,
    config: WatchConfig,
) -> SceneFacts:
    """Put the ships of a scene to the rules.

    Args:
        job: The scene and its ships.
        key: Of the scene.
        rules: The rules.
        zones: Zones, see `read_zones`.
        store: The earlier passes.
        config: Settings.

    Raises:
        GeoshipsError: The ships, the scene or the AIS cannot be read, or a picture cannot be written.
    """
    assert job.out is not None
    ships = read_ships(job.out)
    georeference, acquired = _facts(job.scene)
    moment = (acquired.start if acquired else _written(job.out)).timestamp()
    rows = attributes(_with_ais(ships, config), zones, store, moment, config)
    hits = matching(rules, rows)
    chips = _chips(job, ships, georeference, sorted({index for _, index in hits}), key, config)
    shown = public_name(str(job.scene))
    messages = [
        message
        for rule, index in hits
        for message in ship_messages(rule, shown, key, rows[index], chips.get(index), config)
    ]
    shape = _outline(georeference)
    return SceneFacts(
        moment,
        None if shape is None else shape.bounds,
        [(row["lon"], row["lat"]) for row in rows if row.get("lon") is not None and row.get("lat") is not None],
        messages,
        [{"rule": rule.rule.name, **rows[index], "scene": shown} for rule, index in hits],
    )


def footprint(scene: SceneName) -> BaseGeometry | None:
    """Outline of a scene in longitude and latitude; None where it cannot be opened, or has no place on Earth."""
    try:
        return _outline(_facts(scene)[0])
    except SceneError:
        return None


def _facts(scene: SceneName) -> tuple[Georeference, Acquisition | None]:
    with SceneFile(scene) as file:
        source, dataset = file.take(lambda bands: [bands[0].index])
        with gdal_env(source), dataset:
            tags = {**dataset.tags(), **dataset.tags(ns="IMAGERY")}
            return georeference_of(dataset), file.acquired or acquisition(tags, file.title)


def _outline(georeference: Georeference) -> BaseGeometry | None:
    """Outline in degrees of the border's points; None where the scene has no place, or crosses the antimeridian."""
    if not georeference.placed:
        return None
    side = np.linspace(0, 1, 9)
    columns = np.concatenate([side, np.ones(9), side[::-1], np.zeros(9)]) * georeference.width
    rows = np.concatenate([np.zeros(9), side, np.ones(9), side[::-1]]) * georeference.height
    lon, lat = georeference.to_lonlat(columns, rows)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()) or np.ptp(lon) > 180:
        return None
    return shapely.make_valid(shapely.Polygon(np.column_stack((lon, lat))))


def _written(path: Path) -> datetime:
    with output_errors(path):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)


def _with_ais(ships: geopandas.GeoDataFrame, config: WatchConfig) -> geopandas.GeoDataFrame:
    """The ships with AIS, where the settings name any; without times nothing can be said of them."""
    if not config.ais or not len(ships) or ships["datetime"].isna().all():
        return ships
    from geoships.ais.match import match_ais

    return match_ais(ships, config.ais).ships


def _chips(
    job: SceneJob,
    ships: geopandas.GeoDataFrame,
    georeference: Georeference,
    wanted: list[int],
    key: str,
    config: WatchConfig,
) -> dict[int, Path]:
    """Pictures of ships, by their index."""
    if not wanted or not config.chip_metres or job.out is None:
        return {}
    folder = job.out.parents[len(Path(job.place).parts) - 1] / CHIPS
    with output_errors(folder):
        folder.mkdir(exist_ok=True)
    project = PixelProjection(ships.crs, georeference)
    found = {}
    with ChipMaker(job.scene, config.chip_metres) as maker:
        for index in wanted:
            path = folder / f"{key_of(key, index)}.png"
            try:
                maker.write(path, project(ships.geometry.iloc[index]))
            except SceneError:  # a message without a picture is better than none
                continue
            found[index] = path
    return found
