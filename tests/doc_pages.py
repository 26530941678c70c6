"""The pages of the documentation: their code blocks, inline code, headings and links."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

REPOSITORY = Path(__file__).parents[1]
BUILT = ("docs/gallery/", "docs/reference/cli.md", "docs/reference/models.md")  # by scripts/build_docs.py
PAGES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for pattern in ("README.md", "MODELS.md", "data/README.md", "data/*/*.md", "docs/**/*.md")
    for path in REPOSITORY.glob(pattern)
    if not path.relative_to(REPOSITORY).as_posix().startswith(BUILT)
)
# Bash hands each command that it does not find to this function. Without a folder in PATH that is every program, and
# restricted mode refuses names with a slash, so that the real shell expands a block and nothing runs.
RECORDER = r"""
command_not_found_handle() { printf '%s\x1f' "$@"; printf '\x1e'; }
PATH=/nowhere
"""


@dataclass(frozen=True)
class Block:
    """A fenced block. page: path in the repository. line: of its fence, from 1. language: of its fence, or ``""``."""

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def tokens(page: str) -> tuple[Token, ...]:
    """Blocks of a page, and behind each block of text the parts of the text."""
    parsed = MarkdownIt("commonmark").enable("table").parse((REPOSITORY / page).read_text(encoding="utf-8"))
    return tuple(part for token in parsed for part in (token, *(token.children or ())))


def blocks(*languages: str) -> list[Block]:
    """The fenced blocks of all pages in one of the languages."""
    return [
        Block(page, (token.map or [0])[0] + 1, token.info, token.content)
        for page in PAGES
        for token in tokens(page)
        if token.type == "fence" and token.info in languages
    ]


def inline_code() -> Iterator[tuple[str, str]]:
    """(page, code) of each stretch of code within a text."""
    for page in PAGES:
        yield from ((page, token.content) for token in tokens(page) if token.type == "code_inline")


def links() -> Iterator[tuple[str, str]]:
    """(page, target) of each link and image that does not lead to another server."""
    for page in PAGES:
        for token in tokens(page):
            target = str(token.attrs.get("href") or token.attrs.get("src") or "")
            if token.type in ("link_open", "image") and not re.match("[a-z]+:", target):
                yield page, target


def anchors(page: str) -> set[str]:
    """Anchors of the headings of a page, as forges and Python-Markdown make them."""
    parsed = tokens(page)
    headings = [after for before, after in pairwise(parsed) if before.type == "heading_open"]
    plain = (re.sub(r"[`*]|\[|\]\([^)]*\)", "", heading.content) for heading in headings)
    return {re.sub(r"[^\w\s-]", "", text).strip().lower().replace(" ", "-") for text in plain}


@cache
def commands(block: Block) -> tuple[tuple[str, ...], ...]:
    """Programs that a block of shell starts, with their arguments, as bash expands them; none of them runs."""
    bash = shutil.which("bash")
    assert bash, "bash is needed to read shell blocks"
    script = f"{RECORDER}set -r\n{block.text}"
    with tempfile.TemporaryDirectory() as empty:  # where no pattern matches a file
        done = subprocess.run([bash, "-c", script], cwd=empty, capture_output=True, text=True)
    assert not done.stderr, f"{block}: {done.stderr}"
    return tuple(tuple(command.split("\x1f")[:-1]) for command in done.stdout.split("\x1e")[:-1])
