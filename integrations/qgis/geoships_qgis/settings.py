"""The plugin's settings: the executable of geoships, the names of its models, and a server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from processing.core.ProcessingConfig import ProcessingConfig, Setting
from qgis.core import QgsSettings
from qgis.PyQt.QtGui import QIcon

from .executable import find_executable

GROUP = "geoships"
EXECUTABLE = "GEOSHIPS_EXECUTABLE"
SERVER = "GEOSHIPS_SERVER"
KEY = "GEOSHIPS_SERVER_KEY"
_MODELS = "geoships_qgis/models"  # model names, and the executable that listed them


def add_settings(icon: QIcon) -> None:
    """Show the settings in Settings > Options > Processing > Providers."""
    ProcessingConfig.setGroupIcon(GROUP, icon)
    ProcessingConfig.addSetting(
        Setting(
            GROUP,
            EXECUTABLE,
            "Executable of geoships (empty: search for it)",
            "",
            valuetype=Setting.FILE,
            placeholder="searched on PATH and in the folders of uv and pipx",
        )
    )
    ProcessingConfig.addSetting(Setting(GROUP, SERVER, "Server for Detect ships on a server, e.g. https://...", ""))
    ProcessingConfig.addSetting(Setting(GROUP, KEY, "Key of this server", ""))
    ProcessingConfig.readSettings()


def remove_settings() -> None:
    """Remove the settings from the dialog; their values are kept."""
    for name in (EXECUTABLE, SERVER, KEY):
        ProcessingConfig.removeSetting(name)


def executable() -> Path:
    """Return the executable of geoships.

    Returns:
        Its path.

    Raises:
        ExecutableError: It was not found.
    """
    return find_executable(str(ProcessingConfig.getSetting(EXECUTABLE) or ""), os.environ)


def server() -> str:
    """Return the address of the server; empty: none is set."""
    return str(ProcessingConfig.getSetting(SERVER) or "")


def server_key() -> str:
    """Return the key of the server; empty: none is set."""
    return str(ProcessingConfig.getSetting(KEY) or "").strip()


def known_models() -> list[str]:
    """Return the stored names of models; empty before they have been listed."""
    return [str(name) for name in _stored().get("names", [])]


def models_are_current(path: Path) -> bool:
    """Return whether the stored names are those of this executable."""
    return _stored().get("of") == _fingerprint(path)


def store_models(path: Path, names: list[str]) -> None:
    """Store the names of an executable's models; they are valid until it changes."""
    QgsSettings().setValue(_MODELS, json.dumps({"of": _fingerprint(path), "names": names}))


def _stored() -> dict[str, Any]:
    try:
        stored = json.loads(str(QgsSettings().value(_MODELS, "{}")))
    except ValueError:
        return {}
    return stored if isinstance(stored, dict) else {}


def _fingerprint(path: Path) -> str:
    return f"{path} {path.stat().st_mtime_ns}"
