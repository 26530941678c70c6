"""The manifest of a folder of outputs: one record a scene, and who works on which scene."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from geoships.cluster.record_files import record_files
from geoships.cluster.records import SceneRecord, parse_record
from geoships.errors import OutputError
from geoships.support.remote.address import RemotePath
from geoships.support.remote.upload import owner_of
from geoships.support.temporaries import owned_temporaries

FOLDER = ".geoships"


class Manifest:
    """The records of a folder of outputs.

    A record is one JSON file, ``OUT_DIR/.geoships/scenes/PLACE.json``, that appears by rename: readers need no lock,
    and folders of several machines are joined by copying. A scene is claimed by a lock on the file beside its record,
    which the system takes back from a process that dies, however it dies. In an object store the lock is an object
    that expires, see `geoships.cluster.lease`.

    Args:
        out_dir: Folder of the outputs, which may be in a store; created when something is written.

    Attributes:
        out_dir: The folder.
    """

    def __init__(self, out_dir: Path) -> None:
        self.out_dir = out_dir
        self._files = record_files(out_dir)
        self._scenes, self._lists = out_dir / FOLDER / "scenes", out_dir / FOLDER / "lists"

    def read(self, place: str) -> SceneRecord | None:
        """The record of a scene; None if there is none.

        Raises:
            OutputError: The record cannot be read.
        """
        return parse_record(self._files.read(self._path(place)))

    def read_all(self, places: Sequence[str]) -> dict[str, SceneRecord]:
        """The records of some scenes by their places; those that have none are left out.

        Raises:
            OutputError: A record cannot be read.
        """
        contents = self._files.read_all([self._path(place) for place in places])
        found = ((place, parse_record(contents.get(self._path(place)))) for place in places)
        return {place: record for place, record in found if record is not None}

    def records(self) -> Iterator[SceneRecord]:
        """All records, in the order of their places."""
        names = self._files.names(self._scenes)
        contents = self._files.read_all(names)
        for name in names:
            if (record := parse_record(contents.get(name))) is not None:
                yield record

    @property
    def exists(self) -> bool:
        """Whether a run has left anything in the folder."""
        return self._files.present(self.out_dir / FOLDER)

    def write(self, record: SceneRecord) -> None:
        """Write or replace the record of a scene.

        Raises:
            OutputError: It cannot be written.
        """
        self._files.write(self._path(record.place), record.model_dump_json(indent=1, exclude_defaults=True) + "\n")

    def write_list(self, scenes: Mapping[str, str], part: str = "1/1") -> None:
        """Write down which scenes a run is about, so that what is missing can be told.

        Args:
            scenes: Names of all scenes by their place, those of all shards.
            part: Which shard of them the run computes, as in ``2/8``.

        Raises:
            OutputError: The list cannot be written.
        """
        self._files.write(self._lists / f"{part.replace('/', '-of-')}.json", json.dumps(dict(scenes), indent=0))

    def listed(self) -> dict[str, str]:
        """Names of the scenes that runs on this folder were about, by their place.

        Raises:
            OutputError: A list cannot be read.
        """
        found: dict[str, str] = {}
        for path in self._files.names(self._lists):
            if "-of-" not in path.name:
                continue
            try:
                found |= json.loads(self._files.read(path) or b"{}")
            except (ValueError, TypeError) as error:
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
        with self._files.claim(path) as ours:
            if not ours:
                yield False
                return
            # scratch folders of all runs of a machine lie beside each other
            owner = owner_of(self.out_dir / place if isinstance(self.out_dir, RemotePath) else place)
            try:
                begun = self.read(place)
                if begun is not None and not begun.finished:  # by a process that was killed
                    self._files.remove_leftovers(owner, (path.parent, (self.out_dir / place).parent))
                with owned_temporaries(owner):
                    yield True
            finally:
                record = self.read(place)
                if record is not None and record.state == "done":
                    self._files.remove_claim(path)  # whoever waits for it finds the scene done

    def _path(self, place: str) -> Path:
        return self._scenes / f"{place}.json"
