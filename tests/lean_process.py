"""Runs the command line as an installation for inference does: what requirements/lean.txt leaves out cannot be found.

python lean_process.py predict scene.tif --out ships.geojson
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from geoships.support.lean import LEFT_OUT


class Without:
    """A finder of modules that finds all but those of LEFT_OUT."""

    def __init__(self, finder: Any) -> None:
        self._finder = finder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return None if name.partition(".")[0] in LEFT_OUT else self._finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._finder, name)


def run_lean(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run geoships in a process of its own, in a folder."""
    return subprocess.run([sys.executable, __file__, *map(str, words)], cwd=folder, capture_output=True, text=True)


if __name__ == "__main__":
    sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
    from geoships_cli.app import main

    main()
