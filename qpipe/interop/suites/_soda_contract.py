"""Soda: contracts (`dataset: …`, `columns: …`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, attempt, with_all
from qpipe.interop.suites._limits import Limits, threshold, valid
from qpipe.interop.suites._types import type_word

_KINDS = {  # of the first contracts, as later ones call them
    "no_missing_values": "missing", "missing_count": "missing", "missing_percent": "missing", "unique": "duplicate",
    "no_duplicate_values": "duplicate", "duplicate_count": "duplicate", "duplicate_percent": "duplicate",
    "invalid_count": "invalid", "invalid_percent": "invalid", "no_invalid_values": "invalid", "rows_exist": "row_count",
    "multi_column_duplicates": "duplicate", "multi_column_duplicate_count": "duplicate",
}  # fmt: skip


def contract(data: Mapping[str, Any], name: str) -> Suite:
    suite = Suite(str(data.get("dataset") or name).rpartition("/")[2])
    columns = data.get("columns") or ()
    suite.columns = [column["name"] for column in columns]
    checks: list[tuple[Any, Any]] = [(check, None) for check in data.get("checks") or ()]
    checks += [(check, column) for column in columns for check in column.get("checks") or ()]
    for column in columns:
        if word := type_word(column.get("data_type")):
            suite.types[column["name"]] = word
    for check, of in checks:
        kind, given = _told(check)
        if kind == "schema" and of is None:
            suite.claims.append(_schema(columns, given))
            continue
        settings = {k: v for k, v in (of or {}).items() if k.startswith(("valid_", "missing_", "invalid_"))}
        suite.claims += check_claims(kind, {**settings, **given}, (of or {}).get("name"))
    return suite


def check_claims(kind: str, given: Mapping[str, Any], column: str | None) -> list[Claim]:
    """One check, of a column or of the table."""
    given = {"metric": "percent", **given} if kind.endswith("_percent") else given
    kind = _KINDS.get(kind, kind)
    origin = f"{kind}({column})" if column else kind
    return attempt(origin, lambda: _claims(kind, origin, given, column))


def _told(check: Any) -> tuple[str, dict[str, Any]]:
    """``missing``, ``{missing: {…}}``, ``{type: missing_count, …}``."""
    if isinstance(check, str):
        return check, {}
    if "type" in check:
        return str(check["type"]), {k: v for k, v in check.items() if k != "type"}
    kind, given = next(iter(check.items()))
    return str(kind), dict(given or {})


def _schema(columns: Any, given: Mapping[str, Any]) -> Claim:
    words = {column["name"]: type_word(column.get("data_type")) or "any" for column in columns}
    absent = [column["name"] for column in columns if column.get("optional")]
    more: dict[str, Any] = {"optional": absent} if absent else {}
    if not given.get("allow_other_column_order", True):
        more["order"] = "exact"
    return Claim(
        "schema", {"schema": {"columns": words, "extra": "allow" if given.get("allow_extra_columns") else "forbid", **more}}
    )


def _claims(kind: str, origin: str, given: Mapping[str, Any], column: str | None) -> Iterator[Claim]:
    told = given.get("threshold") or {k: v for k, v in given.items() if k.startswith(("must_", "fail_when")) or k == "metric"}
    limits = threshold(told)
    if limits is None:
        yield Claim(origin, why="what must not be is two ranges, and has no counterpart")
        return
    made = _modules(kind, {**given, "told": told}, column, limits)
    severity = {"severity": "warning"} if told.get("level") == "warn" else {}
    if isinstance(made, str):
        yield Claim(origin, why=made)
        return
    where = given.get("filter")
    for one in made:
        yield Claim(origin, with_all(one, where=str(where) if where else None, **severity))


def _modules(kind: str, given: Mapping[str, Any], column: str | None, limits: Limits) -> list[dict[str, Any]] | str:
    if kind in ("missing", "duplicate", "invalid", "failed_rows"):
        allowed = limits.failures()
        return (
            "only an upper limit of failures has a counterpart" if allowed is None else _failures(kind, given, column, allowed)
        )
    if kind == "row_count":
        return [{"row_count": limits.count() if given["told"] else {"min": 1}}]
    if kind == "aggregate" and column:
        function = {"avg": "mean"}.get(given["function"], given["function"])
        return [{"aggregate": {"column": column, "function": function, **limits.figure()}}]
    if kind in ("avg", "sum", "min", "max") and column:
        return [{"aggregate": {"column": column, "function": {"avg": "mean"}.get(kind, kind), **limits.figure()}}]
    if kind == "freshness" and limits.high is not None:
        unit = str(given["told"].get("unit") or "hour")[0]
        return [{"freshness": {"column": given["column"], "max_age": f"{limits.high:g}{unit}"}}]
    return "it is a query of theirs" if given.get("query") or "sql" in kind else "there is no counterpart"


def _failures(
    kind: str, given: Mapping[str, Any], column: str | None, allowed: Mapping[str, Any]
) -> list[dict[str, Any]] | str:
    if kind == "failed_rows":
        if not given.get("expression"):
            return "it is a query of theirs"
        return [{"expression": {"condition": f"not ({given['expression']})", **allowed}}]
    if kind == "duplicate":
        return [{"unique": {"columns": [column] if column else list(given["columns"]), **allowed}}]
    if column is None:
        return "there is no counterpart"
    if kind == "missing":
        if given.get("missing_format") or given.get("missing_regex"):
            return "a pattern of what counts as missing has no counterpart"
        words = {"placeholders": list(given["missing_values"])} if given.get("missing_values") else {}
        return [{"not_null": {"column": column, **words, **allowed}}]
    if other := given.get("valid_reference_data"):
        table = str(other["dataset"]).rpartition("/")[2]
        return [{"foreign_key": {"column": column, "references": f"{table}.{other['column']}", **allowed}}]
    made = valid(column, given)
    if isinstance(made, str) or not allowed or len(made) == 1:
        return made if isinstance(made, str) else [with_all(one, **allowed) for one in made]
    return "several notions of valid share one tolerance"
