"""Decodes the messages of a receiver's log one by one: whatever a log holds."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from geoships.ais.database import MISSING
from geoships.ais.feed_files import SENTENCE
from geoships.ais.fragments import Fragments
from geoships.ais.identity import is_aid, why_left_out
from geoships.ais.messages import LeftOut, MessageCounts
from geoships.ais.sentence import LineParser, Sentence, is_whole
from geoships.ais.wanted import Wanted
from geoships.errors import GeoshipsError

READ = (1, 2, 3, 4, 5, 9, 11, 18, 19, 21, 24, 27)  # types of messages
_STATIC = {5, 24}
_BASE = {4, 11}
_KNOWN = 16_384  # reports of name and size that are remembered

Row = dict[str, Any]


class LineReader:
    """Reads lines one after the other, and remembers what stands in earlier ones.

    Args:
        wanted: Which messages are wanted.

    Attributes:
        parser: Takes the lines apart.
        clock: Time of the last base station, in seconds since 1970: messages without a time have this one.
        counts: Lines so far, and those left out.

    Raises:
        GeoshipsError: The package pyais is not installed.
    """

    def __init__(self, wanted: Wanted) -> None:
        try:
            from pyais import decode
            from pyais.exceptions import InvalidNMEAChecksum
        except ModuleNotFoundError as error:
            raise GeoshipsError(MISSING) from error
        self._decode, self._checksum_error = decode, InvalidNMEAChecksum
        self._wanted = wanted
        self._fragments = Fragments()
        self._known: OrderedDict[bytes, Row] = OrderedDict()  # reports of name and size
        self.parser = LineParser()
        self.clock: float | None = None
        self.counts = MessageCounts()

    def read(self, line: bytes, number: int) -> Iterator[Row]:
        """Yield the messages of a line, not an empty one, that take part.

        Args:
            line: The line.
            number: Its number.
        """
        sentences = self.parser.parse(line)
        self.counts.read += max(len(sentences), 1)
        if not sentences:
            self.leave_out(LeftOut.UNREADABLE if SENTENCE.search(line) else LeftOut.NOT_AIS)
        for sentence in sentences:
            if (row := self.add(sentence, number)) is not None:
                yield row

    def close(self) -> None:
        """Count fragments that still wait as left out."""
        self._fragments.close()
        self.leave_out(LeftOut.FRAGMENT, self._fragments.lost)

    def leave_out(self, reason: LeftOut, count: int = 1) -> None:
        """Count sentences that take no part."""
        if count:
            self.counts.left_out[reason] += count

    def add(self, sentence: Sentence, line: int) -> Row | None:
        """The message of a sentence, when it is complete and takes part; else None.

        Args:
            sentence: The sentence, which is counted already.
            line: Number of its line.
        """
        parts, time = [sentence.raw], sentence.time
        if sentence.total > 1:
            joined = self._fragments.add(sentence.key, sentence.number, sentence.total, sentence.raw, time, line)
            if joined is None:
                return None
            parts, time = joined
        kind = _message_type(parts[0])
        if kind not in READ:
            self.leave_out(LeftOut.OTHER_TYPE, len(parts))
        elif time is not None and not self._wanted.has_time(time):
            self.leave_out(LeftOut.OTHER_TIME, len(parts))  # these are not even decoded
        else:
            return self._message(parts, kind, time)
        return None

    def _message(self, parts: list[bytes], kind: int, time: float | None) -> Row | None:
        """Decode a message; None if it takes no part."""
        try:
            row = self._particulars(parts, kind) if kind in _STATIC else self._decoded(parts, kind)
            reason = None
        except self._checksum_error:
            row, reason = {}, LeftOut.CHECKSUM
        except Exception:  # whatever stray bits make pyais raise
            row, reason = {}, LeftOut.UNDECODED
        row["t"] = self.clock if time is None else time
        reason = reason or self._reason(row, kind)
        if reason is None:
            return row
        self.leave_out(reason, len(parts))
        return None

    def _decoded(self, parts: list[bytes], kind: int) -> Row:
        """The values of a message; a base station's set the clock."""
        message = self._decode(*parts, error_if_checksum_invalid=True)
        row = _row(message, kind)
        if kind in _BASE:
            self.clock = _base_time(message) or self.clock
        return row

    def _particulars(self, parts: list[bytes], kind: int) -> Row:
        """As `_decoded`, of a report of name and size, which a vessel sends again and again with the same payload."""
        key = b"".join(part.split(b",", 5)[5][:-3] for part in parts)  # payloads with their fill bits
        row = self._known.get(key)
        if row is None or not all(map(is_whole, parts)):
            row = self._known[key] = self._decoded(parts, kind)
            if len(self._known) > _KNOWN:
                self._known.popitem(last=False)
        return dict(row)

    def _reason(self, row: Row, kind: int) -> LeftOut | None:
        """Why a message is left out, or None."""
        if kind in _BASE:
            return LeftOut.BASE_STATION
        if kind == 9:
            return LeftOut.AIRCRAFT
        if row["t"] is None:
            return LeftOut.NO_TIME
        if reason := why_left_out(row["mmsi"]):
            return reason
        if not self._wanted.has_time(row["t"]):
            return LeftOut.OTHER_TIME
        if kind in _STATIC:
            return None
        lon, lat = row["lon"], row["lat"]
        if lon is None or lat is None or abs(lon) > 180 or abs(lat) > 90 or lon == lat == 0:
            return LeftOut.NO_POSITION
        return None if self._wanted.has_place(lon, lat) else LeftOut.OTHER_PLACE


def _message_type(sentence: bytes) -> int:
    """Type of a message, from the first character of its payload."""
    code = sentence.split(b",", 6)[5][0] - 48
    return code - 8 if code > 40 else code


def _row(message: Any, kind: int) -> Row:
    """The values of a message; not available is None."""
    bow, stern = getattr(message, "to_bow", None), getattr(message, "to_stern", None)
    port, starboard = getattr(message, "to_port", None), getattr(message, "to_starboard", None)
    name = getattr(message, "shipname", None) or getattr(message, "name", None)
    mmsi = int(message.mmsi)
    return {
        "mmsi": mmsi,
        "lon": getattr(message, "lon", None),
        "lat": getattr(message, "lat", None),
        "sog": getattr(message, "speed", None),
        "cog": getattr(message, "course", None),
        "heading": getattr(message, "heading", None),
        "aid": kind == 21 or is_aid(mmsi),
        "name": (name or "").strip(" @").upper() or None,
        "length": (bow or 0) + (stern or 0) or None,
        "width": (port or 0) + (starboard or 0) or None,
        "bow": bow if bow and stern else None,  # zero: the antenna's place is not known
        "stern": stern if bow and stern else None,
    }


def _base_time(message: Any) -> float | None:
    """Time that a base station tells."""
    try:
        return datetime(
            message.year, message.month, message.day, message.hour, message.minute, message.second, tzinfo=UTC
        ).timestamp()
    except (ValueError, TypeError):
        return None
