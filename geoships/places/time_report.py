"""The report of passes over one place: one HTML page with plots, a map with a slider over dates, and tables."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import shapely

from geoships.places.over_time import CLASSES, UNKNOWN, OverTime

MOST_ROWS = 500  # of a table; the CSV files have all
WIDTH = 1000.0  # of the map, in its own units
COLOURS = ("#56b4e9", "#009e73", "#e69f00", "#d55e00", "#999999")  # of length classes (Okabe and Ito)
_STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 1100px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } td, th { border-bottom: 1px solid #ccc; padding: 2px 10px; text-align: right; }
td:first-child, th:first-child { text-align: left; } img { max-width: 100%; } .note { color: #555; }
svg { width: 100%; height: auto; background: #0d1b2a; } svg path { fill-opacity: .75; stroke-width: 1; }
.berth { fill: none; stroke: #fff; stroke-dasharray: 3 3; } .pass { display: none; } .pass.shown { display: inline; }
label { display: flex; gap: 1em; align-items: center; } input { flex: 1; }"""
_SCRIPT = """const slider = document.getElementById("slider"), label = document.getElementById("date");
const passes = [...document.querySelectorAll(".pass")];
function show() {
  passes.forEach((pass, number) => pass.classList.toggle("shown", number === Number(slider.value)));
  label.textContent = passes[slider.value].dataset.label;
}
slider.addEventListener("input", show);
show();"""


def report(found: OverTime, title: str) -> str:
    """HTML text of the report, which needs no other file and no network."""
    digest = base64.b64encode(hashlib.sha256(_SCRIPT.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    facts = found.summary
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{facts['passes']} passes, {facts['sightings']:,} sightings of {facts['stays']:,} stays; "
        f"{facts['arrivals']:,} arrivals, {facts['departures']:,} departures; {facts['berths']:,} berths; "
        f"{facts['structures']:,} structures left out.</p>",
        _unknown_note(facts),
        f'<p><img alt="Ships a pass by week and length, and the share that was seen" '
        f'src="data:image/png;base64,{_plot(found)}"></p>',
        "<h2>Pass by pass</h2>",
        _map(found),
        "<h2>Berths</h2>",
        _table(found.berths.drop(columns="geometry")),
        "<h2>Stays</h2>",
        _table(found.stays.drop(columns="geometry")),
        "<h2>Passes</h2>",
        _table(found.passes),
    ]
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
    )
    body = "".join(parts)
    script = f"<script>{_SCRIPT}</script>" if len(found.passes) else ""
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}{script}</body></html>\n'


def _unknown_note(facts: dict[str, Any]) -> str:
    lacking = facts["passes"] - facts["passes_with_observed"]
    if not lacking:
        return ""
    return (
        f'<p class="note">{lacking} passes do not say what they saw (geoships predict --observed): whether a ship '
        "left, or was hidden, is not known for them.</p>"
    )


def _plot(found: OverTime) -> str:
    """Ships a pass by week, stacked by length class, and the share that was seen; a row a zone. PNG as base64."""
    from matplotlib.figure import Figure

    zones = found.summary["zones"]
    figure = Figure((10, 2.6 * len(zones) + 0.6), layout="constrained")
    for axes, zone in zip(np.atleast_1d(figure.subplots(len(zones), 1)), zones, strict=True):
        own = found.weeks[found.weeks["zone"] == zone]
        weeks = list(dict.fromkeys(own["week"]))
        bottom = np.zeros(len(weeks))
        for kind, colour in zip((*(label for _, label in CLASSES), UNKNOWN), COLOURS, strict=True):
            counts = own[own["class"] == kind].set_index("week")["ships"].reindex(weeks).fillna(0).to_numpy()
            if counts.any():
                axes.bar(weeks, counts, bottom=bottom, color=colour, label=kind)
            bottom = bottom + counts
        seen = own.drop_duplicates("week").set_index("week")["observed"].reindex(weeks)
        other = axes.twinx()
        other.plot(weeks, 100 * seen, "k.--", label="seen")
        other.set(ylim=(0, 105), ylabel="seen, %")
        axes.set(title=zone if len(zones) > 1 else "", ylabel="ships a pass")
        axes.tick_params(axis="x", rotation=45)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="upper left", bbox_to_anchor=(1.06, 1), fontsize=8)
    picture = BytesIO()
    figure.savefig(picture, format="png", dpi=100)
    return base64.b64encode(picture.getvalue()).decode()


def _map(found: OverTime) -> str:
    """The ships of each pass over the berths, with a slider; north up."""
    shapes = [*found.ships.geometry, *found.berths.geometry]
    if not shapes:
        return "<p>No ships.</p>"
    west, south, east, north = shapely.total_bounds(np.array(shapes, object))
    narrow = max(0.05, float(np.cos(np.radians((south + north) / 2))))
    scale = WIDTH / max((east - west) * narrow, 1e-6)
    height = max(50.0, (north - south) * scale)
    colour = dict(zip((*(label for _, label in CLASSES), UNKNOWN), COLOURS, strict=True))

    def path(shape: Any, attributes: str) -> str:
        rings = []
        for part in shapely.get_parts(shape):
            xy = shapely.get_coordinates(part.exterior if part.geom_type == "Polygon" else part)
            x, y = (xy[:, 0] - west) * narrow * scale, (north - xy[:, 1]) * scale
            rings.append("M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in zip(x, y, strict=True)) + "Z")
        return f'<path d="{"".join(rings)}" {attributes}/>'

    berths = "".join(path(shapely.convex_hull(shape), 'class="berth"') for shape in found.berths.geometry)
    groups = []
    for number, own in found.passes.groupby("pass", sort=True):
        ships = found.ships[found.ships["pass"] == number]
        seen = own["observed"].mean()
        label = f"{own['time'].iloc[0]}: {int(own['ships'].sum())} ships"
        label += "" if pd.isna(seen) else f", {seen:.0%} seen"
        drawn = "".join(
            path(shape, f'fill="{colour[kind]}" stroke="{colour[kind]}"')
            for shape, kind in zip(ships.geometry, ships["class"], strict=True)
        )
        groups.append(f'<g class="pass" data-label="{escape(label)}">{drawn}</g>')
    legend = " ".join(f'<span style="color:{shade}">&#9632;</span> {kind}' for kind, shade in colour.items())
    return (
        f'<label><input id="slider" type="range" min="0" max="{len(groups) - 1}" value="0" aria-label="Pass">'
        f'<output id="date"></output></label><svg viewBox="0 0 {WIDTH:g} {height:.0f}" role="img" '
        f'aria-label="Ships of one pass">{berths}{"".join(groups)}</svg><p class="note">{legend}; dashed: berths</p>'
    )


def _table(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "<p>None.</p>"
    head = "".join(f"<th>{escape(str(name))}</th>" for name in frame.columns)
    rows = [[_cell(value) for value in row] for row in frame.head(MOST_ROWS).itertuples(index=False)]
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    more = len(frame) - len(rows)
    note = f'<p class="note">{more:,} more are in the CSV file.</p>' if more > 0 else ""
    return f"<table><tr>{head}</tr>{body}</table>{note}"


def _cell(value: Any) -> str:
    if pd.isna(value):
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
