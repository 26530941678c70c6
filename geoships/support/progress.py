"""Who hears how far a run is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Hears how far a run is."""

    def start(self, name: str, pixels: int) -> None:
        """A scene of so many pixels begins."""

    def advance(self, pixels: int) -> None:
        """So many more pixels are finished."""

    def warn(self, text: str) -> None:
        """Something that the user should know."""

    def note(self, text: str) -> None:
        """A choice that was made for the user."""

    def detail(self, text: str) -> None:
        """What only those want to know who look at a run's speed."""


class Silence:
    """Progress that nobody watches."""

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
