"""The table that a measurement of motion gives, and its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import geopandas
import numpy as np
import pandas as pd

from geoships.motion.answer import Answer, Motion

# Columns that are added to the ships, and their types.
MOTION_COLUMNS: dict[str, str] = {
    "motion": "string",
    "speed_ms": "float64",
    "speed_low_ms": "float64",
    "speed_high_ms": "float64",
    "course_deg": "float64",
    "course_confidence": "float64",
    "course_from": "string",
    "velocity_east_ms": "float64",
    "velocity_north_ms": "float64",
    "velocity_var_east": "float64",
    "velocity_var_north": "float64",
    "velocity_cov": "float64",
    "band_shift_px": "float64",
    "motion_note": "string",
}


def motion_table(frame: geopandas.GeoDataFrame, answers: Sequence[Answer]) -> geopandas.GeoDataFrame:
    """The table of ships with MOTION_COLUMNS; columns of these names from an earlier measurement are replaced."""
    rows = [_row(answer) for answer in answers]
    table = frame.drop(columns=[name for name in MOTION_COLUMNS if name in frame])
    added = {
        name: pd.Series([row[name] for row in rows], index=table.index, dtype=kind)
        for name, kind in MOTION_COLUMNS.items()
    }
    return table.assign(**added)


def _row(answer: Answer) -> dict[str, Any]:
    east, north = (None, None) if answer.velocity is None else answer.velocity
    covariance = np.full((2, 2), np.nan) if answer.covariance is None else answer.covariance
    return {
        "motion": answer.motion.value,
        "speed_ms": _rounded(answer.speed, 2),
        "speed_low_ms": _rounded(answer.low, 2),
        "speed_high_ms": _rounded(answer.high, 2),
        "course_deg": None if answer.course is None else round(answer.course, 1) % 360,
        "course_confidence": _rounded(answer.sure, 3),
        "course_from": answer.source,
        "velocity_east_ms": _rounded(east, 3),
        "velocity_north_ms": _rounded(north, 3),
        "velocity_var_east": _rounded(covariance[0, 0], 4),
        "velocity_var_north": _rounded(covariance[1, 1], 4),
        "velocity_cov": _rounded(covariance[0, 1], 4),
        "band_shift_px": _rounded(answer.shift, 3),
        "motion_note": answer.note,
    }


def _rounded(value: Any, decimals: int) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), decimals)


def summary(table: geopandas.GeoDataFrame, source: str) -> dict[str, Any]:
    """Counts of the answers, of the reasons where there is none, and where the times of the bands come from."""
    counts = Counter(table["motion"])
    why = Counter(table.loc[table["motion"] == Motion.UNKNOWN, "motion_note"])
    return {
        "ships": len(table),
        **{motion.value.replace(" ", "_"): counts[motion.value] for motion in Motion},
        "with_course": int(table["course_deg"].notna().sum()),
        "why_not": dict(why.most_common()),
        "delays": source,
    }
