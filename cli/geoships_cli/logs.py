"""The log of a command: the messages of the logger `geoships` on stderr, and in a file where one is named.

Messages that a progress display shows anyway go to the file alone, so that none is shown twice.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

import typer

from geoships.errors import GeoshipsError, OutputError

LOGGER = logging.getLogger("geoships")
SHOWN = "shown"  # attribute of messages that a display of progress prints
LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
BEGINNING = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")  # of a line of a log

# What may be secret in addresses: user and password, and the query with its tokens and signatures.
ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][\w+.-]*://)(?:[^/\s@]+@)?(?P<rest>[^\s?'\"<>]*)(?:\?[^\s'\"<>]*)?")
SECRET = re.compile(
    r"(?i)(?P<name>[\w-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key|authorization|signature)[\w-]*"
    r"['\"]?\s*[=:]\s*)(?:bearer\s+|basic\s+)?(?P<value>['\"]?[^\s,;'\"&]+)"
)


class LogLevel(StrEnum):
    """How much is logged; each level holds those after it."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"

    @property
    def number(self) -> int:
        """The number of the level in Python's logging."""
        return int(logging.getLevelNamesMapping()[self.upper()])


def without_secrets(text: str) -> str:
    """A text without what may be secret in it.

    >>> without_secrets("read https://me:pw@host/a.tif?sig=x with token=abc")
    'read https://host/a.tif?... with token=...'
    """

    def shortened(found: re.Match[str]) -> str:
        return found["scheme"] + found["rest"] + ("?..." if "?" in found[0] else "")

    return SECRET.sub(lambda found: f"{found['name']}...", ADDRESS.sub(shortened, text))


class _Lines(logging.Formatter):
    """Lines of a log with times in UTC, without secrets, also of errors with their traceback."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class _Stderr(logging.Handler):
    """Prints messages as other lines of a command are printed, but none that a display prints.

    Args:
        level: The least level.
        json_lines: Print JSON objects, as a display for programs does.
    """

    def __init__(self, level: int, *, json_lines: bool) -> None:
        super().__init__(level)
        self._json_lines = json_lines

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, SHOWN, False):
            return
        line = self.format(record)
        typer.echo(json.dumps({"event": "log", "text": line}) if self._json_lines else line, err=True)


@contextmanager
def logged(
    command: str,
    *,
    level: LogLevel | None,
    file: Path | None,
    verbose: bool,
    quiet: bool,
    json_lines: bool = False,
) -> Iterator[None]:
    """Log the block: what the package's modules say in it, and the error that ends it.

    Args:
        command: Name of the command, for the first line.
        level: The least level that is logged; None: ``info`` with `verbose` and in a file, else ``warning``.
        file: File to which lines are appended; None: none.
        verbose: See `level`.
        quiet: Show errors only on stderr, whatever `level` is.
        json_lines: Whether lines on stderr are JSON objects.

    Raises:
        OutputError: The file cannot be written, or is no log.
    """
    shown = level.number if level else logging.INFO if verbose else logging.WARNING
    handlers: list[logging.Handler] = [_Stderr(logging.ERROR if quiet else shown, json_lines=json_lines)]
    if file:
        handlers.append(_file_handler(file, level.number if level else logging.INFO))
    before = LOGGER.level
    for handler in handlers:
        handler.setFormatter(_Lines(LINE))
        LOGGER.addHandler(handler)
    LOGGER.setLevel(min(handler.level for handler in handlers))
    try:
        LOGGER.info("geoships %s begins", command)
        yield
        LOGGER.info("geoships %s is done", command)
    except (typer.Exit, typer.Abort, KeyboardInterrupt):
        LOGGER.info("geoships %s ends early", command)
        raise
    except GeoshipsError as error:  # its line is printed by the one place that ends commands
        LOGGER.error(" ".join(str(error).split()), extra={SHOWN: True})
        LOGGER.debug("where it was raised", exc_info=True)
        raise
    except Exception:
        LOGGER.exception("an error that was not expected", extra={SHOWN: True})
        raise
    finally:
        LOGGER.setLevel(before)
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()


def _file_handler(path: Path, level: int) -> logging.Handler:
    from geoships.support.files import output_errors

    with output_errors(path):
        if path.exists() and path.stat().st_size:
            with path.open("rb") as file:
                if not BEGINNING.match(file.read(32)):
                    raise OutputError(f"--log-file {path}: the file is no log, so nothing is appended; name another")
        handler = logging.FileHandler(path, encoding="utf-8")
    handler.setLevel(level)
    return handler
