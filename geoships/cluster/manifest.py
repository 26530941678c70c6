"""The manifest of a folder of outputs: one record a scene, and who works on which scene."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import filelock

from geoships.cluster.records import SceneRecord, read_record
from geoships.errors import OutputError
from geoships.support.files import output_errors, owned_temporaries, remove_temporaries, write_text

FOLDER = ".geoships"
NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


class Manifest:
    """The records of a folder of outputs.

    A record is one JSON file, ``OUT_DIR/.geoships/scenes/PLACE.json``, that appears by rename: readers need no lock,
    and folders of several machines are joined by copying. A scene is claimed by a lock on the file beside its record,
    which the system takes back from a process that dies, however it dies.

    Args:
        out_dir: Folder of the outputs; created when something is written.

    Attributes:
        out_dir: The folder.
    """

    def __init__(self, out_dir: Path) -> None:
        self.out_dir = out_dir
        self._scenes, self._lists = out_dir / FOLDER / "scenes", out_dir / FOLDER / "lists"

    def read(self, place: str) -> SceneRecord | None:
        """The record of a scene; None if there is none.

        Raises:
            OutputError: The record cannot be read.
        """
        path = self._path(place)
        try:
            return read_record(path)
        except OSError as error:
            raise OutputError(f"cannot read the record {path}: {error.strerror}; check its permissions") from error

    def records(self) -> Iterator[SceneRecord]:
        """All records, in the order of their places."""
        for path in sorted(self._scenes.rglob("*.json")):
            if not path.name.startswith("."):
                record = self.read(path.relative_to(self._scenes).as_posix().removesuffix(".json"))
                if record is not None:
                    yield record

    def write(self, record: SceneRecord) -> None:
        """Write or replace the record of a scene.

        Raises:
            OutputError: It cannot be written.
        """
        path = self._path(record.place)
        _make_folder(path.parent)
        write_text(path, record.model_dump_json(indent=1, exclude_defaults=True) + "\n")

    def write_list(self, scenes: Mapping[str, str], part: str = "1/1") -> None:
        """Write down which scenes a run is about, so that what is missing can be told.

        Args:
            scenes: Names of all scenes by their place, those of all shards.
            part: Which shard of them the run computes, as in ``2/8``.

        Raises:
            OutputError: The list cannot be written.
        """
        path = self._lists / f"{part.replace('/', '-of-')}.json"
        _make_folder(path.parent)
        write_text(path, json.dumps(dict(scenes), indent=0))

    def listed(self) -> dict[str, str]:
        """Names of the scenes that runs on this folder were about, by their place.

        Raises:
            OutputError: A list cannot be read.
        """
        found: dict[str, str] = {}
        for path in sorted(self._lists.glob("*-of-*.json")):
            try:
                found |= json.loads(path.read_bytes())
            except (OSError, ValueError, TypeError) as error:
                raise OutputError(f"cannot read the list of scenes {path}: {error}; remove it") from error
        return found

    @contextmanager
    def claim(self, place: str) -> Iterator[bool]:
        """Take a scene for this process, so that no other works on it while the block runs.

        What a process that was killed left half written at this place is removed. On a file system without locks the
        scene is taken unseen.

        Args:
            place: Of the scene.

        Yields:
            Whether the scene is ours; False: another process works on it.

        Raises:
            OutputError: The lock cannot be made.
        """
        path = self._path(place).with_suffix(".lock")
        _make_folder(path.parent)
        lock = filelock.FileLock(path, timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout:
            yield False
            return
        except NotImplementedError:
            pass  # a system without file locks, as NO_LOCKS below: runs on one folder are then not kept apart
        except OSError as error:
            if error.errno not in NO_LOCKS:
                raise OutputError(f"cannot lock {path}: {error.strerror}; check its permissions") from error
        owner = hashlib.sha256(place.encode()).hexdigest()[:12]
        try:
            begun = read_record(self._path(place))
            if begun is not None and not begun.finished:  # by a process that was killed
                for folder in (path.parent, (self.out_dir / place).parent):
                    remove_temporaries(folder, owner)
            with owned_temporaries(owner):
                yield True
        finally:
            record = read_record(self._path(place))
            if record is not None and record.state == "done":
                path.unlink(missing_ok=True)  # whoever waits for it finds the scene done
            lock.release()

    def _path(self, place: str) -> Path:
        return self._scenes / f"{place}.json"


def _make_folder(path: Path) -> None:
    with output_errors(path):
        path.mkdir(parents=True, exist_ok=True)
