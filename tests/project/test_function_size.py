"""Functions stay small enough to read at once."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
LINES = 40  # of code: docstring, comments and blank lines do not count
PARAMETERS = 10

# The public API's own signature lists what a user may ask for.
MANY_PARAMETERS = {
    "geoships/pipeline/predict.py:predict",
    "geoships/pipeline/stitch.py:stitch",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function, str]]:
    for path in sorted([*REPOSITORY.glob("geoships/**/*.py"), *REPOSITORY.glob("cli/**/*.py")]):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, Function):
                yield f"{path.relative_to(REPOSITORY).as_posix()}:{node.name}", node, text


def code_lines(function: Function, text: str) -> int:
    """Lines that hold code: without the signature, the docstring, comments and blank lines."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    first, last = body[0].lineno, function.end_lineno or body[-1].lineno
    skipped = {tokenize.NL, tokenize.COMMENT, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return len(
        {
            line
            for token in tokens
            if token.type not in skipped
            for line in range(token.start[0], token.end[0] + 1)
            if first <= line <= last
        }
    )


def parameters(function: Function) -> int:
    given = function.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return len([argument for argument in named if argument.arg not in ("self", "cls")])


def test_no_function_is_longer_than_a_screen() -> None:
    long = {name: lines for name, node, text in functions() if (lines := code_lines(node, text)) > LINES}

    assert not long


def test_no_function_outside_the_public_api_has_many_parameters() -> None:
    many = {name: count for name, node, _ in functions() if (count := parameters(node)) > PARAMETERS}

    assert not set(many) - MANY_PARAMETERS, many


@pytest.mark.parametrize("name", sorted(MANY_PARAMETERS))
def test_the_exceptions_are_still_needed(name: str) -> None:
    assert any(found == name and parameters(node) > PARAMETERS for found, node, _ in functions())
