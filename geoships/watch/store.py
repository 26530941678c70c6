"""What a watch has seen and what it has to send: one SQLite file, in which a scene and its messages appear together.

A scene is written down in the same transaction as its ships' places and its messages. So whatever kills the watch, a
scene either is not known, and is taken up again, or is known with all its messages.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from geoships.errors import OutputError
from geoships.support.files import output_errors

FOLDER, NAME = ".geoships", "watch.sqlite"
_TABLES = """
CREATE TABLE IF NOT EXISTS scenes (
    key TEXT PRIMARY KEY, place TEXT UNIQUE NOT NULL, scene TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'new',
    ships INTEGER, time REAL, first_seen REAL NOT NULL, settled REAL, reason TEXT,
    west REAL, south REAL, east REAL, north REAL);
CREATE TABLE IF NOT EXISTS sightings (key TEXT NOT NULL, lon REAL NOT NULL, lat REAL NOT NULL, time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS began (time REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sightings_by_time ON sightings (time);
CREATE TABLE IF NOT EXISTS outbox (
    key TEXT PRIMARY KEY, number INTEGER NOT NULL, channel TEXT NOT NULL, payload TEXT NOT NULL, created REAL NOT NULL,
    state TEXT NOT NULL DEFAULT 'waiting', attempts INTEGER NOT NULL DEFAULT 0, due REAL NOT NULL DEFAULT 0,
    reason TEXT);
"""


@dataclass(frozen=True)
class Message:
    """A message to send on a channel.

    Attributes:
        key: Tells it from all others, and is the same when it is sent again.
        channel: Name of the channel.
        payload: What it says.
        attempts: How often it was tried.
    """

    key: str
    channel: str
    payload: dict[str, Any]
    attempts: int = 0


@dataclass(frozen=True)
class Seen:
    """An earlier pass.

    Attributes:
        key: Of its scene.
        time: Seconds since 1970.
        bounds: West, south, east and north in degrees.
    """

    key: str
    time: float
    bounds: tuple[float, float, float, float]


class Store:
    """The memory of a watch.

    Args:
        out_dir: Folder of the outputs; the file lies in ``.geoships`` in it.

    Raises:
        OutputError: The file cannot be opened or written.
    """

    def __init__(self, out_dir: Path) -> None:
        folder = out_dir / FOLDER
        self.path = folder / NAME
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with self._errors():
            self._base = sqlite3.connect(self.path, isolation_level=None, timeout=30)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(_TABLES)
            self._base.execute("INSERT INTO began SELECT ? WHERE NOT EXISTS (SELECT 1 FROM began)", (time.time(),))

    def close(self) -> None:
        """Close the file."""
        self._base.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise OutputError(f"cannot use {self.path}: {error}; check the disk, or remove the file") from error

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or none of what the block writes."""
        with self._errors():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._base.execute("ROLLBACK")
                raise
            self._base.execute("COMMIT")

    def _rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._errors():
            return self._base.execute(query, values).fetchall()

    # scenes

    def place_of(self, key: str) -> str | None:
        """The place of a scene's outputs; None: the scene is not known."""
        rows = self._rows("SELECT place FROM scenes WHERE key = ?", key)
        return rows[0][0] if rows else None

    def place_taken(self, place: str) -> bool:
        """Whether another scene has this place."""
        return bool(self._rows("SELECT 1 FROM scenes WHERE place = ?", place))

    def add_scene(self, key: str, place: str, scene: str) -> None:
        """Write down that a scene has come."""
        self._rows(
            "INSERT OR IGNORE INTO scenes (key, place, scene, first_seen) VALUES (?, ?, ?, ?)",
            key,
            place,
            scene,
            time.time(),
        )

    def state(self, key: str) -> str | None:
        """``new``, ``done``, ``failed`` or ``outside``; None: the scene is not known."""
        rows = self._rows("SELECT state FROM scenes WHERE key = ?", key)
        return rows[0][0] if rows else None

    def reason(self, key: str) -> str | None:
        """Why a scene failed."""
        rows = self._rows("SELECT reason FROM scenes WHERE key = ?", key)
        return rows[0][0] if rows else None

    def settle_scene(
        self, key: str, state: str, *, reason: str | None = None, ships: int = 0, moment: float | None = None,
        bounds: tuple[float, float, float, float] | None = None,
    ) -> None:  # fmt: skip
        """Write down what became of a scene: its state and the reason, its ships, its time, and its bounds."""
        self._rows(
            "UPDATE scenes SET state = ?, settled = ?, reason = ?, ships = ?, time = ?, west = ?, south = ?, east = ?, "
            "north = ? WHERE key = ?", state, time.time(), reason, ships, moment, *(bounds or (None,) * 4), key,
        )  # fmt: skip

    def listed(self) -> dict[str, str]:
        """Names of all scenes so far, by their place."""
        return dict(self._rows("SELECT place, scene FROM scenes"))

    def counts(self) -> dict[str, int]:
        """Number of scenes by state."""
        return dict(self._rows("SELECT state, COUNT(*) FROM scenes GROUP BY state"))

    def last_arrival(self) -> float | None:
        """When the last scene came, in seconds since 1970."""
        found: float | None = self._rows("SELECT MAX(first_seen) FROM scenes")[0][0]
        return found

    def began(self) -> float:
        """When the first watch into this folder began."""
        return float(self._rows("SELECT time FROM began")[0][0])

    # places of ships

    def add_sightings(self, key: str, lonlat: Sequence[tuple[float, float]], moment: float) -> None:
        """Remember where ships lay."""
        with self._errors():
            self._base.executemany(
                "INSERT INTO sightings (key, lon, lat, time) VALUES (?, ?, ?, ?)",
                [(key, lon, lat, moment) for lon, lat in lonlat],
            )

    def passes(self, before: float, since: float) -> list[Seen]:
        """Earlier passes, newest first."""
        rows = self._rows(
            "SELECT key, time, west, south, east, north FROM scenes WHERE state = 'done' AND time < ? AND time >= ? "
            "AND west IS NOT NULL ORDER BY time DESC", before, since,
        )  # fmt: skip
        return [Seen(row[0], row[1], (row[2], row[3], row[4], row[5])) for row in rows]

    def newest(self) -> float:
        """Time of the newest scene, in seconds since 1970; 0 where there is none."""
        return float(self._rows("SELECT COALESCE(MAX(time), 0) FROM scenes")[0][0])

    def sightings(self, key: str) -> list[tuple[float, float]]:
        """Where ships lay on a pass, (longitude, latitude)."""
        return [(row[0], row[1]) for row in self._rows("SELECT lon, lat FROM sightings WHERE key = ?", key)]

    def forget(self, before: float) -> None:
        """Drop places of ships that are older."""
        self._rows("DELETE FROM sightings WHERE time < ?", before)

    # messages

    def add_messages(self, messages: Sequence[Message]) -> int:
        """Put messages in the outbox, unless they are there; returns how many are new."""
        with self._errors():
            before = self._base.total_changes
            self._base.executemany(
                "INSERT OR IGNORE INTO outbox (key, number, channel, payload, created) "
                "VALUES (?, (SELECT COALESCE(MAX(number), 0) + 1 FROM outbox), ?, ?, ?)",
                [(each.key, each.channel, json.dumps(each.payload), time.time()) for each in messages],
            )
            return self._base.total_changes - before

    def due(self, moment: float) -> list[Message]:
        """Messages to send, oldest first."""
        rows = self._rows(
            "SELECT key, channel, payload, attempts FROM outbox WHERE state = 'waiting' AND due <= ? ORDER BY number",
            moment,
        )
        return [Message(key, channel, json.loads(payload), attempts) for key, channel, payload, attempts in rows]

    def mark(self, key: str, state: str, *, due: float = 0.0, reason: str | None = None, tried: int = 0) -> None:
        """Write down the state of a message: ``waiting``, ``sending``, ``sent``, ``unknown`` or ``given up``."""
        self._rows(
            "UPDATE outbox SET state = ?, due = ?, reason = ?, attempts = attempts + ? WHERE key = ?",
            state, due, reason, tried, key,
        )  # fmt: skip

    def lost_track(self) -> int:
        """Messages that were being sent when the watch died, and are not sent again; returns their number."""
        return len(self._rows("UPDATE outbox SET state = 'unknown' WHERE state = 'sending' RETURNING key"))

    def message_counts(self) -> dict[str, int]:
        """Number of messages by state."""
        return dict(self._rows("SELECT state, COUNT(*) FROM outbox GROUP BY state"))
