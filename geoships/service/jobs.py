"""Jobs, keys and corrections as values."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Any

KEY = re.compile(r"gs_([0-9a-f]{12})_([\w-]{1,100})", re.ASCII)
LOCAL = "local"  # owner of jobs that come without a key, from the machine itself


class State(StrEnum):
    """How far a job is; the names are those of OGC API Processes."""

    accepted = "accepted"
    running = "running"
    successful = "successful"
    failed = "failed"
    dismissed = "dismissed"

    @property
    def final(self) -> bool:
        """Whether nothing happens to the job any more."""
        return self not in (State.accepted, State.running)


@dataclass(frozen=True)
class NewJob:
    """A job to be accepted.

    Attributes:
        id: Its id, under which its folder exists already.
        owner: Id of the key that it came with, or `LOCAL`.
        title: Name of the scene, for people.
        source: Where the scene comes from: ``{"files": [names]}`` in the job's folder, or ``{"address": URL}``.
        options: Settings of the prediction, as `geoships.service.options.JobOptions` holds them.
        size: Bytes of its files.
        request: Name of the request that a client may send twice; None: each request is a job.
    """

    id: str
    owner: str
    title: str
    source: Mapping[str, Any]
    options: Mapping[str, Any]
    size: int
    request: str | None = None


@dataclass(frozen=True)
class Job:
    """A job as the store knows it; times are seconds since 1970.

    Attributes:
        id: Its id.
        owner: Id of the key that it came with, or `LOCAL`.
        state: How far it is.
        title: Name of the scene.
        source: See `NewJob`.
        options: See `NewJob`.
        size: Bytes of its files, with its outputs once it is done.
        created: When it was accepted.
        started: When a worker first began it; None: none has.
        finished: When it ended; None: it has not.
        updated: When anything about it last changed.
        progress: Share that is done, 0 to 1.
        message: What happens, or why it failed.
        attempts: How often it was begun.
        lost: How many workers were lost with it.
        token: Fencing token: what a worker writes counts only with the newest.
        cancelled: Whether it is to be stopped.
        result: Facts about its result, once it is successful.
        worker: Who works on it, or has last.
    """

    id: str
    owner: str
    state: State
    title: str
    source: dict[str, Any]
    options: dict[str, Any]
    size: int
    created: float
    started: float | None
    finished: float | None
    updated: float
    progress: float
    message: str
    attempts: int
    lost: int
    token: int
    cancelled: bool
    result: dict[str, Any] = field(default_factory=dict)
    worker: str | None = None


class Scope(StrEnum):
    """What a key may do."""

    read = "read"
    write = "write"


@dataclass(frozen=True)
class Key:
    """A key as the store knows it: without its secret, of which it has the hash.

    Attributes:
        id: Its id, the first part of the key.
        name: Name for people.
        hash: SHA-256 of the secret, in hexadecimal digits.
        scopes: What it may do.
        quota: Bytes that its jobs may take; None: the service's own limit.
        created: When it was made, in seconds since 1970.
    """

    id: str
    name: str
    hash: str
    scopes: frozenset[Scope]
    quota: int | None
    created: float

    def fits(self, secret: str) -> bool:
        """Whether a secret is the key's."""
        return compare_digest(_hash(secret), self.hash)


def new_key() -> tuple[str, str, str]:
    """A new key: its id, the whole key, which is shown once, and the hash of its secret.

    The secret has 256 random bits, so that a plain hash cannot be guessed.
    """
    identity, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return identity, f"gs_{identity}_{secret}", _hash(secret)


def split_key(text: str) -> tuple[str, str] | None:
    """Id and secret of a key as a client sends it; None if it has not the form of a key.

    >>> split_key("gs_0123456789ab_secret"), split_key("other")
    (('0123456789ab', 'secret'), None)
    """
    found = KEY.fullmatch(text)
    return (found[1], found[2]) if found else None


def _hash(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


class Verdict(StrEnum):
    """What a person says of a ship."""

    accepted = "accepted"
    rejected = "rejected"
    drawn = "drawn"


@dataclass(frozen=True)
class Correction:
    """What a person says of one ship of a job.

    Attributes:
        ship: Number of the detected ship as text, or the id of a drawn one.
        verdict: Accepted, rejected or drawn; None: a note or an outline alone.
        geometry: GeoJSON polygon in longitude and latitude that replaces the outline; None: it is as detected.
        note: Free text.
        updated: When it was last changed, in seconds since 1970.
    """

    ship: str
    verdict: Verdict | None
    geometry: dict[str, Any] | None
    note: str
    updated: float
