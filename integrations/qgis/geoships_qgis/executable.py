"""Where the `geoships` command is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

HOW_TO_INSTALL = (
    "geoships is not installed, or QGIS does not find it. Install it outside QGIS with `uv tool install geoships` "
    "or `pipx install geoships`, or name its executable in Settings > Options > Processing > Providers > geoships."
)


class ExecutableError(Exception):
    """There is no executable to run; the message says what to do."""


def find_executable(setting: str, environment: Mapping[str, str], home: Path | None = None) -> Path:
    """The executable that the user named, or else the first on PATH and in the places of uv, pipx and pip.

    setting: what the user named; empty: nothing. home: the user's folder, where it is another than the system says.
    Raises ExecutableError.
    """
    named = setting.strip().strip('"')
    if named:
        path = Path(named).expanduser()
        if not _runs(path):
            raise ExecutableError(
                f"{path}, named in Settings > Options > Processing > Providers > geoships, is no file that can be run; "
                "correct it there, or leave it empty to have geoships looked for"
            )
        return path
    on_path = shutil.which("geoships", path=environment.get("PATH", ""))
    if on_path:
        return Path(on_path)
    for folder in _folders(environment, home or Path.home()):
        path = folder / ("geoships.exe" if os.name == "nt" else "geoships")
        if _runs(path):
            return path
    raise ExecutableError(HOW_TO_INSTALL)


def _runs(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _folders(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Folders into which uv, pipx and pip put commands; a QGIS that was started from a menu has few of them on PATH."""
    for name in ("UV_TOOL_BIN_DIR", "XDG_BIN_HOME", "PIPX_BIN_DIR"):
        if environment.get(name):
            yield Path(environment[name])
    yield home / ".local" / "bin"
    inside = "Scripts" if os.name == "nt" else "bin"
    data = [home / ".local" / "share", home / "Library" / "Application Support", home / "pipx", home / ".local"]
    data += [Path(environment[name]) for name in ("XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA") if environment.get(name)]
    for folder in data:
        yield folder / "uv" / "tools" / "geoships" / inside
        yield folder / "pipx" / "venvs" / "geoships" / inside
        yield folder / "venvs" / "geoships" / inside
    if environment.get("APPDATA"):
        yield from sorted(Path(environment["APPDATA"], "Python").glob("Python3*/Scripts"), reverse=True)
    if sys.platform == "darwin":
        yield from sorted(Path(home, "Library", "Python").glob("3.*/bin"), reverse=True)
        yield from (Path("/opt/homebrew/bin"), Path("/usr/local/bin"))
