"""Who works on a scene of a folder in an object store: there are no locks, so a claim is an object that expires."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import psutil
from pydantic import BaseModel, ValidationError

from geoships.errors import OutputError
from geoships.support.remote.address import RemotePath
from geoships.support.remote.objects import ExistsError, Version, delete, read, write

LASTING = timedelta(minutes=5)  # without a sign of life
RENEWAL = 60.0  # s between two signs of life
SLACK = timedelta(minutes=1)  # between the clocks of two machines


class Claim(BaseModel):
    """What the object of a claim says.

    Attributes:
        owner: Letters and digits of this claim alone.
        host: Machine of the process that works on the scene.
        process: Its number there.
        until: When it expires, unless it is renewed.
    """

    owner: str
    host: str
    process: int
    until: datetime

    @property
    def is_over(self) -> bool:
        """Whether nobody works on the scene any more."""
        if self.host == socket.gethostname() and not psutil.pid_exists(self.process):
            return True
        return datetime.now(UTC) > self.until + SLACK


@dataclass
class _Held:
    claim: Claim
    version: Version


class Lease:
    """The claim of this process on a scene; see `take`."""

    def __init__(self, path: RemotePath, held: _Held) -> None:
        self._path, self._held, self._ended = path, held, threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Let others have the scene. What cannot be deleted expires."""
        self._ended.set()
        self._thread.join()
        with suppress(OutputError):
            found = read(self._path)
            if found is not None and found.content == self._held.version.content:
                delete(self._path)

    def _renew(self) -> None:
        while not self._ended.wait(RENEWAL):
            claim = self._held.claim.model_copy(update={"until": datetime.now(UTC) + LASTING})
            try:
                self._held = _put(self._path, claim, self._held.version)
            except ExistsError:
                return  # another process took the scene, since this one was silent for too long
            except OutputError:
                continue  # the store does not answer: the next sign of life may come in time


def take(path: RemotePath) -> Lease | None:
    """Claim a scene by an object that no other process can make, too (``If-None-Match``).

    A claim that has expired, or whose process on this machine is gone, is taken over (``If-Match``).

    Args:
        path: Of the object.

    Returns:
        The claim; None: another process works on the scene.

    Raises:
        OutputError: The store cannot be asked.
    """
    claim = Claim(
        owner=secrets.token_hex(8), host=socket.gethostname(), process=os.getpid(), until=datetime.now(UTC) + LASTING
    )
    try:
        return Lease(path, _put(path, claim, None))
    except ExistsError:
        pass
    found = read(path)
    if found is None:  # given back in between
        return take(path)
    if not _claim(found).is_over:
        return None
    try:
        return Lease(path, _put(path, claim, found))
    except ExistsError:
        return None


def _put(path: RemotePath, claim: Claim, instead_of: Version | None) -> _Held:
    content = claim.model_dump_json().encode()
    mark = write(path, content, new=instead_of is None, instead_of=instead_of)
    known = instead_of or Version(b"", None, datetime.now(UTC))
    return _Held(claim, replace(known, content=content, e_tag=mark or None))


def _claim(version: Version) -> Claim:
    try:
        return Claim.model_validate_json(version.content)
    except ValidationError:  # of another version of geoships: it expires as if it had been renewed when it was written
        return Claim(owner="", host="", process=0, until=version.modified + LASTING)
