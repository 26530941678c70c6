"""Speeds of earlier measurements, one line a job and day, so that a slowdown is seen."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

FIELDS = ("date", "version", "cpu", "job", "mpix_per_second")
SLOWER = 0.85  # of the best earlier speed, below which a job is named


def remember(path: Path, rows: Iterable[Mapping[str, str]]) -> list[str]:
    """Add speeds to the history, and name the jobs that were faster before on the same processor.

    Args:
        path: CSV file; made if there is none.
        rows: A value for each of FIELDS.

    Returns:
        A line for each job that is slower than SLOWER times its best.
    """
    earlier = list(csv.DictReader(path.read_text().splitlines())) if path.exists() else []
    rows, slower = list(rows), []
    for row in rows:
        same = [old for old in earlier if (old["job"], old["cpu"]) == (row["job"], row["cpu"])]
        best = max(same, key=lambda old: float(old["mpix_per_second"]), default=None)
        if best and float(row["mpix_per_second"]) < SLOWER * float(best["mpix_per_second"]):
            slower.append(
                f"{row['job']}: {row['mpix_per_second']} Mpix/s, and {best['mpix_per_second']} on {best['date']}"
            )
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows([*earlier, *rows])
    return slower
