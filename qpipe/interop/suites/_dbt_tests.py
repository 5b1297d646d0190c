"""Each of dbt's generic tests as modules: its own, and those of dbt-utils, dbt-expectations and Elementary."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from qpipe.interop.suites import bounds, gx, share, with_all
from qpipe.interop.suites._sql import quoted

Given = Mapping[str, Any]
Made = dict[str, Any]

WHY = {
    "equality": "rows are brought together by a key: no column is said to be unique",
    "unique_where": "it is the test unique with a where",
}


def modules_of(kind: str, given: Given, column: str | None) -> list[Made] | str:
    """The modules of a test, or why there are none; empty where there is no counterpart."""
    package, _, name = kind.rpartition(".")
    if package == "elementary":
        return _elementary(name, given, column)
    if name == "cardinality_equality":
        to = {"column": column, "references": f"{_table(given['to'])}.{given['field']}"}
        return [{"foreign_key": to}, {"covers": to}]
    if {"to", "compare_model"} & set(given):
        beside = (
            "row_condition",
            "compare_row_condition",
            "compare_expression",
            "tolerance",
            "tolerance_percent",
            "compare_group_by",
        )
        if dropped := [name for name in beside if given.get(name) not in (None, given.get("expression"))]:
            return f"{', '.join(dropped)} has no counterpart"
        return _listed(_other_table(name, given, column))
    if package in ("dbt_expectations", "metaplane.dbt_expectations"):
        return _expectation(name, given, column)
    turn = _TESTS.get(name.removesuffix("_where") if name in ("not_null_where", "unique_where") else name)
    if turn is None:
        return []
    if given.get("group_by_columns"):
        return "its groups (group_by_columns) are to be written as `by`"
    return _listed(turn(given, column))


def _listed(made: Made | list[Made] | None) -> list[Made]:
    return made if isinstance(made, list) else [made] if made else []


# ── dbt's own, and dbt-utils ──────────────────────────────────────────────────────────────────────────────────────────


def _range(given: Given, column: Any) -> Made:
    """Bounds are SQL: a number, a date in quotes, or an expression over the row."""
    low, high, inclusive = given.get("min_value"), given.get("max_value"), given.get("inclusive", True)
    if any(isinstance(end, str) and not _is_value(end) for end in (low, high)):
        signs = (">=", "<=") if inclusive else (">", "<")
        parts = [f"{quoted(column)} {sign} ({end})" for sign, end in zip(signs, (low, high), strict=True) if end is not None]
        return {"expression": {"condition": " and ".join(parts)}}
    ends = [end.strip("'\"") if isinstance(end, str) else end for end in (low, high)]
    return {"between": {"column": column, **bounds(*ends, exclusive=None if inclusive else True)}}


def _is_value(text: str) -> bool:
    return re.fullmatch(r"\s*(?:'[^']*'|-?\d+(?:\.\d+)?|\d{4}-\d\d-\d\d.*)\s*", text) is not None


def _no_gaps(given: Given, column: Any) -> Made:
    step = {ours: given[theirs] for ours, theirs in (("grain", "datepart"), ("step", "interval")) if given.get(theirs)}
    return {"no_gaps": {"column": column, **step}}


def _no_overlap(given: Given, column: Any) -> Made | None:
    if given.get("gaps") not in (None, "allowed"):
        return None
    by = {"by": [given["partition_by"]]} if given.get("partition_by") else {}
    return {"no_overlap": {"start": given["lower_bound_column"], "end": given["upper_bound_column"], **by}}


def _recency(given: Given, column: Any) -> Made:
    days = {"week": 7, "month": 30, "quarter": 91, "year": 365}
    part = str(given["datepart"]).strip("'\"").lower().removesuffix("s")
    count = int(given["interval"])
    age = f"{count * days[part]}d" if part in days else f"{count}{ {'day': 'd', 'hour': 'h', 'minute': 'm'}[part] }"
    return {"freshness": {"column": given.get("field") or column, "max_age": age}}


def _proportion(given: Given, column: Any) -> Made:
    least, most = given.get("at_least", 0), given.get("at_most", 1.0)
    return {"null_share": {"column": column, **bounds(share(1 - most) if most < 1 else None, share(1 - least))}}


def _not_empty(given: Given, column: Any) -> Made:
    """An empty text fails, and so does a blank one unless they say otherwise; null passes."""
    return {"matches": {"column": column, "regex": r"\S"}} if given.get("trim_whitespace", True) else {
        "length": {"column": column, "min": 1}}  # fmt: skip


_TESTS: dict[str, Any] = {
    "not_null": lambda g, c: {"not_null": {"column": c}},
    "unique": lambda g, c: {"unique": {"columns": [c]}},
    "accepted_values": lambda g, c: {"one_of": {"column": c, "values": list(g["values"])}},
    "not_accepted_values": lambda g, c: {"one_of": {"column": c, "values": list(g["values"]), "negate": True}},
    "not_constant": lambda g, c: {"cardinality": {"column": c, "min": 2}},
    "at_least_one": lambda g, c: {"aggregate": {"column": c, "function": "count", "min": 1}},
    "sequential_values": _no_gaps,
    "mutually_exclusive_ranges": _no_overlap,
    # they count groups, in which a null is like another
    "unique_combination_of_columns": lambda g, c: {
        "unique": {"columns": list(g["combination_of_columns"]), "nulls_equal": True}
    },
    "unique_combination": lambda g, c: {"unique": {"columns": list(g["columns"]), "nulls_equal": True}},
    "expression_is_true": lambda g, c: {
        "expression": {"condition": f"{quoted(c)} {g['expression']}" if c else str(g["expression"])}
    },
    "accepted_range": _range,
    "not_empty_string": _not_empty,
    "not_null_proportion": _proportion,
    "recency": _recency,
}


# ── dbt-expectations ──────────────────────────────────────────────────────────────────────────────────────────────────


def _expectation(name: str, given: Given, column: str | None) -> list[Made] | str:
    """Most are called and told as Great Expectations' are, but for conditions, which are SQL."""
    where = given.get("row_condition")
    if given.get("group_by") or given.get("group_by_columns"):
        return "its groups are to be written as `by`"
    turn = _EXPECTATIONS.get(name)
    if turn is not None:
        made = _listed(turn(given, column))
        return [with_all(one, where=where) for one in made]
    given = {theirs: value for theirs, value in given.items() if theirs not in ("row_condition", "key")}
    kwargs = {**given, **({"column": column} if column else {})}
    if given.get("strictly") and name.endswith("_to_be_between"):
        kwargs |= {"strict_min": True, "strict_max": True}
    kwargs |= {ours: given[theirs] for ours, theirs in _CALLED.items() if theirs in given}
    if name in ("expect_column_values_to_be_increasing", "expect_column_values_to_be_decreasing"):
        if given.get("sort_column"):
            return f"rows are ordered by {given['sort_column']}: `sort` by it first"
        kwargs["strictly"] = given.get("strictly", True)
    claims = gx.claims(name, kwargs, {})
    return claims[0].why if not claims[0].module else [with_all(claim.module, where=where) for claim in claims if claim.module]


_CALLED = {"type_": "column_type", "type_list": "column_type_list", "column_A": "column_A", "column_B": "column_B"}


def _quantile(given: Given, column: Any) -> Made:
    limits = bounds(given.get("min_value"), given.get("max_value"), exclusive=True if given.get("strictly") else None)
    return {"aggregate": {"column": column, "function": "quantile", "q": given["quantile"], **limits}}


def _distinct(side: str) -> Any:
    sides = ("min", "max") if side == "both" else (side,)
    return lambda g, c: {"cardinality": {"column": c, **dict.fromkeys(sides, g["value"])}}


def _deviations(given: Given, column: Any) -> Made:
    reach = given.get("sigma_threshold", 3)
    return {"detect_outliers": {"column": column, "method": "z", "threshold": reach, "where": f"{quoted(column)} is not null"}}


_EXPECTATIONS: dict[str, Any] = {
    "expression_is_true": lambda g, c: {"expression": {"condition": str(g["expression"])}},
    "expect_row_values_to_have_recent_data": lambda g, c: _recency(g, c),
    "expect_column_quantile_values_to_be_between": _quantile,
    "expect_column_distinct_count_to_equal": _distinct("both"),
    "expect_column_distinct_count_to_be_greater_than": lambda g, c: {"cardinality": {"column": c, "min": int(g["value"]) + 1}},
    "expect_column_distinct_count_to_be_less_than": lambda g, c: {"cardinality": {"column": c, "max": int(g["value"]) - 1}},
    "expect_column_values_to_be_within_n_stdevs": _deviations,
    "expect_row_values_to_have_data_for_every_n_datepart": lambda g, c: None if set(g) - {"date_col", "date_part", "key"} else {
        "no_gaps": {"column": g["date_col"], "grain": g.get("date_part", "day")}},
    "expect_table_columns_to_contain_set": lambda g, c: {"schema": {"columns": list(g["column_list"]), "extra": "allow"}},
    "expect_table_columns_to_match_set": lambda g, c: {"schema": {"columns": list(g["column_list"]), "extra": "forbid"}},
    "expect_column_most_common_value_to_be_in_set": lambda g, c: None if g.get("top_n", 1) != 1 else {
        "most_common": {"column": c, "values": list(g["value_set"])}},
}  # fmt: skip


# ── tests over runs, and of two tables ────────────────────────────────────────────────────────────────────────────────


def _elementary(name: str, given: Given, column: str | None) -> list[Made]:
    """Figures over runs; how far back they look is said in runs here, not in days."""
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
    return [{"schema_drift": {}}] if name == "schema_changes" else []


def _other_table(name: str, given: Given, column: str | None) -> Made | None:
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
