"""The files of an evaluation: figures for machines, a page for a terminal, and one for a browser."""

from __future__ import annotations

import base64
import json
import os
from contextlib import ExitStack
from html import escape
from pathlib import Path

from geoships.errors import OutputError
from geoships.evaluation.contact_sheet import contact_sheet
from geoships.evaluation.evaluation import Evaluation
from geoships.evaluation.figures import Figures
from geoships.evaluation.plots import plots
from geoships.evaluation.tables import tables
from geoships.support.files import atomic_write

METRICS, MARKDOWN, HTML = "metrics.json", "report.md", "report.html"

_STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 1180px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; } td, th { border-bottom: 1px solid #ccc; padding: 2px 10px; text-align: right; }
td:first-child, th:first-child { text-align: left; } figure { display: inline-block; margin: 0 1em 1em 0; }
img { max-width: 100%; }"""


def check_folder(folder: Path) -> None:
    """Raise OutputError where no report can be written into a folder that need not exist yet."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise OutputError(f"cannot write into {folder}: {there} is no folder that can be written to")


def write_report(evaluation: Evaluation, folder: Path, *, pictures: bool = True) -> dict[str, Path]:
    """Write metrics.json, report.md and report.html into a folder, which is made where it is missing.

    pictures: draw cuts of the scenes into report.html. All three files appear, or none. Returns their paths.
    Raises GeoshipsError.
    """
    figures = evaluation.figures
    sheet = contact_sheet(evaluation.scenes, evaluation.model.card.bands, evaluation.config) if pictures else None
    texts = {
        METRICS: json.dumps(figures, indent=2) + "\n",
        MARKDOWN: markdown(figures),
        HTML: html(figures, sheet),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror or error}; choose another") from error
    with ExitStack() as stack:
        for name, text in texts.items():
            stack.enter_context(atomic_write(folder / name)).write_text(text, encoding="utf-8")
    return {name: folder / name for name in texts}


def markdown(figures: Figures) -> str:
    """The report as Markdown."""
    parts = [f"# {_title(figures)}", _settings(figures), *(table.markdown() for table in tables(figures))]
    if figures["notes"]:
        parts.append("## Notes\n\n" + "\n".join(f"- {note}" for note in figures["notes"]))
    return "\n\n".join(parts) + "\n"


def html(figures: Figures, sheet: bytes | None = None) -> str:
    """The report as one HTML page that needs no other file. sheet: a PNG picture."""
    title = escape(_title(figures))
    drawn = "\n".join(
        f'<figure><img src="{_data("image/svg+xml", svg.encode())}" alt="{escape(name)}">'
        f"<figcaption>{escape(name)}</figcaption></figure>"
        for name, svg in plots(figures)
    )
    parts = [f"<h1>{title}</h1>", f"<p>{escape(_settings(figures))}</p>", drawn]
    if sheet is not None:
        source = _data("image/png", sheet)
        parts.append(f'<h2>Worst misses and false alarms</h2>\n<img src="{source}" alt="contact sheet">')
    parts += [table.html() for table in tables(figures)]
    if figures["notes"]:
        parts.append("<h2>Notes</h2><ul>" + "".join(f"<li>{escape(note)}</li>" for note in figures["notes"]) + "</ul>")
    head = f'<meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _title(figures: Figures) -> str:
    return f"{figures['model']} on {len(figures['scenes'])} labelled scene{'s' * (len(figures['scenes']) != 1)}"


def _settings(figures: Figures) -> str:
    chosen = ", ".join(f"{name} {value}" for name, value in figures["settings"].items() if value is not None)
    verifier = f", ships verified by {figures['verifier']}" if figures["verifier"] else ""
    return f"Threshold {figures['threshold']:g}{verifier}; {chosen}."


def _data(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
