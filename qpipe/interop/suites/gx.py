"""Great Expectations: expectation suites, of version 0 and 1."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, bounds, type_word

Kwargs = Mapping[str, Any]


def suites(data: Any, name: str) -> Iterator[Suite]:
    suite = Suite(data.get("expectation_suite_name") or data.get("name") or name)
    for entry in data["expectations"]:
        suite.claims.append(claim(entry.get("expectation_type") or entry["type"], entry.get("kwargs") or {}, entry))
    yield suite


def claim(kind: str, kwargs: Kwargs, entry: Mapping[str, Any]) -> Claim:
    """An expectation as a module of ours."""
    of = kwargs.get("column") or ", ".join(kwargs.get("column_list") or kwargs.get("column_set") or ())
    origin = f"{kind}({of})" if of else kind
    turn = _TURNS.get(kind)
    if turn is None:
        return Claim(origin, why="there is no counterpart")
    where = _where(kwargs.get("row_condition"))
    if kwargs.get("row_condition") and where is None:
        return Claim(origin, why=f"its row_condition {kwargs['row_condition']!r} must be written as `where` by hand")
    if _says_nothing(kind, kwargs):
        return Claim(origin, why=NOTHING)
    if kwargs.get("parse_strings_as_datetimes"):
        return Claim(origin, why="it reads texts as dates: give the column a type in the source's schema")
    made = turn(kwargs)
    if made is None:
        return Claim(origin, why="its arguments have no counterpart")
    ((module, values),) = made.items()
    if where is not None:
        values = {**values, "where": where}
    if (mostly := kwargs.get("mostly")) is not None and mostly < 1:
        values = {**values, "tolerance": round(1 - mostly, 10)}
    severity = {"warning": "warning", "info": "info"}.get(str(entry.get("severity", "")))
    return Claim(origin, {module: {**values, **({"severity": severity} if severity else {})}})


NOTHING = "it claims nothing: no bound, set or list is given"


def _says_nothing(kind: str, k: Kwargs) -> bool:
    bounded = {"min_value", "max_value"} & set(k) or kind.endswith("_to_be_between")
    if bounded and "quantile_ranges" not in k:
        return k.get("min_value") is None and k.get("max_value") is None
    return any(name in k and k[name] is None for name in ("value_set", "column_list", "column_set", "value_pairs_set"))


def _where(condition: str | None) -> str | None:
    """A condition in the words of pandas, as SQL has it; None for what is more than comparisons."""
    if not condition:
        return None
    plain = re.sub(r"col\(['\"](\w+)['\"]\)", r"\1", condition)
    strings: list[str] = []

    def text(found: re.Match[str]) -> str:
        strings.append("'" + found[1].replace("'", "''") + "'")
        return f"\x00{len(strings) - 1}\x00"

    plain = re.sub(r'"([^"]*)"', text, re.sub(r"'([^']*)'", text, plain))
    if re.search(r"[^\w\s.=!<>&|()\x00-]", plain):
        return None
    for theirs, ours in (("==", "="), ("!=", "<>"), ("&", " and "), ("|", " or ")):
        plain = plain.replace(theirs, ours)
    return re.sub(r"\x00(\d+)\x00", lambda found: strings[int(found[1])], " ".join(plain.split()))


def _between(k: Kwargs) -> dict[str, Any]:
    strict = {(True, True): True, (True, False): "min", (False, True): "max"}
    exclusive = strict.get((bool(k.get("strict_min")), bool(k.get("strict_max"))))
    return {"between": {"column": k["column"], **bounds(k.get("min_value"), k.get("max_value"), exclusive=exclusive)}}


def _aggregate(function: str) -> Callable[[Kwargs], dict[str, Any] | None]:
    def turn(k: Kwargs) -> dict[str, Any] | None:
        if k.get("strict_min") or k.get("strict_max"):
            return None
        return {"aggregate": {"column": k["column"], "function": function, **bounds(k.get("min_value"), k.get("max_value"))}}

    return turn


def _quantiles(k: Kwargs) -> dict[str, Any] | None:
    asked = k["quantile_ranges"]
    if len(asked["quantiles"]) != 1:
        return None  # several at once: several aggregates
    low, high = asked["value_ranges"][0]
    return {"aggregate": {"column": k["column"], "function": "quantile", "q": asked["quantiles"][0], **bounds(low, high)}}


def _share(k: Kwargs) -> dict[str, Any] | None:
    if k.get("strict_min") or k.get("strict_max"):
        return None
    given = {"min_share": k.get("min_value"), "max_share": k.get("max_value")}
    return {"cardinality": {"column": k["column"], **{name: value for name, value in given.items() if value is not None}}}


def _count(k: Kwargs) -> dict[str, Any] | None:
    given = {"min": k.get("min_value"), "max": k.get("max_value")}
    return {"cardinality": {"column": k["column"], **{name: value for name, value in given.items() if value is not None}}}


def _types(k: Kwargs) -> dict[str, Any] | None:
    words = {type_word(word) for word in k.get("type_list") or ()}
    return {"schema": {"columns": {k["column"]: words.pop()}}} if len(words) == 1 and None not in words else None


def _pairs_in(k: Kwargs) -> dict[str, Any] | None:
    if k.get("ignore_row_if") == "never" or not k.get("value_pairs_set"):
        return None
    a, b = k["column_A"], k["column_B"]
    pairs = [f"({_same(a, x)} and {_same(b, y)})" for x, y in k["value_pairs_set"]]
    ignored = {"either_value_is_missing": f"{a} is null or {b} is null"}
    pairs.append(ignored.get(k.get("ignore_row_if") or "", f"({a} is null and {b} is null)"))
    return {"expression": {"condition": " or ".join(pairs), "nulls": "fail"}}


def _same(column: str, value: Any) -> str:
    return f"{column} is null" if value is None else f"({column} = {_literal(value)}) is true"


def _literal(value: Any) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else "null" if value is None else str(value)


def _columns_count(k: Kwargs) -> dict[str, Any]:
    least, most = (k["value"], k["value"]) if "value" in k else (k.get("min_value"), k.get("max_value"))
    given = {"min_columns": least, "max_columns": most}
    return {"schema": {name: value for name, value in given.items() if value is not None}}


def _z_scores(k: Kwargs) -> dict[str, Any] | None:
    side = "both" if k.get("double_sided") else "high"
    return {"detect_outliers": {"column": k["column"], "method": "z", "threshold": k["threshold"], "side": side, "min_rows": 3}}


def _strftime(k: Kwargs) -> dict[str, Any] | None:
    return {"type_is": {"column": k["column"], "type": "datetime", "format": k["strftime_format"]}}


def _pair(k: Kwargs) -> dict[str, Any]:
    return {"compare_columns": {"left": k["column_A"], "op": ">=" if k.get("or_equal") else ">", "right": k["column_B"]}}


def _type(k: Kwargs) -> dict[str, Any] | None:
    word = type_word(k.get("type_"))
    return {"schema": {"columns": {k["column"]: word}}} if word else None


def _equal(k: Kwargs) -> dict[str, Any] | None:
    a, b = k["column_A"], k["column_B"]
    ignored = k.get("ignore_row_if") or "both_values_are_missing"
    if ignored == "either_value_is_missing":
        return {"compare_columns": {"left": a, "op": "=", "right": b}}
    return {"expression": {"condition": f"({a} = {b}) is true or ({a} is null and {b} is null)"}}


def _exists(k: Kwargs) -> dict[str, Any] | None:
    return None if k.get("column_index") is not None else {"schema": {"columns": [k["column"]], "extra": "allow"}}


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
    "expect_column_values_to_not_match_regex_list": lambda k: {
        "matches": {"column": k["column"], "regex": k["regex_list"], "negate": True}
    },
    "expect_column_values_to_match_like_pattern": lambda k: {"matches": {"column": k["column"], "like": k["like_pattern"]}},
    "expect_column_value_lengths_to_be_between": lambda k: {
        "length": {"column": k["column"], **bounds(k.get("min_value"), k.get("max_value"))}
    },
    "expect_column_value_lengths_to_equal": lambda k: {"length": {"column": k["column"], "equals": k["value"]}},
    "expect_column_values_to_be_of_type": _type,
    "expect_column_values_to_be_increasing": lambda k: {"ordered": {"column": k["column"], "strict": bool(k.get("strictly"))}},
    "expect_column_values_to_be_decreasing": lambda k: {
        "ordered": {"column": k["column"], "direction": "desc", "strict": bool(k.get("strictly"))}
    },
    "expect_column_values_to_match_strftime_format": _strftime,
    "expect_column_values_to_be_in_type_list": _types,
    "expect_column_values_to_be_json_parseable": lambda k: {"json_is": {"column": k["column"]}},
    "expect_column_values_to_match_json_schema": lambda k: {"json_is": {"column": k["column"], "schema": k["json_schema"]}},
    "expect_column_value_z_scores_to_be_less_than": _z_scores,
    "expect_select_column_values_to_be_unique_within_record": lambda k: {
        "unique_within_row": {"columns": list(k["column_list"])}
    },
    "expect_column_pair_values_to_be_in_set": _pairs_in,
    "expect_table_column_count_to_equal": _columns_count,
    "expect_table_column_count_to_be_between": _columns_count,
    "expect_column_quantile_values_to_be_between": _quantiles,
    "expect_column_proportion_of_unique_values_to_be_between": _share,
    "expect_column_pair_values_a_to_be_greater_than_b": _pair,
    "expect_column_pair_values_A_to_be_greater_than_B": _pair,
    "expect_column_pair_values_to_be_equal": _equal,
    "expect_multicolumn_sum_to_equal": lambda k: {
        "columns_sum_to": {"columns": list(k["column_list"]), "equals": k["sum_total"]}
    },
    "expect_column_to_exist": _exists,
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
    "expect_column_unique_value_count_to_be_between": _count,
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
