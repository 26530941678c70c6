"""The log of a service: one JSON object a line, or plain lines at a terminal, without secrets."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from geoships.scene.opening.names import without_secrets


class JsonLines(logging.Formatter):
    """A JSON object a line: time, level, logger, message, and what belongs to a request."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage()),
            **getattr(record, "request", {}),
        }
        if record.exc_info:
            line["error"] = without_secrets(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False)


class PlainLines(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", "%H:%M:%S")

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        return without_secrets(super().format(record))


def log_to_stderr(level: int, *, as_json: bool | None = None, file: Path | None = None) -> None:
    """Log what the package says to stderr.

    Args:
        level: The least level.
        as_json: JSON lines, or plain ones; None: plain ones at a terminal.
        file: File to which JSON lines are appended; None: none.

    Raises:
        OutputError: The file cannot be written.
    """
    logger = logging.getLogger("geoships")
    handler = logging.StreamHandler(sys.stderr)
    chosen = not sys.stderr.isatty() if as_json is None else as_json
    handler.setFormatter(JsonLines() if chosen else PlainLines())
    logger.handlers = [handler]
    if file:
        from geoships.support.files import output_errors  # which loads rasterio: not for a help text

        with output_errors(file):
            kept = logging.FileHandler(file, encoding="utf-8")
        kept.setFormatter(JsonLines())
        logger.addHandler(kept)
    logger.setLevel(level)
