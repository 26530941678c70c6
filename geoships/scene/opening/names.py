"""Names of scenes: which are addresses and which are files, whatever signs a file name holds."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

ADDRESS = re.compile(r"(https?://)(?:[^/?#\s'\"]*@)?([^?#\s'\"]*)(?:[?#][^\s,;'\")]*)?", re.IGNORECASE)
QUERY = re.compile(r"(?<=\w)\?[\w.~%+-]+=[^\s,;'\")]*")  # name=value and more of it
REMOTE = re.compile(r"(?:https?|s3|gs|az)://", re.IGNORECASE)
STORE = re.compile(r"(?:s3|gs|az)://", re.IGNORECASE)


def is_remote(name: str | os.PathLike[str]) -> bool:
    """Whether a name is an address of a server: ``http://``, ``https://``, ``s3://``, ``gs://`` or ``az://``.

    All other names are local, also with ``?``, ``#``, ``%20``, ``:`` or ``//``, or beginning with ``http``.

    >>> is_remote("https://host/a.tif?token=1"), is_remote("http files/a.tif"), is_remote("which one?/a.tif")
    (True, False, False)
    """
    return REMOTE.match(os.fspath(name)) is not None


def is_in_store(name: str | os.PathLike[str]) -> bool:
    """Whether a name is an address in an object store, which can list its folders: ``s3://``, ``gs://`` or ``az://``."""
    return STORE.match(os.fspath(name)) is not None


def without_query(name: str | os.PathLike[str]) -> str:
    """A name without the query and the fragment of an address; a local name is unchanged.

    >>> without_query("https://host/a.tif?token=1"), without_query("which one?/a#b.tif")
    ('https://host/a.tif', 'which one?/a#b.tif')
    """
    text = os.fspath(name)
    return re.split(r"[?#]", text)[0] if REMOTE.match(text) else text


def without_secrets(text: str | os.PathLike[str]) -> str:
    """A name or message without the queries and passwords of the addresses in it, which may be secret.

    >>> without_secrets("https://me:pass@host/a.tif?token=1")
    'https://host/a.tif'
    >>> without_secrets("no answer from /vsicurl/http://host/a.tif?key=1, which one?")
    'no answer from /vsicurl/http://host/a.tif, which one?'
    >>> without_secrets("a.tif?key=1, band 1: no answer")  # how GDAL names a remote file
    'a.tif, band 1: no answer'
    """
    shown = ADDRESS.sub(lambda found: f"{found[1]}{found[2]}", os.fspath(text))
    return QUERY.sub("", shown)


def title_of(name: str | os.PathLike[str]) -> str:
    """File name of a scene without folders, and without the query of an address.

    >>> title_of("https://host/x/a.tif?token=1"), title_of("which one?/a.tif"), title_of("file:///x/a%20b.tif")
    ('a.tif', 'a.tif', 'a b.tif')
    """
    text = without_query(name)
    if text.lower().startswith("file://"):
        text = unquote(text[len("file://") :])
    return text.replace("\\", "/").rstrip("/").rpartition("/")[2]


def stem_of(name: str | os.PathLike[str]) -> str:
    """File name of a scene without folders and ending, by which its outputs and labels are named.

    >>> stem_of("https://host/x/a.tif?token=1"), stem_of("a#b/50% done.tif")
    ('a', '50% done')
    """
    return Path(title_of(name)).stem
