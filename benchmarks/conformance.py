"""Great Expectations' own test cases, judged by our modules: ``python -m benchmarks.conformance DIR``.

DIR is a folder with files of cases (``*.jsonl``: id, expectation_type, data, schema, kwargs, expected), or such a file. Each
expectation becomes modules as a user would write them; what they find must be what the case expects: the verdict, the rows, the
figure. ``--answers FILE`` writes what was found, one JSON a line, without looking at what is expected.
docs/conformance.md says which cases are not mapped, and why.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from qpipe.core.component import Check, Context, Module, Relational
from qpipe.core.errors import QpipeError
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.testing.alone import Seen, run_alone
from qpipe.testing.examples import STARTED, types_of

Case = Mapping[str, Any]
Written = tuple[str, dict[str, Any]]  # a module's name and its parameters
REGISTRY = Registry()
CLAIMS_NOTHING: Written = ("", {})  # a range without bounds, a set that is not given: true of any data


class NotMapped(Exception):
    """There is no counterpart; the text says why."""


class Refused(Exception):
    """The expectation's own arguments make no sense."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conformance", description=__doc__)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--answers", type=Path, help="write what was found, and do not judge")
    parser.add_argument("-v", action="store_true", help="each case that failed or is not mapped")
    asked = parser.parse_args()
    files = sorted(asked.cases.glob("**/*.jsonl")) if asked.cases.is_dir() else [asked.cases]
    cases = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    answers = [answer(case) for case in cases]
    if asked.answers:
        asked.answers.write_text("".join(json.dumps(found, default=str) + "\n" for found in answers))
    else:
        _report(cases, answers, asked.v)


# ── one case ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def answer(case: Case) -> dict[str, Any]:
    """What our modules say of a case: success, unexpected_rows, unexpected_list, observed_value, or the error."""
    found: dict[str, Any] = {"id": case["id"], "supported": True, "success": None, "error": None}
    try:
        frame = _frame(case)
        return found | _judged(_written(case, types_of(frame)), frame, case)
    except NotMapped as reason:
        return found | {"supported": False, "error": str(reason)}
    except (QpipeError, Refused) as error:
        return found | {"error": str(error) or type(error).__name__}


def _judged(written: list[Written], frame: pl.DataFrame, case: Case) -> dict[str, Any]:
    seen = [(built(name, values), values) for name, values in written if name]
    results = [(module, _run(module, frame)) for module, _ in seen]
    rows = sorted({row for module, result in results if isinstance(module, Check | Relational) for row in result.failed})
    return {
        "success": all(_holds(module, result) for module, result in results),
        "unexpected_rows": rows,
        "unexpected_list": _cells(case, rows),
        "observed_value": _observed([result for _, result in results], case),
    }


def built(name: str, values: dict[str, Any]) -> Module:
    try:
        return build(REGISTRY.get("module", name), values)
    except ValueError as error:
        raise Refused(f"{name}: {error}") from error


def _run(module: Module, frame: pl.DataFrame) -> Seen:
    context = Context(types=types_of(frame), started=STARTED)
    for parameter, message in module.problems(context.types):
        raise QpipeError(f"{module.name}: {parameter}: {message}")
    return run_alone(module, frame, context)


def _holds(module: Module, seen: Seen) -> bool:
    """Theirs has no third verdict: where nothing could be evaluated, a claim about rows holds, one about a figure does not."""
    outcome = seen.verdict.outcome if seen.verdict else "error"
    vacuous = isinstance(module, Check | Relational) or getattr(module, "in_", None) is not None
    return outcome == "pass" or (outcome == "not evaluated" and vacuous)


def _cells(case: Case, rows: list[int]) -> list[Any]:
    """The values that they tell of a failing row: one, a pair, or a mapping."""
    kwargs, data = case["kwargs"], case["data"]
    if "column" in kwargs:
        return [data[kwargs["column"]][row] for row in rows] if kwargs["column"] in data else []
    if "column_A" in kwargs:
        return [[data[kwargs["column_A"]][row], data[kwargs["column_B"]][row]] for row in rows]
    return [{name: data[name][row] for name in kwargs.get("column_list") or () if name in data} for row in rows]


def _observed(results: list[Seen], case: Case) -> Any:
    figures = [seen.verdict.observed for seen in results if seen.verdict and seen.verdict.observed]
    if "quantile_ranges" in case["kwargs"]:
        values = [next(iter(figure.values())) for figure in figures]
        return {"quantiles": case["kwargs"]["quantile_ranges"]["quantiles"], "values": [_plain(v) for v in values]}
    if case["expectation_type"].startswith("expect_table_column"):
        names = list(case["data"])
        return len(names) if "count" in case["expectation_type"] else names
    if len(figures) != 1:
        return None
    wanted = "share" if "proportion" in case["expectation_type"] else None
    return _plain(figures[0].get(wanted) if wanted else next(iter(figures[0].values())))


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    return float(value) if type(value).__name__ in ("Decimal", "Fraction") else value


# ── data as a table with types ────────────────────────────────────────────────────────────────────────────────────────

_DTYPES = {
    "int": pl.Int64, "int64": pl.Int64, "Int64Dtype": pl.Int64, "float": pl.Float64, "float64": pl.Float64, "str": pl.String,
    "bool": pl.Boolean, "datetime": pl.Datetime("us"), "datetime64": pl.Datetime("us"), "datetime64[ns]": pl.Datetime("us"),
    "timestamp": pl.Datetime("us", "UTC"), "date": pl.Date,
}  # fmt: skip


def _frame(case: Case) -> pl.DataFrame:
    """As a contract would type it. A column of several kinds of value is text, as it would be in a feed."""
    numbers = re.search("_(mean|median|min|max|sum|stdev|z_score|quantile)", case["expectation_type"])
    empty = pl.Float64 if numbers else pl.String
    return pl.DataFrame([_series(n, cells, case["schema"].get(n), empty) for n, cells in case["data"].items()])


def _series(name: str, cells: list[Any], word: str | None, empty: Any) -> pl.Series:
    dtype: Any = _DTYPES.get(word or "")
    kinds = {type(cell) for cell in cells if cell is not None}
    if not kinds and not (dtype and word):
        return pl.Series(name, cells, dtype=empty)
    if dtype is not None and dtype.is_temporal():
        return _moments(name, cells, dtype)
    if kinds <= {int, float} and kinds:
        whole = kinds == {int} and dtype != pl.Float64
        return pl.Series(name, cells, dtype=pl.Int64 if whole else pl.Float64, strict=False)
    if len(kinds) > 1:
        return pl.Series(name, [None if cell is None else str(cell) for cell in cells], dtype=pl.String)
    if kinds & {dict, list}:
        raise NotMapped(f"{name} holds nested values of no fixed shape")
    return pl.Series(name, cells)


def _moments(name: str, cells: list[Any], dtype: Any) -> pl.Series:
    read = [None if cell is None else _moment(cell) for cell in cells]
    if dtype == pl.Datetime("us", "UTC"):
        read = [m if m is None or m.tzinfo else m.replace(tzinfo=dt.UTC) for m in read]
    if dtype == pl.Date and any(moment and moment.time() != dt.time() for moment in read):
        dtype = pl.Datetime("us")
    return pl.Series(name, [m.date() if m and dtype == pl.Date else m for m in read], dtype=dtype)


def _moment(text: str) -> dt.datetime:
    from dateutil.parser import parse

    moment: dt.datetime = parse(text)
    return moment


# ── expectations as modules ───────────────────────────────────────────────────────────────────────────────────────────


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
        if isinstance(value, str) and self.kind(self.kwargs.get("column", "")) in ("date", "datetime"):
            return _moment(value).isoformat()
        return value


def _written(case: Case, types: Mapping[str, Any]) -> list[Written]:
    """The modules that an expectation becomes, with what holds for all of them: mostly, row_condition."""
    turn = _TURNS.get(case["expectation_type"])
    if turn is None:
        raise NotMapped(f"{case['expectation_type']}: {_MISSING.get(case['expectation_type'], 'there is no counterpart')}")
    kwargs = {k: v for k, v in case["kwargs"].items() if k not in ("catch_exceptions", "result_format")}
    made = turn(Expectation(kwargs, types, case["data"]))
    common: dict[str, Any] = {}
    if kwargs.get("mostly") is not None:
        common["tolerance"] = _tolerance(kwargs["mostly"])
    if kwargs.get("row_condition"):
        common["where"] = _where(kwargs["row_condition"], kwargs.get("condition_parser"), types)
    return [(name, _both(values, common)) if name else (name, values) for name, values in made]


def _tolerance(mostly: Any) -> float:
    if isinstance(mostly, bool) or not isinstance(mostly, int | float):
        raise Refused("mostly must be an integer or float")
    if not 0 <= mostly <= 1:
        raise Refused("mostly must be between 0 and 1")
    return round(1 - mostly, 10)


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
        return f"{_name(column)} {({'==': '=', '!=': '<>'}).get(operator, operator)} {plain}"

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
    return [("is_null", {"columns": [of.column]})]


def _between(of: Expectation) -> list[Written]:
    bounds, strict = of.bounds(), (bool(of.get("strict_min")), bool(of.get("strict_max")))
    exclusive = {(True, True): True, (True, False): "min", (False, True): "max", (False, False): False}[strict]
    return [("between", {"columns": [of.column], **bounds, "exclusive": exclusive})]


def _in_set(of: Expectation, negate: bool = False) -> list[Written]:
    values = of.get("value_set")
    if values is None:
        return [CLAIMS_NOTHING]
    given = [value for value in values if value is not None]
    if not given:
        return [CLAIMS_NOTHING] if negate else _no_value_but_null(of)
    return [("one_of", {"columns": [of.column], "values": given, "negate": negate})]


def _lengths(of: Expectation) -> list[Written]:
    bounds = {"equals": of.get("value")} if of.get("value") is not None else of.bounds()
    if bounds.get("min", 0) > bounds.get("max", math.inf):
        return _no_value_but_null(of)
    if not bounds:
        return [CLAIMS_NOTHING]
    return [("length", {"columns": [of.column], **bounds})]


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
    given = [f"{_name(column)} is not null" for column in of.get("column_list")]
    rule = of.get("ignore_row_if") or "all_values_are_missing"
    where = {"all_values_are_missing": " or ".join(given), "any_value_is_missing": " and ".join(given)}.get(rule)
    equal = rule != "any_value_is_missing"
    return [("unique", {"columns": of.get("column_list"), "nulls_equal": equal, **({"where": where} if where else {})})]


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
    kind = "datetime" if re.search("%[HIMSpTXc]", form) else "date"
    return [("type_is", {"columns": [of.column], "type": kind, "format": form})]


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


def _sum(of: Expectation) -> list[Written]:
    columns = of.get("column_list")
    given = [f"{_name(column)} is not null" for column in columns]
    rule = of.get("ignore_row_if") or "all_values_are_missing"
    where = {"all_values_are_missing": " or ".join(given), "any_value_is_missing": " and ".join(given)}.get(rule)
    values = {"columns": columns, "equals": str(of.get("sum_total")), "nulls": "zero"}
    return [("columns_sum_to", {**values, **({"where": where} if where else {})})]


def _within_row(of: Expectation) -> list[Written]:
    return [("unique_within_row", {"columns": of.get("column_list")})]


def _aggregate(function: str) -> Callable[[Expectation], list[Written]]:
    def turn(of: Expectation) -> list[Written]:
        bounds, values = of.bounds(), {"column": of.column, "function": function}
        if not bounds:
            temporal = of.kind(of.column) in ("date", "datetime")
            bounds = {"min": "0001-01-01" if temporal else -1e308}  # no bound of theirs: only the figure is asked for
        made: list[Written] = []
        for side, strict in (("min", "strict_min"), ("max", "strict_max")):
            if of.get(strict) and side in bounds:
                raise NotMapped(f"{strict}: bounds of a statistic are inclusive")
        made.append(("aggregate", {**values, **bounds}))
        return made

    return turn


def _quantiles(of: Expectation) -> list[Written]:
    asked = of.get("quantile_ranges")
    made: list[Written] = []
    for q, (low, high) in zip(asked["quantiles"], asked["value_ranges"], strict=True):
        bounds = {name: bound for name, bound in (("min", low), ("max", high)) if bound is not None} or {"min": -1e308}
        made.append(("aggregate", {"column": of.column, "function": "quantile", "q": q, **bounds}))
    return made


def _distinct_count(of: Expectation) -> list[Written]:
    return [("cardinality", {"column": of.column, **(of.bounds() or {"min": 0})})]


def _distinct_share(of: Expectation) -> list[Written]:
    bounds = {f"{name}_share": value for name, value in of.bounds().items()} or {"min_share": 0.0}
    return [("cardinality", {"column": of.column, **bounds})]


def _set(how: str) -> Callable[[Expectation], list[Written]]:
    def turn(of: Expectation) -> list[Written]:
        if of.get("value_set") is None:
            return [CLAIMS_NOTHING]
        return [("value_set", {"column": of.column, how: [v for v in of.get("value_set") if v is not None]})]

    return turn


def _most_common(of: Expectation) -> list[Written]:
    ties = "any" if of.get("ties_okay") else "forbid"
    return [("most_common", {"column": of.column, "values": of.get("value_set"), "ties": ties})]


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
    "expect_column_pair_values_to_be_equal": lambda of: _pair(of, "="),
    "expect_column_pair_values_A_to_be_greater_than_B": lambda of: _pair(of, ">=" if of.get("or_equal") else ">"),
    "expect_column_pair_values_a_to_be_greater_than_b": lambda of: _pair(of, ">=" if of.get("or_equal") else ">"),
    "expect_column_pair_values_to_be_in_set": _pairs,
    "expect_multicolumn_sum_to_equal": _sum,
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
    "expect_column_to_exist": _column_exists,
    "expect_table_columns_to_match_set": _column_set,
    "expect_table_columns_to_match_ordered_list": _column_list,
    "expect_table_column_count_to_equal": _column_count,
    "expect_table_column_count_to_be_between": _column_count,
    "expect_table_row_count_to_equal": _row_count,
    "expect_table_row_count_to_be_between": _row_count,
}

_MISSING = {
    "expect_column_kl_divergence_to_be_less_than": "a reference is data of a run or a table, not a written partition",
    "expect_column_value_z_scores_to_be_less_than": "outliers are found by robust measures, not by z-scores",
}


# ── judging ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _report(cases: list[Case], answers: list[dict[str, Any]], verbose: bool) -> None:
    told: Counter[str] = Counter()
    for case, found in zip(cases, answers, strict=True):
        outcome, why = judge(case, found)
        told[outcome] += 1
        if verbose and outcome != "passed":
            print(f"{outcome}: {case['id']}: {why}")
    reasons = Counter(found["error"].split(":")[0] for found in answers if not found["supported"])
    print(f"{len(cases)} cases: " + ", ".join(f"{told[o]} {o}" for o in ("passed", "failed", "not mapped")))
    for reason, count in reasons.most_common():
        print(f"  not mapped, {count}: {reason}")


def judge(case: Case, found: Mapping[str, Any]) -> tuple[str, str]:
    """passed, failed or not mapped, and why."""
    if not found["supported"]:
        return "not mapped", found["error"]
    faults = list(_faults(case["expected"], found, case.get("tolerance") or 1e-5))
    return ("failed", "; ".join(faults)) if faults else ("passed", "")


def _faults(expected: Mapping[str, Any], found: Mapping[str, Any], tolerance: float) -> Iterator[str]:
    if "traceback_substring" in expected:
        if not found["error"]:
            yield "an error was expected"
        return
    if "success" in expected and found["success"] is not expected["success"]:
        yield f"success is {found['success']}, expected {expected['success']} ({found['error'] or 'no error'})"
        return
    unexpected = expected.get("unexpected_list")
    if unexpected is not None and len(unexpected) != len(found.get("unexpected_rows") or ()):
        yield f"unexpected rows are {found.get('unexpected_rows')}, expected {unexpected}"
    places = expected.get("unexpected_index_list") or ()
    if places and isinstance(places[0], dict) and "pk_index" in places[0]:
        rows = sorted(place["pk_index"] for place in places)
        if rows != found.get("unexpected_rows"):
            yield f"unexpected rows are {found.get('unexpected_rows')}, expected {rows}"
    value = expected.get("observed_value")
    if isinstance(value, int | float) and not isinstance(value, bool):
        seen = found.get("observed_value")
        if not isinstance(seen, int | float) or not math.isclose(seen, value, rel_tol=max(tolerance, 1e-5), abs_tol=1e-9):
            yield f"the figure is {seen}, expected {value}"


if __name__ == "__main__":
    main()
