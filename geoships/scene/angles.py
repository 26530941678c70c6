"""Where sun and satellite stood, and whether the sea may have mirrored the sun into the camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree.ElementTree import Element

# Degrees from the mirror image of the sun within which the sea may glint: the limit of the MODIS cloud mask (Ackerman
# et al. 2010, Discriminating clear-sky from cloud with MODIS, ATBD MOD35).
GLINT_DEGREES = 36.0


@dataclass(frozen=True)
class Angles:
    """Mean directions of the sun and of the satellite, as seen from the ground, in degrees.

    Attributes:
        sun_zenith: From the zenith.
        sun_azimuth: Clockwise from north.
        view_zenith: Of the satellite, from the zenith.
        view_azimuth: Of the satellite, clockwise from north.
    """

    sun_zenith: float
    sun_azimuth: float
    view_zenith: float
    view_azimuth: float

    @property
    def glint(self) -> float:
        """Angle between the satellite and the mirror image of the sun in flat water, in degrees.

        >>> round(Angles(30, 150, 30, 330).glint, 3)
        0.0
        """
        sun, view = math.radians(self.sun_zenith), math.radians(self.view_zenith)
        across = math.radians(self.sun_azimuth - self.view_azimuth)
        cosine = math.cos(sun) * math.cos(view) - math.sin(sun) * math.sin(view) * math.cos(across)
        return math.degrees(math.acos(max(-1.0, min(1.0, cosine))))

    @property
    def may_glint(self) -> bool:
        """Whether the sea may glint."""
        return self.glint < GLINT_DEGREES


def sentinel2_angles(metadata: Element) -> Angles | None:
    """Mean angles of a Sentinel-2 granule.

    Args:
        metadata: Root of its MTD_TL.xml.

    Returns:
        The angles, those of the satellite as the mean of all bands; None where the metadata lack them.
    """
    sun = _pairs(metadata, "Mean_Sun_Angle")
    view = _pairs(metadata, "Mean_Viewing_Incidence_Angle")
    if not sun or not view:
        return None
    east = sum(math.sin(math.radians(azimuth)) for _, azimuth in view)
    north = sum(math.cos(math.radians(azimuth)) for _, azimuth in view)
    zenith = sum(angle for angle, _ in view) / len(view)
    return Angles(*sun[0], zenith, math.degrees(math.atan2(east, north)) % 360)


def _pairs(metadata: Element, name: str) -> list[tuple[float, float]]:
    """Zenith and azimuth of all elements of a name, as far as they are numbers."""
    found = []
    for element in metadata.iter():
        if str(element.tag).rpartition("}")[2] != name:
            continue
        try:
            pair = float(element.findtext("ZENITH_ANGLE", "")), float(element.findtext("AZIMUTH_ANGLE", ""))
        except ValueError:
            continue
        if all(map(math.isfinite, pair)):
            found.append(pair)
    return found
