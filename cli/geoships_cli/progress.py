"""Displays of progress: plain lines in a log, JSON lines for a program, none when quiet."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import typer

from geoships_cli.failures import one_line
from geoships_cli.logs import LOGGER, SHOWN


class Lines:
    """Plain lines on stderr for logs, about one every ten seconds.

    Attributes:
        interval: Seconds between two lines.
        verbose: Whether details are shown.
    """

    interval = 10.0
    verbose = False

    def __init__(self) -> None:
        self._name, self._pixels, self._done = "", 1, 0
        self._started = self._printed = time.monotonic()

    def start(self, name: str, pixels: int) -> None:
        """Begin a scene of so many pixels, or many scenes at a time."""
        self._name, self._pixels, self._done = name, pixels, 0
        self._started = self._printed = time.monotonic()
        LOGGER.info("%s: %.1f Mpix", name, pixels / 1e6, extra={SHOWN: True})
        self._begin()

    def advance(self, pixels: int) -> None:
        """Count finished pixels."""
        self._done += pixels
        self._advance(pixels)

    def warn(self, text: str) -> None:
        """Show a warning."""
        LOGGER.warning(text, extra={SHOWN: True})
        self._warn(text)

    def note(self, text: str) -> None:
        """Show a choice that was made for the user."""
        LOGGER.info(text, extra={SHOWN: True})
        self._note(text)

    def detail(self, text: str) -> None:
        """Show a detail of the run's speed, with --verbose."""
        LOGGER.debug(text, extra={SHOWN: self.verbose})
        if self.verbose:
            self._note(text)

    def close(self) -> None:
        """Close the display."""

    def _begin(self) -> None:
        self._note(f"{self._name}: {self._pixels / 1e6:.1f} Mpix")

    def _advance(self, pixels: int) -> None:  # noqa: ARG002 - other displays show them
        now = time.monotonic()
        if now - self._printed >= self.interval:
            self._printed = now
            speed = self._done / 1e6 / (now - self._started)
            left = (self._pixels - self._done) / 1e6 / speed
            self._note(f"{self._name}: {self._done / self._pixels:.0%}, {speed:.2f} Mpix/s, {left:.0f} s left")

    def _warn(self, text: str) -> None:
        typer.echo(f"warning: {one_line(text)}", err=True)

    def _note(self, text: str) -> None:
        typer.echo(one_line(text), err=True)

    def settle(self, title: str, scene: Mapping[str, object]) -> None:  # noqa: ARG002
        """Report what became of one of many scenes.

        Args:
            title: How many scenes are settled and failed, in words.
            scene: Name, state, number of ships and reason of a failure, for programs.
        """
        self._name = title


class Quiet(Lines):
    """Print nothing."""

    def _begin(self) -> None:
        pass

    def _advance(self, pixels: int) -> None:
        pass

    def _warn(self, text: str) -> None:
        pass

    def _note(self, text: str) -> None:
        pass


class JsonLines(Lines):
    """One JSON object a line on stderr, for programs; see docs/how-to/outputs.md for their fields."""

    def _begin(self) -> None:
        _print(event="start", scene=self._name, pixels=self._pixels)

    def _advance(self, pixels: int) -> None:  # noqa: ARG002 - the sum is printed
        _print(event="progress", done=self._done, pixels=self._pixels)

    def settle(self, title: str, scene: Mapping[str, object]) -> None:  # noqa: ARG002
        """Report what became of one of many scenes."""
        _print(event="scene", **scene)

    def _warn(self, text: str) -> None:
        _print(event="warning", text=text)

    def _note(self, text: str) -> None:
        _print(event="note", text=text)


def _print(**fields: object) -> None:
    typer.echo(json.dumps(fields), err=True)
