"""Progress reports of a run."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress and the messages of a run."""

    def start(self, name: str, pixels: int) -> None:
        """Report that a scene is started.

        Args:
            name: Name of the scene.
            pixels: Number of pixels of the scene.
        """

    def advance(self, pixels: int) -> None:
        """Report that `pixels` more pixels are finished."""

    def warn(self, text: str) -> None:
        """Report a warning."""

    def note(self, text: str) -> None:
        """Report a setting that was chosen automatically."""

    def detail(self, text: str) -> None:
        """Report details of tiling and speed, for verbose output."""


class NoProgress:
    """Ignores all progress reports."""

    def start(self, name: str, pixels: int) -> None:
        """Do nothing."""

    def advance(self, pixels: int) -> None:
        """Do nothing."""

    def warn(self, text: str) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def detail(self, text: str) -> None:
        """Do nothing."""
