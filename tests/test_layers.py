"""Imports go down: core ← sources | modules | outputs ← spec ← orchestrator ← report ← interop ← cli."""

from __future__ import annotations

import ast
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
HEAVY = {"polars", "duckdb", "numpy", "pyarrow", "jsonschema", "s3fs", "httpx", "rapidfuzz", "fastexcel", "xlsxwriter"}


def imports(path: Path, *, top_only: bool = False) -> set[str]:
    """Names of modules a file imports at run time; those under TYPE_CHECKING do not count."""
    found: set[str] = set()
    tree = ast.parse(path.read_text())
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for part in node.body
        for child in ast.walk(part)
    }
    nodes = tree.body if top_only else ast.walk(tree)
    for node in nodes:
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    used = {name.split(".")[1] for name in imports(path) if name.startswith("qpipe.")}
    assert used - BELOW[layer] - {layer} == set()


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_heavy_packages_are_imported_late(path: Path) -> None:
    assert {name.split(".")[0] for name in imports(path, top_only=True)} & HEAVY == set()
