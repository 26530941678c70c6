"""Write the report of an evaluation: metrics as JSON, tables as Markdown, and an HTML page with plots."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from html import escape
from pathlib import Path

from geoships.errors import OutputError
from geoships.evaluation.contact_sheet import contact_sheet
from geoships.evaluation.evaluation import Evaluation
from geoships.evaluation.figures import Figures
from geoships.evaluation.outcomes import outcome_path
from geoships.evaluation.plots import plots
from geoships.evaluation.tables import class_overview, tables
from geoships.scene.layers.labelled_files import LabelledFiles
from geoships.support.files import write_together
from geoships.support.overwrite import refuse_overwrites

METRICS, MARKDOWN, HTML = "metrics.json", "report.md", "report.html"

_STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } td, th { border-bottom: 1px solid #ccc; padding: 2px 10px; text-align: right; }
td:first-child, th:first-child { text-align: left; } figure { display: inline-block; margin: 0 1em 1em 0; }
img { max-width: 100%; } .warning { color: #b00020; font-weight: bold; }"""


def check_files(
    folder: Path, ships: Path | None = None, pairs: Sequence[LabelledFiles] = (), *, overwrite: bool
) -> None:
    """Check, before any work, that a report and the outcomes of ships can be written.

    Args:
        folder: Folder of the report; it need not exist yet.
        ships: Folder of the outcomes; None: there are none.
        pairs: The scenes and their labels, which are never replaced.
        overwrite: Whether an existing report and existing outcomes are replaced.

    Raises:
        OutputError: A folder, or its closest existing parent, is not a writable folder; or a file exists.
    """
    for each in (folder, *([ships] if ships else [])):
        _check_folder(each)
    outputs = [folder / name for name in (METRICS, MARKDOWN, HTML)]
    outputs += [outcome_path(ships, pair) for pair in pairs] if ships else []
    refuse_overwrites(outputs, (path for pair in pairs for path in pair.paths()), overwrite=overwrite)


def _check_folder(folder: Path) -> None:
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        raise OutputError(f"cannot write into {folder}: {existing} is not a writable folder; choose another")


def write_report(
    evaluation: Evaluation, folder: Path, *, pictures: bool = True, overwrite: bool = False
) -> dict[str, Path]:
    """Write metrics.json, report.md and report.html. All three files appear, or none.

    Args:
        evaluation: The evaluation.
        folder: Created where it is missing.
        pictures: Include a contact sheet of missed ships and false alarms in report.html.
        overwrite: Replace an existing report.

    Returns:
        The paths by file name.

    Raises:
        GeoshipsError: Where a scene can no longer be read, or a file exists or cannot be written.
    """
    check_files(folder, pairs=[scene.files for scene in evaluation.scenes], overwrite=overwrite)
    figures = evaluation.figures
    scenes = [scene for own in evaluation.by_class.values() for scene in own]
    sheet = contact_sheet(scenes, evaluation.model.card.bands, evaluation.config) if pictures else None
    texts = {
        METRICS: json.dumps(figures, indent=2) + "\n",
        MARKDOWN: markdown(figures),
        HTML: html(figures, sheet),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot create the folder {folder}: {error.strerror or error}; choose another") from error
    write_together({folder / name: text.encode() for name, text in texts.items()})
    return {name: folder / name for name in texts}


def markdown(figures: Figures) -> str:
    """The report as Markdown text."""
    warnings = [f"**Warning: {warning}.**" for warning in figures["warnings"]]
    parts = [f"# {_title(figures)}", *warnings, _settings(figures)]
    if "classes" in figures:
        parts.append(class_overview(figures).markdown())
    for heading, own in _sections(figures):
        parts += [f"# {heading}"] if heading else []
        parts += [table.markdown() for table in tables(own)]
    if figures["notes"]:
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in figures["notes"]))
    return "\n\n".join(parts) + "\n"


def html(figures: Figures, sheet: bytes | None = None) -> str:
    """The report as one self-contained HTML page. sheet: the contact sheet, a PNG image."""
    title = escape(_title(figures))
    warnings = [f'<p class="warning">Warning: {escape(warning)}.</p>' for warning in figures["warnings"]]
    parts = [f"<h1>{title}</h1>", *warnings, f"<p>{escape(_settings(figures))}</p>"]
    shown = [] if sheet is None else [_sheet(sheet)]
    if "classes" in figures:
        parts += [class_overview(figures).html(), *shown]
        shown = []
    for heading, own in _sections(figures):
        parts += [f"<h1>{escape(heading)}</h1>"] if heading else []
        parts += [_drawn(own), *shown, *(table.html() for table in tables(own))]
    if figures["notes"]:
        parts.append("<h2>Notes</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in figures["notes"]) + "</ul>")
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _sections(figures: Figures) -> list[tuple[str, Figures]]:
    """Heading and metrics of each class; of one class, the metrics without a heading."""
    if "classes" not in figures:
        return [("", figures)]
    return [(f"Class {name}", own) for name, own in figures["classes"].items()]


def _drawn(figures: Figures) -> str:
    """The plots as HTML."""
    return "\n".join(
        f'<figure><img src="{_data("image/svg+xml", svg.encode())}" alt="{escape(name)}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name, svg in plots(figures)
    )


def _sheet(sheet: bytes) -> str:
    """The contact sheet as HTML."""
    return f'<h2>Missed ships and false alarms</h2>\n<img src="{_data("image/png", sheet)}" alt="contact sheet">'


def _title(figures: Figures) -> str:
    title = f"{figures['model']} on {len(figures['scenes'])} labelled scene{'s' * (len(figures['scenes']) != 1)}"
    return f"{title}: not a judgement" if figures["warnings"] else title


def _settings(figures: Figures) -> str:
    chosen = ", ".join(f"{name} {value}" for name, value in figures["settings"].items() if value is not None)
    verifier = f", ships verified by {figures['verifier']}" if figures["verifier"] else ""
    if "classes" in figures:
        each = ", ".join(f"{name} {value:g}" for name, value in figures["thresholds"].items())
        return f"Thresholds: {each}; {chosen}."
    return f"Threshold {figures['threshold']:g}{verifier}; {chosen}."


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
