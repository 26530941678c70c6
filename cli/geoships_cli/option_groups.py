"""Commands that take their options in groups: frozen dataclasses whose fields are Typer options.

Typer sees one parameter for each option, and the command gets one object for each group. So no command lists fifty
parameters, and options that several commands share are declared once.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from inspect import Parameter
from typing import Any, Protocol, get_type_hints, runtime_checkable


@runtime_checkable
class Surrounding(Protocol):
    """A group of options whose meaning is the same for every command, and which no command has to apply itself."""

    def around(self, command: str) -> AbstractContextManager[None]:
        """Return what is entered around the command of this name."""


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a command take groups of options.

    Args:
        command: A function whose parameters are Typer's own, or annotated with a dataclass. Each field of a dataclass
            is annotated as a parameter of a Typer command is: ``Annotated[TYPE, typer.Option(...)]``.

    Returns:
        The command for Typer: its signature has the fields in place of the dataclasses.

    Raises:
        ValueError: Two options have the same name.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Limits:
    ...     least: int = 0
    ...     most: int = 9
    >>> @grouped
    ... def show(name: str, limits: Limits) -> None:
    ...     print(name, limits)
    >>> print(inspect.signature(show))
    (*, name: str, least: int = 0, most: int = 9)
    >>> show(name="a", least=3, most=9)
    a Limits(least=3, most=9)
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and is_dataclass(hint)}
    parameters: list[Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _options(groups[name])
        else:
            parameters.append(parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY))
    signature = inspect.Signature(parameters)

    @wraps(command)
    def with_groups(**values: Any) -> None:
        arguments = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        with ExitStack() as stack:
            for group in arguments.values():
                if isinstance(group, Surrounding):
                    stack.enter_context(group.around(command.__name__))
            command(**arguments, **values)

    with_groups.__signature__ = signature  # type: ignore[attr-defined]  # what Typer reads
    with_groups.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_groups


def _options(group: type[Any]) -> list[Parameter]:
    """Return the fields of a group as parameters of a command."""
    hints = get_type_hints(group, include_extras=True)
    return [
        Parameter(
            field.name,
            Parameter.KEYWORD_ONLY,
            default=Parameter.empty if field.default is MISSING else field.default,
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]
