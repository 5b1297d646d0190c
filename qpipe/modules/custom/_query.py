"""A query that a user wrote: what it reads, whether it orders its rows, and why it is refused before it runs.

DuckDB's own parser says what a query is, as a tree; nothing is bound, and no file is opened. A locked connection refuses the
same things once more when the query runs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from qpipe.core.lazy import duckdb

_TABLE_FUNCTIONS = {"range", "generate_series", "unnest", "json_each", "json_tree", "repeat_row", "repeat"}


@dataclass(frozen=True)
class Query:
    """What is known of a query without running it."""

    problem: str | None = None  # in words, with the place in the query
    tables: tuple[str, ...] = ()  # tables it reads, in the order of mention
    ordered: bool = False  # it says itself how its rows are ordered


@functools.lru_cache(maxsize=64)
def read_query(text: str) -> Query:
    """The query as DuckDB parses it."""
    tree = _parse(text)
    if tree["error"]:
        return Query(_error(text, tree))
    statements = tree["statements"]
    if len(statements) != 1:
        return Query(f"write one query, not {len(statements)}" if statements else "the query is empty")
    functions = [node["function"]["function_name"] for node in _walk(tree) if node.get("type") == "TABLE_FUNCTION"]
    if refused := [name for name in functions if name not in _TABLE_FUNCTIONS]:
        return Query(
            f"{refused[0]}(…) is not allowed: a query sees data and reference sources, no files, no network, no settings"
        )
    if any(node.get("type") == "SHOW_REF" for node in _walk(tree)):
        return Query("show, describe and summarize are no queries here: write select")
    local = {entry["key"].lower() for node in _walk(tree) for entry in (node.get("cte_map") or {}).get("map", ())}
    read = [node["table_name"] for node in _walk(tree) if node.get("type") == "BASE_TABLE"]
    tables = tuple(dict.fromkeys(name for name in read if name.lower() not in local))
    modifiers = statements[0]["node"].get("modifiers", ())
    return Query(None, tables, any(m["type"] == "ORDER_MODIFIER" for m in modifiers))


def _parse(text: str) -> dict[str, Any]:
    connection = duckdb.connect()
    try:
        connection.execute("set enable_external_access=false")
        connection.execute("set lock_configuration=true")
        return json.loads(connection.execute("select json_serialize_sql(?::varchar)", [text]).fetchall()[0][0])
    except duckdb.Error as error:
        return {"error": True, "error_type": "parser", "error_message": str(error).splitlines()[0]}
    finally:
        connection.close()


def _error(text: str, tree: dict[str, Any]) -> str:
    if tree.get("error_type") == "not implemented":
        return "only a select is allowed here: nothing may be changed, loaded, attached or set"
    position = int(tree.get("position") or 0)
    line, column = text.count("\n", 0, position) + 1, position - (text.rfind("\n", 0, position) + 1) + 1
    place = f" (line {line}, column {column} of the query)" if tree.get("position") else ""
    return f"this is no SQL: {tree['error_message'].removeprefix('Parser Error: ')}{place}"


def _walk(node: Any) -> Iterator[dict[str, Any]]:
    """Every object of the tree. Not recursive: a query may be nested deeply."""
    left = [node]
    while left:
        node = left.pop(0)
        if isinstance(node, dict):
            yield node
            left += node.values()
        elif isinstance(node, list):
            left += node
