"""Parses the messages of geoships: JSON lines of `--progress json`, and error lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

_MAX_LINES = 40  # of plain text, to explain a failure


@dataclass(frozen=True)
class Progress:
    """Progress of the run in percent."""

    percent: float


@dataclass(frozen=True)
class Note:
    """An informational message, such as a choice that geoships made."""

    text: str


@dataclass(frozen=True)
class Warned:
    """A warning."""

    text: str


@dataclass
class Messages:
    """Parses stderr line by line, and keeps the lines that explain a failure."""

    _plain: list[str] = field(default_factory=list)

    def read(self, line: str) -> Progress | Note | Warned | None:
        """Parse one line; None for a line that is only needed after a failure."""
        line = line.strip()
        fields = _parse(line)
        if fields is None:
            if line:
                self._plain = [*self._plain, line][-_MAX_LINES:]
            return None
        event, text = fields.get("event"), str(fields.get("text", ""))
        if event == "progress":
            return Progress(100.0 * fields["done"] / max(1, fields["pixels"]))
        if event == "start":
            return Note(f"{fields['scene']}: {fields['pixels'] / 1e6:.1f} Mpix")
        return Warned(text) if event == "warning" else Note(text)

    def error(self, code: int) -> str:
        """Return why a run failed: the error line of geoships, or its last lines."""
        for line in reversed(self._plain):
            if line.startswith("error: "):
                return line[len("error: ") :]
        text = " ".join(_without_frame(line) for line in self._plain[-_MAX_LINES:]).strip()
        if "No such option: --progress" in text:
            return "this geoships is older than the plugin: update it with `uv tool upgrade geoships` or pipx"
        if code == 2 and "Error" in text:  # wrong usage: typer draws a frame
            return " ".join(text.split("Error", 1)[1].split()).lstrip(": ")
        if code < 0:
            return f"geoships was killed by signal {-code}, perhaps out of memory. {text}".strip()
        return f"geoships failed with exit code {code}: {self._plain[-1] if self._plain else 'no message'}"


def _parse(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) and "event" in fields else None


def _without_frame(line: str) -> str:
    return line.strip("│╭╮╰╯─ |+-")
