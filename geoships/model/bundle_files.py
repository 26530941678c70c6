"""Files of a model bundle, read from its folder or its zip file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from geoships.errors import BundleError, OutputError
from geoships.model.card import Card, parse_card
from geoships.support.overwrite import refuse_overwrites

CARD_FILE = "model.json"
WEIGHTS_FILE = "model.safetensors"
SCREEN_FILE = "screen.safetensors"
VERIFIER = "verifier"  # folder of a bundle's verifier
SCREEN = "screen"  # folder of the graph of a bundle's screen
INT8_FILES = ("int8/model.xml", "int8/model.bin")
GRAPH_FILES = ("graph/scores.onnx", "graph/weights.json")
OPTIONAL_FILES = (
    *(f"{VERIFIER}/{name}" for name in (CARD_FILE, WEIGHTS_FILE, *GRAPH_FILES)),
    SCREEN_FILE,
    *(f"{SCREEN}/{name}" for name in GRAPH_FILES),
    *INT8_FILES,
    *GRAPH_FILES,
)
FILES = (CARD_FILE, WEIGHTS_FILE, *OPTIONAL_FILES)  # of a bundle's folder
MAX_CARD_BYTES = 1 << 20  # a larger file is no model card


def refuse_bundle(out: Path, inputs: Iterable[Path] = (), *, overwrite: bool) -> None:
    """Check, before any work, that writing a bundle replaces nothing that is there.

    Args:
        out: The bundle to write: a zip file, or a folder, which may hold other files.
        inputs: Bundles and files that are read.
        overwrite: Whether an existing bundle may be replaced; never one that is read.

    Raises:
        OutputError: There is a bundle, or it is read.
    """
    read = list(inputs)
    if found := next((path for path in read if out.resolve() in (path.resolve(), (path / VERIFIER).resolve())), None):
        raise OutputError(f"the output {out} is the input {found} itself, or a part of it; name another bundle")
    parts = () if out.suffix == ".zip" else tuple(out / name for name in FILES)
    refuse_overwrites((out, *parts), (file for path in read for file in bundle_files(path)), overwrite=overwrite)


def bundle_files(path: Path) -> list[Path]:
    """The files of a bundle: its zip file, or those that its folder may hold."""
    return [path / name for name in FILES] if path.is_dir() else [path]


def load_card(path: Path, folder: str = "") -> Card:
    """Load and validate a model card without the weights.

    Args:
        path: Folder or zip file of the bundle.
        folder: Folder of the model in the bundle: empty, or VERIFIER.

    Raises:
        BundleError: There is no card, or it is not valid.
    """
    text = read_file(path, CARD_FILE, folder)
    where = path / folder / CARD_FILE
    if len(text) > MAX_CARD_BYTES:
        raise BundleError(f"{where}: {len(text)} bytes are too many for a model card; copy the bundle again")
    return parse_card(text, str(where))


def has_file(path: Path, name: str, folder: str = "") -> bool:
    """Whether a bundle holds a file.

    Args:
        path: Folder or zip file of the bundle; it must be readable.
        name: Name of the file.
        folder: Folder of the file in the bundle.
    """
    if path.is_dir():
        return (path / folder / name).exists()
    with zipfile.ZipFile(path) as archive:
        return bool(_zip_entries(archive.namelist(), name, folder))


def read_file(path: Path, name: str, folder: str = "") -> bytes:
    """Content of a bundle's file.

    Args:
        path: Folder or zip file of the bundle.
        name: Name of the file.
        folder: Folder of the file in the bundle.

    Raises:
        BundleError: The file is missing, appears more than once in the zip, or cannot be read.
    """
    try:
        if path.is_dir():
            return (path / folder / name).read_bytes()
        with zipfile.ZipFile(path) as archive:
            entries = _zip_entries(archive.namelist(), name, folder)
            if len(entries) != 1:
                raise BundleError(f"{path} is not a model bundle: expected one file {name} in it, got {len(entries)}")
            return archive.read(entries[0])
    except FileNotFoundError as error:
        raise BundleError(f"{path} is not a model bundle: it has no {Path(folder, name)}") from error
    except (OSError, zipfile.BadZipFile, zlib.error) as error:
        raise BundleError(f"{path}: cannot read {name} of the bundle: {error}") from error


def _zip_entries(entries: Sequence[str], name: str, folder: str = "") -> list[str]:
    """Entries of a zip file that are a file of its bundle, in whatever folder the bundle is; one in a valid zip.

    A bundle's verifier is not a second bundle.

    >>> _zip_entries(["a/model.json", "a/verifier/model.json"], "model.json")
    ['a/model.json']
    >>> _zip_entries(["a/model.json", "a/verifier/model.json"], "model.json", "verifier")
    ['a/verifier/model.json']
    """
    paths = [PurePosixPath(entry) for entry in entries]
    roots = {path.parent for path in paths if path.name == CARD_FILE}
    roots -= {root / VERIFIER for root in roots}
    targets = {root / folder / name for root in roots}
    return [entry for entry, path in zip(entries, paths, strict=True) if path in targets]
