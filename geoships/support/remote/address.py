"""Addresses of files in object stores and on servers, as paths."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

if sys.platform == "win32":
    from pathlib import WindowsPath as _SystemPath
else:
    from pathlib import PosixPath as _SystemPath

SCHEMES = ("s3", "gs", "az", "http", "https")
# A path holds one slash where an address holds two: Path("s3://bucket/a") is s3:/bucket/a.
_ADDRESS = re.compile(rf"({'|'.join(SCHEMES)}):[/\\]+(?=[^/\\])", re.IGNORECASE)


class RemotePath(_SystemPath):
    """Address of a file or folder in a store, such as ``s3://bucket/run/ships.gpkg``.

    It has the names, parents and parts of a path, and its text is the address. It reads and writes nothing: the
    functions of `geoships.support.remote.objects` do.

    >>> folder = RemotePath("s3://bucket/run")
    >>> str(folder / "ships.gpkg"), str((folder / "a.tif").with_name("b.tif")), (folder / "a.tif").suffix
    ('s3://bucket/run/ships.gpkg', 's3://bucket/run/b.tif', '.tif')
    """

    def __str__(self) -> str:
        first, *rest = self.parts or (".",)
        if first.endswith(":") and first[:-1].lower() in SCHEMES:
            return f"{first.lower()}//{'/'.join(rest)}"
        return "/".join((first, *rest))

    def __fspath__(self) -> str:
        return str(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    def is_absolute(self) -> bool:
        """Whether it names a place by itself: an address does."""
        return True

    def absolute(self) -> RemotePath:
        """The address itself."""
        return self

    def resolve(self, strict: bool = False) -> RemotePath:  # noqa: ARG002 (as Path has it)
        """The address itself."""
        return self

    @property
    def scheme(self) -> str:
        """What the address begins with, such as ``s3``."""
        return self.parts[0][:-1].lower()

    @property
    def bucket(self) -> str:
        """The bucket, the container, or the server; empty if there is none."""
        return self.parts[1] if len(self.parts) > 1 else ""

    @property
    def key(self) -> str:
        """The name in the bucket, without a slash at its beginning."""
        return "/".join(self.parts[2:])


def as_path(name: str | os.PathLike[str]) -> Path:
    """A path, or the address in a store that a name is.

    >>> as_path("s3://bucket/a.tif"), as_path(Path("s3://bucket/a.tif")), as_path("out/a.tif").as_posix()
    (RemotePath('s3://bucket/a.tif'), RemotePath('s3://bucket/a.tif'), 'out/a.tif')
    """
    if isinstance(name, RemotePath):
        return name
    text = os.fspath(name)
    found = _ADDRESS.match(text)
    return RemotePath(f"{found[1].lower()}://{text[found.end() :]}") if found else Path(name)
