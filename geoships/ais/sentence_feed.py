"""Reads AIS messages from NMEA sentences, as receivers log them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from math import isnan
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from geoships.ais.identity import are_aids, left_out_kinds
from geoships.ais.line_blocks import LineBlock, LineBlocks, Positions
from geoships.ais.line_reader import READ, LineReader, Row
from geoships.ais.messages import SCHEMA, LeftOut, MessageCounts
from geoships.ais.plain_sentences import PlainSentences, find_sentences, tag_times
from geoships.ais.position_reports import decode_positions, is_decodable
from geoships.ais.sentence import LEAST_TIME, Sentence, make_sentence, station_of
from geoships.ais.wanted import Wanted

BATCH = 100_000  # messages that are written at once

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Found = tuple[LineBlock, PlainSentences, Floats]
Clock = tuple[list[int], list[float]]  # lines, and the times that the clock shows after them


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
        held = [SCHEMA.empty_table()]
        for table in log.tables(path):
            held.append(table)
            if sum(each.num_rows for each in held) >= BATCH:
                writer.write_table(pa.concat_tables(held))
                held = [SCHEMA.empty_table()]
        writer.write_table(pa.concat_tables(held))
    return log.counts


class _Log:
    """One reading of a log.

    Position reports whose line holds nothing unusual, which most lines are, are decoded together. Of other sentences it
    is told together whether their type and time are wanted. What is left goes through a LineReader.
    """

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._reader = LineReader(wanted)
        self._lines = 0  # that are not empty, so far

    @property
    def counts(self) -> MessageCounts:
        """Lines so far, and those left out."""
        return self._reader.counts

    def tables(self, path: Path) -> Iterator[pa.Table]:
        """Yield the messages that take part, in the order of their lines."""
        blocks = LineBlocks(path)
        with ThreadPoolExecutor(1) as pool:  # NumPy works on the next block beside the lines of this one
            for block, found, times in _ahead(pool.submit(_find, block) for block in blocks):
                yield self._table(block, found, times)
        if blocks.damaged:  # what cannot be unpacked counts as one line
            self.counts.read += 1
            self._reader.leave_out(LeftOut.UNREADABLE)
        self._reader.close()

    def _table(self, block: LineBlock, found: PlainSentences, times: Floats) -> pa.Table:
        self.counts.read += len(found.line)
        unclear = self._unclear(block, found, times)
        many, read = is_decodable(found), np.isin(found.kind, READ) | ~found.single
        late = found.single & read & ~many & ~unclear & ~np.isnan(times) & ~self._wanted.have_times(times)
        self._reader.leave_out(LeftOut.OTHER_TYPE, int((~read).sum()))
        self._reader.leave_out(LeftOut.OTHER_TIME, int(late.sum()))
        lines, rows, clock = self._one_by_one(block, found, times, unclear, read & ~many & ~late)
        index = np.flatnonzero(many)
        index, t = self._in_time(found, index, times[index], clock)
        table, index = self._positions(block, found, index, t)
        table = pa.concat_tables([table, pa.Table.from_pylist(rows, SCHEMA)])
        return table.take(np.argsort(np.concatenate((found.line[index], lines)), kind="stable"))

    def _unclear(self, block: LineBlock, found: PlainSentences, times: Floats) -> Bools:
        """Sentences whose time only a look at their whole line, or an earlier one, tells."""
        if self._reader.parser.waits or b"$PGHP," in block.content:
            return np.ones(len(times), bool)
        bare = (found.start == block.starts[found.line]) & (block.ends[found.line] - found.end < LEAST_TIME)
        return np.asarray(np.isnan(times) & ~bare)

    def _one_by_one(
        self, block: LineBlock, found: PlainSentences, times: Floats, unclear: Bools, alone: Bools
    ) -> tuple[list[int], list[Row], Clock]:
        """Read lines in their order that are not as usual.

        Args:
            block: All lines.
            found: Their plain sentences.
            times: Of these; those of `unclear` are written here.
            unclear: Sentences whose time is to be found.
            alone: Sentences that are to be decoded.

        Returns:
            Line of each message, the messages, and from which lines on the clock shows what.
        """
        reader, blank = self._reader, 0
        lines: list[int] = []
        rows: list[Row] = []
        clock: Clock = ([-1], [_or_nan(reader.clock)])
        for line, index, time in _unusual(block, found, times, unclear, alone):
            if index < 0 and block.line(line).isspace():
                blank += 1
                continue
            messages: list[Row] = []
            if index < 0:
                messages = list(reader.read(block.line(line), self._lines + line - blank))
            else:
                each = self._sentence(block, found, index, time)
                times[index] = _or_nan(each.time)
                if alone[index] and (row := reader.add(each, self._lines + line - blank)) is not None:
                    messages = [row]
            rows += messages
            lines += [line] * len(messages)
            if reader.clock is not None and reader.clock != clock[1][-1]:
                clock[0].append(line)
                clock[1].append(reader.clock)
        self._lines += len(block.ends) - blank
        return lines, rows, clock

    def _sentence(self, block: LineBlock, found: PlainSentences, index: int, time: float | None) -> Sentence:
        """One sentence; its time is looked for where it is None, and not known where it is NaN."""
        start, end = found.start.item(index), found.end.item(index)
        line = found.line.item(index)
        before, raw = block.content[block.starts.item(line) : start], block.content[start:end]
        if time is None:
            time, station = self._reader.parser.context(before, block.content[end : block.ends.item(line)])
            return make_sentence(raw, time, station)
        return make_sentence(raw, None if isnan(time) else time, station_of(before[1:-4]))

    def _in_time(
        self, found: PlainSentences, index: Positions, times: Floats, clock: Clock
    ) -> tuple[Positions, Floats]:
        """Sentences that are whole and of a wanted time, and this time; `why` the others are not is counted."""
        unknown = np.isnan(times)
        index, times = self._keep(LeftOut.OTHER_TIME, unknown | self._wanted.have_times(times), index, times)
        index, times = self._keep(LeftOut.CHECKSUM, found.whole[index], index, times)
        shown = np.array(clock[1])[np.searchsorted(clock[0], found.line[index]) - 1]
        return index, np.where(np.isnan(times), shown, times)

    def _positions(
        self, block: LineBlock, found: PlainSentences, index: Positions, t: Floats
    ) -> tuple[pa.Table, Positions]:
        """The messages of position reports that take part, and the index of their sentences."""
        reports = decode_positions(block.data, found, index)
        lon, lat = reports.lon, reports.lat
        nowhere = (np.abs(lon) > 180) | (np.abs(lat) > 90) | ((lon == 0) & (lat == 0))
        left = np.zeros(len(index), bool)
        for reason, which in (
            (LeftOut.NO_TIME, np.isnan(t)),
            *left_out_kinds(reports.mmsi),
            (LeftOut.OTHER_TIME, ~self._wanted.have_times(t)),
            (LeftOut.NO_POSITION, nowhere),
            (LeftOut.OTHER_PLACE, ~self._wanted.have_places(lon, lat)),
        ):
            self._reader.leave_out(reason, int((which & ~left).sum()))
            left |= which
        columns = {
            "mmsi": reports.mmsi, "t": t, "lon": lon, "lat": lat, "sog": reports.sog, "cog": reports.cog,
            "heading": reports.heading, "aid": are_aids(reports.mmsi),
        }  # fmt: skip
        return _as_table({name: values[~left] for name, values in columns.items()}), index[~left]

    def _keep(self, reason: LeftOut, kept: Bools, index: Positions, times: Floats) -> tuple[Positions, Floats]:
        self._reader.leave_out(reason, int((~kept).sum()))
        return index[kept], times[kept]


def _unusual(
    block: LineBlock, found: PlainSentences, times: Floats, unclear: Bools, alone: Bools
) -> Iterator[tuple[int, int, float | None]]:
    """Yield the lines that are read one by one: line, index of its sentence or -1, time if it is clear; see _Log."""
    sentence = np.full(len(block.ends), -1)
    sentence[found.line] = np.arange(len(found.line))
    usual = np.zeros(len(block.ends), bool)
    usual[found.line] = ~(unclear | alone)
    lines = np.flatnonzero(~usual)
    index = sentence[lines]
    for line, each in zip(lines.tolist(), index.tolist(), strict=True):
        yield line, each, None if each < 0 or unclear[each] else times.item(each)


def _find(block: LineBlock) -> Found:
    found = find_sentences(block)
    return block, found, tag_times(block, found)


def _ahead(futures: Iterator[Future[Found]]) -> Iterator[Found]:
    """Yield results while the one after it is worked on."""
    last = next(futures, None)
    while last is not None:
        following = next(futures, None)
        yield last.result()
        last = following


def _as_table(columns: dict[str, NDArray[np.generic]]) -> pa.Table:
    """A table with the columns of SCHEMA; NaN and what is not given is null."""
    length = len(columns["mmsi"])
    arrays = [
        pa.array(columns[field.name], from_pandas=True).cast(field.type)
        if field.name in columns
        else pa.nulls(length, field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _or_nan(time: float | None) -> float:
    return np.nan if time is None else time
