"""Reading, writing and listing of objects in stores, by obstore; an object appears whole or not at all."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from geoships.errors import OutputError
from geoships.support.remote.address import RemotePath
from geoships.support.remote.settings import az_settings, gs_settings, http_settings, s3_settings

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ObjectStore, RetryConfig

Result = TypeVar("Result")
MISSING = "files in stores need one more package: pip install 'geoships[cloud]'"
PART, AT_A_TIME = 8 << 20, 8  # bytes of a part of a large file, and how many travel at a time
ONE_REQUEST = 64 << 20  # bytes up to which a new file is sent in one request, which the store can refuse
RETRIES: RetryConfig = {
    "max_retries": 4,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=5), "base": 2},
}
HINTS = {
    "s3": "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or AWS_PROFILE",
    "gs": "check GOOGLE_APPLICATION_CREDENTIALS",
    "az": "check AZURE_STORAGE_ACCOUNT and AZURE_STORAGE_ACCESS_KEY or AZURE_STORAGE_SAS_TOKEN",
}
HTTP_HINT = "check GDAL_HTTP_USERPWD or GDAL_HTTP_BEARER"


class ExistsError(OutputError):
    """An object that was to be new is there, or one that was to be replaced has changed."""


@dataclass(frozen=True)
class Version:
    """Content of an object, and what tells it from later ones.

    Attributes:
        content: The content.
        e_tag: The store's mark of it; None: the store gives none.
        modified: When it was written, by the store's clock.
    """

    content: bytes
    e_tag: str | None
    modified: datetime


def check_address(path: RemotePath) -> None:
    """Check that an address can be written to, without asking its store.

    Raises:
        OutputError: It lacks a bucket, or holds a query or a password; or obstore is not installed.
    """
    if not path.bucket or not path.key:
        raise OutputError(f"{_shown(path)}: an output needs a bucket and a name, such as s3://bucket/ships.gpkg")
    if "?" in str(path) or "@" in path.bucket:
        raise OutputError(f"{_shown(path)}: the address of an output holds no query and no password; {_hint(path)}")
    _library()


def exists(path: Path) -> bool:
    """Whether there is a local file or folder, or an object, of this name.

    Raises:
        OutputError: The store cannot be asked.
    """
    if not isinstance(path, RemotePath):
        return path.exists()
    obstore = _library()
    try:
        with _errors(path, "ask for"):
            obstore.head(_store(path), path.key)
    except FileNotFoundError:
        return False
    return True


def read(path: RemotePath) -> Version | None:
    """Read an object; None if there is none.

    Raises:
        OutputError: It cannot be read.
    """
    obstore = _library()
    try:
        with _errors(path, "read"):
            found = obstore.get(_store(path), path.key)
            return Version(bytes(found.bytes()), found.meta["e_tag"], found.meta["last_modified"])
    except FileNotFoundError:
        return None


def write(path: RemotePath, content: bytes | Path, *, new: bool = False, instead_of: Version | None = None) -> str:
    """Write an object, which appears whole.

    Args:
        path: Its address.
        content: Its content, or the file that has it.
        new: Refuse to replace an object. The store itself does, where it knows conditions (``If-None-Match``) and the
            content is one request; otherwise it is asked right before.
        instead_of: Replace this version alone (``If-Match``).

    Returns:
        The store's mark of the object; empty if it gives none.

    Raises:
        ExistsError: An object is there with `new`, or it is not the one to be replaced.
        OutputError: It cannot be written.
    """
    from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError

    size = content.stat().st_size if isinstance(content, Path) else len(content)
    mode: PutMode = "create" if new else "overwrite"
    if instead_of is not None and instead_of.e_tag:
        mode = {"e_tag": instead_of.e_tag}

    def put() -> str:
        if mode != "overwrite" and size <= ONE_REQUEST:
            try:
                return _put(path, content, mode)
            except (BaseError, NotImplementedError) as error:
                if not _is_unknown(error):
                    raise
        if new:
            _refuse_existing(path)
        return _put(path, content, "overwrite", size)

    with _errors(path, "write"):
        try:
            return _interruptible(put)
        except (AlreadyExistsError, PreconditionError):
            # a request whose answer was lost is sent again, and meets what it has written itself
            found = read(path)
            if found is not None and found.content == (content if isinstance(content, bytes) else content.read_bytes()):
                return found.e_tag or ""
            raise _exists_already(path) from None
        except FileNotFoundError:
            raise OutputError(f"cannot write {path}: there is no bucket {path.bucket}; create it first") from None


def _put(path: RemotePath, content: bytes | Path, mode: PutMode, size: int = 0) -> str:
    obstore = _library()
    sent = obstore.put(
        _store(path),
        path.key,
        content,
        mode=mode,
        use_multipart=size > PART,
        chunk_size=PART,
        max_concurrency=AT_A_TIME,
    )
    return str(sent["e_tag"] or "")


def _is_unknown(error: Exception) -> bool:
    """Whether a store does not know conditions of a request."""
    from obstore.exceptions import NotSupportedError

    return isinstance(error, NotSupportedError | NotImplementedError) or "status code: 501" in str(error)


def _refuse_existing(path: RemotePath) -> None:
    if exists(path):
        raise _exists_already(path)


def _exists_already(path: RemotePath) -> ExistsError:
    return ExistsError(f"{path} exists already, since this run began; name another, or use --overwrite")


def delete(*paths: RemotePath) -> None:
    """Delete objects of one bucket; those that are not there do not matter.

    Raises:
        OutputError: They cannot be deleted.
    """
    obstore = _library()
    for path in paths:
        try:
            with _errors(path, "delete"):
                obstore.delete(_store(path), path.key)
        except FileNotFoundError:
            continue


def listing(folder: RemotePath) -> Iterator[RemotePath]:
    """The objects below a folder, in the order of their names.

    Raises:
        OutputError: They cannot be listed.
    """
    obstore = _library()
    root, found = RemotePath(f"{folder.scheme}://{folder.bucket}"), []
    with _errors(folder, "list"):
        for page in obstore.list(_store(folder), f"{folder.key}/" if folder.key else None):
            found += [root / each["path"] for each in page]
    yield from sorted(found, key=str)


# --- stores ----------------------------------------------------------------------------------------------------------


def _library() -> ModuleType:
    try:
        import obstore
    except ImportError:
        raise OutputError(MISSING) from None
    return obstore


def _store(path: RemotePath) -> ObjectStore:
    _library()
    return _opened(path.scheme, path.bucket)


@lru_cache(maxsize=64)
def _opened(scheme: str, bucket: str) -> ObjectStore:
    from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

    if scheme == "s3":
        return S3Store(bucket, retry_config=RETRIES, **s3_settings())
    if scheme == "gs":
        return GCSStore(bucket, retry_config=RETRIES, **gs_settings())
    if scheme == "az":
        return AzureStore(bucket, retry_config=RETRIES, **az_settings())
    return HTTPStore(f"{scheme}://{bucket}", retry_config=RETRIES, **http_settings(plain=scheme == "http"))


def forget_stores() -> None:
    """Open stores anew at the next request, as after the environment has changed."""
    _opened.cache_clear()


def _interruptible(work: Callable[[], Result]) -> Result:
    """Do something in a thread of its own, so that Ctrl-C ends the wait for it."""
    done: list[Result] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="upload", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if failed:
        raise failed[0]
    return done[0]


# --- errors ----------------------------------------------------------------------------------------------------------


@contextmanager
def _errors(path: RemotePath, what: str) -> Iterator[None]:
    """Convert errors of obstore to an OutputError of one line, without what obstore says, which may hold a signature.

    Raises:
        FileNotFoundError: There is no such object.
        OutputError: All others.
    """
    from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

    try:
        yield
    except (PermissionDeniedError, UnauthenticatedError):
        raise OutputError(f"cannot {what} {_shown(path)}: the store refuses access; {_hint(path)}") from None
    except FileNotFoundError:
        raise
    except (BaseError, ValueError, OSError) as error:
        raise OutputError(f"cannot {what} {_shown(path)}: {_reason(str(error), path)}") from None


def _reason(text: str, path: RemotePath) -> str:
    if "169.254." in text or "token request" in text or "redential" in text:  # where machines in clouds find theirs
        return f"no credentials were found; {_hint(path)}"
    status = re.search(r"status code: (\d{3})", text)
    if status and status[1] in ("401", "403"):
        return f"the store refuses access; {_hint(path)}"
    if status and status[1] == "301":
        return f"the bucket is in another region; {_hint(path)}"
    if status and status[1].startswith("4"):
        return f"the store refuses the request ({status[1]}); check the name, and what the store allows"
    if status:
        return f"the store cannot answer now ({status[1]}); try again later"
    return "no answer from the store in time; check the name and the connection"


def _hint(path: RemotePath) -> str:
    return HINTS.get(path.scheme, HTTP_HINT)


def _shown(path: RemotePath) -> str:
    """The address without a query and a password."""
    return re.sub(r"//[^/@]*@", "//", str(path).partition("?")[0])
