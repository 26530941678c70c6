"""Logs of receivers: times, fragments, and lines that are broken."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyais import encode_dict

from geoships.ais.fragments import Fragments
from geoships.ais.messages import LeftOut
from geoships.ais.sentence import LineParser
from geoships.ais.sentence_feed import stage_sentences
from geoships.ais.wanted import wanted

TIME = 1_671_620_143
BASE = {"type": 4, "mmsi": "002190001", "year": 2022, "month": 12, "day": 21, "hour": 10, "minute": 55, "second": 43}
SHIP = {"type": 1, "mmsi": "219000001", "lon": 10.0, "lat": 56.0, "speed": 12.0, "course": 90.0, "heading": 91}
STATIC = {
    "type": 5, "mmsi": "219000001", "shipname": "EXAMPLE", "to_bow": 100, "to_stern": 50, "to_port": 10,
    "to_starboard": 12,
}  # fmt: skip


def tagged(sentence: str, fields: str) -> str:
    checksum = 0
    for byte in fields.encode():
        checksum ^= byte
    return f"\\{fields}*{checksum:02X}\\{sentence}"


def read(folder: Path, lines: list[str | bytes], lon: float = 10.0, lat: float = 56.0, time: float = TIME):
    log = folder / "log.nmea"
    log.write_bytes(b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines) + b"\n")
    counts = stage_sentences(log, wanted([float(time)], [lon], [lat], 3600), folder / "out.parquet")
    return pq.read_table(folder / "out.parquet").to_pylist(), counts


# Sentences that were received on air, as descriptions of the protocol quote them.
REAL = [
    "!AIVDM,1,1,,A,403OviQuMGCqWrRO9>E6fE700@GO,0*4D",  # base station: 2007-05-14 19:57:39
    "!AIVDM,1,1,,A,15MgK45P3@G?fl0E`JbR0OwT0@MS,0*4E",
    "!AIVDM,1,1,,B,15NG6V0P01G?cFhE`R2IU?wn28R>,0*05",
    "!AIVDM,1,1,,B,177KQJ5000G?tO`K>RA1wUbN0TKH,0*5C",  # Seattle
    "!AIVDM,2,1,1,A,55?MbV02;H;s<HtKR20EHE:0@T4@Dn2222222216L961O5Gf0NSQEp6ClRp8,0*1C",
    "!AIVDM,1,1,,B,E>kb9O9aS@7PUh10dh19@;0Tah2cWrfP:l?M`00003vP100,0*01",  # aid to navigation
    "!AIVDM,2,2,1,A,88888888880,2*25",
    "!AIVDM,1,1,,B,91b55wi;hbOS@OdQAC062Ch2089h,0*30",  # search aircraft
    "!AIVDM,1,1,,B,B5NJ;PP005l4ot5Isbl03wsUkP06,0*76",  # garbled
]


def test_sentences_that_were_received_on_air(tmp_path: Path) -> None:
    time = datetime(2007, 5, 14, 19, 57, 39, tzinfo=UTC).timestamp()
    rows, counts = read(tmp_path, list(REAL), -122.39, 37.80, time)
    ferry, moored, aid, ship = rows
    approx = partial(pytest.approx, abs=1e-5)
    assert (ferry["mmsi"], ferry["sog"], ferry["cog"], ferry["heading"]) == approx((366730000, 20.8, 51.3, 511))
    assert (ferry["lon"], ferry["lat"], ferry["t"]) == approx((-122.392533, 37.803803, time))
    assert (moored["mmsi"], moored["lon"], moored["lat"]) == (367380120, -122.404333, 37.806948)
    assert (ship["mmsi"], ship["name"], ship["length"], ship["width"], ship["bow"]) == (
        351759000, "EVER DIADEM", 295, 32, 225,
    )  # fmt: skip
    assert (aid["mmsi"], aid["name"], aid["aid"]) == (993692028, "SF OAK BAY BR VAIS E", True)
    assert counts.left_out == {
        LeftOut.BASE_STATION: 1, LeftOut.OTHER_PLACE: 1, LeftOut.AIRCRAFT: 1, LeftOut.CHECKSUM: 1,
    }  # fmt: skip
    assert counts.read == len(REAL)


@pytest.mark.parametrize(
    "line",
    [
        tagged("{}", f"s:station,c:{TIME}"),
        tagged("{}", f"c:{TIME}000,s:station"),
        "2022-12-21T10:55:43Z {}",
        "2022-12-21 11:55:43+01:00,{}",
        f"{TIME} {{}}",
        f"{{}},r003669945,{TIME}",
        "$PGHP,1,2022,12,21,10,55,43,0,219,000,,1,2F*00\n{}",
    ],
)
def test_a_time_is_found_where_receivers_write_it(line: str) -> None:
    parser = LineParser()
    sentence = encode_dict(SHIP)[0]
    found = [each for part in line.format(sentence).encode().split(b"\n") for each in parser.parse(part)]
    assert [each.time for each in found] == [TIME]
    assert found[0].raw.decode() == sentence


def test_sentences_of_a_group_have_the_time_of_its_first(tmp_path: Path) -> None:
    first, second = encode_dict(STATIC, seq_id=3)
    rows, counts = read(tmp_path, [tagged(first, f"g:1-2-77,c:{TIME},s:a"), tagged(second, "g:2-2-77,s:a")])
    assert [(row["name"], row["length"], row["width"], row["bow"], row["t"]) for row in rows] == [
        ("EXAMPLE", 150, 22, 100, TIME)
    ]
    assert (counts.read, counts.used) == (2, 2)


def test_lines_without_a_time_have_that_of_the_last_base_station(tmp_path: Path) -> None:
    ship = encode_dict(SHIP)[0]
    rows, counts = read(tmp_path, [ship, encode_dict(BASE)[0], ship])
    assert [row["t"] for row in rows] == [TIME]
    assert counts.left_out == {LeftOut.NO_TIME: 1, LeftOut.BASE_STATION: 1}


def test_real_lines_are_read(tmp_path: Path) -> None:
    # From the documentation of gpsd and pyais.
    lines = [
        tagged("!AIVDM,1,1,,B,15M67FC000G?ufbE`FepT@3n00Sa,0*5C", f"c:{TIME}"),
        r"\s:2573135,c:1671620143*0B\!AIVDM,1,1,,A,16:=?;0P00`SstvFnFbeGH6L088h,0*44",
    ]
    rows, counts = read(tmp_path, lines, lon=-122.3, lat=37.8)
    assert [(row["mmsi"], round(row["lon"], 4), round(row["lat"], 4)) for row in rows] == [
        (366053209, -122.3416, 37.8021)
    ]
    assert counts.left_out == {LeftOut.OTHER_PLACE: 1}
    rows, _ = read(tmp_path, lines, lon=5.4, lat=60.0)
    assert len(rows) <= 1


def test_what_is_broken_is_counted_and_nothing_else_is_lost(tmp_path: Path) -> None:
    tag = f"c:{TIME}"
    ship = encode_dict(SHIP)[0]
    first, second = encode_dict(STATIC, seq_id=5)
    wrong = ship[:20] + ("A" if ship[20] != "A" else "B") + ship[21:]
    lines = [
        tagged(ship, tag),
        tagged(ship, tag).encode() + tagged(ship, tag).encode(),  # a line end was lost
        b"\x00\xff\xfe noise " + tagged(ship, tag).encode(),
        tagged(wrong, tag),  # failed checksum
        tagged(ship[:25], tag),  # cut off
        tagged(first, tag),  # its second sentence never comes
        tagged(first, f"c:{TIME + 300}"),  # the number is used again
        tagged(second, f"c:{TIME + 301}"),
        tagged(encode_dict({**SHIP, "mmsi": "123456789"})[0], tag),
        tagged(encode_dict({**SHIP, "mmsi": "000000042"})[0], tag),
        tagged(encode_dict({**SHIP, "lon": 181.0, "lat": 91.0})[0], tag),
        tagged(encode_dict({"type": 9, "mmsi": "111219001", "lon": 10.0, "lat": 56.0})[0], tag),
        tagged(encode_dict({**SHIP, "mmsi": "970219001"})[0], tag),
        tagged(encode_dict({**SHIP, "lon": 30.0})[0], tag),
        tagged(ship, f"c:{TIME + 9 * 3600}"),
        tagged(encode_dict({"type": 8, "mmsi": "219000001", "dac": 1, "fid": 11, "data": b"\x00"})[0], tag),
        "# a comment",
        "$GPRMC,081836,A,3751.65,S,14507.36,E,000.0,360.0,130998,011.3,E*62",
        "",
    ]
    rows, counts = read(tmp_path, lines)
    assert [row["lon"] for row in rows if row["lon"] is not None] == [10.0] * 4
    assert [row["name"] for row in rows if row["name"]] == ["EXAMPLE"]
    assert counts.left_out == {
        LeftOut.CHECKSUM: 1, LeftOut.UNREADABLE: 1, LeftOut.FRAGMENT: 1, LeftOut.BAD_MMSI: 2, LeftOut.NO_POSITION: 1,
        LeftOut.AIRCRAFT: 1, LeftOut.BEACON: 1, LeftOut.OTHER_PLACE: 1, LeftOut.OTHER_TIME: 1, LeftOut.OTHER_TYPE: 1,
        LeftOut.NOT_AIS: 2,
    }  # fmt: skip
    assert counts.read == counts.used + sum(counts.left_out.values()) == 19


def test_an_aid_to_navigation_is_marked(tmp_path: Path) -> None:
    aid = encode_dict({"type": 21, "mmsi": "992191234", "name": "BUOY 7", "lon": 10.0, "lat": 56.0})
    rows, _ = read(tmp_path, [tagged(part, f"c:{TIME}") for part in aid])
    assert [(row["aid"], row["name"]) for row in rows] == [(True, "BUOY 7")]


def test_a_log_that_was_cut_off_while_compressed_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    lines = [tagged(encode_dict({**SHIP, "mmsi": str(219_000_000 + n)})[0], f"c:{TIME + n}") for n in range(3000)]
    log = tmp_path / "log.nmea.gz"
    whole = gzip.compress("\n".join(lines).encode())
    log.write_bytes(whole[: len(whole) // 2])
    counts = stage_sentences(log, wanted([float(TIME)], [10.0], [56.0], 3600), tmp_path / "out.parquet")
    assert 100 < counts.used < 2900
    assert 1 <= counts.left_out[LeftOut.UNREADABLE] <= 2


@pytest.mark.parametrize(("late", "joined"), [(5.0, True), (61.0, False)])
def test_a_late_fragment_belongs_to_another_message(late: float, joined: bool) -> None:
    fragments = Fragments()
    assert fragments.add("key", 2, 2, b"second", 100.0, 0) is None
    found = fragments.add("key", 1, 2, b"first", 100.0 + late, 1)
    assert found == (([b"first", b"second"], 100.0) if joined else None)
    fragments.close()
    assert fragments.lost == (0 if joined else 2)


def test_a_repeated_report_of_name_is_taken_again_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    lines: list[str | bytes] = []
    for number in range(4):  # the same payload, with sequence numbers of their own
        lines += [tagged(part, f"c:{TIME + number}") for part in encode_dict(STATIC, seq_id=number)]
    first, second = encode_dict(STATIC, seq_id=7)
    wrong = f"{second[:-2]}{int(second[-2:], 16) ^ 1:02X}"
    rows, counts = read(tmp_path, [*lines, tagged(first, f"c:{TIME}"), tagged(wrong, f"c:{TIME}")])
    assert [(row["name"], row["length"], row["t"]) for row in rows] == [
        ("EXAMPLE", 150.0, float(TIME + number)) for number in range(4)
    ]
    assert counts.left_out == {LeftOut.CHECKSUM: 2}
