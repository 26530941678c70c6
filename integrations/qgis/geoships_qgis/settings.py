"""The plugin's settings: where geoships is, and which models it was found to have."""

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
_MODELS = "geoships_qgis/models"  # the names, and the executable that gave them


def add_settings(icon: QIcon) -> None:
    """Show the settings in Settings > Options > Processing > Providers."""
    ProcessingConfig.setGroupIcon(GROUP, icon)
    ProcessingConfig.addSetting(
        Setting(
            GROUP,
            EXECUTABLE,
            "Executable of geoships (empty: looked for)",
            "",
            valuetype=Setting.FILE,
            placeholder="found on PATH, or where uv and pipx put it",
        )
    )
    ProcessingConfig.readSettings()


def remove_settings() -> None:
    """Take the settings away with the plugin; their values stay."""
    ProcessingConfig.removeSetting(EXECUTABLE)


def executable() -> Path:
    """The geoships to run. Raises ExecutableError."""
    return find_executable(str(ProcessingConfig.getSetting(EXECUTABLE) or ""), os.environ)


def known_models() -> list[str]:
    """Names of the models that the executable had when it was last asked; empty before."""
    return [str(name) for name in _stored().get("names", [])]


def models_are_current(path: Path) -> bool:
    """Whether the known models are those of this very executable."""
    return _stored().get("of") == _fingerprint(path)


def remember_models(path: Path, names: list[str]) -> None:
    """Keep the models of an executable until it changes."""
    QgsSettings().setValue(_MODELS, json.dumps({"of": _fingerprint(path), "names": names}))


def _stored() -> dict[str, Any]:
    try:
        stored = json.loads(str(QgsSettings().value(_MODELS, "{}")))
    except ValueError:
        return {}
    return stored if isinstance(stored, dict) else {}


def _fingerprint(path: Path) -> str:
    return f"{path} {path.stat().st_mtime_ns}"
