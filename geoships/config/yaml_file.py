"""The one place where a YAML file, overrides and defaults meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from geoships.errors import GeoshipsError

Settings = TypeVar("Settings", bound=BaseModel)


def read_settings(kind: type[Settings], file: Path | None, overrides: Mapping[str, object], example: str) -> Settings:
    """Settings of a YAML file, with overrides on top, and defaults below.

    overrides: values by dotted name, such as ``optimiser.rate``; numbers count entries of a list.
    example: a file that shows what is allowed, named in errors.
    Raises GeoshipsError that names each wrong setting and what it may be.
    """
    try:
        return kind.model_validate(read_values(file, overrides, example))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        where = f" in {file}, or on the command line" if file else ""
        raise GeoshipsError(f"wrong setting{where}: {faults}") from error


def read_values(file: Path | None, overrides: Mapping[str, object], example: str) -> dict[str, Any]:
    """Values of a YAML file with overrides on top, as `read_settings` takes them, before anything is validated."""
    values = _read(file, example) if file else {}
    for name, value in overrides.items():
        _put(values, name.split("."), value, name)
    return values


def parse_overrides(texts: Sequence[str]) -> dict[str, object]:
    """Values by dotted name of texts like ``optimiser.rate=3e-4``; the values are read as YAML.

    >>> parse_overrides(["trainer.epochs=3", "loss={bce: 1, dice: 1}", "seed=1e-3"])
    {'trainer.epochs': 3, 'loss': {'bce': 1, 'dice': 1}, 'seed': 0.001}
    """
    found: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise GeoshipsError(f"--set {text}: write it as name=value, such as --set optimiser.rate=3e-4")
        found[name.strip()] = _value(value, text)
    return found


def _value(text: str, where: str) -> object:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise GeoshipsError(f"--set {where}: cannot read the value: {error}") from error
    if isinstance(value, str):  # YAML 1.1 takes 1e-3 for text
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _put(values: Any, path: list[str], value: object, name: str) -> None:
    """Set a value deep inside nested mappings and lists, making mappings on the way."""
    *parents, last = path
    for part in parents:
        values = values[_index(values, part, name)] if isinstance(values, list) else values.setdefault(part, {})
        if not isinstance(values, (dict, list)):
            raise GeoshipsError(f"--set {name}: {part} holds one value, not several by name")
    if isinstance(values, list):
        values[_index(values, last, name)] = value
    else:
        values[last] = value


def _index(values: list[Any], part: str, name: str) -> int:
    if not part.isdigit() or int(part) >= len(values):
        raise GeoshipsError(f"--set {name}: {part} is no number from 0 to {len(values) - 1}")
    return int(part)


def _read(file: Path, example: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise GeoshipsError(f"cannot read the settings {file}: {error}") from error
    if not isinstance(values, dict):
        raise GeoshipsError(f"the settings {file} are no list of names and values; see {example}")
    return values
