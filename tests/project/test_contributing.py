import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PATH = re.compile(r"(?<![\w./])(?:tests|geoships|integrations|docs)/[\w./-]*\w|\.ci/run")
TEXTS = ["CONTRIBUTING.md", "SECURITY.md", "tasks.py", ".github/pull_request_template.md"]


def test_paths_that_newcomers_are_sent_to_are_there() -> None:
    named = {path for text in TEXTS for path in PATH.findall((PROJECT / text).read_text())}
    assert ".ci/run" in named
    assert [path for path in sorted(named) if not (PROJECT / path).exists()] == []


def test_links_between_the_project_s_pages_lead_somewhere() -> None:
    pages = ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md"]
    links = {link for page in pages for link in re.findall(r"\]\(([^):#]+)\)", (PROJECT / page).read_text())}
    assert "SECURITY.md" in links
    assert [link for link in sorted(links) if not (PROJECT / link).is_file()] == []
