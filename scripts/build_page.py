"""Fetch MapLibre GL from npm for the map page, into geoships/service/page/vendor (needs npm; no arguments).

The published files are taken as they are, so that anybody can compare them with npm's. The page's own modules need no
building. Another version: change VERSION and run this again.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE, VERSION = "maplibre-gl", "6.17.0"
FILES = {
    "package/dist/maplibre-gl.mjs": "maplibre-gl.mjs",
    "package/dist/maplibre-gl-worker.mjs": "maplibre-gl-worker.mjs",
    "package/dist/maplibre-gl.css": "maplibre-gl.css",
    "package/LICENSE.txt": "maplibre-gl.LICENSE.txt",
}
TARGET = Path(__file__).parents[1] / "geoships" / "service" / "page" / "vendor"


def without_source_map(content: bytes) -> bytes:
    """Drop the last line that names a source map, which is not shipped."""
    head, found, tail = content.rpartition(b"\n//# sourceMappingURL=")
    return head + b"\n" if found and tail.count(b"\n") <= 1 else content


def main() -> None:
    TARGET.mkdir(exist_ok=True)
    with TemporaryDirectory() as folder:
        command = ["npm", "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", folder]
        subprocess.run(command, check=True, timeout=300)  # noqa: S603
        (packed,) = Path(folder).glob("*.tgz")
        with tarfile.open(packed) as archive:
            contents = {name: archive.extractfile(member).read() for member, name in FILES.items()}  # type: ignore[union-attr]
            card = json.load(archive.extractfile("package/package.json"))  # type: ignore[arg-type]
    hashes = {}
    for name, content in contents.items():
        plain = without_source_map(content)
        (TARGET / name).write_bytes(plain)
        hashes[name] = hashlib.sha256(plain).hexdigest()
    about = {"name": card["name"], "version": card["version"], "license": card["license"], "sha256": hashes}
    (TARGET / "maplibre-gl.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
    print(f"{card['name']} {card['version']} ({card['license']}): {', '.join(hashes)}")


if __name__ == "__main__":
    main()
