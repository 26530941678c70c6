"""How well and how fast ships are matched to AIS, on a synthetic day.

uv run python benchmarks/ais.py                      # precision and recall of dark ships, for three days
uv run python benchmarks/ais.py --messages 10000000  # seconds and memory for a day's file of that many messages
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from ais_day import Day, make_day, write_csv
from timed_process import run_timed

VESSELS = 5000
LIMIT = 900.0  # seconds
BLOCK = 5.0  # hours of a day that is repeated
PLACES = 6  # that a large file covers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, help="measure a file of so many messages")
    parser.add_argument("--days", type=int, default=3, help="number of days for precision and recall")
    options = parser.parse_args()
    if options.messages:
        measure_speed(options.messages)
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


def measure_speed(messages: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        day = make_day(VESSELS, BLOCK, 0)
        day.ships.to_file(folder / "ships.geojson")
        count = write_large(day, messages, folder / "day.csv")
        command = [sys.executable, "-c", "from geoships_cli.app import main; main()", "ais", "match"]
        command += [str(folder / "ships.geojson")]
        command += ["--ais", str(folder / "day.csv"), "--out", str(folder / "matched.gpkg")]
        # timed_process wants a line of results, which the command itself does not print
        script = f"import subprocess; subprocess.run({command!r}, check=True); print('RESULT {{}}')"
        found = run_timed([sys.executable, "-c", script], limit=LIMIT, folder=folder)
        size = (folder / "day.csv").stat().st_size / 1e9
    print(f"{count:,} messages ({size:.2f} GB), {len(day.ships):,} ships, {os.cpu_count()} cores: {found}")


def write_large(day: Day, messages: int, path: Path) -> int:
    """Write the day again and again, at other times and places and with other numbers; returns the messages written."""
    written, copy = 0, 0
    while written < messages:
        hours, place = BLOCK * (copy % 5 - 2), copy // 5 % PLACES
        part = day.messages.head(messages - written).assign(
            t=lambda table, hours=hours: table["t"] + hours * 3600,
            lon=lambda table, place=place: table["lon"] + 20 * place,
            mmsi=lambda table, copy=copy: table["mmsi"] + 100_000 * copy,
        )
        scratch = path.with_suffix(".part")
        write_csv(part, scratch)
        with path.open("ab") as file, scratch.open("rb") as rows:
            if written:
                rows.readline()  # the header
            while block := rows.read(1 << 24):
                file.write(block)
        written, copy = written + len(part), copy + 1
    return written


if __name__ == "__main__":
    main()
