"""Write the reference of the command line as Markdown, from the commands themselves.

uv run scripts/write_cli_reference.py docs/reference/cli.md
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from geoships_cli.app import app
from geoships_cli.commands import command_tree

INTRODUCTION = """\
Every command, as `geoships COMMAND --help` shows it. `<...>` is the kind of value that an option takes; a default in
parentheses is not a fixed value. `geoships --install-completion` lets the shell complete commands and options.

| exit code | meaning |
| ---: | --- |
| 0 | done |
| 1 | failed; one line on stderr says what, where, and what to do |
| 2 | wrong use of the command line, e.g. an unknown option |
| 3 | some of many scenes failed, the others are done |
| 130 | stopped by Ctrl-C |
| 143 | stopped by SIGTERM |
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path, help="Markdown file to write")
    page: Path = parser.parse_args().page
    page.write_text(cli_reference(), encoding="utf-8")
    print(f"-> {page}")


def cli_reference() -> str:
    """Return the reference of all commands and options as Markdown."""
    sections = ["# Command line", INTRODUCTION.strip()]
    for command, path in _commands(command_tree(app), "geoships"):
        sections += _page(command, path)
    return "\n\n".join(sections) + "\n"


def _commands(command: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Yield a command and all commands below it, with the words that call them."""
    yield command, path
    for name, child in getattr(command, "commands", {}).items():
        yield from _commands(child, f"{path} {name}")


def _page(command: Any, path: str) -> Iterator[str]:
    """Yield the sections of a command: what it does, how it is called, and its options by panel."""
    with typer.Context(command, info_name=path) as context:
        yield f"## {path}"
        yield command.help
        yield f"```console\n$ {path} {' '.join(command.collect_usage_pieces(context))}\n```"
        panels: dict[str, list[str]] = {}
        for parameter in command.get_params(context):
            if parameter.name == "help":  # every command has it
                continue
            names, text = parameter.get_help_record(context)
            default = "Arguments" if parameter.param_type_name == "argument" else "Options"
            panels.setdefault(parameter.rich_help_panel or default, []).append(f"- `{names}`: {text}")
    if children := getattr(command, "commands", {}):
        panels["Commands"] = [_link(f"{path} {name}", child) for name, child in children.items()]
    for panel, lines in panels.items():
        yield f"**{panel}**"
        yield "\n".join(lines)


def _link(path: str, command: Any) -> str:
    return f"- [`{path}`](#{path.replace(' ', '-')}): {command.get_short_help_str(200)}"


if __name__ == "__main__":
    main()
