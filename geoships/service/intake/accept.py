"""Makes jobs of what was uploaded: the last checks, and the moment from which a job cannot be lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from geoships.service.folders import DataFolder, new_identity, size_of
from geoships.service.intake.addresses import Resolve, opened, resolve_host
from geoships.service.intake.files import sync_folder
from geoships.service.intake.inspect import Inspector
from geoships.service.intake.kinds import kind_of, kind_of_header
from geoships.service.intake.zips import check_zip
from geoships.service.jobs import Job, NewJob, State
from geoships.service.options import JobOptions
from geoships.service.problems import ProblemError
from geoships.service.settings import Limits, ServiceSettings
from geoships.service.store.store import Store

SUFFIXES = {"tif": (".tif", ".tiff"), "jp2": (".jp2", ".j2k"), "png": (".png",), "jpg": (".jpg", ".jpeg")}


@dataclass(frozen=True)
class Request:
    """Who asks for a job, and how.

    owner: id of the key. options: of the prediction. name: by which a request that is sent twice is known, or None.
    hashes: SHA-256 of the files by name.
    """

    owner: str
    options: JobOptions
    name: str | None = None
    hashes: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Intake:
    """Accepts jobs.

    folder, store, settings: of the service. inspector: looks at headers.
    """

    folder: DataFolder
    store: Store
    settings: ServiceSettings
    inspector: Inspector

    def files(self, upload: str, request: Request) -> tuple[Job, bool]:
        """Make a job of the files of an upload, which is gone afterwards, whatever happens.

        Args:
            upload: Its id; its files are in the folder ``files`` of its own.
            request: Who asks.

        Returns:
            The job, and whether it is new.

        Raises:
            ProblemError: A file is not taken.
        """
        place = self.folder.upload(upload) / "files"
        try:
            paths = sorted(place.iterdir()) if place.is_dir() else []
            if not paths:
                raise ProblemError(400, "no file came with the request; send it in the field 'file'")
            paths = [_with_ending(path, check_file(path, self.settings.limits, len(paths))) for path in paths]
            header = self.inspector.header(paths, self.settings.limits)
            self._require_turn(request)
            identity = new_identity()
            size = size_of(place)
            if not self.folder.adopt(upload, identity):
                raise ProblemError(409, "another request has made a job of this upload already")
        finally:
            self.folder.remove_upload(upload)
        sync_folder(self.folder.jobs)
        names = [path.name for path in paths]
        source = {"files": names, "sha256": dict(request.hashes or {}), **header}
        return self._add(
            NewJob(identity, request.owner, _title(names), source, request.options.given(), size, request.name)
        )

    def address(self, address: str, request: Request, resolve: Resolve = resolve_host) -> tuple[Job, bool]:
        """Make a job of a scene at an address; its worker fetches it.

        Raises:
            ProblemError: The address is not allowed, does not answer, or has no scene.
        """
        with opened(address, self.settings, resolve) as (answer, name):
            kind_of_header(answer.read(1024), name)
        self._require_turn(request)
        identity = new_identity()
        self.folder.input(identity).mkdir(parents=True)
        sync_folder(self.folder.jobs)
        source = {"address": address}
        return self._add(NewJob(identity, request.owner, name, source, request.options.given(), 0, request.name))

    def _add(self, new: NewJob) -> tuple[Job, bool]:
        try:
            job, added = self.store.add(new)
        except BaseException:
            self.folder.remove_job(new.id)
            raise
        if not added:
            self.folder.remove_job(new.id)
        return job, added

    def _require_turn(self, request: Request) -> None:
        """Refuse a job of an owner of whom too many wait already."""
        most = self.settings.limits.waiting
        if most and self.store.jobs(request.owner, states=(State.accepted, State.running), limit=1)[1] >= most:
            raise ProblemError(
                429, f"{most} of your jobs wait or run already; try again when some are done", kind="waiting",
                headers={"Retry-After": "60"},
            )  # fmt: skip


def _title(names: Sequence[str]) -> str:
    """Name of a scene of some files, for people.

    >>> _title(["T31_B02.tif", "T31_B03.tif"])
    'T31 (2 bands)'
    """
    if len(names) == 1:
        return names[0]
    same = (letters[0] for letters in takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False)))
    return f"{''.join(same).rstrip('_-. B0') or names[0]} ({len(names)} bands)"


def check_file(path: Path, limits: Limits, files: int) -> str:
    """Check one file of a job; returns its kind.

    Raises:
        ProblemError: It is not taken.
    """
    kind = kind_of(path, path.name)
    if kind == "zip":
        if files > 1:
            raise ProblemError(400, f"{path.name}: send a zip alone", kind="zip")
        check_zip(path, path.name, limits)
    return kind


def check_fetched(paths: Sequence[Path], limits: Limits) -> list[Path]:
    """Check files that a worker has fetched; returns them, with endings that fit what they are.

    Raises:
        ProblemError: One is not taken.
    """
    return [_with_ending(path, check_file(path, limits, len(paths))) for path in paths]


def _with_ending(path: Path, kind: str) -> Path:
    """A file with an ending that fits its kind, so that nothing is read by its name alone."""
    endings = SUFFIXES.get(kind, (".zip",))
    if path.suffix.lower() in endings:
        return path
    renamed = path.with_name(f"{path.name}{endings[0]}")
    if renamed.exists():
        raise ProblemError(400, f"two files have the name {renamed.name}; give each its own")
    path.rename(renamed)
    return renamed


def begin_upload(folder: DataFolder) -> str:
    """Make the folder of a new upload; returns its id."""
    identity = new_identity()
    (folder.upload(identity) / "files").mkdir(parents=True)
    return identity
