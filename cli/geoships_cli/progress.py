"""How a run looks: a bar on a terminal, plain lines in a log, JSON lines for a program, nothing when quiet."""

from __future__ import annotations

import json
import time
from enum import StrEnum

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text


class Display(StrEnum):
    """How to show a run; `auto` is a bar on a terminal and lines elsewhere."""

    auto = "auto"
    lines = "lines"
    json = "json"


class Lines:
    """Plain lines on stderr, one about every ten seconds, for logs."""

    every = 10.0

    verbose = False  # whether details are shown

    def __init__(self) -> None:
        self._name, self._pixels, self._done = "", 1, 0
        self._started = self._said = time.monotonic()

    def start(self, name: str, pixels: int) -> None:
        """A scene of so many pixels begins."""
        self._name, self._pixels, self._done = name, pixels, 0
        self._started = self._said = time.monotonic()
        self.note(f"{name}: {pixels / 1e6:.1f} Mpix")

    def advance(self, pixels: int) -> None:
        """So many more pixels are finished."""
        self._done += pixels
        now = time.monotonic()
        if now - self._said >= self.every:
            self._said = now
            speed = self._done / 1e6 / (now - self._started)
            left = (self._pixels - self._done) / 1e6 / speed
            self.note(f"{self._name}: {self._done / self._pixels:.0%}, {speed:.2f} Mpix/s, {left:.0f} s left")

    def warn(self, text: str) -> None:
        """Something that the user should know."""
        typer.echo(f"warning: {text}", err=True)

    def note(self, text: str) -> None:
        """A choice that was made for the user."""
        typer.echo(text, err=True)

    def detail(self, text: str) -> None:
        """What only those want to know who look at a run's speed."""
        if self.verbose:
            self.note(text)

    def close(self) -> None:
        """End the display."""


class Bar(Lines):
    """A progress bar with Mpix/s and time left, on a terminal."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            _Speed(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", visible=False)

    def start(self, name: str, pixels: int) -> None:
        """A scene of so many pixels begins."""
        self._bar.start()
        self._bar.reset(self._task, total=pixels, description=name, visible=True)

    def advance(self, pixels: int) -> None:
        """So many more pixels are finished."""
        self._bar.advance(self._task, pixels)

    def warn(self, text: str) -> None:
        """Something that the user should know."""
        self._bar.console.print(Text(f"warning: {text}", "yellow"))

    def note(self, text: str) -> None:
        """A choice that was made for the user."""
        self._bar.console.print(Text(text))

    def close(self) -> None:
        """End the display."""
        self._bar.stop()


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{(task.speed or 0) / 1e6:.2f} Mpix/s")


class Quiet(Lines):
    """Says nothing."""

    def advance(self, pixels: int) -> None:
        """Do nothing."""

    def warn(self, text: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""


class JsonLines(Lines):
    """One JSON object a line on stderr, for programs; see docs/how-to/outputs.md for their fields."""

    def start(self, name: str, pixels: int) -> None:
        """A scene of so many pixels begins."""
        self._pixels, self._done = pixels, 0
        _say(event="start", scene=name, pixels=pixels)

    def advance(self, pixels: int) -> None:
        """So many more pixels are finished."""
        self._done += pixels
        _say(event="progress", done=self._done, pixels=self._pixels)

    def warn(self, text: str) -> None:
        """Something that the user should know."""
        _say(event="warning", text=text)

    def note(self, text: str) -> None:
        """A choice that was made for the user."""
        _say(event="note", text=text)


def _say(**fields: object) -> None:
    typer.echo(json.dumps(fields), err=True)


def progress_display(*, quiet: bool, display: Display = Display.auto, verbose: bool = False) -> Lines:
    """The display that fits: none, a bar on a terminal, or lines; or the one that was asked for."""
    chosen = _display(quiet, display)
    chosen.verbose = verbose
    return chosen


def _display(quiet: bool, display: Display) -> Lines:
    if quiet:
        return Quiet()
    if display is Display.json:
        return JsonLines()
    return Bar() if display is Display.auto and Console(stderr=True).is_terminal else Lines()
