"""Soda: checks in its own words (`checks for orders:`), and contracts (`dataset: …`, `columns: …`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, bounds, score, type_word

_BOUND = (
    r"\s*(?:(?P<op>>=|<=|!=|>|<|=)\s*(?P<n>[-\d.]+)\s*(?P<pct>%)?"
    r"|between\s+(?P<low>[-\d.]+)\s*%?\s+and\s+(?P<high>[-\d.]+)\s*(?P<pct2>%)?)"
)
_METRIC = re.compile(r"^(?P<metric>\w+)\s*(?:\((?P<columns>[^)]*)\))?" + _BOUND + r"\s*$")
_AGE = re.compile(r"^freshness\s*\((?P<column>[^)]+)\)\s*<\s*(?P<age>[\w ]+)$")

_OVER_RUNS = re.compile(
    r"^(?:anomaly (?:detection|score)|change(?: avg last (?P<runs>\d+))?(?P<percent> percent)?) for (?P<metric>\w+)"
    r"\s*(?:\((?P<column>\w+)\))?\s*(?P<bound>.*)$"
)
_METRICS = {"avg": "mean", "missing_count": "null_count", "missing_percent": "null_share"}


def suites(data: Any, name: str) -> Iterator[Suite]:
    if "columns" in data or "dataset" in data:
        yield _contract(data, name)
        return
    for key, checks in data.items():
        if found := re.match(r"checks for\s+(\S+)(?:\s+(\[.+\]))?", str(key)):
            suite = Suite(found[1])
            suite.claims = [claim for check in checks or () for claim in _levels(check)]
            if found[2]:
                part = f"filter {found[1]} {found[2]}"
                rows = str((data.get(part) or {}).get("where") or "")
                suite.claims = [_of_part(claim, rows, part) for claim in suite.claims]
            yield suite


def _of_part(claim: Claim, rows: str, part: str) -> Claim:
    """The claim about some of the rows only."""
    if claim.module is None:
        return claim
    if not rows or "${" in rows:
        return Claim(claim.origin, why=f"{part} has variables" if rows else f"there is no {part}")
    ((module, values),) = claim.module.items()
    where = f"({values['where']}) and ({rows})" if values.get("where") else rows
    return Claim(claim.origin, {module: {**values, "where": where}})


def _levels(check: Any) -> Iterator[Claim]:
    """A check with a limit, or one for each of `warn: when …` and `fail: when …`, which say what does not pass."""
    text, options = (check, {}) if isinstance(check, str) else next(iter(check.items()))
    alerts = {level: options[level] for level in ("warn", "fail") if isinstance(options, Mapping) and level in options}
    if not alerts or not all(isinstance(limit, str) for limit in alerts.values()):
        yield _claim(check)
        return
    rest = {key: value for key, value in options.items() if key not in alerts}
    for level, limit in alerts.items():
        found = re.fullmatch(r"when\s*(>=|<=|!=|>|<|=)\s*([-\d.]+\s*%?)", limit.strip())
        claim = (
            _claim({f"{text} {_PASSES[found[1]]} {found[2]}": rest})
            if found
            else Claim(text, why=f"no limit is read in {limit}")
        )
        origin = f"{text}, {level} {limit}"
        if claim.module and level == "warn":
            ((module, values),) = claim.module.items()
            claim = Claim(origin, {module: {**values, "severity": "warning"}})
        yield Claim(origin, claim.module, claim.why)


_PASSES = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "=": "!=", "!=": "="}  # what passes where that is told


def _claim(check: Any) -> Claim:
    text, options = (check, {}) if isinstance(check, str) else next(iter(check.items()))
    text, options = str(text).strip(), options if isinstance(options, Mapping) else {}
    if text == "schema":
        return _schema(options)
    if text == "failed rows":
        condition = options.get("fail condition")
        made = {"expression": {"condition": f"not ({condition})"}} if condition else None
        return Claim(str(options.get("name") or text), made, "" if made else "it is in another system's query")
    if found := re.match(r"row_count same as (\S+)(?: in \S+)?$", text):
        return Claim(text, {"reconcile_totals": {"with": found[1]}})
    if found := re.match(r"values in \(?([^)]+?)\)? must not exist in (\S+) \(?([^)]+?)\)?$", text):
        columns = [c.strip() for c in found[1].split(",")]
        return Claim(text, {"foreign_key": {"columns": columns, **_theirs(found), "negate": True}})
    if found := _AGE.match(text):
        return Claim(text, {"freshness": {"column": found["column"].strip(), "max_age": found["age"].replace(" ", "")}})
    if found := re.match(r"values in \(?([^)]+?)\)? must exist in (\S+) \(?([^)]+?)\)?$", text):
        columns = [c.strip() for c in found[1].split(",")]
        return Claim(text, {"foreign_key": {"columns": columns, **_theirs(found)}})
    if found := _OVER_RUNS.match(text):
        return _over_runs(text, found)
    found = _METRIC.match(text)
    return _metric(text, found, options) if found else Claim(text, why="there is no counterpart")


def _theirs(found: re.Match[str]) -> dict[str, Any]:
    references = [f"{found[2]}.{column.strip()}" for column in found[3].split(",")]
    return {"references": references[0] if len(references) == 1 else references}


def _schema(options: Mapping[str, Any]) -> Claim:
    level = "fail" if "fail" in options else "warn"
    told = dict(options.get(level) or options)
    told.pop("name", None)
    required, typed = told.pop("when required column missing", None), told.pop("when wrong column type", None)
    severity = {"severity": "warning"} if level in options and level == "warn" else {}
    if told.pop("when schema changes", None):
        return Claim("schema", {"schema_drift": severity})
    if told or not (required or typed):
        return Claim("schema", why=f"{', '.join(told) or 'nothing'} has no counterpart")
    words = {column: type_word(word) or "any" for column, word in (typed or {}).items()}
    columns = {**dict.fromkeys(required or (), "any"), **words} if typed else list(required)
    return Claim("schema", {"schema": {"columns": columns, "extra": "allow", **severity}})


def _over_runs(text: str, found: re.Match[str]) -> Claim:
    """A figure compared with earlier runs."""
    metric = _METRICS.get(found["metric"], found["metric"])
    if metric not in ("row_count", "mean", "min", "max", "sum", "stddev", "null_count", "null_share"):
        return Claim(text, why=f"{found['metric']} is not compared over runs")
    figure = {"metric": metric, **({"column": found["column"]} if found["column"] else {})}
    if text.startswith("anomaly"):
        return Claim(text, {"detect_metric_anomalies": figure})
    limits = [abs(float(n)) for n in re.findall(r"[-+]?\d+(?:\.\d+)?", found["bound"])]
    between = found["bound"].startswith("between")
    if not limits or (between and (len(limits) != 2 or limits[0] != limits[1])) or not (between or found["bound"][0] == "<"):
        return Claim(text, why="only one limit of change for both sides, or for growth, has a counterpart")
    share = found["percent"] or "%" in found["bound"]
    allowed = {"max_change": f"{limits[0]:g}%" if share else limits[0], **({} if between else {"side": "up"})}
    return Claim(text, {"change": {**figure, **allowed, **({"runs": int(found["runs"])} if found["runs"] else {})}})


def _metric(text: str, found: re.Match[str], options: Mapping[str, Any]) -> Claim:
    metric, columns = found["metric"], [c.strip() for c in (found["columns"] or "").split(",") if c.strip()]
    low, high = _range(found)
    where = {"where": options["filter"]} if options.get("filter") else {}
    if metric == "row_count":
        return Claim(text, {"row_count": {**_kept(low, high, whole=True), **where}})
    if metric in ("avg", "min", "max", "sum", "stddev", "variance") and columns:
        function = {"avg": "mean"}.get(metric, metric)
        return Claim(text, {"aggregate": {"column": columns[0], "function": function, **_kept(low, high), **where}})
    if metric in ("min_length", "max_length") and columns:
        side = {"min": low} if metric == "min_length" else {"max": high}
        bound = {name: int(n) for name, n in side.items() if n is not None}
        return Claim(text, {"length": {"column": columns[0], **bound, **where}} if bound else None,
                     "" if bound else "only the shortest at least, the longest at most, have a counterpart")  # fmt: skip
    if metric == "percentile" and len(columns) == 2:
        figure = {"column": columns[0], "function": "quantile", "q": float(columns[1])}
        return Claim(text, {"aggregate": {**figure, **_kept(low, high), **where}})
    share = metric.endswith("_percent") or bool(found["pct"] or found["pct2"])
    if f"{metric} expression" in options or f"{metric} query" in options:
        return Claim(text, why="it is in another system's query")
    least = float(found["n"]) if (found["op"] or "")[:1] == ">" else None
    if asked := score(text, metric, least, next(iter(columns), None)):
        return asked
    if metric.removesuffix("_count").removesuffix("_percent") not in ("missing", "duplicate", "invalid"):
        return Claim(text, why="there is no counterpart")
    if high is None or (low or 0) > 0:
        return Claim(text, why="only an upper limit of failures has a counterpart")
    allowed = {"tolerance": round(high / 100, 10) if share else int(high)} if high else {}
    kind = metric.removesuffix("_count").removesuffix("_percent")
    if kind == "missing" and columns:
        if values := options.get("missing values"):
            return Claim(text, {"one_of": {"column": columns[0], "values": values, "negate": True, **allowed, **where}})
        return Claim(text, {"not_null": {"column": columns[0], **allowed, **where}})
    if kind == "duplicate" and columns:
        return Claim(text, {"unique": {"columns": columns, **allowed, **where}})
    if kind == "invalid" and columns:
        made = _valid(columns[0], options)
        if made is None:
            return Claim(text, why="its notion of valid has no counterpart")
        ((module, values),) = made.items()
        return Claim(text, {module: {**values, **allowed, **where}})
    return Claim(text, why="there is no counterpart")


def _range(found: re.Match[str]) -> tuple[float | None, float | None]:
    """The least and the greatest value that passes. Of counts, > and < mean the next whole number; a share is as it is."""
    if found["low"]:
        return float(found["low"]), float(found["high"])
    n, op = float(found["n"]), found["op"]
    share = found["pct"] or found["metric"].endswith("_percent")
    step = 1 if n == int(n) and not share else 0
    return {"=": (n, n), ">=": (n, None), ">": (n + step, None), "<=": (None, n), "<": (None, n - step)}.get(op, (None, None))


def _kept(low: float | None, high: float | None, *, whole: bool = False) -> dict[str, Any]:
    found = {"min": low, "max": high}
    return {name: int(v) if whole else v for name, v in found.items() if v is not None}


def _valid(column: str, options: Mapping[str, Any]) -> dict[str, Any] | None:
    get = {str(key).replace("_", " "): value for key, value in options.items()}.get
    if (values := get("valid values")) is not None:
        return {"one_of": {"column": column, "values": values}}
    if (regex := get("valid regex")) is not None:
        return {"matches": {"column": column, "regex": regex}}
    if (kind := get("valid format")) is not None:
        return {"format_is": {"column": column, "kind": {"ip address": "ip"}.get(str(kind), str(kind))}}
    limits = {"min": get("valid min"), "max": get("valid max")}
    if limits := {name: value for name, value in limits.items() if value is not None}:
        return {"between": {"column": column, **limits}}
    lengths = {"min": get("valid min length"), "max": get("valid max length"), "equals": get("valid length")}
    lengths = {name: value for name, value in lengths.items() if value is not None}
    return {"length": {"column": column, **lengths}} if lengths else None


def _contract(data: Mapping[str, Any], name: str) -> Suite:
    suite = Suite(str(data.get("dataset") or name).rpartition("/")[2])
    for check in data.get("checks") or ():
        suite.claims.append(_contract_check(check, None))
    for column in data.get("columns") or ():
        if word := type_word(column.get("data_type")):
            suite.types[column["name"]] = word
        for check in column.get("checks") or ():
            suite.claims.append(_contract_check(check, column["name"]))
    return suite


def _contract_check(check: Any, column: str | None) -> Claim:
    kind, given = (check, {}) if isinstance(check, str) else next(iter(check.items()))
    given = given or {}
    origin = f"{kind}({column})" if column else str(kind)
    limit = given.get("threshold") or {}
    allowed: dict[str, Any] = {}
    if limit.get("must_be_less_than_or_equal") is not None:
        percent = limit.get("metric") == "percent"
        value = limit["must_be_less_than_or_equal"]
        allowed = {"tolerance": value / 100 if percent else value}
    if kind == "missing" and column:
        return Claim(origin, {"not_null": {"column": column, **allowed}})
    if kind == "duplicate":
        return Claim(origin, {"unique": {"columns": [column] if column else list(given["columns"]), **allowed}})
    if kind == "invalid" and column and (other := given.get("valid_reference_data")):
        table = str(other["dataset"]).rpartition("/")[2]
        return Claim(origin, {"foreign_key": {"column": column, "references": f"{table}.{other['column']}", **allowed}})
    if kind == "invalid" and column and (made := _valid(column, given)):
        ((module, values),) = made.items()
        return Claim(origin, {module: {**values, **allowed}})
    if kind == "freshness" and (limit.get("must_be_less_than") or limit.get("must_be_less_than_or_equal")):
        age = limit.get("must_be_less_than") or limit.get("must_be_less_than_or_equal")
        unit = str(limit.get("unit") or "hour")[0]
        return Claim(origin, {"freshness": {"column": given["column"], "max_age": f"{age}{unit}"}})
    if kind == "failed_rows" and given.get("expression"):
        return Claim(origin, {"expression": {"condition": f"not ({given['expression']})", **allowed}})
    if kind == "aggregate" and column:
        low = limit.get("must_be_greater_than_or_equal", limit.get("must_be_greater_than"))
        high = limit.get("must_be_less_than_or_equal", limit.get("must_be_less_than"))
        if between := limit.get("must_be_between"):
            low, high = (
                between if isinstance(between, list) else (between["greater_than_or_equal"], between["less_than_or_equal"])
            )
        function = {"avg": "mean"}.get(given["function"], given["function"])
        strict = {"exclusive": True} if {"must_be_greater_than", "must_be_less_than"} & set(limit) else {}
        return Claim(origin, {"aggregate": {"column": column, "function": function, **bounds(low, high), **strict}})
    if kind == "row_count":
        low = limit.get("must_be_greater_than_or_equal", limit.get("must_be_greater_than", 0) + 1)
        return Claim(origin, {"row_count": {"min": low}})
    return Claim(origin, why="there is no counterpart")
