"""Great Expectations: expectation suites, of version 0 and 1."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, attempt, bounds, share, with_all
from qpipe.interop.suites._sql import both, condition_of, literal, quoted, some_of
from qpipe.interop.suites._types import type_words

Kwargs = Mapping[str, Any]
Made = dict[str, Any]  # {a module's name: its parameters}


def suites(data: Any, name: str) -> Iterator[Suite]:
    suite = Suite(data.get("expectation_suite_name") or data.get("name") or name)
    for entry in data["expectations"]:
        suite.claims += claims(entry.get("expectation_type") or entry["type"], entry.get("kwargs") or {}, entry)
    yield suite


def claims(kind: str, kwargs: Kwargs, entry: Mapping[str, Any]) -> list[Claim]:
    """An expectation as modules of ours: mostly one."""
    return attempt(kind, lambda: _claims(kind, kwargs, entry))


def _claims(kind: str, kwargs: Kwargs, entry: Mapping[str, Any]) -> list[Claim]:
    of = kwargs.get("column") or ", ".join(kwargs.get("column_list") or kwargs.get("column_set") or ())
    origin = f"{kind}({of})" if of else kind
    why, condition = _obstacle(kind, kwargs), None
    if not why and kwargs.get("row_condition"):
        condition = condition_of(kwargs["row_condition"])
        why = "" if condition else f"its row_condition {kwargs['row_condition']!r} must be written as `where` by hand"
    made = None if why else _TURNS[kind](kwargs)
    if not made:
        return [Claim(origin, why=why or "its arguments have no counterpart")]
    severity = {"warning": "warning", "info": "info"}.get(str(entry.get("severity", "")))
    common: dict[str, Any] = {"severity": severity} if severity else {}
    mostly = kwargs.get("mostly")
    if mostly is not None and mostly < 1 and not kind.startswith("expect_table_"):
        common["tolerance"] = share(1 - mostly)
        if kind == "expect_column_values_to_be_unique":  # which looks at every row, while theirs is a share of the values
            condition = both(condition, f"{quoted(kwargs['column'])} is not null")["where"]
    return [Claim(origin, with_all(one, where=condition, **common)) for one in (made if isinstance(made, list) else [made])]


NOTHING = "it claims nothing: no bound, set or list is given"


def _obstacle(kind: str, k: Kwargs) -> str:
    """Why there is no module for it, whatever its arguments; empty if there may be one."""
    if kind not in _TURNS:
        return "it is a query of theirs" if "unexpected_rows" in kind.lower() or "query" in kind else "there is no counterpart"
    if parameters := [name for name, value in k.items() if isinstance(value, Mapping) and "$PARAMETER" in value]:
        return f"{', '.join(parameters)} depends on a parameter of theirs: write the value"
    if k.get("parse_strings_as_datetimes"):
        return "it reads texts as dates: give the column a type in the source's schema"
    bounded = {"min_value", "max_value"} & set(k) or kind.endswith("_to_be_between")
    if bounded and "quantile_ranges" not in k:
        return NOTHING if k.get("min_value") is None and k.get("max_value") is None else ""
    return NOTHING if any(name in k and k[name] is None for name in ("value_set", "column_list", "column_set")) else ""


# ── one column ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_column(module: str, **parameters: str) -> Callable[[Kwargs], Made]:
    """A module about a column; ``parameters``: ours, and what theirs is called."""
    return lambda k: {module: {"column": k["column"], **{ours: k[theirs] for ours, theirs in parameters.items()}}}


def _open_ends(k: Kwargs) -> Any:
    strict = {(True, True): True, (True, False): "min", (False, True): "max"}
    return strict.get((bool(k.get("strict_min")), bool(k.get("strict_max"))))


def _between(k: Kwargs) -> Made:
    return {"between": {"column": k["column"], **bounds(k.get("min_value"), k.get("max_value"), exclusive=_open_ends(k))}}


def _whole(k: Kwargs) -> dict[str, int]:
    """Bounds of a count: above 3 is at least 4."""
    low, high, found = k.get("min_value"), k.get("max_value"), {}
    if low is not None:
        found["min"] = max(0, math.floor(low) + 1 if k.get("strict_min") else math.ceil(low))
    if high is not None:
        found["max"] = math.ceil(high) - 1 if k.get("strict_max") else math.floor(high)
    return found


def _in_set(*, negate: bool = False) -> Callable[[Kwargs], Made]:
    def turn(k: Kwargs) -> Made:
        values = [value for value in k["value_set"] if value is not None]
        return {"one_of": {"column": k["column"], "values": values, **({"negate": True} if negate else {})}}

    return turn


def _matches(how: str, *, negate: bool = False) -> Callable[[Kwargs], Made]:
    """``how``: regex or like."""
    theirs = {"regex": ("regex", "regex_list"), "like": ("like_pattern", "like_pattern_list")}[how]

    def turn(k: Kwargs) -> Made:
        patterns = next(k[name] for name in theirs if k.get(name) is not None)
        match = {"match": k["match_on"]} if k.get("match_on") == "all" else {}
        return {"matches": {"column": k["column"], how: patterns, **({"negate": True} if negate else match)}}

    return turn


def _ordered(direction: str) -> Callable[[Kwargs], Made]:
    def turn(k: Kwargs) -> Made:
        given = {"where": f"{quoted(k['column'])} is not null"}  # a share is of the values, and ours looks at every row
        towards = {"direction": direction} if direction != "asc" else {}
        return {"ordered": {"column": k["column"], **towards, "strict": bool(k.get("strictly")), **given}}

    return turn


def _type(k: Kwargs) -> Made | None:
    words = type_words(k["type_list"] if "type_list" in k else [k.get("type_")])
    return {"schema": {"columns": {k["column"]: words.pop()}}} if len(words) == 1 else None


def _strftime(k: Kwargs) -> Made:
    form = str(k["strftime_format"])
    clock, day = re.search("%[HIMSpTXcfz]", form), re.search("%[aAwdbBmyYjUWcxXGuVD]", form)
    word = "time" if clock and not day else "datetime" if clock else "date"
    word = "datetime(UTC)" if "%z" in form else word
    return {"type_is": {"column": k["column"], "type": word, "format": form}}


def _z_scores(k: Kwargs) -> Made:
    side = "both" if k.get("double_sided") else "high"
    given = {"where": f"{quoted(k['column'])} is not null"}
    return {"detect_outliers": {"column": k["column"], "method": "z", "threshold": k["threshold"], "side": side,
                                "min_rows": 3, **given}}  # fmt: skip


# ── figures of a column ───────────────────────────────────────────────────────────────────────────────────────────────


def _aggregate(function: str) -> Callable[[Kwargs], Made]:
    def turn(k: Kwargs) -> Made:
        limits = bounds(k.get("min_value"), k.get("max_value"), exclusive=_open_ends(k))
        return {"aggregate": {"column": k["column"], "function": function, **limits}}

    return turn


def _quantiles(k: Kwargs) -> list[Made]:
    asked = k["quantile_ranges"]
    ranges = zip(asked["quantiles"], asked["value_ranges"], strict=True)
    return [{"aggregate": {"column": k["column"], "function": "quantile", "q": q, **bounds(*limits)}} for q, limits in ranges
            if limits[0] is not None or limits[1] is not None]  # fmt: skip


def _share(k: Kwargs) -> Made:
    ends = {"exclusive": _open_ends(k)} if _open_ends(k) else {}
    given = {"min_share": k.get("min_value"), "max_share": k.get("max_value")}
    return {"cardinality": {"column": k["column"], **{n: value for n, value in given.items() if value is not None}, **ends}}


def _nulls(k: Kwargs) -> Made | None:
    if _open_ends(k):
        return None
    least, most = (None if k.get(name) is None else share(1 - k[name]) for name in ("max_value", "min_value"))
    return {"null_share": {"column": k["column"], **bounds(least, most)}}


def _set(how: str) -> Callable[[Kwargs], Made]:
    return lambda k: {"value_set": {"column": k["column"], how: [value for value in k["value_set"] if value is not None]}}


def _most_common(k: Kwargs) -> Made:
    ties = "any" if k.get("ties_okay") else "forbid"
    return {"most_common": {"column": k["column"], "values": list(k["value_set"]), "ties": ties}}


def _divergence(k: Kwargs) -> Made | None:
    partition, holdout = k.get("partition_object") or {}, k.get("tail_weight_holdout") or k.get("internal_weight_holdout")
    if k.get("threshold") is None or holdout or "values" not in partition:
        return None
    shares = {str(value): weight for value, weight in zip(partition["values"], partition["weights"], strict=True)}
    return {"distribution": {"column": k["column"], "max": k["threshold"], "shares": shares}}


# ── several columns ───────────────────────────────────────────────────────────────────────────────────────────────────


def _ignored(k: Kwargs, columns: list[str]) -> dict[str, str]:
    """ignore_row_if as ``where``: unset, rows without any value."""
    rule = k.get("ignore_row_if") or ("both_values_are_missing" if "column_A" in k else "all_values_are_missing")
    some = {"both_values_are_missing": "or", "all_values_are_missing": "or"}
    every = {"either_value_is_missing": "and", "any_value_is_missing": "and"}
    how = {**some, **every}.get(rule)
    return {"where": some_of(columns, how)} if how else {}


def _pair(operator: str | None = None) -> Callable[[Kwargs], Made]:
    def turn(k: Kwargs) -> Made:
        a, b = k["column_A"], k["column_B"]
        sign = operator or (">=" if k.get("or_equal") else ">")
        ignored = _ignored(k, [a, b])
        if k.get("ignore_row_if") == "either_value_is_missing":  # as ours does
            return {"compare_columns": {"left": a, "op": sign, "right": quoted(b)}}
        return {"expression": {"condition": f"{quoted(a)} {sign} {quoted(b)}", "nulls": "fail", **ignored}}

    return turn


def _pairs_in(k: Kwargs) -> Made | None:
    a, b = k["column_A"], k["column_B"]
    pairs = [f"({_same(a, x)} and {_same(b, y)})" for x, y in k.get("value_pairs_set") or ()]
    return {"expression": {"condition": " or ".join(pairs), "nulls": "fail", **_ignored(k, [a, b])}} if pairs else None


def _same(column: str, value: Any) -> str:
    return f"{quoted(column)} is null" if value is None else f"{quoted(column)} = {literal(value)}"


def _key(k: Kwargs) -> Made:
    columns = list(k["column_list"])
    alike = {} if k.get("ignore_row_if") == "any_value_is_missing" else {"nulls_equal": True}
    return {"unique": {"columns": columns, **alike, **_ignored(k, columns)}}


def _within_row(k: Kwargs) -> Made:
    columns = list(k["column_list"])
    return {"unique_within_row": {"columns": columns, "nulls_equal": True, **_ignored(k, columns)}}


def _sum(k: Kwargs) -> Made:
    columns = list(k["column_list"])
    return {"columns_sum_to": {"columns": columns, "equals": k["sum_total"], "nulls": "fail", **_ignored(k, columns)}}


def _all_equal(k: Kwargs) -> Made:
    first, *others = columns = list(k["column_list"])
    condition = " and ".join(f"{quoted(first)} = {quoted(other)}" for other in others)
    return {"expression": {"condition": condition, "nulls": "fail", **_ignored(k, columns)}}


# ── the table ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _exists(k: Kwargs) -> Made | None:
    return None if k.get("column_index") is not None else {"schema": {"columns": [k["column"]], "extra": "allow"}}


def _columns_count(k: Kwargs) -> Made:
    limits = {"min": k["value"], "max": k["value"]} if "value" in k else _whole(k)
    return {"schema": {f"{name}_columns": value for name, value in limits.items()}}


_Turn = Callable[[Kwargs], "Made | list[Made] | None"]
_TURNS: dict[str, _Turn] = {
    "expect_column_values_to_not_be_null": _of_column("not_null"),
    "expect_column_values_to_be_null": _of_column("is_null"),
    "expect_column_values_to_be_unique": lambda k: {"unique": {"columns": [k["column"]]}},
    "expect_column_values_to_be_in_set": _in_set(),
    "expect_column_values_to_not_be_in_set": _in_set(negate=True),
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_match_regex": _matches("regex"),
    "expect_column_values_to_match_regex_list": _matches("regex"),
    "expect_column_values_to_not_match_regex": _matches("regex", negate=True),
    "expect_column_values_to_not_match_regex_list": _matches("regex", negate=True),
    "expect_column_values_to_match_like_pattern": _matches("like"),
    "expect_column_values_to_match_like_pattern_list": _matches("like"),
    "expect_column_values_to_not_match_like_pattern": _matches("like", negate=True),
    "expect_column_values_to_not_match_like_pattern_list": _matches("like", negate=True),
    "expect_column_value_lengths_to_be_between": lambda k: {"length": {"column": k["column"], **_whole(k)}},
    "expect_column_value_lengths_to_equal": _of_column("length", equals="value"),
    "expect_column_values_to_be_of_type": _type,
    "expect_column_values_to_be_in_type_list": _type,
    "expect_column_values_to_be_increasing": _ordered("asc"),
    "expect_column_values_to_be_decreasing": _ordered("desc"),
    "expect_column_values_to_match_strftime_format": _strftime,
    "expect_column_values_to_be_dateutil_parseable": lambda k: {
        "type_is": {"column": k["column"], "type": "datetime", "format": "any"}
    },
    "expect_column_values_to_be_json_parseable": _of_column("json_is"),
    "expect_column_values_to_match_json_schema": _of_column("json_is", schema="json_schema"),
    "expect_column_value_z_scores_to_be_less_than": _z_scores,
    "expect_column_min_to_be_between": _aggregate("min"),
    "expect_column_max_to_be_between": _aggregate("max"),
    "expect_column_mean_to_be_between": _aggregate("mean"),
    "expect_column_sum_to_be_between": _aggregate("sum"),
    "expect_column_median_to_be_between": _aggregate("median"),
    "expect_column_stdev_to_be_between": _aggregate("stddev"),
    "expect_column_quantile_values_to_be_between": _quantiles,
    "expect_column_unique_value_count_to_be_between": lambda k: {"cardinality": {"column": k["column"], **_whole(k)}},
    "expect_column_proportion_of_unique_values_to_be_between": _share,
    "expect_column_proportion_of_non_null_values_to_be_between": _nulls,
    "expect_column_distinct_values_to_be_in_set": _set("in"),
    "expect_column_distinct_values_to_contain_set": _set("contains"),
    "expect_column_distinct_values_to_equal_set": _set("equals"),
    "expect_column_most_common_value_to_be_in_set": _most_common,
    "expect_column_kl_divergence_to_be_less_than": _divergence,
    "expect_column_pair_values_a_to_be_greater_than_b": _pair(),
    "expect_column_pair_values_A_to_be_greater_than_B": _pair(),
    "expect_column_pair_values_to_be_equal": _pair("="),
    "expect_column_pair_values_to_be_in_set": _pairs_in,
    "expect_compound_columns_to_be_unique": _key,
    "expect_multicolumn_values_to_be_unique": _within_row,
    "expect_select_column_values_to_be_unique_within_record": _within_row,
    "expect_multicolumn_sum_to_equal": _sum,
    "expect_multicolumn_values_to_be_equal": _all_equal,
    "expect_column_to_exist": _exists,
    "expect_table_columns_to_match_set": lambda k: {
        "schema": {"columns": list(k["column_set"]), "extra": "allow" if k.get("exact_match") is False else "forbid"}
    },
    "expect_table_columns_to_match_ordered_list": lambda k: {
        "schema": {"columns": list(k["column_list"]), "order": "exact", "extra": "forbid"}
    },
    "expect_table_column_count_to_equal": _columns_count,
    "expect_table_column_count_to_be_between": _columns_count,
    "expect_table_row_count_to_be_between": lambda k: {"row_count": _whole(k)},
    "expect_table_row_count_to_equal": lambda k: {"row_count": {"equals": k["value"]}},
    "expect_table_row_count_to_equal_other_table": lambda k: {"reconcile_totals": {"with": k["other_table_name"]}},
}
