"""The folder of a training: it holds one run, and nothing of a run that failed before its first checkpoint."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import yaml
from pydantic import BaseModel

from geoships.config.training import Run
from geoships.config.yaml_file import read_settings
from geoships.errors import GeoshipsError, OutputError
from geoships.model.bundle import Bundle, half_weights, save_bundle
from geoships.model.card import Card
from geoships.support.files import atomic_write, output_errors
from geoships.support.temporaries import temporary_path
from geoships.training.trackers import LOGS, check_trackers

CONFIG, CHECKPOINTS, BUNDLE = "config.yaml", "checkpoints", "bundle"
CONTENT = (CONFIG, CHECKPOINTS, BUNDLE, LOGS)  # of a run's folder
UNFINISHED = ".geoships-*"  # names of what is not complete yet
# Settings without influence on the weights: a resumed run may have others.
FREE: Any = {
    "run": {"tracker", "project", "pictures", "checkpoint_minutes", "log_every", "workers"},
    "crops": {"memory"},
    "bundle": True,
}


@contextmanager
def run_folder(config: BaseModel, out: Path, resume: bool, *, overwrite: bool = False) -> Iterator[Path | None]:
    """Make the folder of a run, and write its settings there.

    If the block fails before there is a checkpoint, what was written to the folder since is removed, so that the same
    command works again with other settings.

    Args:
        config: Settings of the training.
        out: The folder.
        resume: Whether the run in it goes on.
        overwrite: Whether to delete an earlier run in it first, and only that; not with `resume`.

    Yields:
        The checkpoint to go on from; None: there is none.

    Raises:
        GeoshipsError: The folder holds another run or a file that the settings name, or cannot be written, or a tracker
            is not installed.
    """
    if resume and overwrite:
        raise GeoshipsError(f"{out}: a run is resumed or overwritten, not both")
    run = getattr(config, "run", None)
    if isinstance(run, Run):
        check_trackers(run.tracker)
    if overwrite:
        _delete_run(config, out)
    held = [name for name in CONTENT if (out / name).exists()]
    if held and not resume:
        raise OutputError(
            f"{out} holds a training already ({held[0]}); use --resume to go on with it, --overwrite to begin anew, or "
            "another folder"
        )
    if _holds_run(out):
        _check_settings(config, out)
    new, before = not out.exists(), _entries(out)
    _write_settings(config, out)
    last = out / CHECKPOINTS / "last.ckpt"
    try:
        yield last if resume and last.exists() else None
    except BaseException:  # an interrupt, too
        if not _holds_run(out):
            _remove(_entries(out) - before | {out / CONFIG})
            if new and not any(out.iterdir()):
                out.rmdir()
        raise


def write_bundle(out: Path, card: Card, weights: Mapping[str, torch.Tensor]) -> None:
    """Write the bundle of a run with its graph, OUT/bundle, which appears whole.

    Raises:
        OutputError: It cannot be written.
    """
    from geoships.model.engines.graph_maker import with_graph

    graph = with_graph(Bundle(card, half_weights(weights), out / BUNDLE)).graph
    partial, bundle = temporary_path(out), out / BUNDLE
    try:
        with output_errors(bundle):
            save_bundle(partial, card, weights, graph=graph)
            if not bundle.exists():  # where several processes train, another one may be first
                partial.rename(bundle)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _holds_run(out: Path) -> bool:
    """Whether a folder holds something of a training that may be worth keeping."""
    whole = (path for path in (out / CHECKPOINTS).glob("*.ckpt") if not path.name.startswith("."))
    return (out / BUNDLE).exists() or any(whole)


def _check_settings(config: BaseModel, out: Path) -> None:
    """Raise GeoshipsError where the run of a folder cannot go on with these settings."""
    free = {key: names for key, names in FREE.items() if key != "bundle" or not (out / BUNDLE).exists()}
    saved = read_settings(type(config), out / CONFIG, {}, "the settings of the training")
    if changed := _differences(
        saved.model_dump(mode="json", exclude=free), config.model_dump(mode="json", exclude=free)
    ):
        raise GeoshipsError(
            f"{out / CONFIG}: the settings differ in {', '.join(changed)}; a run goes on only with its own: give "
            "another folder for other settings"
        )


def _differences(saved: Any, given: Any, name: str = "") -> list[str]:
    """Dotted names of the values that differ.

    >>> _differences({"a": {"b": 1, "c": 2}, "d": [1]}, {"a": {"b": 1, "c": 3}, "d": [1, 2]})
    ['a.c', 'd']
    """
    if not (isinstance(saved, dict) and isinstance(given, dict)):
        return [] if saved == given else [name]
    names = dict.fromkeys((*saved, *given))
    return [
        each
        for key in names
        for each in _differences(saved.get(key), given.get(key), f"{name}.{key}" if name else str(key))
    ]


def _delete_run(config: BaseModel, out: Path) -> None:
    """Delete an earlier run, unless the new one reads from it. Other files of the folder stay."""
    own = {(out / name).resolve() for name in CONTENT}
    root = getattr(getattr(config, "data", None), "root", None) or Path()
    for named in _texts(config.model_dump(mode="json")):
        paths = Path(named).resolve(), (root / named).resolve()
        if any(own & {path, *path.parents} for path in paths):
            raise OutputError(f"{named} belongs to the run in {out} that would be overwritten; name another folder")
    with output_errors(out):
        for place in (out / name for name in CONTENT):
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)


def _texts(values: object) -> Iterator[str]:
    """All texts in nested settings, names of files among them."""
    if isinstance(values, str) and "\0" not in values:
        yield values
    elif isinstance(values, dict | list):
        for value in values.values() if isinstance(values, dict) else values:
            yield from _texts(value)


def _write_settings(config: BaseModel, out: Path) -> None:
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
    try:
        out.mkdir(parents=True, exist_ok=True)
        _remove(out.glob(UNFINISHED))  # of a killed run
        with atomic_write(out / CONFIG) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise GeoshipsError(f"cannot write the folder {out}: {error.strerror or error}") from error


def _entries(out: Path) -> set[Path]:
    """What lies in the folder of a run and in its folder of logs."""
    return {path for folder in (out, out / LOGS) if folder.is_dir() for path in folder.iterdir()}


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
