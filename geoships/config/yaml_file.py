"""Settings from a YAML file, overrides and defaults, for all commands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from geoships.errors import GeoshipsError
from geoships.support.yaml_text import parse_yaml

Settings = TypeVar("Settings", bound=BaseModel)
SHOWN = 80  # characters of an override that an error repeats


def read_settings(kind: type[Settings], file: Path | None, overrides: Mapping[str, object], example: str) -> Settings:
    """Read and validate settings.

    Args:
        kind: Model of the settings, with their defaults.
        file: YAML file; None: defaults and overrides alone.
        overrides: Values by dotted name, such as ``optimiser.rate``, that replace those of the file; a number in a name
            is an index of a list.
        example: Path of an example file, named in errors.

    Raises:
        GeoshipsError: The file cannot be read, or a setting is wrong; the message names each wrong setting and its
            valid values.
    """
    where = f" in {file} or on the command line" if file else ""
    return validate_settings(kind, read_values(file, overrides, example), where)


def validate_settings(kind: type[Settings], values: Mapping[str, Any], where: str = "") -> Settings:
    """Validate settings that have been read.

    Args:
        kind: Model of the settings, with their defaults.
        values: The settings that are given.
        where: Where they were given, for errors; begins with a space.

    Raises:
        GeoshipsError: Names each wrong setting and its valid values.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
        raise GeoshipsError(f"wrong setting{where}: {details}") from error


def read_values(file: Path | None, overrides: Mapping[str, object], example: str) -> dict[str, Any]:
    """Read settings without validation; arguments as for `read_settings`.

    Raises:
        GeoshipsError: The file cannot be read, or an override names something that cannot be set.
    """
    values = _read(file, example) if file else {}
    for name, value in overrides.items():
        _set_nested(values, name.split("."), value, name)
    return values


def parse_overrides(texts: Sequence[str]) -> dict[str, object]:
    """Parse overrides like ``optimiser.rate=3e-4`` into values by dotted name. The values are read as YAML.

    Args:
        texts: Values of the option ``--set``.

    Raises:
        GeoshipsError: A text has no name or no equals sign, or its value is not valid YAML.

    >>> parse_overrides(["trainer.epochs=3", "loss={bce: 1, dice: 1}", "seed=1e-3"])
    {'trainer.epochs': 3, 'loss': {'bce': 1, 'dice': 1}, 'seed': 0.001}
    """
    overrides: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise GeoshipsError(f"--set {text}: expected name=value, such as --set optimiser.rate=3e-4")
        overrides[name.strip()] = _parse_value(value, text)
    return overrides


def _parse_value(text: str, override: str) -> object:
    try:
        value = parse_yaml(text)
    except GeoshipsError as error:
        shown = override if len(override) <= SHOWN else f"{override[:SHOWN]}..."
        raise GeoshipsError(f"--set {shown}: cannot read the value: {error}") from error
    if isinstance(value, str):  # YAML 1.1 reads 1e-3 as text
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _set_nested(values: Any, path: list[str], value: object, name: str) -> None:
    """Set a value in nested mappings and lists; missing mappings are created."""
    *parents, last = path
    for key in parents:
        values = values[_list_index(values, key, name)] if isinstance(values, list) else values.setdefault(key, {})
        if not isinstance(values, (dict, list)):
            raise GeoshipsError(f"--set {name}: {key} is a single value and has no settings inside; set {key} itself")
    if isinstance(values, list):
        values[_list_index(values, last, name)] = value
    else:
        values[last] = value


def _list_index(values: list[Any], key: str, name: str) -> int:
    if not key.isdigit() or int(key) >= len(values):
        raise GeoshipsError(f"--set {name}: expected a list index from 0 to {len(values) - 1}, got {key}")
    return int(key)


def _read(file: Path, example: str) -> dict[str, Any]:
    try:
        values = parse_yaml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, GeoshipsError) as error:
        raise GeoshipsError(
            f"{file}: cannot read the settings: {' '.join(str(error).split())}; see {example}"
        ) from error
    if not isinstance(values, dict):
        raise GeoshipsError(
            f"{file}: expected settings as names and values, got {type(values).__name__}; see {example}"
        )
    return values
