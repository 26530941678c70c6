import re
from configparser import ConfigParser
from pathlib import Path

import yaml

import geoships

PROJECT = Path(__file__).parents[2]


def test_the_citation_names_this_version() -> None:
    assert yaml.safe_load((PROJECT / "CITATION.cff").read_text())["version"] == geoships.__version__


def test_the_qgis_plugin_has_this_version() -> None:
    metadata = ConfigParser()
    metadata.read(PROJECT / "integrations" / "qgis" / "geoships_qgis" / "metadata.txt")
    assert metadata["general"]["version"] == geoships.__version__


def test_the_changelog_has_this_version_with_its_date_below_what_is_unreleased() -> None:
    headings = re.findall(r"^## (.+)$", (PROJECT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert re.fullmatch(rf"{re.escape(geoships.__version__)} - \d{{4}}-\d\d-\d\d", headings[1])
