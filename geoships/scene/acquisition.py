"""Acquisition time of a scene, from metadata tags or the file name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY = timedelta(days=1) - timedelta(seconds=1)

# The first tag that can be parsed is used. ACQUISITIONDATETIME is the key of GDAL's IMAGERY metadata domain.
TAGS = (
    "ACQUISITIONDATETIME",
    "ACQUISITION_DATETIME",
    "ACQUISITION_TIME",
    "ACQUISITION_DATE",
    "ACQUISITIONDATE",
    "ACQUIRED",
    "PRODUCT_START_TIME",
    "SENSING_TIME",
    "DATATAKE_1_DATATAKE_SENSING_START",
    "DATETIME",
)
FILE_DATE_TAG = "TIFFTAG_DATETIME"  # in the TIFF standard the date when the file was created, so it comes last

# File names with a time to the second, and file names with a date only.
SECONDS = (
    re.compile(r"(?<!\d)(\d{8})T(\d{6})(?!\d)"),  # S2A_MSIL2A_20230101T101010_..., T31TCJ_20230101T101010_B02
    re.compile(r"^(\d{8})_(\d{6})(?!\d)"),  # PlanetScope and SkySat: 20230101_101010_ssc4_...
)
DAYS = (
    re.compile(r"^L[COTEM]0\d_L\w{3}_\d{6}_(\d{8})_"),  # Landsat Collection 2
    re.compile(r"^S2[A-D]_\d{1,2}[A-Z]{3}_(\d{8})_"),  # Sentinel-2 items of Earth Search
)


@dataclass(frozen=True)
class Acquisition:
    """Acquisition time of a scene, in UTC.

    Attributes:
        start: First possible time; equal to `end` if the time is known to the second.
        end: Last possible time; the last second of the day if only the date is known.
    """

    start: datetime
    end: datetime

    @property
    def instant(self) -> datetime | None:
        """The time if it is known to the second, else None."""
        return self.start if self.start == self.end else None

    @property
    def text(self) -> str:
        """ISO 8601 text: a time, a date, or an interval of two times.

        >>> acquisition({}, "LC08_L2SP_198030_20230102_20230110_02_T1_SR.tif").text
        '2023-01-02'
        """
        if self.instant:
            return iso(self.start)
        if self.start.time() == datetime.min.time() and self.end - self.start == DAY:
            return self.start.date().isoformat()
        return f"{iso(self.start)}/{iso(self.end)}"


def acquisition(tags: Mapping[str, str], name: str) -> Acquisition | None:
    """Find the acquisition time in the tags, else in the file name, else in the TIFF date of the file.

    Args:
        tags: Metadata tags of the file.
        name: Name of the file, without folders.

    Returns:
        The acquisition time; None if it is unknown.

    >>> acquisition({}, "S2A_MSIL2A_20230101T105421_N0509_R051_T31TCJ_20230101T140000.tif").text
    '2023-01-01T10:54:21Z'
    """
    upper = {key.upper(): str(value) for key, value in tags.items()}
    for key in TAGS:
        if key in upper and (found := parse_time(upper[key])):
            return found
    return _from_name(name) or parse_time(upper.get(FILE_DATE_TAG, ""))


def parse_time(text: str) -> Acquisition | None:
    """Parse a time or a date in ISO 8601 or in TIFF notation (``YYYY:MM:DD HH:MM:SS``).

    Args:
        text: The text. Without a time zone it is taken as UTC.

    Returns:
        The time, or the whole day of a date; None if the text is neither.

    >>> parse_time("2023:01:01 10:54:21").text, parse_time("2023-01-01T12:54:21+02:00").text
    ('2023-01-01T10:54:21Z', '2023-01-01T10:54:21Z')
    """
    text = re.sub(r"^(\d{4}):(\d\d):(\d\d)\b", r"\1-\2-\3", text.strip())  # TIFF notation
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:  # the year 1, converted to another time zone
        return None
    date_only = re.fullmatch(r"\d{4}-?\d\d-?\d\d", text)
    return Acquisition(time, time + DAY if date_only else time)


def _from_name(name: str) -> Acquisition | None:
    for pattern in SECONDS:
        if (match := pattern.search(name)) and (found := parse_time(f"{match[1]}T{match[2]}")):
            return found
    for pattern in DAYS:
        if (match := pattern.search(name)) and (found := parse_time(match[1])):
            return found
    return None


def iso(time: datetime) -> str:
    """RFC 3339 text of a time in UTC, with fractions of a second only where it has them."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
