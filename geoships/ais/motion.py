"""Where a vessel was at a moment between its reports, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoships.ais.tracks import Floats, Ints, Tracks
from geoships.scene.georeference import WGS84

# Spectral density of the changes of velocity, in m2/s3: the velocity of a vessel under way changes by about 2 m/s in
# ten minutes. It falls with the square of the speed, as moored ships stay where they are.
DENSITY = 4.0 / 600
FULL_SPEED, LEAST_SHARE = 5.0, 0.005  # metres per second from which DENSITY holds; its least share, at rest
UNKNOWN_VELOCITY = 4.0  # metres per second
POSITION_ERROR = 15.0  # metres: GPS of the vessel, and the place of its outline in the scene
_REACHED = 30.0  # metres by which velocities and positions may disagree without meaning


@dataclass(frozen=True)
class Predicted:
    """Places of vessels at one moment; all (vessels,) unless said otherwise.

    Attributes:
        track: Number of the track.
        lon: Degrees.
        lat: Degrees.
        velocity: (vessels, 2), east and north, in metres per second.
        error: Standard deviation of the place in any direction, in metres.
        heading: True heading in degrees, or the course of a vessel under way; NaN where not known.
        gap: Seconds to the nearest report.
    """

    track: Ints
    lon: Floats
    lat: Floats
    velocity: Floats
    error: Floats
    heading: Floats
    gap: Floats

    @property
    def speed(self) -> Floats:
        """Metres per second."""
        return np.hypot(self.velocity[:, 0], self.velocity[:, 1])

    def take(self, index: NDArray[np.bool_] | NDArray[np.intp]) -> Predicted:
        """The vessels of an index or a mask."""
        return Predicted(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def join(parts: list[Predicted]) -> Predicted:
    """Several sets of vessels as one."""
    return Predicted(*(np.concatenate([getattr(part, name) for part in parts]) for name in Predicted.__annotations__))


def predict_places(tracks: Tracks, time: float, max_gap: float) -> Predicted:
    """Where vessels are at a moment.

    Between two reports a vessel follows the cubic curve through both positions and velocities, along the geodesic; that
    is the mean of all paths whose velocity changes at random, and the error is their spread. Before the first and after
    the last report it goes on at its speed and course. The error grows with the gap, and where both reports disagree.

    Args:
        tracks: The tracks.
        time: Seconds since 1970.
        max_gap: Seconds to the nearest report, beyond which a vessel is left out.

    Returns:
        The vessels that were heard within `max_gap`.
    """
    before, after = tracks.neighbours(time)
    t = tracks.fixes.t
    gap_before = np.where(before >= 0, time - t[before], np.inf) if len(t) else np.zeros(0)
    gap_after = np.where(after >= 0, t[after] - time, np.inf) if len(t) else np.zeros(0)
    gap = np.minimum(gap_before, gap_after)
    between = (before >= 0) & (after >= 0) & (gap <= max_gap)
    alone = ((before >= 0) ^ (after >= 0)) & (gap <= max_gap)
    nearest = np.where(gap_before <= gap_after, before, after)
    inner = _between(tracks, np.flatnonzero(between), before[between], after[between], nearest[between], time)
    outer = _beyond(tracks, np.flatnonzero(alone), nearest[alone], time)
    return join([inner, outer])


def _velocities(tracks: Tracks, index: Ints) -> Floats:
    """(reports, 2) east and north in metres per second; NaN where not available."""
    speed, course = tracks.fixes.speed[index], np.radians(tracks.fixes.course[index])
    still = speed < 0.3  # a course says nothing at rest
    course = np.where(still & np.isnan(course), 0, course)
    return np.column_stack((speed * np.sin(course), speed * np.cos(course)))


def _density(speed: Floats) -> Floats:
    return np.asarray(DENSITY * np.clip((speed / FULL_SPEED) ** 2, LEAST_SHARE, 1))


def _between(tracks: Tracks, track: Ints, before: Ints, after: Ints, nearest: Ints, time: float) -> Predicted:
    """Places between two reports, by the cubic Hermite curve (the mean of an integrated Wiener process)."""
    fixes = tracks.fixes
    azimuth, back, distance = WGS84.inv(fixes.lon[before], fixes.lat[before], fixes.lon[after], fixes.lat[after])
    way = _vector(distance, azimuth)
    span = np.maximum(fixes.t[after] - fixes.t[before], 1e-3)
    mean = way / span[:, None]
    start = _velocities(tracks, before)
    end = _turned(_velocities(tracks, after), azimuth - (back + 180))  # to the meridian of the first report
    unknown = np.isnan(start).any(axis=1) | np.isnan(end).any(axis=1)
    start, end = (np.where(np.isnan(velocity), mean, velocity) for velocity in (start, end))
    u = np.clip((time - fixes.t[before]) / span, 0, 1)[:, None]
    s = span[:, None]
    place = (u**3 - 2 * u**2 + u) * s * start + (3 * u**2 - 2 * u**3) * way + (u**3 - u**2) * s * end
    velocity = (3 * u**2 - 4 * u + 1) * start + (6 * u - 6 * u**2) * mean + (3 * u**2 - 2 * u) * end
    fastest = np.max([np.hypot(*vector.T) for vector in (start, mean, end)], axis=0)
    # The positions should differ by the mean of both velocities: what they differ by tells how much it changed.
    astray = np.maximum(((way - s * (start + end) / 2) ** 2).sum(axis=1) - _REACHED**2, 0)
    density = np.maximum(_density(fastest), 6 * astray / span**3)
    spread = density * (u[:, 0] * (1 - u[:, 0]) * span) ** 3 / 3 * np.where(unknown, 4, 1)
    lon, lat, turn = _moved(fixes.lon[before], fixes.lat[before], place)
    gap = np.minimum(time - fixes.t[before], fixes.t[after] - time)
    velocity = _turned(velocity, turn)
    error = np.sqrt(spread + POSITION_ERROR**2)
    return Predicted(track, lon, lat, velocity, error, _headings(tracks, nearest, velocity), gap)


def _beyond(tracks: Tracks, track: Ints, nearest: Ints, time: float) -> Predicted:
    """Places before the first or after the last report, at its speed and course."""
    fixes = tracks.fixes
    velocity = _velocities(tracks, nearest)
    unknown = np.isnan(velocity).any(axis=1)
    velocity = np.where(np.isnan(velocity), 0, velocity)
    ahead = time - fixes.t[nearest]
    lon, lat, turn = _moved(fixes.lon[nearest], fixes.lat[nearest], velocity * ahead[:, None])
    gap = np.abs(ahead)
    spread = _density(np.hypot(*velocity.T)) * gap**3 / 3 + np.where(unknown, (UNKNOWN_VELOCITY * gap) ** 2, 0)
    error = np.sqrt(spread + POSITION_ERROR**2)
    velocity = _turned(velocity, turn)
    return Predicted(track, lon, lat, velocity, error, _headings(tracks, nearest, velocity), gap)


def _headings(tracks: Tracks, nearest: Ints, velocity: Floats) -> Floats:
    """True heading of the nearest report, or the course of a vessel under way."""
    heading = tracks.fixes.heading[nearest]
    under_way = np.hypot(*velocity.T) > 1.0
    course = np.degrees(np.arctan2(velocity[:, 0], velocity[:, 1])) % 360
    return np.where(np.isnan(heading) & under_way, course, heading)


def _vector(distance: Floats, azimuth: Floats) -> Floats:
    """East and north of a distance in metres and an azimuth in degrees, (n, 2)."""
    azimuth = np.radians(azimuth)
    return np.column_stack((distance * np.sin(azimuth), distance * np.cos(azimuth)))


def _turned(vectors: Floats, degrees: Floats) -> Floats:
    """Vectors turned clockwise, (n, 2)."""
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    east, north = vectors.T
    return np.column_stack((east * cosine + north * sine, north * cosine - east * sine))


def _moved(lon: Floats, lat: Floats, way: Floats) -> tuple[Floats, Floats, Floats]:
    """Places at the end of ways (east, north), and by how many degrees the direction of north turns on the way."""
    azimuth = np.degrees(np.arctan2(way[:, 0], way[:, 1]))
    lon, lat, back = WGS84.fwd(lon, lat, azimuth, np.hypot(*way.T))
    return np.asarray(lon), np.asarray(lat), np.asarray(back) + 180 - azimuth
