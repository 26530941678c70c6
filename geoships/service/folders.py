"""Where a service keeps its files.

DATA_DIR/service.sqlite             the store, unless it is PostgreSQL
DATA_DIR/uploads/ID/                an upload that is going on
DATA_DIR/jobs/ID/input/             the files of a job
DATA_DIR/jobs/ID/attempt-N/         the outputs of its Nth attempt
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from pathlib import Path

from geoships.errors import OutputError
from geoships.support.files import output_errors

IDENTITY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def new_identity() -> str:
    """The id of a new job or upload."""
    return str(uuid.uuid4())


def is_identity(text: str) -> bool:
    """Whether a text has the form of an id, so that it is safe as the name of a folder.

    >>> is_identity("../jobs")
    False
    """
    return IDENTITY.fullmatch(text) is not None


class DataFolder:
    """The folder of a service.

    Args:
        root: The folder, which is made where it is missing.

    Raises:
        OutputError: It cannot be made or written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.jobs, self.uploads = self.root / "jobs", self.root / "uploads"
        with output_errors(self.root):
            for folder in (self.jobs, self.uploads):
                folder.mkdir(parents=True, exist_ok=True)
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise OutputError(f"cannot write to {self.root}; choose another --data-dir")

    def job(self, identity: str) -> Path:
        """The folder of a job."""
        return self.jobs / _checked(identity)

    def input(self, identity: str) -> Path:
        """The folder of a job's files."""
        return self.job(identity) / "input"

    def attempt(self, identity: str, token: int) -> Path:
        """The folder of what one attempt writes: each has its own, so that a lost worker changes no result."""
        return self.job(identity) / f"attempt-{token}"

    def upload(self, identity: str) -> Path:
        """The folder of an upload."""
        return self.uploads / _checked(identity)

    def adopt(self, upload: str, job: str) -> bool:
        """Make the files of an upload those of a job, at once; returns False where another job has them already."""
        folder = self.job(job)
        folder.mkdir()
        try:
            (self.upload(upload) / "files").rename(folder / "input")
        except FileNotFoundError:
            folder.rmdir()
            return False
        self.remove_upload(upload)
        return True

    def remove_job(self, identity: str) -> None:
        """Delete the files of a job."""
        shutil.rmtree(self.job(identity), ignore_errors=True)

    def remove_upload(self, identity: str) -> None:
        """Delete an upload."""
        shutil.rmtree(self.upload(identity), ignore_errors=True)

    def free(self) -> int:
        """Bytes that are free on the disk."""
        return shutil.disk_usage(self.root).free


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _checked(identity: str) -> str:
    if not is_identity(identity):
        raise ValueError("not the id of a job or upload")
    return identity
