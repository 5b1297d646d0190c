"""dbt: the data tests of models, sources, seeds and snapshots in a schema.yml, those of dbt-utils and dbt-expectations, too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qpipe.interop.suites import Claim, Suite, bounds, gx, type_word


def suites(data: Any, name: str) -> Iterator[Suite]:
    tables = [table for kind in ("models", "seeds", "snapshots") for table in data.get(kind) or ()]
    of_source = ("loaded_at_field", "freshness")  # may be said of all tables of a source
    tables += [
        {**{name: source[name] for name in of_source if name in source}, **table}
        for source in data.get("sources") or ()
        for table in source.get("tables") or ()
    ]
    for table in tables:
        suite = Suite(table["name"])
        key = next((c["name"] for c in table.get("columns") or () if "unique" in _tests(c)), None)
        suite.claims += _freshness(table)
        for test in _tests(table):
            suite.claims += _claims(test, None, key)
        for column in table.get("columns") or ():
            if word := type_word(column.get("data_type")):
                suite.types[column["name"]] = word
            for test in _tests(column):
                suite.claims += _claims(test, column["name"], key)
        yield suite


def _freshness(table: Mapping[str, Any]) -> Iterator[Claim]:
    """How old a source's table may be."""
    told = {**(table.get("config") or {}), **table}
    for level, severity in {"warn_after": "warning", "error_after": "error"}.items():
        if age := (told.get("freshness") or {}).get(level):
            origin, column = f"freshness, {level}", str(told.get("loaded_at_field") or "")
            if column.isidentifier():
                values = {"column": column, "max_age": f"{age['count']}{age['period'][0]}", "severity": severity}
                yield Claim(origin, {"freshness": values})
            else:
                yield Claim(origin, why="loaded_at_field names no column")


def _tests(of: Mapping[str, Any]) -> Sequence[Any]:
    return of.get("data_tests") or of.get("tests") or ()


def _claims(test: Any, column: str | None, key: str | None) -> Iterator[Claim]:
    """One claim a test; one for each figure of Elementary's tests of columns."""
    kind, given = (test, {}) if isinstance(test, str) else next((k, v or {}) for k, v in test.items() if k != "config")
    given = {**given, **(given.get("arguments") or {})}
    origin = f"{kind}({column})" if column else str(kind)
    config = {**(test.get("config") or {} if isinstance(test, Mapping) else {}), **(given.get("config") or {}), **given}
    given = {**given, "key": given.get("key") or key}
    if str(kind).startswith("elementary."):
        made = _elementary(str(kind), given, column)
    else:
        made = _both_ways(given, column) if str(kind).endswith("cardinality_equality") else [_turn(str(kind), given, column)]
    if not made or made[0] is None:
        yield Claim(origin, why=_WHY.get(str(kind).rpartition(".")[2], "there is no counterpart"))
        return
    extra: dict[str, Any] = {"severity": "warning"} if str(config.get("severity", "")).lower() == "warn" else {}
    if where := config.get("where"):
        extra["where"] = where
    if found := re.fullmatch(r">\s*(\d+)", str(config.get("error_if") or "")):
        extra["tolerance"] = int(found[1])
    for ((module, values),) in (one.items() for one in made if one):
        yield Claim(origin, {module: {**values, **extra}})


_WHY = {"equality": "rows are brought together by a key: no column is said to be unique"}


def _elementary(kind: str, given: Mapping[str, Any], column: str | None) -> list[dict[str, Any] | None]:
    """Figures over runs; how far back they look is said in runs here, not in days."""
    name = kind.rpartition(".")[2]
    if name == "volume_anomalies":
        return [{"detect_metric_anomalies": {"metric": "row_count"}}]
    if name == "freshness_anomalies" and given.get("timestamp_column"):
        return [{"detect_metric_anomalies": {"metric": "age", "column": given["timestamp_column"]}}]
    if name == "column_anomalies" and column:
        asked = given.get("column_anomalies") or ["null_count"]
        figures = {"average": "mean", "standard_deviation": "stddev", "null_percent": "null_share"}
        known = ("null_count", "null_share", "min", "max", "mean", "sum", "stddev", "variance", "count_distinct")
        words = [figures.get(word, word) for word in asked]
        return [{"detect_metric_anomalies": {"metric": word, "column": column}} for word in words if word in known]
    if name == "schema_changes":
        return [{"schema_drift": {}}]
    return []


def _both_ways(given: Mapping[str, Any], column: str | None) -> list[dict[str, Any] | None]:
    """The same distinct values on both sides."""
    to = {"column": column, "references": f"{_table(given['to'])}.{given['field']}"}
    return [{"foreign_key": to}, {"covers": to}]


def _turn(kind: str, given: Mapping[str, Any], column: str | None) -> dict[str, Any] | None:
    package, _, name = kind.rpartition(".")
    if {"to", "compare_model"} & set(given):
        return _other_table(name, given, column)
    if package == "dbt_expectations":
        kwargs = {**given, **({"column": column} if column else {})}
        claim = gx.claim(name.replace("expect_column_values_to_be_in_type", "expect_column_values_to_be_of_type"), kwargs, {})
        return dict(claim.module) if claim.module else None
    if name == "not_null":
        return {"not_null": {"column": column or given["column_name"]}}
    if name == "unique":
        return {"unique": {"columns": [column or given["column_name"]]}}
    if name == "accepted_values":
        return {"one_of": {"column": column or given["column_name"], "values": given["values"]}}
    if name == "not_accepted_values":
        return {"one_of": {"column": column, "values": given["values"], "negate": True}}
    if name == "not_constant":
        return {"cardinality": {"column": column, "min": 2}}
    if name == "at_least_one":
        return {"aggregate": {"column": column, "function": "count", "min": 1}}
    if name == "sequential_values":
        step = {ours: given[theirs] for ours, theirs in (("grain", "datepart"), ("step", "interval")) if given.get(theirs)}
        return {"no_gaps": {"column": column, **step}}
    if name == "mutually_exclusive_ranges":
        by = {"by": [given["partition_by"]]} if given.get("partition_by") else {}
        return {"no_overlap": {"start": given["lower_bound_column"], "end": given["upper_bound_column"], **by}}
    if name in ("unique_combination_of_columns", "unique_combination"):
        return {"unique": {"columns": list(given.get("combination_of_columns") or given["columns"])}}
    if name == "expression_is_true":
        return {"expression": {"condition": f"{column} {given['expression']}" if column else given["expression"]}}
    if name == "accepted_range":
        inclusive = given.get("inclusive", True)
        return {"between": {"column": column, **bounds(given.get("min_value"), given.get("max_value"),
                                                      exclusive=None if inclusive else True)}}  # fmt: skip
    if name == "not_empty_string":
        return {"not_null": {"column": column, "blank": True}}
    if name == "not_null_proportion":
        return {"null_share": {"column": column, "max": round(1 - given["at_least"], 10)}}
    if name == "recency":
        unit = {"day": "d", "hour": "h", "minute": "m", "week": "w"}[given["datepart"]]
        return {"freshness": {"column": given["field"], "max_age": f"{given['interval']}{unit}"}}
    return None


def _other_table(name: str, given: Mapping[str, Any], column: str | None) -> dict[str, Any] | None:
    """Tests that look into another table, which becomes a reference source."""
    if name in ("relationships", "relationships_where") and not given.get("to_condition"):
        to = {"column": column or given["from"], "references": f"{_table(given['to'])}.{given['field']}"}
        return {"foreign_key": {**to, **({"where": given["from_condition"]} if given.get("from_condition") else {})}}
    if "compare_model" not in given:
        return None
    other = {"with": _table(given["compare_model"])}
    each = given.get("group_by_columns") or given.get("group_by")
    more = {"each": list(each) if each else None, "factor": given.get("factor")}
    more = {name: value for name, value in more.items() if value}
    if name in ("equal_rowcount", "expect_table_row_count_to_equal_other_table"):
        return {"reconcile_totals": {**other, **more}}
    if name == "fewer_rows_than":
        return {"reconcile_totals": {**other, **more, "compare": "at_most"}}
    figure = re.fullmatch(r"(sum|avg|min|max|count)\s*\((\w+)\)", str(given.get("expression")).strip(), re.I)
    if name == "expect_table_aggregation_to_equal_other_table" and figure:
        function = {"avg": "mean"}.get(figure[1].lower(), figure[1].lower())
        return {"reconcile_totals": {**other, **more, "function": function, "column": figure[2]}}
    if name == "equality" and given.get("key"):
        columns = [c for c in given.get("compare_columns") or () if c != given["key"]]
        return {"reconcile": {**other, "key": [given["key"]], **({"columns": columns} if columns else {})}}
    return None


def _table(to: Any) -> str:
    """ref('customers'), source('shop', 'customers'): customers."""
    found = re.search(r"['\"]([^'\"]+)['\"]\s*\)\s*(?:\}\})?\s*$", str(to))
    return found[1] if found else str(to)
