"""Times of Sentinel-2's bands at a place, from the viewing angles of the product.

The angles tell where the satellite stood above the Earth when each band saw a place. Divided by its speed over the
ground, these places are moments. So nothing needs to be known of the focal plane, in which the order of the bands is
reversed on every other detector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from geoships.errors import SceneError
from geoships.motion.delays import Delays

Floats = NDArray[np.float64]

BAND_IDS = {"blue": 1, "green": 2, "red": 3, "nir": 7}  # in the metadata
BAND_NAMES = {"blue": "B02", "green": "B03", "red": "B04", "nir": "B08"}

EARTH, HEIGHT = 6_371_000.0, 786_000.0  # metres: mean radius, and the satellite's height above it
INCLINATION = 98.62  # degrees, of the orbit
GRAVITY, ROTATION = 3.986004418e14, 7.2921159e-5  # of the Earth: m3/s2, and radians per second
ANGLES = "viewing angles of the product"
LONGEST = 10.0  # seconds: bands of one detector see a place within 2.6 s, those of two detectors within some more

DetectorAt = Callable[[str, float, float], int | None]  # number of the detector of a band at (x, y); None: not known


@dataclass(frozen=True)
class ViewingAngles:
    """The viewing angles of a granule.

    Attributes:
        crs: CRS of the grid.
        left: x of the first column of the grid, in metres.
        top: y of the first row.
        step: Metres between rows, and between columns.
        grids: By (band id, detector): zenith and azimuth from the place to the satellite in degrees, (2, rows,
            columns); NaN where this detector does not see.
        descending: Whether the satellite flew southwards; None if the product does not say.
    """

    crs: CRS
    left: float
    top: float
    step: float
    grids: Mapping[tuple[int, int], Floats]
    descending: bool | None = None

    def detectors_near(self, band: str, x: float, y: float) -> list[int]:
        """Detectors that see at least one of the four points of the grid around a place."""
        rows, columns, _ = self._corners(x, y)
        found = []
        for (band_id, detector), grid in sorted(self.grids.items()):
            if band_id == BAND_IDS[band] and np.isfinite(grid[0][np.ix_(rows, columns)]).any():
                found.append(detector)
        return found

    def delays(self, x: float, y: float, detector_at: DetectorAt = lambda *_: None) -> Delays | None:
        """When each band saw a place.

        Args:
            x: In `crs`.
            y: In `crs`.
            detector_at: Tells the detector of a band at a place where several are near.

        Returns:
            The delays; None where it is not known which detectors saw the place.
        """
        _, lat = Transformer.from_crs(self.crs, 4326, always_xy=True).transform(x, y)
        track = ground_velocity(float(lat), descending=self.descending is not False)
        places: dict[str, Floats] = {}
        for band, band_id in BAND_IDS.items():
            detector = detector_at(band, x, y)
            near = self.detectors_near(band, x, y)
            if detector is None and len(near) == 1:
                detector = near[0]
            grid = self.grids.get((band_id, detector)) if detector is not None else None
            angles = None if grid is None else self._interpolated(grid, x, y)
            if angles is None:
                return None
            places[band] = below_satellite(*angles)
        seconds = {band: _seconds(place - places["blue"], track) for band, place in places.items()}
        delays = Delays(seconds, signed=True, source=ANGLES)
        return delays if delays.span < LONGEST else None

    def _corners(self, x: float, y: float) -> tuple[list[int], list[int], Floats]:
        rows, columns = next(iter(self.grids.values())).shape[1:]
        column, row = (x - self.left) / self.step, (self.top - y) / self.step
        first = min(max(int(np.floor(row)), 0), rows - 2), min(max(int(np.floor(column)), 0), columns - 2)
        part = np.clip([row - first[0], column - first[1]], 0, 1)
        return [first[0], first[0] + 1], [first[1], first[1] + 1], part

    def _interpolated(self, grid: Floats, x: float, y: float) -> tuple[float, float] | None:
        """Zenith and azimuth at a place: linear between the points of the grid that the detector sees."""
        rows, columns, (down, right) = self._corners(x, y)
        weights = np.outer([1 - down, down], [1 - right, right])
        zenith, azimuth = (each[np.ix_(rows, columns)] for each in grid)
        seen = np.isfinite(zenith) & np.isfinite(azimuth)
        if not seen.any():
            return None
        weights = np.where(seen, weights + 1e-6, 0)
        weights /= weights.sum()
        turn = np.radians(np.where(seen, azimuth, 0))
        mean = np.arctan2((weights * np.sin(turn)).sum(), (weights * np.cos(turn)).sum())
        return float((weights * np.where(seen, zenith, 0)).sum()), float(np.degrees(mean))


def _seconds(way: Floats, track: Floats) -> float:
    """Seconds that the satellite took for a way along its track; they are negative against the track."""
    return float(np.sign(way @ track) * np.hypot(*way) / np.hypot(*track))


def ground_velocity(latitude: float, *, descending: bool = True) -> Floats:
    """Velocity of the point below the satellite over the turning Earth, (east, north) in metres per second."""
    speed = np.sqrt(GRAVITY / (EARTH + HEIGHT)) * EARTH / (EARTH + HEIGHT)
    ratio = np.cos(np.radians(INCLINATION)) / max(np.cos(np.radians(latitude)), 1e-6)
    azimuth = np.arcsin(np.clip(ratio, -1, 1))
    azimuth = np.pi - azimuth if descending else azimuth
    east = speed * np.sin(azimuth) - ROTATION * EARTH * np.cos(np.radians(latitude))
    return np.array([east, speed * np.cos(azimuth)])


def below_satellite(zenith: float, azimuth: float) -> Floats:
    """Place below the satellite as seen from where it has these angles (degrees): (east, north) in metres."""
    tilt = np.radians(zenith)
    arc = tilt - np.arcsin(EARTH * np.sin(tilt) / (EARTH + HEIGHT))
    return np.asarray(EARTH * arc * np.array([np.sin(np.radians(azimuth)), np.cos(np.radians(azimuth))]))


def read_angles(root: Element, descending: bool | None = None) -> ViewingAngles:
    """Read the viewing angles from ``MTD_TL.xml``.

    Args:
        root: Its root element.
        descending: Whether the satellite flew southwards; None if it is not known.

    Raises:
        SceneError: The file has no viewing angles by detector, as other files of a product.
    """
    try:
        crs = CRS.from_user_input(_text(root, "HORIZONTAL_CS_CODE"))
        corner = next(each for each in root.iter() if _name(each) == "Geoposition")
        left, top = float(_text(corner, "ULX")), float(_text(corner, "ULY"))
        grids: dict[tuple[int, int], Floats] = {}
        step = 0.0
        for element in root.iter():
            if _name(element) == "Viewing_Incidence_Angles_Grids":
                key = int(element.get("bandId", "")), int(element.get("detectorId", ""))
                grids[key] = np.array([_values(element, "Zenith"), _values(element, "Azimuth")])
                step = float(_text(element, "COL_STEP"))
        if not grids or step <= 0 or len({grid.shape for grid in grids.values()}) != 1:
            raise ValueError("no viewing angles")
    except (StopIteration, ValueError, CRSError) as error:
        raise SceneError(
            "the metadata have no viewing angles by detector: give the granule's MTD_TL.xml (--metadata), "
            "or the delays (--delays)"
        ) from error
    return ViewingAngles(crs, left, top, step, grids, descending)


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _text(root: Element, name: str) -> str:
    return next((each.text or "").strip() for each in root.iter() if _name(each) == name)


def _values(element: Element, name: str) -> Floats:
    angle = next(each for each in element if _name(each) == name)
    return np.array(
        [[float(value) for value in (row.text or "").split()] for row in angle.iter() if _name(row) == "VALUES"]
    )
