"""Soda: checks in its own words (`checks for orders:`), and contracts (`dataset: …`, `columns: …`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, type_word

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
        if found := re.match(r"checks for\s+(\S+)", str(key)):
            suite = Suite(found[1])
            suite.claims = [_claim(check) for check in checks or ()]
            yield suite


def _claim(check: Any) -> Claim:
    text, options = (check, {}) if isinstance(check, str) else next(iter(check.items()))
    text, options = str(text).strip(), options if isinstance(options, Mapping) else {}
    if text == "schema":
        required = (options.get("fail") or options.get("warn") or options).get("when required column missing") or []
        return Claim(text, {"schema": {"columns": list(required), "extra": "allow"}} if required else None,
                     "" if required else "only required columns have a counterpart")  # fmt: skip
    if found := _AGE.match(text):
        return Claim(text, {"freshness": {"column": found["column"].strip(), "max_age": found["age"].replace(" ", "")}})
    if found := re.match(r"values in \(?([^)]+?)\)? must exist in (\S+) \(?([^)]+?)\)?$", text):
        columns = [c.strip() for c in found[1].split(",")]
        return Claim(text, {"foreign_key": {"columns": columns, "references": f"{found[2]}.{found[3].strip()}"}})
    if found := _OVER_RUNS.match(text):
        return _over_runs(text, found)
    found = _METRIC.match(text)
    return _metric(text, found, options) if found else Claim(text, why="there is no counterpart")


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
    if metric in ("avg", "min", "max", "sum", "stddev") and columns:
        function = {"avg": "mean"}.get(metric, metric)
        return Claim(text, {"aggregate": {"column": columns[0], "function": function, **_kept(low, high), **where}})
    share = metric.endswith("_percent") or bool(found["pct"] or found["pct2"])
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
    if kind == "invalid" and column and (made := _valid(column, given)):
        ((module, values),) = made.items()
        return Claim(origin, {module: {**values, **allowed}})
    if kind == "row_count":
        low = limit.get("must_be_greater_than_or_equal", limit.get("must_be_greater_than", 0) + 1)
        return Claim(origin, {"row_count": {"min": low}})
    return Claim(origin, why="there is no counterpart")
