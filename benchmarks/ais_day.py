"""A synthetic day of AIS and the ships that a scene of it shows: who broadcasts is known by construction.

Vessels sail and lie at anchor in a sea of which stations hear only discs. Some are dark. All others lose a fifth of
their messages in gaps of up to an hour, have clocks that are up to half a minute off, and some send positions that are
not true.
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

START = pd.Timestamp("2024-06-01", tz="UTC").timestamp()
SCENE = START + 11 * 3600  # when the scene was taken
KM = 1000.0
LON, LAT = 4.0, 56.0  # middle of the sea, in degrees
DEGREE = 111_195.0  # metres of latitude
STEP = 30.0  # seconds of the paths
FADING = 0.05  # share of a station's reach in which it hears only some messages


@dataclass(frozen=True)
class Day:
    """A day of AIS and a scene.

    Attributes:
        messages: mmsi, t, lon, lat, sog, cog, heading, name, length, width: those that a station heard, by time.
        ships: Ships in the scene, as `predict` writes them.
        dark: Whether no message tells where the ship is, (ships,).
        heard: Whether a station hears its place, (ships,).
        mmsi: Number of its vessel, which it may not send, (ships,).
    """

    messages: pd.DataFrame
    ships: geopandas.GeoDataFrame
    dark: NDArray[np.bool_]
    heard: NDArray[np.bool_]
    mmsi: NDArray[np.int64]


def make_day(vessels: int = 5000, hours: float = 5.0, seed: int = 0, *, dark: float = 0.1, gaps: float = 0.2) -> Day:
    """Make a day.

    Args:
        vessels: Number of vessels; the sea grows with it, so that it is as crowded.
        hours: Of messages, of which the scene is in the middle.
        seed: Of all that is random.
        dark: Share of vessels that never broadcast.
        gaps: Share of messages lost in gaps.
    """
    rng = np.random.default_rng(seed)
    side = 600 * KM * np.sqrt(vessels / 5000)
    times = SCENE + np.arange(-hours * 1800, hours * 1800 + STEP, STEP)
    x, y, speed, course = _paths(rng, vessels, times, side)
    length = np.clip(rng.lognormal(4.6, 0.6, vessels), 15, 380).round()
    stations = _stations(rng, side)
    is_dark = rng.random(vessels) < dark
    elsewhere = ~is_dark & (rng.random(vessels) < 0.005)  # they send a false place all the time
    messages = _messages(rng, (x, y, speed, course), times, length, ~is_dark, elsewhere, gaps, side)
    chance = _chance(stations, messages.pop("x").to_numpy(), messages.pop("y").to_numpy())
    messages = messages[rng.random(len(messages)) < chance]
    found = np.flatnonzero((rng.random(vessels) < 0.95) & (length >= 30))
    middle = len(times) // 2
    place = np.column_stack((x[found, middle], y[found, middle]))
    ships = _ships(rng, place, (speed[found, middle], course[found, middle]), length[found], side)
    heard = _hears(stations, place[:, 0], place[:, 1])
    messages = messages.sort_values("t", ignore_index=True)
    return Day(messages, ships, (is_dark | elsewhere)[found], heard, _numbers(vessels)[found])


def _paths(rng: np.random.Generator, vessels: int, times: NDArray, side: float) -> tuple[NDArray, ...]:
    """East, north in metres, speed in m/s and course in degrees, (vessels, times)."""
    count = len(times)
    moored = rng.random(vessels) < 0.4
    ports = rng.uniform(0.05 * side, 0.95 * side, (max(vessels // 100, 3), 2))
    start = rng.uniform(0, side, (vessels, 2))
    start[moored] = ports[rng.integers(len(ports), size=moored.sum())] + rng.normal(0, 2.5 * KM, (moored.sum(), 2))
    # Turns: the rate of turn is mostly 0, and for minutes at a time up to 15 degrees a minute.
    turning = np.repeat(rng.random((vessels, count // 8 + 1)) < 0.06, 8, axis=1)[:, :count]
    rate = np.repeat(rng.uniform(-15, 15, (vessels, count // 8 + 1)), 8, axis=1)[:, :count] * turning
    course = rng.uniform(0, 360, (vessels, 1)) + np.cumsum(rate * STEP / 60, axis=1)
    wanted = rng.uniform(3, 11, (vessels, 1)) * (
        1 + 0.4 * np.sin(times * 2 * np.pi / 5400 + rng.uniform(0, 6, (vessels, 1)))
    )
    speed = np.where(moored[:, None], 0.0, wanted)
    turned = np.radians(course)
    x = start[:, :1] + np.cumsum(speed * np.sin(turned), axis=1) * STEP
    y = start[:, 1:] + np.cumsum(speed * np.cos(turned), axis=1) * STEP
    return x, y, speed, course % 360


def _stations(rng: np.random.Generator, side: float) -> NDArray:
    """East, north and reach in metres."""
    count = max(round(14 * (side / (600 * KM)) ** 2), 3)
    return np.column_stack((rng.uniform(0, side, (count, 2)), rng.uniform(50 * KM, 90 * KM, count)))


def _hears(stations: NDArray, x: NDArray, y: NDArray) -> NDArray[np.bool_]:
    """Whether a place is within reach of a station."""
    return _chance(stations, x, y) > 0


def _chance(stations: NDArray, x: NDArray, y: NDArray) -> NDArray[np.float64]:
    """Chance that a message is heard: it falls from 1 to 0 in the last part of a station's reach."""
    return np.max(
        [np.clip((reach - np.hypot(x - east, y - north)) / (FADING * reach), 0, 1) for east, north, reach in stations],
        axis=0,
    )


def _messages(
    rng: np.random.Generator, paths: tuple[NDArray, ...], times: NDArray, length: NDArray, sends: NDArray,
    elsewhere: NDArray, gaps: float, side: float,
) -> pd.DataFrame:  # fmt: skip
    x, y, speed, course = paths
    index = np.where(speed[:, :1] > 0.5, np.arange(len(times)) % 2 == 0, np.arange(len(times)) % 6 == 0)
    vessel, step = np.nonzero(index & sends[:, None] & ~_gaps(rng, len(x), len(times), gaps))
    # A report is made some seconds after the step, and its time is that of a clock which is off.
    after = rng.uniform(0, STEP, len(vessel))
    turned = np.radians(course[vessel, step])
    east = x[vessel, step] + speed[vessel, step] * np.sin(turned) * after + rng.normal(0, 5, len(vessel))
    north = y[vessel, step] + speed[vessel, step] * np.cos(turned) * after + rng.normal(0, 5, len(vessel))
    clock = rng.uniform(-30, 30, len(x))
    # True places are what a station hears; what the messages say may differ.
    said = np.column_stack((east, north))
    shift = rng.uniform(15 * KM, 60 * KM, (len(x), 1)) * _direction(rng, len(x))
    said = said + np.where(elsewhere, 1.0, 0.0)[vessel, None] * shift[vessel]
    airport = np.array([0.4 * side, 0.6 * side])
    circling = (rng.random(len(x)) < 0.02)[vessel] & ((times[step] // 600).astype(int) % 5 == vessel % 5)
    around = airport + 2 * KM * np.column_stack((np.sin(times[step] / 60), np.cos(times[step] / 60)))
    said = np.where(circling[:, None], around, said)
    wild = rng.random(len(vessel)) < 0.001
    said[wild] = rng.uniform(0, side, (wild.sum(), 2))
    mmsi = _numbers(len(x))
    sent_length = np.where(rng.random(len(x)) < 0.1, 0, np.where(rng.random(len(x)) < 0.02, length[::-1], length))
    under_way = speed[vessel, step] > 0.5
    lon, lat = to_lonlat(said[:, 0], said[:, 1], side)
    table = pd.DataFrame({
        "x": east, "y": north, "mmsi": mmsi[vessel], "t": times[step] + after + clock[vessel], "lon": lon, "lat": lat,
        "sog": (speed[vessel, step] / 1852 * 3600).round(1), "cog": course[vessel, step].round(1) % 360,
        "heading": np.where(under_way, course[vessel, step].round() % 360, 511), "length": sent_length[vessel],
        "width": (sent_length / 6.5).round()[vessel],
    })  # fmt: skip
    table["name"] = "VESSEL " + table["mmsi"].astype(str)
    return pd.concat([table, _phantoms(rng, times, side)], ignore_index=True)


def _numbers(vessels: int) -> NDArray[np.int64]:
    mmsi = 219_000_000 + 17 * np.arange(vessels)
    shared = vessels // 250 * 2
    mmsi[:shared:2] = mmsi[1:shared:2]  # pairs that share a number
    return mmsi


def _direction(rng: np.random.Generator, count: int) -> NDArray:
    angle = rng.uniform(0, 2 * np.pi, count)
    return np.column_stack((np.sin(angle), np.cos(angle)))


def _gaps(rng: np.random.Generator, vessels: int, steps: int, share: float) -> NDArray[np.bool_]:
    """Whether each vessel is silent at each step: gaps of up to an hour that take `share` of the time."""
    silent = np.zeros((vessels, steps), bool)
    longest, mean = 3600.0, 900.0
    for row in silent:
        time = -rng.uniform(0, 2 * longest)
        while time < steps * STEP:
            gap = min(rng.exponential(mean), longest)
            row[max(int(time // STEP), 0) : max(int((time + gap) // STEP), 0)] = True
            time += gap + rng.exponential(mean * (1 - share) / share)
    return silent


def _phantoms(rng: np.random.Generator, times: NDArray, side: float) -> pd.DataFrame:
    """Vessels that do not exist."""
    count = max(int(40 * (side / (600 * KM)) ** 2), 2)
    start, way = rng.uniform(0, side, (count, 2)), _direction(rng, count) * rng.uniform(2, 9, (count, 1))
    number, step = (each.ravel() for each in np.meshgrid(np.arange(count), np.arange(0, len(times), 2)))
    place = start[number] + way[number] * (times[step] - times[0])[:, None]
    lon, lat = to_lonlat(place[:, 0], place[:, 1], side)
    return pd.DataFrame({
        "x": place[:, 0], "y": place[:, 1], "mmsi": 412_000_000 + number, "t": times[step], "lon": lon, "lat": lat,
        "sog": np.hypot(*way[number].T) / 1852 * 3600, "cog": np.degrees(np.arctan2(*way[number].T)) % 360,
        "heading": 511.0, "length": 100.0, "width": 16.0, "name": "GHOST",
    })  # fmt: skip


def to_lonlat(x: NDArray, y: NDArray, side: float) -> tuple[NDArray, NDArray]:
    """Degrees of places in metres from the lower left corner of the sea."""
    lat = LAT + (y - side / 2) / DEGREE
    return LON + (x - side / 2) / (DEGREE * np.cos(np.radians(lat))), lat


def _ships(
    rng: np.random.Generator, place: NDArray, motion: tuple[NDArray, NDArray], length: NDArray, side: float
) -> geopandas.GeoDataFrame:
    """Ships as a model finds them; the scene takes 20 seconds from north to south."""
    count = len(place)
    speed, course = motion
    delay = np.floor(20 * (1 - place[:, 1] / side))
    turned = np.radians(course)
    place = place + (speed * delay)[:, None] * np.column_stack((np.sin(turned), np.cos(turned)))
    place = place + rng.normal(0, 8, place.shape)
    lon, lat = to_lonlat(place[:, 0], place[:, 1], side)
    heading = (course + rng.normal(0, 6, count)) % 180
    long = np.maximum(length * rng.normal(1, 0.1, count) + rng.normal(0, 12, count), 20)
    wide = np.maximum(long / 6.5, 10)
    outlines = [
        shapely.affinity.translate(
            shapely.affinity.scale(
                shapely.affinity.rotate(shapely.box(-w / 2, -m / 2, w / 2, m / 2), -h, origin=(0, 0)),
                1 / (DEGREE * np.cos(np.radians(n))), 1 / DEGREE, origin=(0, 0),
            ), e, n,
        ) for e, n, m, w, h in zip(lon, lat, long, wide, heading, strict=True)
    ]  # fmt: skip
    stamps = pd.to_datetime(SCENE + delay, unit="s", utc=True).strftime("%Y-%m-%dT%H:%M:%SZ")
    columns = {
        "id": np.arange(1, count + 1), "score": 0.9, "area_m2": long * wide, "length_m": long, "width_m": wide,
        "heading_deg": heading, "lon": lon, "lat": lat, "pixels": np.ceil(long * wide / 100).astype(int),
        "on_border": False, "scene": "synthetic.tif", "datetime": stamps,
    }  # fmt: skip
    return geopandas.GeoDataFrame(columns, geometry=outlines, crs=4326)


def write_csv(messages: pd.DataFrame, path: object) -> None:
    """Write messages as MarineCadastre does."""
    names = {"mmsi": "MMSI", "lat": "LAT", "lon": "LON", "sog": "SOG", "cog": "COG", "heading": "Heading",
             "name": "VesselName", "length": "Length", "width": "Width"}  # fmt: skip
    table = messages.rename(columns=names)
    table.insert(1, "BaseDateTime", pd.to_datetime(table.pop("t"), unit="s").dt.strftime("%Y-%m-%dT%H:%M:%S"))
    table.to_csv(path, index=False, float_format="%.5f")
