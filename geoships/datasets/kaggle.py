"""Downloads Kaggle data sets with Kaggle's client."""

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

from geoships.datasets.archive import MAX_BYTES, unpack
from geoships.errors import GeoshipsError
from geoships.support.files import atomic_write, output_errors

SHIPS = "rhammell/ships-in-satellite-imagery"
RECORD = "source.json"  # the record of a download, in its folder
CHUNK = 1 << 16  # bytes per write: the most that is lost when a connection breaks

NO_CREDENTIALS = (
    "Kaggle credentials are missing or not valid: create a token at https://www.kaggle.com/settings (API) and save it "
    "as ~/.kaggle/access_token or KAGGLE_API_TOKEN, or a legacy key as ~/.kaggle/kaggle.json or KAGGLE_USERNAME and "
    "KAGGLE_KEY"
)
HTTP_ERRORS = {
    401: NO_CREDENTIALS,
    403: "access denied (403); accept the data set's terms on its page, or check your credentials",
    404: "no such data set (404); check --slug, OWNER/NAME or OWNER/NAME/VERSION",
    429: "too many requests (429); run the command again later, it resumes the download",
}


@dataclass(frozen=True)
class Download:
    """A downloaded data set.

    Attributes:
        slug: owner/name or owner/name/version.
        folder: Folder of its files.
        files: File names relative to the folder.
        size: Bytes of the archive.
        sha256: SHA-256 of the archive in hexadecimal.
        downloaded: False if the folder already had the data set.
    """

    slug: str
    folder: Path
    files: tuple[str, ...]
    size: int
    sha256: str
    downloaded: bool = True


def download(
    slug: str,
    folder: Path,
    *,
    overwrite: bool = False,
    keep: bool = False,
    max_bytes: int = MAX_BYTES,
    quiet: bool = False,
) -> Download:
    """Download a data set and unpack it.

    Another call resumes an interrupted download if the server still has the same file. The archive is verified by its
    size, by the server's MD5 and by the CRC of each file in it, and deleted after unpacking. The file RECORD in the
    folder says what was downloaded; as long as it matches, nothing is downloaded again.

    Args:
        slug: owner/name or owner/name/version.
        folder: Folder for the files; created if needed.
        overwrite: Download again and replace existing files.
        keep: Keep the archive.
        max_bytes: Maximum size of all unpacked files together.
        quiet: Show no progress on stderr.

    Returns:
        The data set.

    Raises:
        GeoshipsError: Credentials, the data set or the connection are missing, or the archive is damaged or unsafe.
        OutputError: The folder cannot be written or already has files of the data set.
    """
    owner, name, version = _parse_slug(slug)
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if not overwrite and (existing := _read_record(slug, folder)):
        return existing
    archive = folder / f"{name}.zip"
    with _client_errors(slug), redirect_stdout(StringIO() if quiet else sys.stderr):  # the client prints to stdout
        headers = _download_archive(_api(), owner, name, version, archive, force=overwrite, quiet=quiet)
    size, md5, sha256 = _digests(archive)
    if (expected := _header_md5(headers)) not in (None, md5):
        archive.unlink()
        raise GeoshipsError(f"{archive}: damaged in transfer, deleted (expected MD5 {expected}, got {md5}); try again")
    files = tuple(unpack(archive, folder, max_bytes=max_bytes, replace=overwrite))
    record = {"slug": slug, "archive": archive.name, "bytes": size, "sha256": sha256, "files": files}
    record["etag"], record["last_modified"] = headers.get("ETag"), headers.get("Last-Modified")
    with atomic_write(folder / RECORD) as temporary:
        temporary.write_text(json.dumps(record, indent=1), encoding="utf-8")
    if not keep:
        archive.unlink()
    return Download(slug, folder, files, size, sha256)


def _parse_slug(slug: str) -> tuple[str, str, int | None]:
    """Return owner, name and version.

    >>> _parse_slug("rhammell/ships-in-satellite-imagery/2")
    ('rhammell', 'ships-in-satellite-imagery', 2)
    """
    parts = slug.split("/")
    valid = len(parts) in (2, 3) and all(part.replace("-", "").replace("_", "").isalnum() for part in parts)
    if not valid or not (parts[2:] or ["0"])[0].isdigit():
        raise GeoshipsError(f"{slug!r}: expected OWNER/NAME or OWNER/NAME/VERSION of a data set, such as {SHIPS}")
    return parts[0], parts[1], int(parts[2]) if parts[2:] else None


def _read_record(slug: str, folder: Path) -> Download | None:
    """Return what RECORD says, or None if it is of another data set or a file is missing."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        files = tuple(record["files"])
        if record["slug"] != slug or not all((folder / name).is_file() for name in files):
            return None
        return Download(slug, folder, files, int(record["bytes"]), str(record["sha256"]), downloaded=False)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _api() -> Any:
    """Return the client with the user's credentials.

    Without credentials, importing it and `authenticate` call `sys.exit`.
    """
    try:
        with redirect_stdout(StringIO()):
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
    except ModuleNotFoundError as error:
        raise GeoshipsError(f"Kaggle's client cannot be imported ({error}): pip install 'kaggle>=2.2'") from error
    except SystemExit as error:
        raise GeoshipsError(NO_CREDENTIALS) from error
    return api


def _download_archive(
    api: Any, owner: str, name: str, version: int | None, archive: Path, *, force: bool, quiet: bool
) -> Mapping[str, str]:
    """Download the archive, or the rest of it, and return the response headers."""
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
        raise GeoshipsError(f"cannot download {slug}: {HTTP_ERRORS.get(status, error)}") from error
    except requests.exceptions.RequestException as error:
        reason = f"the connection failed ({type(error).__name__}); run the command again, it resumes the download"
        raise GeoshipsError(f"cannot download {slug}: {reason}") from error
    except (ValueError, OSError) as error:
        raise GeoshipsError(f"cannot download {slug}: {error}") from error


def _digests(path: Path) -> tuple[int, str, str]:
    """Return the size in bytes, MD5 and SHA-256 of a file."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            md5.update(block)
            sha256.update(block)
            size += len(block)
    return size, md5.hexdigest(), sha256.hexdigest()


def _header_md5(headers: Mapping[str, str]) -> str | None:
    """Return the MD5 from the headers of Google Cloud Storage in hexadecimal, or None.

    >>> _header_md5({"x-goog-hash": "crc32c=n03x6A==,md5=Ojk9c3dhfxgoKVVHYwFbHQ=="})
    '3a393d7377617f182829554763015b1d'
    """
    for entry in headers.get("x-goog-hash", "").split(","):
        algorithm, _, value = entry.strip().partition("=")
        if algorithm == "md5":
            return base64.b64decode(value).hex()
    return None
