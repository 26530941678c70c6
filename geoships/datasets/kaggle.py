"""Data sets of Kaggle, through its official client."""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from geoships.datasets.archive import LARGEST, unpack
from geoships.errors import GeoshipsError
from geoships.support.files import atomic_write, output_errors

SHIPS = "rhammell/ships-in-satellite-imagery"
RECORD = "source.json"  # what was downloaded into a folder
CHUNK = 1 << 16  # bytes that are written at a time: what is lost at most when a connection breaks

NO_CREDENTIALS = (
    "Kaggle knows nobody by the credentials found: make a token at https://www.kaggle.com/settings (API) and put it "
    "into ~/.kaggle/access_token or KAGGLE_API_TOKEN, or its older form into ~/.kaggle/kaggle.json or KAGGLE_USERNAME "
    "and KAGGLE_KEY"
)
REASONS = {
    401: NO_CREDENTIALS,
    403: "Kaggle refuses it (403): accept the data set's terms on its page, or check your credentials",
    404: "Kaggle has no such data set (404): check --slug, OWNER/NAME or OWNER/NAME/VERSION",
    429: "Kaggle asks to wait (429): run the command again later, it goes on where it stopped",
}


@dataclass(frozen=True)
class Download:
    """A data set in a folder.

    slug: owner/name, or owner/name/version. files: names, relative to the folder. size: bytes of the archive.
    sha256: of the archive. fresh: whether it was downloaded now, and not there already.
    """

    slug: str
    folder: Path
    files: tuple[str, ...]
    size: int
    sha256: str
    fresh: bool = True


def download(
    slug: str, folder: Path, *, force: bool = False, keep: bool = False, largest: int = LARGEST, quiet: bool = False
) -> Download:
    """Download a data set and unpack it.

    A download that was cut off goes on when it is called again, if the server still has the same file. The archive is
    checked by its size, by the MD5 that the server names and by the CRC of each file in it, and removed when it is
    unpacked. RECORD, beside the files, tells what they are; with it in place, nothing is downloaded again.

    slug: owner/name, or owner/name/version. folder: is made where it is missing.
    force: download again, in place of what is there. keep: keep the archive.
    largest: bytes that the files may have together. quiet: no progress on stderr.
    Raises GeoshipsError with one line: no credentials, no such data set, no connection, damaged or unsafe archives.
    """
    owner, name, version = _parts(slug)
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not force and (known := _recorded(slug, folder)):
        return known
    archive = folder / f"{name}.zip"
    with _client_errors(slug), redirect_stdout(StringIO() if quiet else sys.stderr):  # the client speaks on stdout
        headers = _fetch(_api(), owner, name, version, archive, force=force, quiet=quiet)
    size, md5, sha256 = _digests(archive)
    if (expected := _md5_of(headers)) not in (None, md5):
        archive.unlink()
        raise GeoshipsError(f"{archive} was damaged on its way and is removed (MD5 {md5}, not {expected}); try again")
    files = tuple(unpack(archive, folder, largest=largest, replace=force))
    record = {"slug": slug, "archive": archive.name, "bytes": size, "sha256": sha256, "files": files}
    record["etag"], record["last_modified"] = headers.get("ETag"), headers.get("Last-Modified")
    with atomic_write(folder / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    if not keep:
        archive.unlink()
    return Download(slug, folder, files, size, sha256)


def _parts(slug: str) -> tuple[str, str, int | None]:
    """Owner, name and version.

    >>> _parts("rhammell/ships-in-satellite-imagery/2")
    ('rhammell', 'ships-in-satellite-imagery', 2)
    """
    parts = slug.split("/")
    named = len(parts) in (2, 3) and all(part.replace("-", "").replace("_", "").isalnum() for part in parts)
    if not named or not (parts[2:] or ["0"])[0].isdigit():
        raise GeoshipsError(f"{slug!r} names no data set; write OWNER/NAME or OWNER/NAME/VERSION, such as {SHIPS}")
    return parts[0], parts[1], int(parts[2]) if parts[2:] else None


def _recorded(slug: str, folder: Path) -> Download | None:
    """What RECORD says, if it is of this data set and every file is still there."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        files = tuple(record["files"])
        if record["slug"] != slug or not all((folder / name).is_file() for name in files):
            return None
        return Download(slug, folder, files, int(record["bytes"]), str(record["sha256"]), fresh=False)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _api() -> Any:
    """The client, with the user's credentials.

    Importing it looks for credentials and leaves the interpreter where it finds none, as asking it to look does.
    """
    said = StringIO()
    try:
        with redirect_stdout(said):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
    except ModuleNotFoundError as error:
        raise GeoshipsError(f"the client of Kaggle is not whole ({error}): pip install 'kaggle>=2.2'") from error
    except SystemExit as error:
        raise GeoshipsError(NO_CREDENTIALS) from error
    return api


def _fetch(
    api: Any, owner: str, name: str, version: int | None, archive: Path, *, force: bool, quiet: bool
) -> Mapping[str, str]:
    """Download the archive, or the rest of it; returns the headers that the server sent."""
    from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest

    request = ApiDownloadDatasetRequest()
    request.owner_slug, request.dataset_slug = owner, name
    if version is not None:
        request.dataset_version_number = version
    with api.build_kaggle_client() as client:
        response = client.datasets.dataset_api_client.download_dataset(request)
        try:
            if force or api.download_needed(response, str(archive), quiet):
                api.download_file(response, str(archive), client.http_client(), quiet, not force, chunk_size=CHUNK)
        finally:
            response.close()
        headers: Mapping[str, str] = response.headers
    return headers


@contextmanager
def _client_errors(slug: str) -> Iterator[None]:
    import requests

    try:
        yield
    except requests.exceptions.HTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        raise GeoshipsError(f"cannot download {slug}: {REASONS.get(status, error)}") from error
    except requests.exceptions.RequestException as error:
        what = f"the connection failed ({type(error).__name__}); run the command again, it goes on where it stopped"
        raise GeoshipsError(f"cannot download {slug}: {what}") from error
    except (ValueError, OSError) as error:
        raise GeoshipsError(f"cannot download {slug}: {error}") from error


def _digests(path: Path) -> tuple[int, str, str]:
    """Size, MD5 and SHA-256 of a file."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            md5.update(part)
            sha256.update(part)
            size += len(part)
    return size, md5.hexdigest(), sha256.hexdigest()


def _md5_of(headers: Mapping[str, str]) -> str | None:
    """The MD5 that Google Cloud Storage names, in hexadecimal; None where it names none.

    >>> _md5_of({"x-goog-hash": "crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ=="})
    '3a393d7377617f182829554763015b1d'
    """
    for part in headers.get("x-goog-hash", "").split(","):
        kind, _, value = part.strip().partition("=")
        if kind == "md5":
            return base64.b64decode(value).hex()
    return None
