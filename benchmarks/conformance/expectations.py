"""Expectations as modules, as a user would write them."""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from qpipe.core.component import Context, Module
from qpipe.core.date_formats import unreadable
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.testing.examples import STARTED

Written = tuple[str, dict[str, Any]]  # a module's name and its parameters
REGISTRY = Registry()
CLAIMS_NOTHING: Written = ("", {})  # a range without bounds, a set that is not given: true of any data


class NotMapped(Exception):
    """There is no counterpart; the text says why."""


class Refused(Exception):
    """The expectation's own arguments make no sense."""


def built(name: str, values: dict[str, Any]) -> Module:
    try:
        return build(REGISTRY.get("module", name), values)
    except ValueError as error:
        raise Refused(f"{name}: {error}") from error


@dataclass(frozen=True)
class Expectation:
    """One case's arguments, with the columns' types."""

    kwargs: Mapping[str, Any]
    types: Mapping[str, Any]
    cells: Mapping[str, Any] = field(default_factory=dict)

    def get(self, name: str, default: Any = None) -> Any:
        value = self.kwargs.get(name, default)
        return _evaluated(value["$PARAMETER"]) if isinstance(value, dict) and "$PARAMETER" in value else value

    @property
    def column(self) -> str:
        return str(self.kwargs["column"])

    def kind(self, column: str) -> str:
        return self.types[column].kind if column in self.types else "any"

    def bounds(self) -> dict[str, Any]:
        given = {"min": self.get("min_value"), "max": self.get("max_value")}
        return {name: self._bound(value) for name, value in given.items() if value is not None}

    def _bound(self, value: Any) -> Any:
        """Dates and times in any form that Python's dateutil reads are written as ours are."""
        kind = self.kind(self.kwargs.get("column", ""))
        if isinstance(value, str) and kind in ("date", "datetime"):
            read = moment(value)
            return read.date().isoformat() if kind == "date" and read.time() == dt.time() else read.isoformat()
        return value

    def members(self, name: str = "value_set") -> list[Any] | None:
        """A set of values, without nulls; dates and times as for bounds."""
        values = self.get(name)
        return None if values is None else [self._bound(value) for value in values if value is not None]


def written(case: Mapping[str, Any], types: Mapping[str, Any]) -> list[Written]:
    """The modules that an expectation becomes, with what holds for all of them: mostly, row_condition."""
    turn = _TURNS.get(case["expectation_type"])
    if turn is None:
        raise NotMapped(f"{case['expectation_type']}: there is no counterpart")
    kwargs = {k: v for k, v in case["kwargs"].items() if k not in ("catch_exceptions", "result_format")}
    made = turn(Expectation(kwargs, types, case["data"]))
    common: dict[str, Any] = {}
    if kwargs.get("mostly") is not None and not case["expectation_type"].startswith("expect_table_"):
        common["tolerance"] = _tolerance(kwargs["mostly"])
    if kwargs.get("row_condition"):
        common["where"] = _where(kwargs["row_condition"], kwargs.get("condition_parser"), types)
    return [(name, _both(values, common)) if name else (name, values) for name, values in made]


def _tolerance(mostly: Any) -> float:
    if isinstance(mostly, bool) or not isinstance(mostly, int | float):
        raise Refused("mostly must be an integer or float")
    if not 0 <= mostly <= 1:
        raise Refused("mostly must be between 0 and 1")
    return float(round(1 - mostly, 15))  # a float is a share, even 1.0


def _both(values: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    wheres = [part["where"] for part in (values, common) if part.get("where")]
    return {**values, **common, **({"where": " and ".join(f"({w})" for w in wheres)} if wheres else {})}


def _where(condition: str, language: str | None, types: Mapping[str, Any]) -> str:
    """A condition of pandas's query language in ours; a literal is written as the column's type has it."""
    if language not in ("pandas", "python"):
        raise Refused(f"condition_parser must be 'python' or 'pandas', not {language!r}")

    def term(match: re.Match[str]) -> str:
        column, operator, literal = match.groups()
        text = literal.strip("\"'")
        kind = types[column].kind if column in types else "any"
        if literal[0] in "\"'" and kind in ("integer", "float"):
            raise NotMapped(f"{condition}: a number is compared with a text, which qpipe refuses")
        plain = text if kind in ("integer", "float", "boolean") else "'" + text.replace("'", "''") + "'"
        return f"{_name(column)} {({'==': '=', '!=': 'is distinct from'}).get(operator, operator)} {plain}"

    turned = re.sub(r"(\w+)\s*(==|!=|<=|>=|<|>)\s*(\"[^\"]*\"|'[^']*'|[-+\w.]+)", term, condition)
    return turned.replace("&", " and ").replace("|", " or ")


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _literal(value: Any, kind: str) -> str:
    return str(value) if kind in ("integer", "float") else "'" + str(value).replace("'", "''") + "'"


def _evaluated(text: str) -> Any:
    """What their evaluation parameters come to: now(), datetime(2003, 1, 1)."""
    if text == "now()":
        return dt.datetime.fromtimestamp(STARTED, dt.UTC).replace(tzinfo=None).isoformat()
    if match := re.fullmatch(r"datetime\(([\d, ]+)\)", text):
        return dt.datetime(*map(int, match[1].split(","))).isoformat()  # type: ignore[arg-type]
    raise NotMapped(f"evaluation parameter {text}")


def _no_value_but_null(of: Expectation) -> list[Written]:
    """A range or a set that holds nothing: qpipe refuses to write it as such, and says is_null for it."""
    return [("is_null", {"columns": [of.column], "where": f"{_name(of.column)} is not null"})]


def _between(of: Expectation) -> list[Written]:
    bounds = of.bounds()
    if _exclusive(of) and "min" in bounds and bounds["min"] == bounds.get("max"):
        return _no_value_but_null(of)
    return [("between", {"columns": [of.column], **of.bounds(), "exclusive": _exclusive(of)})]


def _exclusive(of: Expectation) -> bool | str:
    strict = (bool(of.get("strict_min")), bool(of.get("strict_max")))
    return {(True, True): True, (True, False): "min", (False, True): "max", (False, False): False}[strict]


def _in_set(of: Expectation, negate: bool = False) -> list[Written]:
    given = of.members()
    if given is None:
        return [CLAIMS_NOTHING]
    if not given:
        return [CLAIMS_NOTHING] if negate else _no_value_but_null(of)
    return [("one_of", {"columns": [of.column], "values": given, "negate": negate})]


def _lengths(of: Expectation) -> list[Written]:
    bounds = {"equals": of.get("value")} if of.get("value") is not None else _whole(of)
    if bounds.get("min", 0) > bounds.get("max", math.inf):
        return _no_value_but_null(of)
    if not bounds:
        return [CLAIMS_NOTHING]
    return [("length", {"columns": [of.column], **bounds})]


def _whole(of: Expectation) -> dict[str, Any]:
    """Bounds of a count: above 3 is at least 4."""
    bounds, exclusive = of.bounds(), _exclusive(of)
    if "min" in bounds:
        bounds["min"] = max(0, math.floor(bounds["min"]) + 1 if exclusive in (True, "min") else math.ceil(bounds["min"]))
    if "max" in bounds:
        bounds["max"] = math.ceil(bounds["max"]) - 1 if exclusive in (True, "max") else math.floor(bounds["max"])
    return bounds


def _regexes(negate: bool = False) -> Callable[[Expectation], list[Written]]:
    def turn(of: Expectation) -> list[Written]:
        patterns = of.get("regex_list") if "regex_list" in of.kwargs else [of.get("regex")]
        match = {} if negate else {"match": of.get("match_on") or "any"}
        return [("matches", {"columns": [of.column], "regex": patterns, "negate": negate, **match})]

    return turn


def _like(negate: bool = False) -> Callable[[Expectation], list[Written]]:
    def turn(of: Expectation) -> list[Written]:
        patterns = of.get("like_pattern_list") or [of.get("like_pattern")]
        return [("matches", {"columns": [of.column], "like": patterns, "negate": negate})]

    return turn


def _unique(of: Expectation) -> list[Written]:
    return [("unique", {"columns": [of.column], "where": f"{_name(of.column)} is not null"})]


def _unique_key(of: Expectation) -> list[Written]:
    equal = of.get("ignore_row_if") != "any_value_is_missing"
    return [("unique", {"columns": of.get("column_list"), "nulls_equal": equal, **_rows_of(of)})]


def _ordered(direction: str) -> Callable[[Expectation], list[Written]]:
    def turn(of: Expectation) -> list[Written]:
        where = f"{_name(of.column)} is not null"
        strict = bool(of.get("strictly"))
        return [("ordered", {"columns": [of.column], "direction": direction, "strict": strict, "where": where})]

    return turn


_TYPES = {
    "int": "int", "int64": "int64", "int32": "int32", "float": "float", "float64": "float", "float32": "float32",
    "str": "string", "string": "string", "object": "string", "object_": "string",
    "bool": "bool", "date": "date", "datetime": "datetime",
    "datetime64": "datetime", "datetime64[ns]": "datetime", "Timestamp": "datetime", "INTEGER": "int", "FLOAT": "float",
    "TEXT": "string", "BOOLEAN": "bool",
}  # fmt: skip


def _type(of: Expectation) -> list[Written]:
    word = _TYPES.get(of.get("type_"))
    if word is None:
        raise NotMapped(f"{of.get('type_')} is a type of theirs that qpipe does not have")
    if word == "datetime" and str(of.types.get(of.column, "")).startswith("datetime("):
        raise NotMapped(f"{of.get('type_')}: a date and time without a zone is meant; qpipe's datetime is any")
    return [("schema", {"columns": {of.column: word}})]


def _type_list(of: Expectation) -> list[Written]:
    if of.get("type_list") is None:
        return [CLAIMS_NOTHING]
    words = {_TYPES[word] for word in of.get("type_list") if word in _TYPES}
    if not words:
        raise NotMapped("none of the types is one that qpipe has")
    context = Context(types=of.types)
    modules = {word: built("schema", {"columns": {of.column: word}}) for word in sorted(words)}
    fits = [word for word, module in modules.items() if module.verdict({}, context).outcome == "pass"]  # type: ignore[attr-defined]
    return [("schema", {"columns": {of.column: (fits or sorted(words))[0]}})]


def _json(of: Expectation) -> list[Written]:
    if of.kind(of.column) != "string":  # a column that is no text holds no JSON
        return [("schema", {"columns": {of.column: "string"}})]
    schema = of.get("json_schema")
    return [("json_is", {"columns": [of.column], **({"schema": schema} if schema is not None else {})})]


def _strftime(of: Expectation) -> list[Written]:
    form = of.get("strftime_format")
    if strange := set(re.findall("%.", form)) - {f"%{code}" for code in "aAwdbBmyYHIpMSfzZjUWcxXGuV%"}:
        raise NotMapped(f"{', '.join(sorted(strange))}: Python's dates do not have it, qpipe's do")
    clock, day = re.search("%[HIMSpTXcfz]", form), re.search("%[aAwdbBmyYjUWcxXGuVD]", form)
    kind = "time" if clock and not day else "datetime" if clock else "date"
    if wrong := unreadable(form, kind):
        raise NotMapped(f"a format that reads a part of a date or time: {form} {wrong}")
    return [("type_is", {"columns": [of.column], "type": kind, "format": form})]


def _dateutil(of: Expectation) -> list[Written]:
    """Their parser reads dates in any form, and takes half a date for a whole one."""
    if of.kind(of.column) in ("date", "datetime"):
        return [CLAIMS_NOTHING]
    if any(re.fullmatch(r"\d{1,2}|[A-Za-z]{3,9}", str(cell)) and _reads(str(cell)) for cell in of.cells[of.column]):
        raise NotMapped("half a date: their parser fills in what is missing from today")
    return [("type_is", {"columns": [of.column], "type": "datetime", "format": "any"})]


def _reads(text: str) -> bool:
    try:
        return bool(moment(text))
    except (ValueError, OverflowError):
        return False


def _pair_where(of: Expectation, default: str = "both_values_are_missing") -> dict[str, Any]:
    given = [f"{_name(of.get(column))} is not null" for column in ("column_A", "column_B")]
    rule = of.get("ignore_row_if") or default
    joined = {"both_values_are_missing": " or ".join(given), "either_value_is_missing": " and ".join(given)}.get(rule)
    return {"where": joined} if joined else {}


def _pair(of: Expectation, operator: str) -> list[Written]:
    left, right = of.get("column_A"), of.get("column_B")
    kinds = {of.kind(left), of.kind(right)}
    if len(kinds - {"integer", "float", "decimal"}) + bool(kinds & {"integer", "float", "decimal"}) > 1:
        raise NotMapped(f"{' and '.join(sorted(kinds))} are compared, which qpipe refuses: they must be cast first")
    condition = f"{_name(left)} {operator} {_name(right)}"
    return [("expression", {"condition": condition, "nulls": "fail", **_pair_where(of)})]


def _pairs(of: Expectation) -> list[Written]:
    left, right = of.get("column_A"), of.get("column_B")
    one = [
        " and ".join(
            f"{_name(c)} is null" if v is None else f"{_name(c)} = {_literal(v, of.kind(c))}"
            for c, v in ((left, pair[0]), (right, pair[1]))
        )
        for pair in of.get("value_pairs_set") or ()
    ]
    if not one:
        return [CLAIMS_NOTHING]
    return [("expression", {"condition": " or ".join(f"({o})" for o in one), "nulls": "fail", **_pair_where(of)})]


def _rows_of(of: Expectation) -> dict[str, Any]:
    """ignore_row_if, of several columns."""
    given = [f"{_name(column)} is not null" for column in of.get("column_list")]
    rule = of.get("ignore_row_if") or "all_values_are_missing"
    where = {"all_values_are_missing": " or ".join(given), "any_value_is_missing": " and ".join(given)}.get(rule)
    return {"where": where} if where else {}


def _sum(of: Expectation) -> list[Written]:
    values = {"columns": of.get("column_list"), "equals": str(of.get("sum_total")), "nulls": "fail"}
    return [("columns_sum_to", {**values, **_rows_of(of)})]


def _all_equal(of: Expectation) -> list[Written]:
    """Of each pair: what is equal to the first is equal to each other."""
    first, *others = of.get("column_list")
    condition = " and ".join(f"{_name(first)} = {_name(other)}" for other in others)
    return [("expression", {"condition": condition, "nulls": "fail", **_rows_of(of)})]


def _within_row(of: Expectation) -> list[Written]:
    return [("unique_within_row", {"columns": of.get("column_list"), "nulls_equal": True, **_rows_of(of)})]


def _aggregate(function: str) -> Callable[[Expectation], list[Written]]:
    def turn(of: Expectation) -> list[Written]:
        bounds, values = of.bounds(), {"column": of.column, "function": function}
        if not bounds:
            temporal = of.kind(of.column) in ("date", "datetime")
            bounds = {"min": "0001-01-01" if temporal else -1e308}  # no bound of theirs: only the figure is asked for
        return [("aggregate", {**values, **bounds, "exclusive": _exclusive(of)})]

    return turn


def _quantiles(of: Expectation) -> list[Written]:
    asked = of.get("quantile_ranges")
    made: list[Written] = []
    for q, (low, high) in zip(asked["quantiles"], asked["value_ranges"], strict=True):
        bounds = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None} or {"min": -1e308}
        made.append(("aggregate", {"column": of.column, "function": "quantile", "q": q, **bounds}))
    return made


def _distinct_count(of: Expectation) -> list[Written]:
    return [("cardinality", {"column": of.column, **(_whole(of) or {"min": 0})})]


def _distinct_share(of: Expectation) -> list[Written]:
    bounds = {f"{name}_share": value for name, value in of.bounds().items()} or {"min_share": 0.0}
    return [("cardinality", {"column": of.column, **bounds, "exclusive": _exclusive(of)})]


def _set(how: str) -> Callable[[Expectation], list[Written]]:
    def turn(of: Expectation) -> list[Written]:
        members = of.members()
        return [CLAIMS_NOTHING] if members is None else [("value_set", {"column": of.column, how: members})]

    return turn


def _most_common(of: Expectation) -> list[Written]:
    ties = "any" if of.get("ties_okay") else "forbid"
    given = f"{_name(of.column)} is not null"
    return [("most_common", {"column": of.column, "values": of.members(), "ties": ties, "where": given})]


def _z_scores(of: Expectation) -> list[Written]:
    side = "both" if of.get("double_sided", True) else "high"
    below = of.get("threshold") * (1 - 1e-12)  # theirs itself is too far, ours is not
    values = {"columns": [of.column], "method": "z", "threshold": below, "side": side, "min_rows": 3}
    return [("detect_outliers", {**values, "where": f"{_name(of.column)} is not null"})]


def _divergence(of: Expectation) -> list[Written]:
    """Their holdouts are shares that they take from the partition's weights for what is not in it."""
    partition, tail = of.get("partition_object") or {}, of.get("tail_weight_holdout") or 0
    inner = of.get("internal_weight_holdout") or 0
    if of.get("threshold") is None:
        raise NotMapped("no threshold: only the divergence is asked for")
    if not (0 <= tail <= 1 and 0 <= inner <= 1):
        raise Refused("a holdout is a share from 0 to 1")
    values = {"column": of.column, "max": of.get("threshold")}
    spread = _shares(of, partition, tail) if "values" in partition else _ranges(partition, tail, inner)
    return [("distribution", {**values, **spread})]


def _shares(of: Expectation, partition: Mapping[str, Any], tail: float) -> dict[str, Any]:
    named = {str(value): weight for value, weight in zip(partition["values"], partition["weights"], strict=True)}
    strange = {str(cell) for cell in of.cells[of.column] if cell is not None} - set(named)
    kept = 1 - tail if strange else 1.0
    return {"shares": {value: weight * kept for value, weight in named.items()}, "other": tail if strange else 0.0}


def _ranges(partition: Mapping[str, Any], tail: float, inner: float) -> dict[str, Any]:
    """With bins from end to end their outer weights are ours; without, what lies outside has the tails' share."""
    bins, tails = list(partition["bins"]), partition.get("tail_weights")
    weights = [weight * (1 - tail - inner) for weight in partition["weights"]]
    if inner and 0 in weights:
        weights = [weight or inner / weights.count(0) for weight in weights]
    low, high = bins[0] == -math.inf, bins[-1] == math.inf
    if (low or high) and (tails or (low and high and tail)):
        raise Refused("a partition with an infinite end says nothing of tails")
    if not (low or high):
        outer = [share * (1 - tail - inner) + tail / 2 for share in tails or (0, 0)]
        weights = [outer[0], *weights, outer[1]]
    elif not (low and high):
        weights = [*weights, tail] if low else [tail, *weights]
    total = sum(weights)
    return {"bins": bins[low : len(bins) - high], "shares": [share / total for share in weights]}


def _column_exists(of: Expectation) -> list[Written]:
    if of.get("column_index") is not None:
        raise NotMapped("column_index: schema says the order of columns, not the place of one")
    return [("schema", {"columns": [of.column]})]


def _column_set(of: Expectation) -> list[Written]:
    exact = of.get("exact_match", True) is not False
    if not of.get("column_set"):
        return [("schema", {"max_columns": 0})] if exact else [CLAIMS_NOTHING]
    return [("schema", {"columns": of.get("column_set"), "extra": "forbid" if exact else "allow"})]


def _column_list(of: Expectation) -> list[Written]:
    if of.get("column_list") is None:
        return [CLAIMS_NOTHING]
    return [("schema", {"columns": of.get("column_list"), "order": "exact", "extra": "forbid"})]


def _column_count(of: Expectation) -> list[Written]:
    bounds = of.bounds() if "value" not in of.kwargs else {"min": of.get("value"), "max": of.get("value")}
    return [("schema", {f"{name}_columns": bound for name, bound in (bounds or {"min": 0}).items()})]


def _row_count(of: Expectation) -> list[Written]:
    bounds = of.bounds() if "value" not in of.kwargs else {"min": of.get("value"), "max": of.get("value")}
    return [("row_count", bounds or {"min": 0})]


_TURNS: dict[str, Callable[[Expectation], list[Written]]] = {
    "expect_column_values_to_not_be_null": lambda of: [("not_null", {"columns": [of.column]})],
    "expect_column_values_to_be_null": lambda of: [("is_null", {"columns": [of.column]})],
    "expect_column_values_to_be_between": _between,
    "expect_column_values_to_be_in_set": _in_set,
    "expect_column_values_to_not_be_in_set": lambda of: _in_set(of, negate=True),
    "expect_column_value_lengths_to_be_between": _lengths,
    "expect_column_value_lengths_to_equal": _lengths,
    "expect_column_values_to_match_regex": _regexes(),
    "expect_column_values_to_match_regex_list": _regexes(),
    "expect_column_values_to_not_match_regex": _regexes(negate=True),
    "expect_column_values_to_not_match_regex_list": _regexes(negate=True),
    "expect_column_values_to_match_like_pattern": _like(),
    "expect_column_values_to_match_like_pattern_list": _like(),
    "expect_column_values_to_not_match_like_pattern": _like(negate=True),
    "expect_column_values_to_not_match_like_pattern_list": _like(negate=True),
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _unique_key,
    "expect_column_values_to_be_increasing": _ordered("asc"),
    "expect_column_values_to_be_decreasing": _ordered("desc"),
    "expect_column_values_to_be_of_type": _type,
    "expect_column_values_to_be_in_type_list": _type_list,
    "expect_column_values_to_be_json_parseable": _json,
    "expect_column_values_to_match_json_schema": _json,
    "expect_column_values_to_match_strftime_format": _strftime,
    "expect_column_values_to_be_dateutil_parseable": _dateutil,
    "expect_column_pair_values_to_be_equal": lambda of: _pair(of, "="),
    "expect_column_pair_values_A_to_be_greater_than_B": lambda of: _pair(of, ">=" if of.get("or_equal") else ">"),
    "expect_column_pair_values_a_to_be_greater_than_b": lambda of: _pair(of, ">=" if of.get("or_equal") else ">"),
    "expect_column_pair_values_to_be_in_set": _pairs,
    "expect_multicolumn_sum_to_equal": _sum,
    "expect_multicolumn_values_to_be_equal": _all_equal,
    "expect_select_column_values_to_be_unique_within_record": _within_row,
    "expect_column_min_to_be_between": _aggregate("min"),
    "expect_column_max_to_be_between": _aggregate("max"),
    "expect_column_mean_to_be_between": _aggregate("mean"),
    "expect_column_median_to_be_between": _aggregate("median"),
    "expect_column_sum_to_be_between": _aggregate("sum"),
    "expect_column_stdev_to_be_between": _aggregate("stddev"),
    "expect_column_quantile_values_to_be_between": _quantiles,
    "expect_column_unique_value_count_to_be_between": _distinct_count,
    "expect_column_proportion_of_unique_values_to_be_between": _distinct_share,
    "expect_column_distinct_values_to_be_in_set": _set("in"),
    "expect_column_distinct_values_to_contain_set": _set("contains"),
    "expect_column_distinct_values_to_equal_set": _set("equals"),
    "expect_column_most_common_value_to_be_in_set": _most_common,
    "expect_column_kl_divergence_to_be_less_than": _divergence,
    "expect_column_value_z_scores_to_be_less_than": _z_scores,
    "expect_column_to_exist": _column_exists,
    "expect_table_columns_to_match_set": _column_set,
    "expect_table_columns_to_match_ordered_list": _column_list,
    "expect_table_column_count_to_equal": _column_count,
    "expect_table_column_count_to_be_between": _column_count,
    "expect_table_row_count_to_equal": _row_count,
    "expect_table_row_count_to_be_between": _row_count,
}


def moment(text: str) -> dt.datetime:
    from dateutil.parser import parse

    moment: dt.datetime = parse(text)
    return moment
