"""A progress bar on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from geoships_cli.progress import Lines


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

    def settle(self, title: str, scene: Mapping[str, object]) -> None:  # noqa: ARG002
        """Show how many of many scenes are settled and failed."""
        self._bar.update(self._task, description=title)

    def close(self) -> None:
        """Close the display."""
        self._bar.stop()

    def _begin(self) -> None:
        self._bar.start()
        self._bar.reset(self._task, total=self._pixels, description=self._name, visible=True)

    def _advance(self, pixels: int) -> None:
        self._bar.advance(self._task, pixels)

    def _warn(self, text: str) -> None:
        self._bar.console.print(Text(f"warning: {text}", "yellow"))

    def _note(self, text: str) -> None:
        self._bar.console.print(Text(text))


class _Speed(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{(task.speed or 0) / 1e6:.2f} Mpix/s")


def bar_on_terminal() -> Bar | None:
    """A bar, if stderr is a terminal."""
    return Bar() if Console(stderr=True).is_terminal else None
