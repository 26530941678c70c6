"""How a command shows its progress."""

from __future__ import annotations

from enum import StrEnum

from geoships_cli.progress import JsonLines, Lines, Quiet


class Display(StrEnum):
    """How to show progress; `auto` is a bar on a terminal and lines elsewhere."""

    auto = "auto"
    lines = "lines"
    json = "json"


def progress_display(*, quiet: bool, display: Display = Display.auto, verbose: bool = False) -> Lines:
    """Return a display of progress.

    Args:
        quiet: Show nothing.
        display: How to show progress otherwise.
        verbose: Show details.
    """
    shown = _display(quiet, display)
    shown.verbose = verbose
    return shown


def _display(quiet: bool, display: Display) -> Lines:
    if quiet:
        return Quiet()
    if display is Display.json:
        return JsonLines()
    if display is Display.lines:
        return Lines()
    from geoships_cli.progress_bar import bar_on_terminal  # rich takes a tenth of the time of `geoships --help`

    return bar_on_terminal() or Lines()
