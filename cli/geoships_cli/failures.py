"""How a failure ends the command: one line on stderr, and an exit code."""

from __future__ import annotations

import re
from enum import IntEnum

import typer

from geoships.errors import GeoshipsError


class ExitCode(IntEnum):
    """How a command ended; a signal adds its number to 128, as shells do: 130 for Ctrl-C, 143 for SIGTERM."""

    DONE = 0
    FAILED = 1
    WRONG_USE = 2
    SOME_SCENES_FAILED = 3
    SIGNAL = 128


class PartialFailureError(GeoshipsError):
    """Some of many scenes failed; the others are done."""


def one_line(text: str) -> str:
    r"""A text without line breaks, which file names may have.

    >>> one_line("two\nlines.tif: 0.1 Mpix")
    'two lines.tif: 0.1 Mpix'
    """
    return re.sub(r"\s*[\n\r\v\f]\s*", " ", text)


def print_error(error: GeoshipsError, where: str = "") -> None:
    """Print an error as one line on stderr.

    Args:
        error: What went wrong.
        where: What it went wrong with, such as one of many scenes.
    """
    typer.echo(f"error: {f'{where}: ' if where else ''}{one_line(str(error))}", err=True)
