"""The files of the map page: what is in the package, and how they are sent."""

import hashlib
import json
import re
from pathlib import Path

import pytest
from served import Served

from geoships.service.web.landing import PAGE

VENDOR = PAGE / "vendor"
ABOUT = json.loads((VENDOR / "maplibre-gl.json").read_text())
OWN = sorted(path for path in PAGE.rglob("*") if path.suffix in (".js", ".css", ".html") and path.parent != VENDOR)
SCRIPT = Path(__file__).parents[2] / "scripts" / "build_page.py"


@pytest.mark.parametrize("name", ["maplibre-gl.mjs", "maplibre-gl-worker.mjs"])
def test_maplibre_is_the_version_that_is_named(name: str) -> None:
    banner = (VENDOR / name).read_text()[:300]
    assert f"/v{ABOUT['version']}/LICENSE.txt" in banner
    assert "3-Clause BSD" in banner
    assert ABOUT["license"] == "BSD-3-Clause"
    assert f'"{ABOUT["name"]}", "{ABOUT["version"]}"' in SCRIPT.read_text()


def test_maplibre_has_its_licence_and_is_unchanged() -> None:
    licence = (VENDOR / "maplibre-gl.LICENSE.txt").read_text()
    assert "MapLibre contributors" in licence
    assert "Redistributions in binary form must reproduce the above copyright notice" in licence
    assert ABOUT["sha256"] == {
        name: hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() for name in ABOUT["sha256"]
    }
    assert {path.name for path in VENDOR.iterdir()} == {*ABOUT["sha256"], "maplibre-gl.json"}


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_what_a_file_names_is_there_and_nothing_comes_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    for name in re.findall(r"""(?:from|import)\s*\(?\s*["'](\.[^"']+)["']""", text):
        assert (path.parent / name).is_file(), name
    for name in re.findall(r"""["']page/([^"']+)["']""", text):
        assert (PAGE / name).is_file(), name
    assert " style=" not in text  # the content security policy allows no inline styles
    assert " on" not in "".join(re.findall(r"<[a-z][^>]*>", text)) if path.suffix == ".html" else True


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("main.js", "text/javascript"), ("vendor/maplibre-gl-worker.mjs", "text/javascript"),
        ("styles/base.css", "text/css"), ("icon.svg", "image/svg+xml"),
    ],
)  # fmt: skip
def test_files_are_sent_with_their_kind_and_are_asked_for_again(service: Served, name: str, kind: str) -> None:
    answer = service.client.get(f"/page/{name}")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert answer.headers["cache-control"] == "no-cache"
    assert service.client.get(f"/page/{name}", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304


def test_the_first_page_of_a_browser_is_the_map_page(service: Served) -> None:
    answer = service.client.get("/", headers={"Accept": "text/html"})
    assert answer.text == (PAGE / "index.html").read_text(encoding="utf-8")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'self'" in policy
    assert "worker-src 'self'" in policy
    assert "unsafe" not in policy
