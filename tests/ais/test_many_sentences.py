"""Sentences that are read many at a time: the messages are those that a reading line by line finds."""

from __future__ import annotations

import io
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyais import decode, encode_dict

from geoships.ais import sentence_feed
from geoships.ais.identity import DEFAULTS, are_aids, is_aid, left_out_kinds, why_left_out
from geoships.ais.line_blocks import MAX_LINE, LineBlock, LineBlocks
from geoships.ais.line_reader import LineReader
from geoships.ais.messages import SCHEMA
from geoships.ais.plain_sentences import find_sentences
from geoships.ais.position_reports import decode_positions, is_decodable
from geoships.ais.wanted import wanted

TIME = 1_671_620_143
ARMOUR = bytes([*range(48, 88), *range(96, 120)])
WANTED = wanted([float(TIME)], [10.0], [56.0], 3600)


def with_checksum(text: bytes) -> bytes:
    checksum = 0
    for byte in text:
        checksum ^= byte
    return b"%s*%02X" % (text, checksum)


def block_of(content: bytes) -> LineBlock:
    return LineBlock(content, np.flatnonzero(np.frombuffer(content, np.uint8) == ord("\n")) + 1)


@pytest.mark.parametrize(("kind", "characters"), [(1, 28), (2, 28), (3, 28), (18, 28), (27, 16)])
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_any_bits_are_decoded_as_pyais_does(kind: int, characters: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 63), min_size=characters - 1, max_size=characters - 1))
    payload = bytes(ARMOUR[value] for value in (kind, *values))
    sentence = b"!" + with_checksum(b"AIVDM,1,1,,B," + payload + b",0")
    block = block_of(sentence + b"\r\n")
    found = find_sentences(block)
    assert is_decodable(found).tolist() == [True]
    assert found.whole.tolist() == [True]
    ours = decode_positions(block.data, found, np.array([0]))
    theirs = decode(sentence, error_if_checksum_invalid=True)
    heading = getattr(theirs, "heading", math.nan)
    expected = (int(theirs.mmsi), theirs.lon, theirs.lat, theirs.speed, theirs.course, heading)
    np.testing.assert_array_equal([each[0] for each in vars(ours).values()], expected)  # to the last bit


def encoded(message: dict[str, object], sequence: int = 1) -> list[bytes]:
    return [part.encode() for part in encode_dict(message, seq_id=sequence, talker_id="AI")]


SHIP = {"type": 1, "mmsi": "219000001", "lon": 10.0, "lat": 56.0, "speed": 12.0, "course": 90.0, "heading": 91}
STATIC = {"type": 5, "mmsi": "219000001", "shipname": "EXAMPLE", "to_bow": 100, "to_stern": 50}
MESSAGES: list[dict[str, object]] = [
    SHIP,
    {**SHIP, "type": 3, "lon": 181.0, "lat": 91.0},
    {**SHIP, "lon": 0.0, "lat": 0.0},
    {**SHIP, "type": 2, "lon": -120.5},
    {**SHIP, "lon": 180.0, "lat": 90.0},
    *({**SHIP, "mmsi": mmsi} for mmsi in ("992190001", "123456789", "002190001", "970219001", "111219001")),
    {"type": 18, "mmsi": "219000002", "lon": 10.25, "lat": 56.1, "speed": 102.3, "course": 360.0, "heading": 511},
    {"type": 27, "mmsi": "219000003", "lon": 10.5, "lat": 55.9, "speed": 12, "course": 200},
    {"type": 19, "mmsi": "219000004", "lon": 10.1, "lat": 56.1, "shipname": "CLASS B"},
    {"type": 9, "mmsi": "111219001", "lon": 10.0, "lat": 56.0},
    {"type": 21, "mmsi": "992191234", "name": "BUOY 7", "lon": 10.0, "lat": 56.0},
    {"type": 24, "mmsi": "219000002", "partno": 0, "shipname": "SMALL"},
    {"type": 8, "mmsi": "219000001", "dac": 1, "fid": 11, "data": b"\x00\x01"},
    *({"type": 4, "mmsi": "002190001", "year": 2022, "month": month, "day": 21, "hour": 10} for month in (12, 0)),
]
PARTS = [encoded(message) for message in MESSAGES] + [encoded(STATIC, 1), encoded(STATIC, 2), encoded(STATIC, 2)[:1]]
FIELDS = [
    "c:{t}", "s:a,c:{t}", "c:{t}000,s:b", "s:b", "c:{late}", "g:1-2-7,c:{t},s:a", "g:2-2-7,s:a", "c:0", "c:123,s:a",
    "t:c:5,c:{t}", "c:{t}x", "xc:{t}", "c:{t},c:{late}", "n:1*2,c:{t}",
]  # fmt: skip
AROUND = [
    (b"", b""), (b"2022-12-21T10:55:43Z ", b""), (b"", b",r003669945,1671620143"), (b"noise ", b""), (b"", b" tail"),
    (b"$PGHP,1,2022,12,21,10,55,43,0,219,000,,1,2F*00\n", b""), (b"\\s:a*00\\", b""), (b"\xff\x00", b"!"),
]  # fmt: skip


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A message in its lines, with what may stand around it, and at times a changed byte."""
    parts = list(draw(st.sampled_from(PARTS)))
    written = []
    for part in parts:
        if draw(st.booleans()):
            text = draw(st.sampled_from(FIELDS)).format(t=TIME + draw(st.integers(-9, 9)), late=TIME + 99_999)
            line = b"\\" + with_checksum(text.encode()) + b"\\" + part
        else:
            before, after = draw(st.sampled_from(AROUND))
            line = before + part + after
        if draw(st.integers(0, 7)) == 0:
            place = draw(st.integers(0, len(line) - 1))
            line = line[:place] + bytes([draw(st.integers(0, 255))]) + line[place + 1 :]
        written.append(line * draw(st.sampled_from([1, 1, 1, 1, 1, 2, 30])))
    return b"\n".join(written) + draw(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\r\n  \n# comment\n"]))


@given(log=st.lists(lines(), max_size=25), size=st.sampled_from([1, 100, 3_000, 1 << 22]))
@settings(max_examples=60, deadline=None)
def test_a_log_is_read_as_line_by_line(log: list[bytes], size: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "log.nmea"
    path.write_bytes(b"".join(log) + b"!AIVDM,1,1,,A,")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentence_feed, "LineBlocks", lambda path: LineBlocks(path, size))
        counts = sentence_feed.stage_sentences(path, WANTED, path.with_suffix(".parquet"))
    reader, number, rows = LineReader(WANTED), 0, []
    with path.open("rb") as file:
        while line := file.readline(MAX_LINE):
            if not line.isspace():
                rows += list(reader.read(line, number))
                number += 1
    reader.close()
    assert pq.read_table(path.with_suffix(".parquet")).equals(pa.Table.from_pylist(rows, SCHEMA))
    assert counts == reader.counts


@given(
    lengths=st.lists(
        st.one_of(st.integers(0, 4_000), st.sampled_from([4_095, 4_096, 4_097, 8_192, 20_000])), max_size=9
    )
)
def test_blocks_hold_the_lines_of_a_file(lengths: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("log") / "log"
    path.write_bytes(b"!AIVDM," + b"".join(b"x" * length + b"\n" for length in lengths) + b"rest")
    found = [block.line(index) for block in LineBlocks(path, 1_000) for index in range(len(block.ends))]
    file = io.BytesIO(path.read_bytes())
    assert found == list(iter(lambda: file.readline(MAX_LINE), b""))


@given(st.lists(st.one_of(st.integers(0, (1 << 30) - 1), st.sampled_from(sorted(DEFAULTS)))))
def test_many_numbers_are_judged_as_one(numbers: list[int]) -> None:
    mmsi = np.array(numbers, np.int64)
    assert are_aids(mmsi).tolist() == [is_aid(number) for number in numbers]
    kinds = left_out_kinds(mmsi)
    found = [next((reason for reason, which in kinds if which[index]), None) for index in range(len(numbers))]
    assert found == [why_left_out(number) for number in numbers]


def test_many_places_and_times_are_judged_as_one() -> None:
    lon, lat = (each.ravel() for each in np.meshgrid(np.arange(-180, 180.5, 0.5), np.arange(-90, 90.5, 0.5)))
    for place in ((10.0, 56.0), (179.9, 0.0), (0.0, 90.0)):
        here = wanted([0.0, 10_000.0], [place[0]], [place[1]], 3600)
        expected = [here.has_place(*each) for each in zip(lon.tolist(), lat.tolist(), strict=True)]
        assert here.have_places(lon, lat).tolist() == expected
        times = np.array([-3601.0, -3600, 0, 3600, 5000, 6400, 13_600, 13_601, np.nan])
        assert here.have_times(times).tolist() == [here.has_time(time) for time in times.tolist()]
