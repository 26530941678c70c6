"""How well and how fast ships are matched to AIS, on a synthetic day.

uv run python benchmarks/ais.py                      # precision and recall of dark ships, for three days
uv run python benchmarks/ais.py --messages 10000000  # seconds and memory for a day's table of that many messages
uv run python benchmarks/ais.py --messages 10000000 --format nmea  # the same for a receiver's log
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from ais_day import Day, make_day
from ais_log import write_log
from timed_process import run_timed

VESSELS = 5000
LIMIT = 900.0  # seconds
BLOCK = 5.0  # hours of a day that is repeated
PLACES = 6  # that a large file covers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, help="measure a file of so many messages")
    parser.add_argument("--format", choices=["csv", "nmea"], default="csv", help="of this file")
    parser.add_argument("--days", type=int, default=3, help="number of days for precision and recall")
    options = parser.parse_args()
    if options.messages:
        measure_speed(options.messages, options.format)
    else:
        for seed in range(options.days):
            measure_quality(seed)


def measure_quality(seed: int) -> None:
    from geoships.ais.match import match_ais

    day = make_day(VESSELS, BLOCK, seed)
    with tempfile.TemporaryDirectory() as folder:
        feed = Path(folder) / "day.parquet"
        day.messages.to_parquet(feed)
        found = match_ais(day.ships, feed)
    state = found.ships["ais"].to_numpy()
    called, true = state == "dark", day.dark & day.heard
    own = (state == "matched") & ~day.dark
    right = (found.ships["mmsi"].to_numpy(np.float64, na_value=0) == day.mmsi)[own].mean()
    print(
        f"day {seed}: {len(day.ships)} ships, {day.heard.sum()} heard, {true.sum()} of them dark; "
        f"precision {(called & true).sum() / called.sum():.3f}, recall {(called & true).sum() / true.sum():.3f}, "
        f"{(called & ~day.heard).sum()} called dark where no station hears; "
        f"{right:.1%} of {own.sum()} matches are the right vessel"
    )


def measure_speed(messages: int, form: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        day = make_day(VESSELS, BLOCK, 0)
        day.ships.to_file(folder / "ships.geojson")
        feed = folder / f"day.{form}"
        rows = write_large(day, messages, feed) if form == "csv" else write_log(copies(day, messages), feed)
        command = [sys.executable, "-c", "from geoships_cli.app import main; main()", "ais", "match"]
        command += [str(folder / "ships.geojson")]
        command += ["--ais", str(feed), "--out", str(folder / "matched.gpkg")]
        # timed_process wants a line of results, which the command itself does not print
        script = (
            f"import json, resource, subprocess; subprocess.run({command!r}, check=True); "
            "used = resource.getrusage(resource.RUSAGE_CHILDREN); "
            "print('RESULT', json.dumps({'cpu_seconds': used.ru_utime + used.ru_stime, 'peak': used.ru_maxrss << 10}))"
        )
        found = run_timed([sys.executable, "-c", script], limit=LIMIT, folder=folder)
        size = feed.stat().st_size / 1e9
    what = f"{messages:,} messages in {rows:,} lines ({size:.2f} GB)"
    print(f"{what}, {len(day.ships):,} ships, {os.cpu_count()} cores: {found}")


def copies(day: Day, messages: int) -> Iterator[pd.DataFrame]:
    """The same messages as `write_large` writes, one day after the other."""
    left = messages
    for copy in range(-(-messages // len(day.messages))):
        once = day.messages.head(left)
        left -= len(once)
        yield once.assign(
            mmsi=once["mmsi"] + 100_000 * copy, t=once["t"] + BLOCK * 3600 * (copy % 5 - 2),
            lon=once["lon"] + 20 * (copy // 5 % PLACES),
        )  # fmt: skip


def write_large(day: Day, messages: int, path: Path) -> int:
    """Write the day again and again, at other times and places and with other numbers; returns the messages written."""
    once = day.messages  # noqa: F841 (the query reads it)
    query = f"""
        SELECT mmsi + 100000 * copy AS MMSI,
            strftime(make_timestamp((1e6 * (t + {BLOCK * 3600} * (copy % 5 - 2)))::BIGINT), '%Y-%m-%dT%H:%M:%S')
                AS BaseDateTime,
            round(lat, 5) AS LAT, round(lon + 20 * ((copy // 5) % {PLACES}), 5) AS LON, sog AS SOG, cog AS COG,
            heading AS Heading, name AS VesselName, length AS Length, width AS Width
        FROM once, range({-(-messages // len(day.messages))}) AS copies(copy) LIMIT {messages}
    """  # noqa: S608
    duckdb.sql(query).write_csv(str(path))
    return messages


if __name__ == "__main__":
    main()
