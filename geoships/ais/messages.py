"""What is kept of an AIS message, and why messages are left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa

KNOT = 1852 / 3600  # metres per second

# One row a message, whatever feed it came from. Position reports have lon and lat; reports of name and size have none.
SCHEMA = pa.schema(
    {
        "mmsi": pa.uint32(),
        "t": pa.float64(),  # seconds since 1970-01-01, UTC
        "lon": pa.float64(),  # degrees
        "lat": pa.float64(),
        "sog": pa.float32(),  # speed over ground in knots
        "cog": pa.float32(),  # course over ground, degrees clockwise from north
        "heading": pa.float32(),  # true heading in degrees
        "aid": pa.bool_(),  # an aid to navigation, not a vessel
        "name": pa.string(),
        "length": pa.float32(),  # metres
        "width": pa.float32(),
        "bow": pa.float32(),  # metres from the antenna to the bow
        "stern": pa.float32(),
    }
)


class LeftOut(StrEnum):
    """Why a message, or a line of a feed, takes no part; the text stands in the summary."""

    UNREADABLE = "unreadable line"
    NOT_AIS = "line without AIS"
    CHECKSUM = "failed checksum"
    FRAGMENT = "fragment whose message is incomplete"
    UNDECODED = "cannot be decoded"
    OTHER_TYPE = "message without position, name or size"
    NO_TIME = "no time"
    BAD_MMSI = "malformed MMSI"
    BASE_STATION = "base station"
    AIRCRAFT = "search and rescue aircraft"
    BEACON = "distress beacon"
    NO_POSITION = "no position"
    OTHER_TIME = "other time"
    OTHER_PLACE = "other place"
    REPEATED = "repeated or in quick succession"
    JUMP = "position jumps"


@dataclass
class MessageCounts:
    """How many messages were read, and how many were left out for each reason.

    Attributes:
        read: All messages; of a sentence feed, all lines that are not empty.
        left_out: Number by reason.
    """

    read: int = 0
    left_out: Counter[LeftOut] = field(default_factory=Counter)

    @property
    def used(self) -> int:
        """Messages that take part."""
        return self.read - sum(self.left_out.values())

    def add(self, other: MessageCounts) -> None:
        """Add the counts of another feed."""
        self.read += other.read
        self.left_out.update(other.left_out)
