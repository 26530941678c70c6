"""Measures the motion of ships from the bands of their scene."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import shapely
from rasterio.features import rasterize
from shapely import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from geoships.errors import GeoshipsError
from geoships.motion.answer import FASTEST, SLENDER, Answer, Motion, Seen, judge, unknown
from geoships.motion.chip import Bools, Chip, Floats, make_chip
from geoships.motion.delays import LEAST_SPAN, Delays
from geoships.motion.fit import Fit, Sampler, fit_velocity
from geoships.motion.results import motion_table, summary
from geoships.motion.search import Search
from geoships.motion.settings import MotionSettings
from geoships.motion.times import BandTimes
from geoships.motion.wake import find_wake
from geoships.output.attributes import Measures, measure_all
from geoships.output.read_ships import read_ships
from geoships.scene.bands import common_names
from geoships.scene.georeference import WGS84
from geoships.scene.layers.pixel_projection import PixelProjection
from geoships.scene.opening.band_files import SceneName
from geoships.scene.opening.open import SceneFile, scene_file
from geoships.scene.reader import Reading, Scene, open_scene
from geoships.scene.tiling.blocks import Pixels
from geoships.scene.tiling.windows import Window, paste
from geoships.support.transform_warning import without_transform_warning

WANTED = ("blue", "green", "red", "nir")
LEAST_PIXELS = 3  # of an outline
SURROUNDINGS = 400.0  # metres around a ship in which a wake is looked for
SLOWEST_AIRCRAFT, FASTEST_AIRCRAFT = 45.0, 350.0  # metres per second, with the apparent speed of their height
AIRCRAFT_AGREEMENT, AIRCRAFT_LEAD = 0.5, 0.25  # of the bands at the speed of an aircraft, and before that of a ship
AIRCRAFT_BANDS = 3  # two bands tell no aircraft from two things that each shows one of
LARGEST = 600  # pixels: side of the largest chip


@dataclass(frozen=True)
class MeasuredMotion:
    """Ships and their motion.

    Attributes:
        ships: The table of ships, with a column `motion` (`moving`, `still`, `aircraft` or `not measurable`) and others
            beside it.
        summary: Counts, and where the times of the bands come from.
    """

    ships: geopandas.GeoDataFrame
    summary: Mapping[str, Any]


def measure_motion(
    ships: str | Path | geopandas.GeoDataFrame, scene: SceneName, settings: MotionSettings | None = None
) -> MeasuredMotion:
    """Measure the motion of ships from the delay between the bands of their scene.

    Args:
        ships: Ships that `predict` found: a file, or a table.
        scene: The scene in which they were found, as `predict` takes it.
        settings: How to measure; None for the defaults.

    Returns:
        The ships with an answer each, and counts.

    Raises:
        GeoshipsError: A file cannot be read, the scene lacks a place on Earth or has fewer than two of the bands blue,
            green, red and near infrared, or the ships have no CRS.
    """
    frame = ships if isinstance(ships, geopandas.GeoDataFrame) else read_ships(Path(ships))
    with scene_file(scene) as file:
        return measure_in(file, frame, settings or MotionSettings())


def measure_in(file: SceneFile, frame: geopandas.GeoDataFrame, settings: MotionSettings) -> MeasuredMotion:
    """Measure the motion of ships in a scene whose name was resolved already.

    Args:
        file: The scene.
        frame: The table of ships.
        settings: How to measure.

    Raises:
        GeoshipsError: As for `measure_motion`.
    """
    with BandTimes(file.name, settings) as times, _open(file, settings) as opened:
        if frame.crs is None and len(frame):
            raise GeoshipsError("the ships have no place on Earth: their table has no CRS")
        answers = _Measuring(opened, times, settings, _outlines(frame, opened)).answers()
    table = motion_table(frame, answers)
    facts = summary(table, times.source)
    if settings.aircraft == "drop":
        table = table[table["motion"] != Motion.AIRCRAFT].reset_index(drop=True)
    return MeasuredMotion(table, facts)


def require_measurable(file: SceneFile, settings: MotionSettings) -> None:
    """Check that motion may show in a scene, before its ships are searched.

    Args:
        file: The scene.
        settings: How to measure.

    Raises:
        GeoshipsError: It has no place on Earth, or fewer than two of the bands blue, green, red and near infrared.
    """
    _open(file, settings).close()


def _open(file: SceneFile, settings: MotionSettings) -> Scene:
    """The scene with those of the wanted bands that it has, none of them in place of another."""
    known = set(common_names(file.header.bands).values())
    wanted = [band for band in WANTED if band in known] if settings.bands is None else list(WANTED)
    wanted = wanted or list(WANTED)
    reading = Reading(
        settings.bands, scale=1.0, trust_vrt=file.trust_vrt, on_error="skip" if file.incomplete else "fail"
    )
    opened = open_scene(file, wanted, reading, optional=wanted)
    if not opened.georeference.placed:
        opened.close()
        raise GeoshipsError(f"{opened.title} has no place on Earth, so metres per second are not known")
    if len(opened.wanted) < 2:
        opened.close()
        raise GeoshipsError(
            f"{opened.title} has only the band {', '.join(opened.wanted)} of blue, green, red and near infrared; "
            "motion shows between two of them"
        )
    return opened


def _outlines(frame: geopandas.GeoDataFrame, scene: Scene) -> list[Polygon | MultiPolygon]:
    """Outlines in pixels of the scene; empty where there is none."""
    project = PixelProjection(frame.crs, scene.georeference)
    shapes = [Polygon() if each is None else each for each in frame.geometry]
    found = [project(each) if shapely.area(each) > 0 else Polygon() for each in shapes]
    return [each if isinstance(each, Polygon | MultiPolygon) else Polygon() for each in found]


@dataclass(frozen=True)
class _Surroundings:
    """Pixels around a ship. inside: the part of the window that lies in the scene, of which `pixels` are."""

    window: Window
    inside: Window
    pixels: Pixels
    others: Sequence[BaseGeometry]

    def read(self, picked: Sequence[int]) -> tuple[Floats, Bools]:
        """Values of some bands (bands, rows, columns), and validity, of the whole window."""
        values = np.zeros((len(picked), *self.window.shape))
        valid = np.zeros(self.window.shape, np.bool_)
        paste(values, self.window, self.pixels.values[picked].astype(np.float64), self.inside)
        paste(valid, self.window, self.pixels.valid, self.inside)
        return values, valid


@dataclass(frozen=True)
class _Measuring:
    """One scene, and the ships in it."""

    scene: Scene
    times: BandTimes
    settings: MotionSettings
    outlines: Sequence[Polygon | MultiPolygon]

    def answers(self) -> list[Answer]:
        """The motion of each ship, in the order of the outlines."""
        found: list[Answer | None] = [None] * len(self.outlines)
        measures = self._measures()
        tree = shapely.STRtree(self.outlines)
        kept = self._windows(found)
        with self.scene.cache([window.intersection(self.scene.window) for _, window, _ in kept]) as cache:
            for index, window, delays in kept:
                near = [self.outlines[other] for other in tree.query(_box(window)) if other != index]
                inside = window.intersection(self.scene.window)
                surroundings = _Surroundings(window, inside, cache.fetch(inside), near)
                found[index] = self._answer(self.outlines[index], surroundings, delays, measures[index])
                cache.release(inside)
        return [answer or unknown("it is not in the scene") for answer in found]

    def _measures(self) -> list[Measures]:
        known = [index for index, each in enumerate(self.outlines) if not each.is_empty]
        measured = measure_all([self.outlines[index] for index in known], self.scene.georeference)
        found = [Measures()] * len(self.outlines)
        for index, each in zip(known, measured, strict=True):
            found[index] = each
        return found

    def _windows(self, found: list[Answer | None]) -> list[tuple[int, Window, Delays]]:
        """Surroundings of the ships whose bands have known times, from top to bottom; notes the others in `found`."""
        kept: list[tuple[int, Window, Delays]] = []
        for index, outline in enumerate(self.outlines):
            if outline.is_empty or not np.isfinite(outline.bounds).all():
                continue
            centre = shapely.centroid(outline)
            if not (0 <= centre.x < self.scene.window.width and 0 <= centre.y < self.scene.window.height):
                continue
            x, y = self.scene.georeference.to_map(centre.x, centre.y)
            delays = self.times.at(float(x), float(y), self.scene.georeference.crs)
            reason = delays if isinstance(delays, str) else self._unusable(outline, delays)
            if reason is None and isinstance(delays, Delays):
                kept.append((index, self._window(outline, delays), delays))
            else:
                found[index] = unknown(reason or "")
        return sorted(kept, key=lambda each: (each[1].row, each[1].column))

    def _unusable(self, outline: BaseGeometry, delays: Delays) -> str | None:
        present = self._present(delays)
        if present.span < LEAST_SPAN:
            return "the bands of the scene saw it at the same time, or at unknown times"
        if outline.area < LEAST_PIXELS:
            return "too small"
        left, top, right, bottom = outline.bounds
        return "too large" if max(right - left, bottom - top) > LARGEST / 2 else None

    def _present(self, delays: Delays) -> Delays:
        return Delays(
            {band: delays.seconds[band] for band in self.scene.wanted if band in delays.seconds},
            delays.signed,
            delays.source,
        )

    def _window(self, outline: BaseGeometry, delays: Delays) -> Window:
        """The ship, and as much around it as a wake is long, or an aircraft moves."""
        left, top, right, bottom = outline.bounds
        pixel = min(self.scene.georeference.pixel_size() or (10.0, 10.0))
        reach = max(SURROUNDINGS, FASTEST_AIRCRAFT * self._present(delays).span) / pixel + 4
        first = int(np.floor(left - reach)), int(np.floor(top - reach))
        last = int(np.ceil(right + reach)), int(np.ceil(bottom + reach))
        return Window(first[1], first[0], min(last[1] - first[1], LARGEST), min(last[0] - first[0], LARGEST))

    def _answer(self, outline: BaseGeometry, around: _Surroundings, delays: Delays, measured: Measures) -> Answer:
        present = self._present(delays)
        seconds = np.array([present.seconds[band] for band in present.seconds])
        values, valid = around.read([self.scene.wanted.index(band) for band in present.seconds])
        ship = _burnt([outline], around.window)
        chip = make_chip(values, valid, ship, _burnt(around.others, around.window))
        if chip is None:
            return unknown("it lies at the border of the data, or has no water around it")
        to_metres = self._to_metres(outline)
        axis = _axis(measured)
        ahead = None if axis is None else np.linalg.solve(to_metres, axis)
        wake = None if ahead is None else find_wake(chip, ship, ahead / np.hypot(*ahead))
        fit, aircraft = _fit(chip, seconds, float(np.sqrt(abs(np.linalg.det(to_metres)))))
        spread = float(((seconds - seconds.mean()) ** 2).sum())
        registration = np.eye(2) * self.settings.registration**2 / spread
        seen = Seen(to_metres, axis, present.span, present.signed, registration)
        return judge(fit, wake, seen, aircraft=aircraft)

    def _to_metres(self, outline: BaseGeometry) -> Floats:
        """(2, 2), from (column, row) in pixels to (east, north) in metres, at a ship."""
        centre = shapely.centroid(outline)
        columns = centre.x + np.array([-0.5, 0.5, 0, 0])
        rows = centre.y + np.array([0, 0, -0.5, 0.5])
        lon, lat = self.scene.georeference.to_lonlat(columns, rows)
        azimuth, _, distance = WGS84.inv(lon[::2], lat[::2], lon[1::2], lat[1::2])
        turn = np.radians(azimuth)
        return np.array([np.asarray(distance) * np.sin(turn), np.asarray(distance) * np.cos(turn)])


def _fit(chip: Chip, seconds: Floats, pixel: float) -> tuple[Fit, bool]:
    """The velocity of a ship, or of an aircraft, and which of them it is."""
    search = Search(chip, seconds, FASTEST_AIRCRAFT / pixel)
    slow = search.best(0, FASTEST / pixel)
    fast = search.best(SLOWEST_AIRCRAFT / pixel, FASTEST_AIRCRAFT / pixel)
    least = AIRCRAFT_AGREEMENT if slow is None else max(AIRCRAFT_AGREEMENT, slow.agreement + AIRCRAFT_LEAD)
    if fast is not None and fast.agreement > least and len(seconds) >= AIRCRAFT_BANDS:
        sampler = Sampler(chip, seconds, centre=float(seconds[fast.reference]))
        return fit_velocity(sampler, seconds, fast.velocity), True
    sampler = Sampler(chip, seconds)
    starts = [np.zeros(2), *([slow.velocity] if slow is not None and np.hypot(*slow.velocity) > 0 else [])]
    fits = [fit_velocity(sampler, seconds, start) for start in starts]
    within = [fit for fit in fits if np.hypot(*fit.velocity) * pixel <= SLOWEST_AIRCRAFT]
    return max(within or fits, key=lambda fit: fit.agreement), False


def _axis(measured: Measures) -> Floats | None:
    """Unit vector of a ship's axis, (east, north); None where it is nearly as wide as long."""
    if measured.heading_deg is None or measured.length_m is None or measured.width_m is None:
        return None
    if measured.length_m < SLENDER * measured.width_m:
        return None
    angle = np.radians(measured.heading_deg)
    return np.array([np.sin(angle), np.cos(angle)])


def _burnt(outlines: Sequence[BaseGeometry], window: Window) -> Bools:
    """Pixels of outlines in a window."""
    moved = [shapely.affinity.translate(each, -window.column, -window.row) for each in outlines if not each.is_empty]
    if not moved:
        return np.zeros(window.shape, np.bool_)
    with without_transform_warning():  # these are pixels
        return np.asarray(rasterize(moved, window.shape, all_touched=True, dtype="uint8"), np.bool_)


def _box(window: Window) -> shapely.Polygon:
    return shapely.box(window.column, window.row, window.column_end, window.row_end)
