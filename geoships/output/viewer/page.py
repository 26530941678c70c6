"""Write the web page of a scene and its ships: one HTML file that works offline."""

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

# Content Security Policy: the browser loads nothing from elsewhere, only inline images and scripts of these hashes.
_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {}; base-uri 'none'; form-action 'none'"
)


def write_page(path: Path, title: str, content: Mapping[str, Any]) -> None:
    """Write one HTML file that works offline. The file appears only when it is complete.

    Args:
        path: The HTML file.
        title: Title of the page.
        content: JSON values, as viewer/page.js reads them.

    Raises:
        GeoshipsError: Where Leaflet is not installed or the file cannot be written.
    """
    text = page(title, content)
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def page(title: str, content: Mapping[str, Any]) -> str:
    """HTML text of the page; for the arguments and errors see `write_page`."""
    viewer = files("geoships.output.viewer")
    leaflet_script, leaflet_style = leaflet()
    scripts = [leaflet_script, *((viewer / name).read_text("utf-8") for name in ("review.js", "page.js"))]
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    parts = {
        "policy": _POLICY.format(" ".join(f"'sha256-{digest}'" for digest in hashes)),
        "title": escape(title),
        "style": leaflet_style + (viewer / "page.css").read_text("utf-8"),
        # Escaped, because "</script>" in a text would end the script element.
        "content": json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        "leaflet": scripts[0],
        "review": scripts[1],
        "script": scripts[2],
    }
    template = (viewer / "page.html").read_text("utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def leaflet() -> tuple[str, str]:
    """Script and style sheet of Leaflet from the installed package, without links to its source map and images.

    Raises:
        GeoshipsError: Where the package is not installed.
    """
    try:
        folder = files("js_lib_leaflet") / "static" / "js_lib_leaflet"
        script, style = ((folder / name).read_text("utf-8") for name in ("leaflet.js", "leaflet.css"))
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise GeoshipsError("the page needs the optional package Leaflet: pip install 'geoships[view]'") from error
    script = re.sub(r"//# sourceMappingURL=.*", "", script).replace("</script", "<\\/script")
    return script, re.sub(r"url\([^)]*\)", "none", style)
