"""When a scene was taken: from a file's tags or its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

DAY = timedelta(days=1) - timedelta(seconds=1)

# The first that can be read counts. ACQUISITIONDATETIME is the key of GDAL's IMAGERY metadata.
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
WRITTEN = "TIFFTAG_DATETIME"  # by the standard when the file was made, so it comes last

# Names of products that tell the second, and of such that tell the day.
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
    """When a scene was taken, in UTC.

    start, end: equal where the second is known; first and last second of a day where only that is.
    """

    start: datetime
    end: datetime

    @property
    def instant(self) -> datetime | None:
        """The time, where it is known to the second."""
        return self.start if self.start == self.end else None

    @property
    def text(self) -> str:
        """ISO 8601: a time, a date, or an interval of two times.

        >>> acquisition({}, "LC08_L2SP_198030_20230102_20230110_02_T1_SR.tif").text
        '2023-01-02'
        """
        if self.instant:
            return iso(self.start)
        if self.start.time() == datetime.min.time() and self.end - self.start == DAY:
            return self.start.date().isoformat()
        return f"{iso(self.start)}/{iso(self.end)}"


def acquisition(tags: Mapping[str, str], name: str) -> Acquisition | None:
    """When a scene was taken: by its tags, else by its name, else by the date that TIFF gives the file.

    tags: of the file. name: of the file, without folders. None where nothing tells it.

    >>> acquisition({}, "S2A_MSIL2A_20230101T105421_N0509_R051_T31TCJ_20230101T140000.tif").text
    '2023-01-01T10:54:21Z'
    """
    upper = {key.upper(): str(value) for key, value in tags.items()}
    for key in TAGS:
        if key in upper and (found := parse_time(upper[key])):
            return found
    return _by_name(name) or parse_time(upper.get(WRITTEN, ""))


def parse_time(text: str) -> Acquisition | None:
    """Read a time or a date; without a zone it counts as UTC. None where it is neither.

    >>> parse_time("2023:01:01 10:54:21").text, parse_time("2023-01-01T12:54:21+02:00").text
    ('2023-01-01T10:54:21Z', '2023-01-01T10:54:21Z')
    """
    text = re.sub(r"^(\d{4}):(\d\d):(\d\d)\b", r"\1-\2-\3", text.strip())  # TIFF's own notation
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    try:
        time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:  # the year 1, moved to another zone
        return None
    dated = re.fullmatch(r"\d{4}-?\d\d-?\d\d", text)
    return Acquisition(time, time + DAY if dated else time)


def _by_name(name: str) -> Acquisition | None:
    for pattern in SECONDS:
        if (match := pattern.search(name)) and (found := parse_time(f"{match[1]}T{match[2]}")):
            return found
    for pattern in DAYS:
        if (match := pattern.search(name)) and (found := parse_time(match[1])):
            return found
    return None


def iso(time: datetime) -> str:
    """RFC 3339 text of a time in UTC, with as many digits as it has."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")
