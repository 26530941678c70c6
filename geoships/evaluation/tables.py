"""Tables of the metrics of an evaluation, as plain text, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from geoships.evaluation.evaluate_scene import CURVE_IOU
from geoships.evaluation.figures import IOUS, Figures

_RATES = ("precision", "recall", "f1")
_PIXELS = ("iou", "dice", "precision", "recall")
_MATCHED = f"iou_{CURVE_IOU}"
_INTERVALS = "In brackets: the 95 % confidence interval, for chance among the ships of these scenes."


@dataclass(frozen=True)
class Table:
    """A table of text.

    Attributes:
        title: Heading of the table.
        header: Names of the columns.
        rows: Cells of each row; the first one names the row.
        note: Text below the table.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def plain(self) -> str:
        """The table as plain text, without title and note; the first column is aligned left, the others right."""
        lines = [self.header, *self.rows]
        widths = [max(len(line[column]) for line in lines) for column in range(len(self.header))]
        return "\n".join(
            "  ".join(cell.rjust(width) if i else cell.ljust(width) for i, (cell, width) in enumerate(cells)).rstrip()
            for cells in (list(zip(line, widths, strict=True)) for line in lines)
        )

    def markdown(self) -> str:
        """The table with its title and note in Markdown."""
        ruler = tuple("---" for _ in self.header)
        lines = [f"| {' | '.join(line)} |" for line in (self.header, ruler, *self.rows)]
        return "\n".join([f"## {self.title}", "", *lines, *(["", self.note] if self.note else [])])

    def html(self) -> str:
        """The table with its title and note in HTML."""

        def row(cells: Sequence[str], tag: str) -> str:
            return f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in cells)}</tr>"

        body = "\n".join([row(self.header, "th"), *(row(cells, "td") for cells in self.rows)])
        note = f"\n<p>{escape(self.note)}</p>" if self.note else ""
        return f"<h2>{escape(self.title)}</h2>\n<table>\n{body}\n</table>{note}"


def tables(figures: Figures) -> list[Table]:
    """All tables of a report."""
    by_settings = (_thresholds(figures), _min_peaks(figures), _operating_points(figures))
    by_class = (by_length(figures), _by_land(figures))
    made = (by_scene(figures), _totals(figures), *by_settings, *by_class, measures(figures), _calibration(figures))
    return [table for table in made if table]


def overview(figures: Figures) -> Table:
    """The main metrics of each scene and of all scenes, narrow enough for a terminal."""
    rows = []
    for name, values in [*figures["scenes"].items(), ("all", figures["all"])]:
        ships = values["ships"][_MATCHED]
        rates = [_ranged(ships, rate) for rate in ("recall", "precision", "f1")]
        counts = str(ships["labelled"]), str(ships["found"])
        rows.append((name, *counts, *rates, _ranged(values["pixels"], "iou")))
    at = f"@{CURVE_IOU}"
    header = ("scene", "ships", "found", f"recall{at}", f"precision{at}", f"F1{at}", "pixel IoU")
    return Table("Overview", header, tuple(rows), _INTERVALS)


def class_overview(figures: Figures) -> Table:
    """The main metrics of each of several classes over all scenes, and their means."""
    rows = []
    for name, values in figures["classes"].items():
        ships = values["all"]["ships"][_MATCHED]
        rates = [_ranged(ships, rate) for rate in ("recall", "precision", "f1")]
        counts = f"{values['threshold']:g}", str(ships["labelled"]), str(ships["found"])
        rows.append((name, *counts, *rates, _ranged(values["all"]["pixels"], "iou")))
    mean = figures["mean"]
    rows.append(("mean", "", "", "", "", "", _text(mean["f1"]), _text(mean["pixel_iou"])))
    at = f"@{CURVE_IOU}"
    header = ("class", "threshold", "labels", "found", f"recall{at}", f"precision{at}", f"F1{at}", "pixel IoU")
    return Table("By class", header, tuple(rows), _INTERVALS.replace("ships", "objects"))


def by_scene(figures: Figures) -> Table:
    """One row per scene, and one for all scenes together."""
    without = figures["all"]["without_ignore"] is not None
    extra = ("IoU w/o ignore", f"F1@{CURVE_IOU} w/o ignore") if without else ()
    rows = []
    for name, values in [*figures["scenes"].items(), ("all", figures["all"])]:
        pixels, ships = values["pixels"], values["ships"]
        touched = ships["touched"]
        unmasked = values["without_ignore"] or values
        rows.append((
            name, *(_ranged(pixels, metric) for metric in ("iou", "dice")),
            str(touched["labelled"]), str(touched["found"]),
            *(_ranged(touched, metric) for metric in ("recall", "precision", "f1")),
            *(_ranged(ships[f"iou_{iou}"], "f1") for iou in IOUS),
            *((_ranged(unmasked["pixels"], "iou"), _ranged(unmasked["ships"][_MATCHED], "f1")) if without else ()),
        ))  # fmt: skip
    header = ("scene", "IoU", "Dice", "ships", "found", "recall", "precision", "F1", *(f"F1@{iou}" for iou in IOUS))
    note = (
        "Recall, precision and F1 count ships that overlap at all; F1@x counts one-to-one matches at IoU x. "
        + _INTERVALS
    )
    return Table("By scene", header + extra, tuple(rows), note)


def _totals(figures: Figures) -> Table:
    """All scenes together; with an ignore layer, once with and once without it."""
    values = figures["all"]
    columns = [values, values["without_ignore"]] if values["without_ignore"] else [values]
    header = ("metric", "with ignore", "without ignore") if len(columns) == 2 else ("metric", "value")
    rows = [(f"pixel {name}", *(_ranged(c["pixels"], name) for c in columns)) for name in _PIXELS]
    for match in values["ships"]:
        label = match.replace("iou_", "IoU >= ")
        rows += [(f"ships, {label}: {name}", *(_ranged(c["ships"][match], name) for c in columns)) for name in _RATES]
    averages = figures["average_precision"]
    rows += [(f"average precision, {n.replace('_iou_', ' at IoU ')}", _text(v)) for n, v in averages.items()]
    padded = tuple(row + ("",) * (len(header) - len(row)) for row in rows)
    return Table("All scenes", header, padded)


def _thresholds(figures: Figures) -> Table:
    (ships, dice), rows = figures["best_threshold"].values(), figures["curve"]
    note = (
        f"Best F1 of ships {_text(ships['value'])} at {ships['threshold']:g}, best pixel Dice "
        f"{_text(dice['value'])} at {dice['threshold']:g}; the threshold of the run is "
        f"{figures['threshold']:g}. Metrics are optimistic where the threshold was chosen on the same scenes."
    )
    return Table(
        f"Thresholds (ships at IoU >= {CURVE_IOU})",
        ("threshold", "found", "precision", "recall", "F1", "pixel IoU", "pixel Dice"),
        tuple((f"{row['threshold']:g}", *_found(row), *_texts(row["pixel_iou"], row["pixel_dice"])) for row in rows),
        note,
    )


def _min_peaks(figures: Figures) -> Table:
    return Table(
        f"Minimum peak scores at threshold {figures['threshold']:g} (ships at IoU >= {CURVE_IOU})",
        ("minimum peak", "found", "precision", "recall", "F1"),
        tuple((f"{row['min_peak']:g}", *_found(row)) for row in figures["peak_curve"]),
        f"The minimum peak score of the run is {figures['min_peak']:g}. Metrics are optimistic where it was chosen on "
        "the same scenes.",
    )


def _operating_points(figures: Figures) -> Table | None:
    if not figures["operating_points"]:
        return None
    return Table(
        "Operating points",
        ("sensitivity", "threshold", "minimum peak", "best", "value", "precision", "recall"),
        tuple(
            (name, f"{point['threshold']:g}", f"{point['min_peak']:g}", f"F{point['beta']:g}",
             *_texts(point["f"], point["precision"], point["recall"]))
            for name, point in figures["operating_points"].items()
        ),
        "What --store-operating-points writes into the bundle, for predict --sensitivity.",
    )  # fmt: skip


def _found(row: Figures) -> tuple[str, ...]:
    return str(row["found"]), *(_ranged(row, rate) for rate in _RATES)


def by_length(figures: Figures) -> Table:
    """Recall, precision and errors of length by classes of the ships' length."""
    return Table(
        f"By length of the ship (IoU >= {CURVE_IOU})",
        (
            "length, m", "labelled", "matched", "recall", "found", "precision",
            "mean error, m", "median error, m", "bias, m",
        ),
        tuple(
            (row["class"], str(row["labelled"]), str(row["hit"]), _ranged(row, "recall"), str(row["found"]),
             _ranged(row, "precision"), *_error(row["length_error_m"]))
            for row in figures["by_length_m"]
        ),
        "Found and precision are by the length of the predicted ship. Mean and median absolute error of the length of "
        "matched ships; bias: mean error, negative where too short.",
    )  # fmt: skip


def _by_land(figures: Figures) -> Table | None:
    if figures["by_land_m"] is None:
        return None
    return Table(
        f"By distance to land (IoU >= {CURVE_IOU})",
        ("distance, m", "labelled", "matched", "recall", "found", "precision"),
        tuple(
            (row["class"], str(row["labelled"]), str(row["hit"]), _ranged(row, "recall"), str(row["found"]),
             _ranged(row, "precision"))
            for row in figures["by_land_m"]
        ),
    )  # fmt: skip


def measures(figures: Figures) -> Table:
    """Errors of length and heading of the matched ships."""
    matched = figures["matched_ships"]
    heading, long = matched["heading_error_deg"], matched["long"]
    min_length, long_heading = f"{long['longer_than_m']:g} m", long["heading_error_deg"]
    return Table(
        f"Length and heading errors of matched ships (IoU >= {CURVE_IOU})",
        ("error", "ships", "mean", "median", "bias", "within 10 degrees"),
        (
            ("length, m", str(matched["length_error_m"]["ships"]), *_error(matched["length_error_m"]), ""),
            ("heading, degrees", str(heading["ships"]), *_error(heading), _text(heading["share_within_10"])),
            (
                f"length, m, over {min_length}",
                str(long["length_error_m"]["ships"]),
                *_error(long["length_error_m"]),
                "",
            ),
            (
                f"heading, degrees, over {min_length}",
                str(long_heading["ships"]),
                *_error(long_heading),
                _text(long_heading["share_within_10"]),
            ),
        ),
        "Mean and median absolute errors. Headings are modulo 180 degrees, of ships labelled at least twice as long "
        f"as wide; over {min_length}, of all ships.",
    )


def _calibration(figures: Figures) -> Table | None:
    calibration = figures["calibration"]
    if calibration is None:
        return None
    after = calibration["after"]
    return Table(
        "Calibration of pixel scores",
        ("scores", "pixels", "mean score", "fraction of ship pixels"),
        tuple(
            (f"{row['low']:.1f}-{row['high']:.1f}", str(row["pixels"]), *_texts(row["score"], row["ship"]))
            for row in calibration["bins"]
        ),
        f"Expected calibration error {calibration['ece']:.5f}, Brier score {calibration['brier']:.5f}, log loss "
        f"{calibration['log_loss']:.5f}. With logits divided by the fitted temperature "
        f"{calibration['temperature']:.3f}: {after['ece']:.5f}, {after['brier']:.5f} and {after['log_loss']:.5f}. "
        "Most pixels are open water, so all three values are small.",
    )


def _error(error: Figures) -> tuple[str, str, str]:
    mean, median, bias = (error.get(name) for name in ("mean_absolute", "median_absolute", "mean"))
    return _number(mean), _number(median), _number(bias)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _texts(*values: float | None) -> tuple[str, ...]:
    return tuple(map(_text, values))


def _ranged(row: Figures, name: str) -> str:
    """A metric with its interval, if it has one.

    >>> _ranged({"f1": 0.618, "f1_interval": [0.55, 0.694]}, "f1")
    '0.62 (0.55 to 0.69)'
    """
    interval = row.get(f"{name}_interval")
    if row[name] is None or interval is None:
        return _text(row[name])
    return f"{row[name]:.2f} ({interval[0]:.2f} to {interval[1]:.2f})"


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
