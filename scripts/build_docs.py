"""Build the documentation site into site/: write the generated pages, then run Zensical in strict mode.

uv run --group docs python scripts/build_docs.py
uv run --group docs python scripts/build_docs.py --no-run    # the gallery without results, in a few seconds
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
from nbconvert import MarkdownExporter
from nbconvert.preprocessors import ExecutePreprocessor
from nbformat import NotebookNode
from write_cli_reference import cli_reference

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
SECONDS = 600  # after which an example counts as stuck
STYLE = re.compile(r"<style scoped>.*?</style>", re.DOTALL)  # pandas sends it with each table
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)[^)\s]+")  # the target of a relative Markdown link


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-run", action="store_true", help="do not execute the examples")
    arguments = parser.parse_args()
    (DOCS / "reference" / "cli.md").write_text(cli_reference(), encoding="utf-8")
    write_models_page(ROOT / "MODELS.md", DOCS / "reference" / "models.md")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # for networks as small as the examples', threads cost time
    for example in sorted(EXAMPLES.glob("*.py")):
        write_gallery_page(example, DOCS / "gallery", execute=not arguments.no_run)
    subprocess.run([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=ROOT, check=True)


def write_models_page(source: Path, page: Path) -> None:
    """Copy MODELS.md into the site; links to files that the site does not hold become plain text."""
    text = re.sub(r"\[([^\]]+)\]\(((?!docs/|[a-z]+:|#)[^)]+)\)", r"\1 (`\2`)", source.read_text())
    page.write_text(LINK.sub(lambda link: os.path.relpath(ROOT / link[0], page.parent), text))


def write_gallery_page(example: Path, folder: Path, *, execute: bool) -> None:
    """Run an example in percent format as a notebook, and write it with its results as Markdown."""
    notebook: NotebookNode = jupytext.read(example)
    if execute:
        print(f"running {example.name}")
        ExecutePreprocessor(timeout=SECONDS, kernel_name="python3").preprocess(notebook, {"metadata": {"path": ROOT}})
    body, resources = MarkdownExporter().from_notebook_node(notebook, {"output_files_dir": example.stem})
    for name, data in resources["outputs"].items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    folder.mkdir(parents=True, exist_ok=True)
    body = STYLE.sub("", body).replace('<table border="1" class="dataframe">', "<table>")  # the site's own look
    source = f"\n\nThis page is `examples/{example.name}` and its output.\n"
    (folder / f"{example.stem}.md").write_text(body.rstrip() + source)


if __name__ == "__main__":
    main()
