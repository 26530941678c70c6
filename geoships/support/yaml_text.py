"""YAML that says each thing once: a name given twice, and nesting beyond reason, are refused."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from geoships.errors import GeoshipsError


class _StrictLoader(yaml.SafeLoader):
    """A safe loader that refuses a name given twice, of which YAML would keep the last without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        if twice := sorted({str(name) for name in names if names.count(name) > 1}):
            raise yaml.MarkedYAMLError(problem=f"{', '.join(twice)} given twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Parse YAML, without objects of Python.

    Args:
        text: YAML 1.1.

    Returns:
        Mappings, lists and plain values.

    Raises:
        GeoshipsError: It is no YAML, gives a name twice in one mapping, or is nested too deeply; the message is one
            line, without the file's name.

    >>> parse_yaml("{a: 1, b: [x, 2]}")
    {'a': 1, 'b': ['x', 2]}
    """
    try:
        return yaml.load(text, _StrictLoader)  # noqa: S506 (a safe loader)
    except RecursionError as error:
        raise GeoshipsError("it is nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:  # a date that does not exist is a ValueError
        raise GeoshipsError(" ".join(str(error).split())) from error
