"""Reads AIS messages from NMEA sentences, as receivers log them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from geoships.ais.database import MISSING
from geoships.ais.feed_files import SENTENCE, open_bytes
from geoships.ais.fragments import Fragments
from geoships.ais.identity import is_aid, why_left_out
from geoships.ais.messages import SCHEMA, LeftOut, MessageCounts
from geoships.ais.sentence import LineParser, Sentence
from geoships.ais.wanted import Wanted
from geoships.errors import GeoshipsError

BATCH = 100_000  # messages that are written at once
MAX_LINE = 4_096  # bytes; a longer line is no log of a receiver
_READ = {1, 2, 3, 4, 5, 9, 11, 18, 19, 21, 24, 27}  # message types; the first character of a payload tells
_STATIC = {5, 24}
_BASE = {4, 11}

Row = dict[str, Any]


def stage_sentences(path: Path, wanted: Wanted, out: Path) -> MessageCounts:
    """Write the wanted messages of a log to a Parquet file with the columns of SCHEMA.

    Args:
        path: The log, which may be compressed.
        wanted: Which messages are wanted.
        out: The file to write.

    Returns:
        The lines of the log, and those left out.

    Raises:
        GeoshipsError: The package pyais is not installed.
    """
    log = _Log(wanted)
    with pq.ParquetWriter(out, SCHEMA) as writer:
        rows: list[Row] = []
        for row in log.rows(path):
            rows.append(row)
            if len(rows) == BATCH:
                writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
                rows.clear()
        writer.write_table(pa.Table.from_pylist(rows, SCHEMA))
    return log.counts


class _Log:
    """One reading of a log."""

    def __init__(self, wanted: Wanted) -> None:
        try:
            from pyais import decode
            from pyais.exceptions import InvalidNMEAChecksum
        except ModuleNotFoundError as error:
            raise GeoshipsError(MISSING) from error
        self._decode, self._checksum_error = decode, InvalidNMEAChecksum
        self._wanted = wanted
        self._clock: float | None = None  # time of the last base station: lines without a time have this one
        self.counts = MessageCounts()

    def rows(self, path: Path) -> Iterator[Row]:
        """Yield the messages that take part."""
        parser, fragments = LineParser(), Fragments()
        for number, line in enumerate(self._lines(path)):
            sentences = parser.parse(line)
            self.counts.read += max(len(sentences), 1)
            if not sentences:
                self._leave_out(LeftOut.UNREADABLE if SENTENCE.search(line) else LeftOut.NOT_AIS)
            for sentence in sentences:
                yield from self._add(sentence, fragments, number)
        fragments.close()
        self._leave_out(LeftOut.FRAGMENT, fragments.lost)

    def _lines(self, path: Path) -> Iterator[bytes]:
        """Lines that are not empty. What cannot be unpacked, at the end of a damaged file, counts as one."""
        try:
            with open_bytes(path) as file:
                while line := file.readline(MAX_LINE):
                    if not line.isspace():
                        yield line
        except (OSError, EOFError, pa.ArrowException):
            self.counts.read += 1
            self._leave_out(LeftOut.UNREADABLE)

    def _leave_out(self, reason: LeftOut, count: int = 1) -> None:
        if count:
            self.counts.left_out[reason] += count

    def _add(self, sentence: Sentence, fragments: Fragments, line: int) -> Iterator[Row]:
        parts, time = [sentence.raw], sentence.time
        if sentence.count > 1:
            joined = fragments.add(sentence.key, sentence.number, sentence.count, sentence.raw, time, line)
            if joined is None:
                return
            parts, time = joined
        kind = _message_type(parts[0])
        if kind not in _READ:
            self._leave_out(LeftOut.OTHER_TYPE, len(parts))
        elif time is not None and not self._wanted.has_time(time):
            self._leave_out(LeftOut.OTHER_TIME, len(parts))  # most lines: these are not even decoded
        else:
            yield from self._message(parts, kind, time)

    def _message(self, parts: list[bytes], kind: int, time: float | None) -> Iterator[Row]:
        """Decode a message, and yield it if it takes part."""
        try:
            message = self._decode(*parts, error_if_checksum_invalid=True)
            row = _row(message, kind)
            reason = None
        except self._checksum_error:
            row, reason = {}, LeftOut.CHECKSUM
        except Exception:  # whatever stray bits make pyais raise
            row, reason = {}, LeftOut.UNDECODED
        if reason is None and kind in _BASE:
            self._clock = _base_time(message) or self._clock
        row["t"] = self._clock if time is None else time
        reason = reason or self._reason(row, kind)
        if reason is None:
            yield row
        else:
            self._leave_out(reason, len(parts))

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
