"""Build the zip file of the QGIS plugin, for "Install from ZIP" in QGIS's plugin manager.

uv run scripts/build_qgis_plugin.py --out dist
"""

from __future__ import annotations

import argparse
import configparser
import zipfile
from pathlib import Path

from geoships import __version__

REPOSITORY = Path(__file__).parents[1]
PLUGIN = REPOSITORY / "integrations" / "qgis" / "geoships_qgis"
FILE_DATE = (1980, 1, 1, 0, 0, 0)  # of all files, so that the same sources give the same zip file


def build(folder: Path) -> Path:
    """Write the zip file.

    Args:
        folder: Folder for the zip file; created if needed.

    Returns:
        Its path.

    Raises:
        ValueError: The plugin and geoships have different versions.
    """
    metadata = configparser.ConfigParser(interpolation=None)
    metadata.read(PLUGIN / "metadata.txt", encoding="utf-8")
    version = metadata["general"]["version"]
    if version != __version__:
        raise ValueError(f"metadata.txt: expected version {__version__} of geoships, got {version}")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{PLUGIN.name}-{version}.zip"
    files = sorted(file for file in PLUGIN.iterdir() if file.suffix in {".py", ".svg", ".txt"})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in [*files, REPOSITORY / "LICENSE"]:
            entry = zipfile.ZipInfo(f"{PLUGIN.name}/{file.name}", FILE_DATE)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "dist", help="folder for the zip file")
    print(build(parser.parse_args().out))
