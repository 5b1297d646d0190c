"""Columns that are not those of the contract: refused, told, or asked about, as the source says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qpipe.core.component import Types
from qpipe.core.convert import possible
from qpipe.core.errors import DataRefused
from qpipe.orchestrator.journal import Journal
from qpipe.spec.plan import Plan, SourceNode

NEW, MISSING = "new-column", "missing-column"  # the codes of notes


def new_columns(node: SourceNode, columns: Sequence[str] | Types) -> list[str]:
    """Columns that arrive although the contract does not name them."""
    return [name for name in columns if node.types is not None and name not in node.types]


def missing_columns(node: SourceNode, columns: Sequence[str] | Types) -> list[str]:
    """Columns of the contract that are not there, though they must be."""
    return [name for name in node.types or {} if name not in columns and not _is_optional(node, name)]


def refuse(node: SourceNode, new: Sequence[str], missing: Sequence[str], *, file: str | None = None, there: str = "") -> None:
    """Raise DataRefused where the source wants no new column, or none missing."""
    line = None if file is None else 1
    if missing and node.source.on_missing_column == "fail":
        hint = f"it has {there}; or say on_missing_column: warn" if there else "mend the file, or say on_missing_column: warn"
        raise DataRefused(f"{node.id}: the column {missing[0]} of its schema is missing", file=file, line=line, hint=hint)
    if new and node.source.on_new_column == "fail":
        raise DataRefused(f"{node.id}: there is a new column {new[0]}", file=file, line=line,
                          hint="add it to the schema, or say on_new_column: warn")  # fmt: skip


def refuse_types(node: SourceNode, columns: Types) -> None:
    """Raise DataRefused where a column has values that can never be what the contract says: a flag is no date."""
    for name, wanted in (node.types or {}).items():
        if name in columns and not possible(columns[name], wanted):
            raise DataRefused(f"{node.id}: the column {name} is {columns[name]}, which cannot be {wanted}",
                              hint=f"say {columns[name]} in its schema, or leave it out there")  # fmt: skip


def notes(node: SourceNode, columns: Types) -> Iterator[dict[str, Any]]:
    """What is to be told of a source's columns before it is read."""
    if (new := new_columns(node, columns)) and node.source.on_new_column != "accept":
        yield {"code": NEW, "line": 1, "message": f"{', '.join(new)} is not in the schema: kept as it comes"}
    if missing := missing_columns(node, columns):
        yield {"code": MISSING, "line": 1, "message": f"without {', '.join(missing)}: read as null"}


def doubts(plan: Plan, journal: Journal, run: str) -> dict[str, str]:
    """Differences that a person is to be asked about before anything is published: name of the question → what was told."""
    found: dict[str, dict[str, None]] = {}
    nodes = {node.id: node for node in plan.streams}
    for event in journal.events(run) if any(map(_asks, nodes.values())) else ():
        node = nodes.get(event.data.get("source", "")) if event.name == "source.note" else None
        if node and _policy(node).get(event.data["code"]) == "question":
            place = f" ({event.data['file']})" if event.data.get("file") else ""
            found.setdefault(f"{node.id}-columns", {})[f"{event.data['message']}{place}"] = None
    return {name: "; ".join(told) for name, told in found.items()}


def _policy(node: SourceNode) -> Mapping[str, str]:
    return {NEW: node.source.on_new_column, "new-key": node.source.on_new_column, MISSING: node.source.on_missing_column}


def _asks(node: SourceNode) -> bool:
    return "question" in _policy(node).values()


def _is_optional(node: SourceNode, name: str) -> bool:
    entry = (node.source.schema or {}).get(name)
    return isinstance(entry, dict) and bool(entry.get("optional"))
