"""Bad and odd inputs through the real command: each works, or ends with one line that says what is wrong."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest
from corpus.annotations import ANNOTATIONS
from corpus.bundles import BUNDLES
from corpus.case import Case, Fails, Works
from corpus.command import LIMIT, Command, Ended, contents, unknown_lines
from corpus.files import FILES
from corpus.options import OPTIONS
from corpus.pixels import PIXELS
from corpus.placements import PLACEMENTS
from corpus.settings import SETTINGS
from corpus.vectors import VECTORS

CORPUS = (*PIXELS, *PLACEMENTS, *FILES, *VECTORS, *ANNOTATIONS, *BUNDLES, *SETTINGS, *OPTIONS)
WHOLE = os.environ.get("GEOSHIPS_CORPUS") == "all"
EVERY = 1 if WHOLE else 3  # by default a third of the cases runs
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "odd-inputs.md"


pytestmark = [  # on writing the inputs
    pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning"),
    pytest.mark.filterwarnings("ignore:'crs' was not provided"),
]


@pytest.fixture
def geoships(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capfd)


@pytest.mark.parametrize("case", CORPUS[::EVERY], ids=lambda case: f"{case.kind}: {case.name}")
def test_every_input_is_read_or_refused_as_it_should(
    case: Case, geoships: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    arguments = case.make(tmp_path / "in")
    before = contents(tmp_path / "in")

    ended = geoships(*arguments)

    assert contents(tmp_path / "in") == before, "a command changes no input"
    written = contents(tmp_path / "out")
    assert not [name for name in written if ".geoships-" in name or Path(name).name.startswith(".")], "left behind"
    assert not [line for line in ended.err.splitlines() if len(line) > LIMIT]
    if isinstance(case.expected, Works):
        check_done(case.expected, ended)
    else:
        check_failed(case.expected, ended)
        assert not written, "a command that fails leaves nothing"


def check_done(expected: Works, ended: Ended) -> None:
    assert (ended.code, ended.errors, unknown_lines(ended.err)) == (0, [], []), ended.err
    if expected.ships is not None:
        assert ended.summary["ships"] == expected.ships, ended.err
    if expected.warns is None:
        assert ended.warnings == []
    else:
        assert any(re.search(expected.warns, line) for line in ended.warnings), ended.err


def check_failed(expected: Fails, ended: Ended) -> None:
    assert ended.code == expected.code, ended.err
    assert "Traceback" not in ended.err
    if expected.code == 2:  # wrong use: Typer shows it in a box, below how the command is used
        boxed = " ".join(re.sub(r"[│╭╮╰╯─]", " ", ended.err).split())
        assert re.search(expected.says, boxed), ended.err
        return
    assert len(ended.errors) == 1, ended.err
    assert unknown_lines(ended.err) == [], ended.err
    assert re.search(expected.says, ended.errors[0]), ended.err


def test_every_case_has_a_name_of_its_own() -> None:
    names = Counter((case.kind, case.name) for case in CORPUS)
    assert [name for name, count in names.items() if count > 1] == []


def table() -> str:
    """The kinds of the corpus and how many of their cases work, work with a warning, and are refused."""
    lines = ["| kind | cases | work | work with a warning | refused |", "| --- | --: | --: | --: | --: |"]
    for kind in (*dict.fromkeys(case.kind for case in CORPUS), "all"):
        expected = [case.expected for case in CORPUS if kind in (case.kind, "all")]
        works = [each for each in expected if isinstance(each, Works)]
        warned = sum(each.warns is not None for each in works)
        counts = len(expected), len(works) - warned, warned, len(expected) - len(works)
        lines.append(f"| {kind} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines)


def test_the_table_in_the_documentation_counts_the_cases_of_the_corpus() -> None:
    assert len(CORPUS) >= 150
    assert table() in PAGE.read_text(encoding="utf-8"), f"the table of {PAGE.name} has to be:\n{table()}"
