"""Tables of the metrics of an evaluation, as plain text, Markdown and HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from geoships.evaluation.evaluate_scene import CURVE_IOU
from geoships.evaluation.figures import IOUS, Figures

_RATES = ("precision", "recall", "f1")
_MATCHED = f"iou_{CURVE_IOU}"


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
    first = [by_scene(figures), _totals(figures), _thresholds(figures), _by_length(figures), _by_land(figures)]
    return [table for table in (*first, measures(figures), _calibration(figures)) if table]


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
            name, *_texts(pixels["iou"], pixels["dice"]), str(touched["labelled"]), str(touched["found"]),
            *_texts(touched["recall"], touched["precision"], touched["f1"]),
            *(_text(ships[f"iou_{iou}"]["f1"]) for iou in IOUS),
            *(_texts(unmasked["pixels"]["iou"], unmasked["ships"][_MATCHED]["f1"]) if without else ()),
        ))  # fmt: skip
    header = ("scene", "IoU", "Dice", "ships", "found", "recall", "precision", "F1", *(f"F1@{iou}" for iou in IOUS))
    note = "Recall, precision and F1 count ships that overlap at all; F1@x counts one-to-one matches at IoU x."
    return Table("By scene", header + extra, tuple(rows), note)


def _totals(figures: Figures) -> Table:
    """All scenes together; with an ignore layer, once with and once without it."""
    values = figures["all"]
    columns = [values, values["without_ignore"]] if values["without_ignore"] else [values]
    header = ("metric", "with ignore", "without ignore") if len(columns) == 2 else ("metric", "value")
    rows = [(f"pixel {name}", *(_text(c["pixels"][name]) for c in columns)) for name in values["pixels"]]
    for match in values["ships"]:
        label = match.replace("iou_", "IoU >= ")
        rows += [(f"ships, {label}: {name}", *(_text(c["ships"][match][name]) for c in columns)) for name in _RATES]
    averages = figures["average_precision"]
    rows += [(f"average precision, {n.replace('_iou_', ' at IoU ')}", _text(v)) for n, v in averages.items()]
    padded = tuple(row + ("",) * (len(header) - len(row)) for row in rows)
    return Table("All scenes", header, padded)


def _thresholds(figures: Figures) -> Table:
    (ships, dice), rows = figures["best_threshold"].values(), figures["curve"]
    names = ("precision", "recall", "f1", "pixel_iou", "pixel_dice")
    note = (
        f"Best F1 of ships {_text(ships['value'])} at {ships['threshold']:g}, best pixel Dice "
        f"{_text(dice['value'])} at {dice['threshold']:g}; the threshold of the run is "
        f"{figures['threshold']:g}. Metrics are optimistic where the threshold was chosen on the same scenes."
    )
    return Table(
        f"Thresholds (ships at IoU >= {CURVE_IOU})",
        ("threshold", "found", "precision", "recall", "F1", "pixel IoU", "pixel Dice"),
        tuple((f"{row['threshold']:g}", str(row["found"]), *_texts(*(row[n] for n in names))) for row in rows),
        note,
    )


def _by_length(figures: Figures) -> Table:
    return Table(
        f"By length of the labelled ship (IoU >= {CURVE_IOU})",
        ("length, m", "labelled", "matched", "recall", "mean error, m", "median error, m", "bias, m"),
        tuple(
            (row["class"], str(row["labelled"]), str(row["hit"]), _text(row["recall"]), *_error(row["length_error_m"]))
            for row in figures["by_length_m"]
        ),
        "Mean and median absolute error of the length of matched ships; bias: mean error, negative where too short.",
    )


def _by_land(figures: Figures) -> Table | None:
    if figures["by_land_m"] is None:
        return None
    return Table(
        f"By distance to land (IoU >= {CURVE_IOU})",
        ("distance, m", "labelled", "matched", "recall", "found", "precision"),
        tuple(
            (row["class"], str(row["labelled"]), str(row["hit"]), _text(row["recall"]), str(row["found"]),
             _text(row["precision"]))
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


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.3f}"
