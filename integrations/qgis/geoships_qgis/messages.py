"""What geoships says while it runs: JSON lines of `--progress json`, and the line of an error."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

_KEPT = 40  # lines of plain text that may explain a failure


@dataclass(frozen=True)
class Progress:
    """How far the run is, in percent."""

    percent: float


@dataclass(frozen=True)
class Note:
    """A choice that geoships made, or something else to tell."""

    text: str


@dataclass(frozen=True)
class Warned:
    """Something that the user should know."""

    text: str


@dataclass
class Messages:
    """Reads stderr line by line, and remembers what explains a failure."""

    _plain: list[str] = field(default_factory=list)

    def read(self, line: str) -> Progress | Note | Warned | None:
        """The meaning of one line; None where it has none for the user yet."""
        line = line.strip()
        said = _parsed(line)
        if said is None:
            if line:
                self._plain = [*self._plain, line][-_KEPT:]
            return None
        event, text = said.get("event"), str(said.get("text", ""))
        if event == "progress":
            return Progress(100.0 * said["done"] / max(1, said["pixels"]))
        if event == "start":
            return Note(f"{said['scene']}: {said['pixels'] / 1e6:.1f} Mpix")
        return Warned(text) if event == "warning" else Note(text)

    def error(self, code: int) -> str:
        """Why a run failed that ended with an exit code: geoships's own line, or the last ones that it printed."""
        for line in reversed(self._plain):
            if line.startswith("error: "):
                return line[len("error: ") :]
        text = " ".join(_unframed(line) for line in self._plain[-_KEPT:]).strip()
        if "No such option: --progress" in text:
            return "this geoships is older than the plugin: update it, with `uv tool upgrade geoships` or pipx"
        if code == 2 and "Error" in text:  # wrong use: typer frames it
            return " ".join(text.split("Error", 1)[1].split()).lstrip(": ")
        if code < 0:
            return f"geoships was ended by signal {-code}; is there enough memory? {text}".strip()
        return f"geoships ended with code {code}: {_last(self._plain)}"


def _parsed(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) and "event" in said else None


def _unframed(line: str) -> str:
    return line.strip("│╭╮╰╯─ |+-")


def _last(lines: list[str]) -> str:
    return lines[-1] if lines else "it said nothing"
