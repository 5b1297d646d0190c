"""Great Expectations: expectation suites, of version 0 and 1."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, bounds, type_word

Kwargs = Mapping[str, Any]


def suites(data: Any, name: str) -> Iterator[Suite]:
    suite = Suite(data.get("expectation_suite_name") or data.get("name") or name)
    for entry in data["expectations"]:
        suite.claims.append(_claim(entry.get("expectation_type") or entry["type"], entry.get("kwargs") or {}, entry))
    yield suite


def _claim(kind: str, kwargs: Kwargs, entry: Mapping[str, Any]) -> Claim:
    of = kwargs.get("column") or ", ".join(kwargs.get("column_list") or kwargs.get("column_set") or ())
    origin = f"{kind}({of})" if of else kind
    turn = _TURNS.get(kind)
    if turn is None:
        return Claim(origin, why="there is no counterpart")
    if kwargs.get("row_condition"):
        return Claim(origin, why=f"its row_condition {kwargs['row_condition']!r} must be written as `where` by hand")
    made = turn(kwargs)
    if made is None:
        return Claim(origin, why="its arguments have no counterpart")
    ((module, values),) = made.items()
    if (mostly := kwargs.get("mostly")) is not None and mostly < 1:
        values = {**values, "tolerance": round(1 - mostly, 10)}
    severity = {"warning": "warning", "info": "info"}.get(str(entry.get("severity", "")))
    return Claim(origin, {module: {**values, **({"severity": severity} if severity else {})}})


def _between(k: Kwargs) -> dict[str, Any]:
    strict = {(True, True): True, (True, False): "min", (False, True): "max"}
    exclusive = strict.get((bool(k.get("strict_min")), bool(k.get("strict_max"))))
    return {"between": {"column": k["column"], **bounds(k.get("min_value"), k.get("max_value"), exclusive=exclusive)}}


def _aggregate(function: str) -> Callable[[Kwargs], dict[str, Any]]:
    return lambda k: {
        "aggregate": {"column": k["column"], "function": function, **bounds(k.get("min_value"), k.get("max_value"))}
    }


def _pair(k: Kwargs) -> dict[str, Any]:
    return {"compare_columns": {"left": k["column_A"], "op": ">=" if k.get("or_equal") else ">", "right": k["column_B"]}}


def _type(k: Kwargs) -> dict[str, Any] | None:
    word = type_word(k.get("type_"))
    return {"type_is": {"column": k["column"], "type": word}} if word else None


_TURNS: dict[str, Callable[[Kwargs], dict[str, Any] | None]] = {
    "expect_column_values_to_not_be_null": lambda k: {"not_null": {"column": k["column"]}},
    "expect_column_values_to_be_null": lambda k: {"is_null": {"column": k["column"]}},
    "expect_column_values_to_be_unique": lambda k: {"unique": {"columns": [k["column"]]}},
    "expect_compound_columns_to_be_unique": lambda k: {"unique": {"columns": list(k["column_list"])}},
    "expect_column_values_to_be_in_set": lambda k: {"one_of": {"column": k["column"], "values": k["value_set"]}},
    "expect_column_values_to_not_be_in_set": lambda k: {
        "one_of": {"column": k["column"], "values": k["value_set"], "negate": True}
    },
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_match_regex": lambda k: {"matches": {"column": k["column"], "regex": k["regex"]}},
    "expect_column_values_to_not_match_regex": lambda k: {
        "matches": {"column": k["column"], "regex": k["regex"], "negate": True}
    },
    "expect_column_values_to_match_regex_list": lambda k: {
        "matches": {"column": k["column"], "regex": k["regex_list"], "match": k.get("match_on", "any")}
    },
    "expect_column_values_to_match_like_pattern": lambda k: {"matches": {"column": k["column"], "like": k["like_pattern"]}},
    "expect_column_value_lengths_to_be_between": lambda k: {
        "length": {"column": k["column"], **bounds(k.get("min_value"), k.get("max_value"))}
    },
    "expect_column_value_lengths_to_equal": lambda k: {"length": {"column": k["column"], "equals": k["value"]}},
    "expect_column_values_to_be_of_type": _type,
    "expect_column_values_to_be_increasing": lambda k: {"ordered": {"column": k["column"], "strict": bool(k.get("strictly"))}},
    "expect_column_values_to_be_decreasing": lambda k: {
        "ordered": {"column": k["column"], "direction": "descending", "strict": bool(k.get("strictly"))}
    },
    "expect_column_values_to_match_strftime_format": lambda k: {
        "type_is": {"column": k["column"], "type": "datetime", "format": k["strftime_format"]}
    },
    "expect_column_pair_values_a_to_be_greater_than_b": _pair,
    "expect_column_pair_values_A_to_be_greater_than_B": _pair,
    "expect_column_pair_values_to_be_equal": lambda k: {
        "compare_columns": {"left": k["column_A"], "op": "=", "right": k["column_B"]}
    },
    "expect_multicolumn_sum_to_equal": lambda k: {
        "columns_sum_to": {"columns": list(k["column_list"]), "equals": k["sum_total"]}
    },
    "expect_column_to_exist": lambda k: {"schema": {"columns": [k["column"]], "extra": "allow"}},
    "expect_table_columns_to_match_set": lambda k: {
        "schema": {"columns": list(k["column_set"]), "extra": "allow" if k.get("exact_match") is False else "forbid"}
    },
    "expect_table_columns_to_match_ordered_list": lambda k: {
        "schema": {"columns": list(k["column_list"]), "order": "exact", "extra": "forbid"}
    },
    "expect_table_row_count_to_be_between": lambda k: {"row_count": bounds(k.get("min_value"), k.get("max_value"))},
    "expect_table_row_count_to_equal": lambda k: {"row_count": {"equals": k["value"]}},
    "expect_column_min_to_be_between": _aggregate("min"),
    "expect_column_max_to_be_between": _aggregate("max"),
    "expect_column_mean_to_be_between": _aggregate("mean"),
    "expect_column_sum_to_be_between": _aggregate("sum"),
    "expect_column_median_to_be_between": _aggregate("median"),
    "expect_column_stdev_to_be_between": _aggregate("stddev"),
    "expect_column_unique_value_count_to_be_between": lambda k: {
        "aggregate": {"column": k["column"], "function": "distinct", **bounds(k.get("min_value"), k.get("max_value"))}
    },
    "expect_column_distinct_values_to_be_in_set": lambda k: {"value_set": {"column": k["column"], "in": k["value_set"]}},
    "expect_column_distinct_values_to_contain_set": lambda k: {
        "value_set": {"column": k["column"], "contains": k["value_set"]}
    },
    "expect_column_distinct_values_to_equal_set": lambda k: {"value_set": {"column": k["column"], "equals": k["value_set"]}},
    "expect_column_proportion_of_non_null_values_to_be_between": lambda k: {
        "null_share": {
            "column": k["column"],
            **bounds(
                None if k.get("max_value") is None else round(1 - k["max_value"], 10),
                None if k.get("min_value") is None else round(1 - k["min_value"], 10),
            ),
        }
    },
}
