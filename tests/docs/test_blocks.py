"""Python and YAML of the documentation: blocks compile, and their imports resolve."""

from __future__ import annotations

import ast
import importlib

import pytest
import yaml
from doc_pages import Block, blocks

NOT_IMPORTED = {
    "processing": "only the Python of QGIS has it",
    "torchgeo.samplers.GridGeoSampler": "torchgeo 0.10 calls it GriddedPatchSampler, as the page says",
}


def imported(tree: ast.Module) -> list[tuple[str, str | None]]:
    """(module, name) of each import; the name is None where a whole module is imported."""
    found: list[tuple[str, str | None]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_compiles_and_its_imports_resolve(block: Block) -> None:
    tree = ast.parse(block.text, filename=str(block))
    for module, name in imported(tree):
        if {module, f"{module}.{name}"} & set(NOT_IMPORTED):
            continue
        assert name is None or hasattr(importlib.import_module(module), name), f"{block}: {module} has no {name}"
        importlib.import_module(module)


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_parses(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict), f"{block} holds no settings"
