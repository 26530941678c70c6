"""The report of a match: one HTML page with a map, the dark ships, and what was left out."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import shapely

from geoships.ais.one_pass import State
from geoships.ais.styles import HEARD, STATES
from geoships.output.qgis.xml import Colour, hexadecimal
from geoships.support.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from geoships.ais.match import AisMatch

MOST_ROWS = 500  # of ships in a table; the GeoPackage has all
_STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } td, th { border-bottom: 1px solid #ccc; padding: 2px 10px; text-align: right; }
td:first-child, th:first-child { text-align: left; } img { max-width: 100%; } .note { color: #555; }"""
_DARK = {"id": "id", "lon": "longitude", "lat": "latitude", "length_m": "length, m", "heading_deg": "axis, deg",
         "datetime": "time", "ais_confidence": "confidence", "ais_note": "note"}  # fmt: skip


def write_report(path: Path, match: AisMatch) -> None:
    """Write the report.

    Args:
        path: The page (.html), which appears when it is complete.
        match: The match.

    Raises:
        OutputError: The file cannot be written.
    """
    with atomic_write(path) as temporary:
        temporary.write_text(report(match), encoding="utf-8")


def report(match: AisMatch) -> str:
    """HTML text of the report."""
    facts = match.summary
    image = BytesIO()
    draw_map(match).savefig(image, format="png", dpi=110)
    parts = [
        "<h1>Ships and AIS</h1>",
        _counts({label: facts[state] for state, (_, label) in STATES.items()}, "ships"),
        f'<p><img alt="Map" src="data:image/png;base64,{base64.b64encode(image.getvalue()).decode()}"></p>',
        *_shift(facts["seconds_late"]),
        "<h2>Dark ships</h2>",
        _dark_ships(match),
        "<h2>AIS that no ship fits</h2>",
        _counts(facts["unmatched"], "vessels, by likely reason"),
        "<h2>Messages</h2>",
        f"<p>{facts['messages']['read']:,} read, {facts['messages']['used']:,} used; {facts['vessels']:,} tracks; "
        f"{facts['shared_mmsi']:,} numbers were sent from several places.</p>",
        _counts(facts["messages"]["left_out"], "messages left out, by reason"),
    ]
    head = f'<meta charset="utf-8"><title>Ships and AIS</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'


def draw_map(match: AisMatch) -> Figure:
    """Ships by answer, over the cells in which AIS was heard; north up."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    figure = Figure((9, 7), layout="constrained")
    axes = figure.subplots()
    for value, (colour, _) in HEARD.items():
        cells = match.heard[match.heard["received"] == (value == "yes")]
        if len(cells):
            cells.plot(ax=axes, color=_rgb(colour), alpha=0.25, linewidth=0)
    shown = match.ships.geometry if match.ships.crs is None else match.ships.geometry.to_crs(4326)
    centres = shapely.get_coordinates(shapely.centroid(shown.to_numpy()))
    handles = []
    for state, (colour, label) in reversed(list(STATES.items())):
        handles.append(
            Line2D([], [], marker="o", linestyle="", color=_rgb(colour), markeredgecolor="black", label=label)
        )
        few = centres[(match.ships["ais"] == state).to_numpy()]
        axes.plot(*few.T, "o", color=_rgb(colour), markeredgecolor="black", markeredgewidth=0.4, markersize=4)
    axes.set_xlabel("longitude")
    axes.set_ylabel("latitude")
    south, north = axes.get_ylim()
    axes.set_aspect(1 / max(0.05, _cosine((south + north) / 2)))
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure


def _rgb(colour: Colour) -> str:
    return hexadecimal(colour)


def _cosine(degrees: float) -> float:
    from math import cos, radians

    return cos(radians(degrees))


def _shift(seconds: float | None) -> Iterable[str]:
    if seconds is not None:
        side = "ahead of" if seconds > 0 else "behind"
        text = f"Ships under way lie {abs(seconds):.0f} s {side} their tracks. Is the acquisition time right?"
        yield f"<p><strong>{text}</strong></p>"


def _dark_ships(match: AisMatch) -> str:
    ships = match.ships[(match.ships["ais"] == State.DARK).to_numpy()]
    if not len(ships):
        return "<p>None.</p>"
    columns = {name: title for name, title in _DARK.items() if name in ships}
    rows = [[_cell(value) for value in row] for row in ships[list(columns)].head(MOST_ROWS).itertuples(index=False)]
    more = len(ships) - len(rows)
    note = f'<p class="note">{more:,} more are in the GeoPackage.</p>' if more > 0 else ""
    return _table(list(columns.values()), rows) + note


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def _counts(counts: Mapping[str, int], title: str) -> str:
    if not counts:
        return "<p>None.</p>"
    return _table([title, "number"], [[str(name), f"{count:,}"] for name, count in counts.items()])


def _table(head: list[str], rows: list[list[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"
