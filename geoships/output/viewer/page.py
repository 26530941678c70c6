"""A web page that shows a scene and its ships, and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from geoships.errors import GeoshipsError
from geoships.support.files import atomic_write

# The browser refuses whatever is not in the page: pictures as data, and these very scripts.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {}; base-uri 'none'; form-action 'none'"
)


def write_page(path: Path, title: str, content: Mapping[str, Any]) -> None:
    """Write one HTML file that works offline. title: of the page. content: JSON values that viewer/page.js reads.

    The file appears whole or not at all. Raises GeoshipsError.
    """
    text = page(title, content)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def page(title: str, content: Mapping[str, Any]) -> str:
    """The page of `write_page` as text."""
    viewer = files("geoships.output.viewer")
    leaflet_script, leaflet_style = leaflet()
    scripts = [leaflet_script, (viewer / "page.js").read_text("utf-8")]
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    parts = {
        "policy": _POLICY.format(" ".join(f"'sha256-{digest}'" for digest in hashes)),
        "title": escape(title),
        "style": leaflet_style + (viewer / "page.css").read_text("utf-8"),
        # A "<" in a text could end the element that holds it.
        "content": json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        "leaflet": scripts[0],
        "script": scripts[1],
    }
    template = (viewer / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def leaflet() -> tuple[str, str]:
    """Script and style sheet of Leaflet, from the package that ships them, without the pictures that they name.

    Raises GeoshipsError where it is not installed.
    """
    try:
        folder = files("js_lib_leaflet") / "static" / "js_lib_leaflet"
        script, style = ((folder / name).read_text("utf-8") for name in ("leaflet.js", "leaflet.css"))
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise GeoshipsError("a page needs Leaflet: install geoships with its extra, geoships[view]") from error
    script = re.sub(r"//# sourceMappingURL=.*", "", script).replace("</script", "<\\/script")
    return script, re.sub(r"url\([^)]*\)", "none", style)
