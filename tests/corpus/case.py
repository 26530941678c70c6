"""One case of the corpus: inputs that code writes, a command, and what has to come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Arguments = Sequence[object]
Make = Callable[[Path], Arguments]


@dataclass(frozen=True)
class Works:
    """The command is done: it finds so many ships, or whatever number, and warns of what the pattern says, or not."""

    ships: int | None = None
    warns: str | None = None


@dataclass(frozen=True)
class Fails:
    """The command ends with one line on stderr that holds the pattern, and with this exit code."""

    says: str
    code: int = 1


Expectation = Works | Fails


@dataclass(frozen=True)
class Case:
    """A case.

    Attributes:
        kind: Row of the table in the documentation.
        name: What is odd about it.
        make: Writes the inputs into a folder, and returns the arguments of geoships.
        expected: What has to come of it.
    """

    kind: str
    name: str
    make: Make
    expected: Expectation


def cases(kind: str, table: dict[str, tuple[Make, Expectation]]) -> list[Case]:
    """Make the cases of one kind, from their names."""
    return [Case(kind, name, make, expected) for name, (make, expected) in table.items()]
