"""Tables of AIS: each publisher's columns and times, and rows that are broken."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import geopandas
import pandas as pd
import pytest
import shapely

from geoships.ais.columns import parse_columns
from geoships.ais.database import database
from geoships.ais.feed_files import find_feeds
from geoships.ais.feeds import Feeds, stage_empty
from geoships.ais.messages import LeftOut
from geoships.ais.wanted import wanted
from geoships.errors import GeoshipsError

TIME = pd.Timestamp("2024-06-01T10:00:00Z").timestamp()
MARINE = "MMSI,BaseDateTime,LAT,LON,SOG,COG,Heading,VesselName,IMO,CallSign,VesselType,Status,Length,Width\n"
DANISH = "# Timestamp,Type of mobile,MMSI,Latitude,Longitude,SOG,COG,Heading,Name,Width,Length,A,B,C,D\n"


def read(path: Path, folder: Path, columns: dict[str, str] | None = None, time_format: str | None = None):
    """(fixes, particulars, aids, counts) of a feed around 10 E, 56 N."""
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    with database(scratch) as connection:
        stage_empty(scratch)
        feeds = Feeds(connection, scratch)
        feeds.read(path, wanted([TIME], [10.0], [56.0], 3600), columns or {}, time_format)
        parts = list(feeds.fixes())
        return parts, feeds.particulars(), feeds.aids(), feeds.counts


def seen(parts) -> list[tuple[int, float, float, float]]:
    return [
        (int(m), float(t - TIME), round(float(lon), 4), round(float(lat), 4))
        for part in parts
        for m, t, lon, lat in zip(part.mmsi, part.t, part.lon, part.lat, strict=True)
    ]


def test_marine_cadastre(tmp_path: Path) -> None:
    file = tmp_path / "AIS[1].csv"  # a pattern to the database
    file.write_text(
        MARINE
        + '219000001,2024-06-01T10:00:05,56.0,10.0,9.7,88.0,511.0,"ONE, TWO",,,70,0,150,22\n'
        + "219000001,2024-06-01T10:01:05,56.0,10.01,9.7,360.0,90.0,ONE,,,70,0,150,22\n"
    )
    parts, particulars, _, counts = read(file, tmp_path)
    assert seen(parts) == [(219000001, 5, 10.0, 56.0), (219000001, 65, 10.01, 56.0)]
    assert parts[0].speed == pytest.approx([9.7 * 1852 / 3600] * 2)
    assert pd.isna(parts[0].heading).tolist() == [True, False]  # 511 is not available
    assert pd.isna(parts[0].course).tolist() == [False, True]
    assert particulars.loc[219000001, "length"] == 150
    assert (counts.read, counts.used) == (2, 2)


def test_the_danish_form(tmp_path: Path) -> None:
    file = tmp_path / "aisdk-2024-06-01.csv"
    rows = [
        "01/06/2024 10:00:00,Class A,219000001,56.0,10.0,0.0,,,SHIP,22,150,100,50,10,12",
        "01/06/2024 10:00:00,Base Station,2190001,56.0,10.0,,,,,,,,,,",
        "01/06/2024 10:00:00,SAR Airborne,111219001,56.0,10.0,,,,,,,,,,",
        "01/06/2024 10:00:00,AtoN,992191234,56.0,10.2,,,,LIGHT,,,,,,",
        "01/06/2024 10:00:00,Man Overboard Device,972191234,56.0,10.2,,,,,,,,,,",
    ]
    file.write_text(DANISH + "\n".join(rows) + "\n")
    parts, particulars, aids, counts = read(file, tmp_path)
    assert seen(parts) == [(219000001, 0, 10.0, 56.0)]
    assert particulars.loc[219000001, ["bow", "stern"]].tolist() == [100, 50]
    assert aids[["mmsi", "name"]].values.tolist() == [[992191234, "LIGHT"]]
    assert counts.left_out == {LeftOut.BASE_STATION: 1, LeftOut.AIRCRAFT: 1, LeftOut.BEACON: 1, LeftOut.REPEATED: 0}


@pytest.mark.parametrize(
    ("text", "columns", "time_format"),
    [
        (f"mmsi,time,lon,lat\n219000001,{TIME:.0f},10.0,56.0\n", "", None),
        (f"mmsi,epoch,lon,lat\n219000001,{TIME * 1000:.0f},10.0,56.0\n", "", None),
        ("MMSI;Zeit;X;Y\n219000001;01.06.2024 10:00;10,0;56,0\n", "time=Zeit", "%d.%m.%Y %H:%M"),
        ("id\tutc\teast\tnorth\n219000001\t2024-06-01T12:00:00+02:00\t10.0\t56.0\n",
         "mmsi=id, time=utc, lon=east, lat=north", None),
        ('"mmsi","time","lon","lat"\n"219000001","2024-06-01 10:00:00","10.0","56.0"\n', "", None),
    ],
)  # fmt: skip
def test_any_table(text: str, columns: str, time_format: str | None, tmp_path: Path) -> None:
    file = tmp_path / "feed.csv"
    file.write_text(text)
    parts, *_ = read(file, tmp_path, parse_columns([columns]), time_format)
    assert seen(parts) == [(219000001, 0, 10.0, 56.0)]


def test_rows_that_are_broken_are_counted(tmp_path: Path) -> None:
    good = "219000001,2024-06-01T10:00:05,56.0,10.0,9.7,88.0,511.0,ONE,,,70,0,150,22\n"
    file = tmp_path / "feed.csv"
    file.write_bytes(
        MARINE.encode()
        + good.encode()
        + b"219000002,2024-06-01T10:00:05,56.0\n"  # cut off
        + b"\x00\x01\xff\xfe\n"  # stray bytes
        + good.replace("ONE", '"ONE').replace("001,", "003,").encode()  # a quote that does not end
        + good.replace("2024-06-01T10:00:05", "yesterday").encode()
        + good.replace("219000001", "abc").encode()
        + good.replace("219000001", "111111111").encode()
        + good.replace(",56.0,10.0,", ",91.0,181.0,").encode()
        + good.replace(",56.0,10.0,", ",0.0,0.0,").encode()
        + good.replace(",10.0,9.7", ",20.0,9.7").encode()
        + good.replace("T10", "T20").encode()
        + good.encode()
    )
    parts, _, _, counts = read(file, tmp_path)
    assert seen(parts) == [(219000001, 5, 10.0, 56.0), (219000003, 5, 10.0, 56.0)]
    assert counts.left_out == {
        LeftOut.UNREADABLE: 2, LeftOut.NO_TIME: 1, LeftOut.BAD_MMSI: 2, LeftOut.NO_POSITION: 2,
        LeftOut.OTHER_PLACE: 1, LeftOut.OTHER_TIME: 1, LeftOut.REPEATED: 1,
    }  # fmt: skip
    assert (counts.read, counts.used) == (12, 2)


def test_parquet_and_geoparquet(tmp_path: Path) -> None:
    times = pd.to_datetime(["2024-06-01T10:00:00", "2024-06-01T10:01:00"])
    table = pd.DataFrame({"mmsi": [219000001] * 2, "base_date_time": times, "sog": [1.0, None]})
    plain = table.assign(longitude=[10.0, 10.1], latitude=[56.0, 56.1], geometry=b"")
    plain.to_parquet(tmp_path / "plain.parquet")
    points = shapely.points([[10.0, 56.0], [10.1, 56.1]])
    geopandas.GeoDataFrame(table, geometry=points, crs=4326).to_parquet(tmp_path / "geo.parquet")
    expected = [(219000001, 0, 10.0, 56.0), (219000001, 60, 10.1, 56.1)]
    for name in ("plain.parquet", "geo.parquet"):
        parts, *_ = read(tmp_path / name, tmp_path)
        assert seen(parts) == expected, name
        for left in tmp_path.glob("scratch/*"):
            left.unlink()


def test_archives_are_unpacked(tmp_path: Path) -> None:
    text = f"mmsi,time,lon,lat\n219000001,{TIME:.0f},10.0,56.0\n"
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        archive.writestr("AIS_2024_06_01.csv", text)
    (tmp_path / "day.csv.gz").write_bytes(gzip.compress(text.encode()))
    for name in ("day.zip", "day.csv.gz"):
        parts, *_ = read(tmp_path / name, tmp_path)
        assert seen(parts) == [(219000001, 0, 10.0, 56.0)], name
        for left in tmp_path.glob("scratch/*"):
            left.unlink()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"who,when,lon,lat\n1,2,3,4\n", "which columns .* hold mmsi and time"),
        ("a.txt", b"nothing to see\n", "neither AIS sentences nor a table"),
        ("a.csv", b"\n", "is empty"),
        ("a.zip", b"PK\x03\x04 broken", "cannot unpack"),
        ("a.parquet", b"PAR1 broken", "cannot read AIS"),
    ],
)
def test_a_file_that_is_no_ais_is_refused_in_one_line(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(GeoshipsError, match=message) as caught:
        read(tmp_path / name, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["mmsi", "speed=SOG", "mmsi="])
def test_a_column_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(GeoshipsError, match="KIND=NAME"):
        parse_columns([text])


def test_feeds_are_files_folders_and_patterns(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv", "c.nmea", "notes.md"):
        (tmp_path / name).write_text("x")
    names = [path.name for path in find_feeds([tmp_path])]
    assert names == ["a.csv", "b.csv", "c.nmea"]
    assert [path.name for path in find_feeds([tmp_path / "*.csv", tmp_path / "a.csv"])] == ["a.csv", "b.csv"]
    with pytest.raises(GeoshipsError, match="no file of AIS"):
        find_feeds([tmp_path / "*.zip"])
