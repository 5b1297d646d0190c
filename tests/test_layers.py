"""Imports go down: core ← sources | modules | outputs ← spec ← orchestrator ← report ← interop ← cli; and never in a circle."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import qpipe

ROOT = Path(qpipe.__file__).parent
BELOW = {
    "core": set(),
    "sources": {"core"},
    "analysis": {"core"},
    "modules": {"core", "analysis"},
    "outputs": {"core"},
    "testing": {"core", "spec", "orchestrator"},
    "spec": {"core"},
    "orchestrator": {"core", "spec"},
    "report": {"core", "spec", "orchestrator"},
    "profile": {"core", "spec", "analysis", "report"},
    "interop": {"core", "spec", "orchestrator", "report"},
    "cli": {"core", "spec", "orchestrator", "report", "interop", "profile"},
}
FILES = sorted(path for path in ROOT.rglob("*.py") if path.parent != ROOT)
MODULES = {".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): path for path in FILES}
HEAVY = {"polars", "duckdb", "numpy", "pyarrow", "jsonschema", "s3fs", "obstore", "httpx", "rapidfuzz"} | {
    "fastexcel", "xlsxwriter"}  # fmt: skip


@functools.cache
def imports(path: Path) -> tuple[set[str], set[str]]:
    """Names of modules a file imports at run time, and those of them at its top; those under TYPE_CHECKING do not count."""
    tree = ast.parse(path.read_text())
    nodes = list(ast.walk(tree))
    typing_only = {
        id(child)
        for node in nodes
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for part in node.body
        for child in ast.walk(part)
    }
    return _named([node for node in nodes if id(node) not in typing_only]), _named(tree.body)


def _named(nodes: Iterable[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            inside = names & MODULES.keys()
            found |= inside if inside == names else inside | {node.module}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    used = {name.split(".")[1] for name in imports(path)[0] if name.startswith("qpipe.")}
    assert used - BELOW[layer] - {layer} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_packages_are_imported_late(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path)[1]} & HEAVY == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Not within functions either: what two modules share lies below both of them."""
    graph = {name: imports(path)[0] & MODULES.keys() for name, path in MODULES.items()}
    circle: list[str] = []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle = error.args[1][::-1]
    assert circle == [], "a circle of imports: " + " → ".join(circle)
