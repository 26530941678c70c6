"""Finds the `geoships` command."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

HOW_TO_INSTALL = (
    "geoships is not installed, or QGIS cannot find it. Install it outside QGIS with `uv tool install geoships` or "
    "`pipx install geoships`, or set its executable in Settings > Options > Processing > Providers > geoships."
)


class ExecutableError(Exception):
    """The executable was not found; the message says what to do."""


def find_executable(setting: str, environment: Mapping[str, str], home: Path | None = None) -> Path:
    """Find the executable: the configured one, or the first on PATH and in the folders of uv, pipx and pip.

    Args:
        setting: The configured path; empty to search.
        environment: Environment variables.
        home: Home folder; None: the user's.

    Returns:
        Path of the executable.

    Raises:
        ExecutableError: There is none, or the configured path cannot be run.
    """
    configured = setting.strip().strip('"')
    if configured:
        path = Path(configured).expanduser()
        if not _is_executable(path):
            raise ExecutableError(
                f"{path}, set in Settings > Options > Processing > Providers > geoships, is not an executable file; "
                "correct it there, or leave it empty to search for geoships"
            )
        return path
    on_path = shutil.which("geoships", path=environment.get("PATH", ""))
    if on_path:
        return Path(on_path)
    for folder in _install_folders(environment, home or Path.home()):
        path = folder / ("geoships.exe" if os.name == "nt" else "geoships")
        if _is_executable(path):
            return path
    raise ExecutableError(HOW_TO_INSTALL)


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _install_folders(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Yield the folders of commands of uv, pipx and pip; a QGIS that was started from a menu has few on PATH."""
    for name in ("UV_TOOL_BIN_DIR", "XDG_BIN_HOME", "PIPX_BIN_DIR"):
        if environment.get(name):
            yield Path(environment[name])
    yield home / ".local" / "bin"
    scripts = "Scripts" if os.name == "nt" else "bin"
    data = [home / ".local" / "share", home / "Library" / "Application Support", home / "pipx", home / ".local"]
    data += [Path(environment[name]) for name in ("XDG_DATA_HOME", "APPDATA", "LOCALAPPDATA") if environment.get(name)]
    for folder in data:
        yield folder / "uv" / "tools" / "geoships" / scripts
        yield folder / "pipx" / "venvs" / "geoships" / scripts
        yield folder / "venvs" / "geoships" / scripts
    if environment.get("APPDATA"):
        yield from sorted(Path(environment["APPDATA"], "Python").glob("Python3*/Scripts"), reverse=True)
    if sys.platform == "darwin":
        yield from sorted(Path(home, "Library", "Python").glob("3.*/bin"), reverse=True)
        yield from (Path("/opt/homebrew/bin"), Path("/usr/local/bin"))
