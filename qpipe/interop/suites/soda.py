"""Soda: checks in its own words (`checks for orders:`), and contracts (`dataset: …`, `columns: …`)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from qpipe.interop.suites import Claim, Suite, attempt, score, with_all
from qpipe.interop.suites._limits import Limits, range_of, valid
from qpipe.interop.suites._soda_contract import contract
from qpipe.interop.suites._types import type_word

_NUMBER = r"-?\d+(?:\.\d+)?"
_BOUND = (
    rf"(?:(?P<op>>=|<=|!=|>|<|=)\s*(?P<n>{_NUMBER})|(?P<not>not\s+)?between\s+(?P<from>[(\[])?\s*(?P<low>{_NUMBER})\s*%?\s+and"
    rf"\s+(?P<high>{_NUMBER}))\s*(?P<pct>%)?\s*(?P<to>[)\]])?"
)
_METRIC = re.compile(rf"(?P<metric>\w+)\s*(?:\((?P<columns>[^)]*)\))?\s*{_BOUND}")
_AGE = re.compile(r"freshness\s*\((?P<column>[^),]+)(?:,[^)]*)?\)\s*<=?\s*(?P<age>[\w ]+)")

_OVER_RUNS = re.compile(
    r"^(?:anomaly (?:detection|score)|change(?: avg last (?P<runs>\d+))?(?P<percent> percent)?) for (?P<metric>\w+)"
    r"\s*(?:\((?P<column>\w+)\))?\s*(?P<bound>.*)$"
)
_METRICS = {"avg": "mean", "missing_count": "null_count", "missing_percent": "null_share"}


def suites(data: Any, name: str) -> Iterator[Suite]:
    if "columns" in data or "dataset" in data:
        yield contract(data, name)
        return
    for key, checks in data.items():
        if found := re.fullmatch(r"checks for\s+(\"[^\"]+\"|\S+)(?:\s+(\[.+\]))?", str(key).strip()):
            suite = Suite(found[1].strip('"'))
            suite.claims = [claim for check in checks or () for claim in _levels(check)]
            if found[2]:
                part = f"filter {found[1]} {found[2]}"
                rows = str((data.get(part) or {}).get("where") or "")
                suite.claims = [_of_part(claim, rows, part) for claim in suite.claims]
            yield suite
        elif str(key).startswith("for each"):
            for table in checks.get("datasets") or ():
                if isinstance(table, str) and re.fullmatch(r"(?:include )?[\w.]+", table):
                    yield Suite(table.split()[-1], claims=[claim for check in checks["checks"] for claim in _levels(check)])
                else:
                    yield Suite(str(key), claims=[Claim(f"{key}: {table}", why="a pattern of names: name the tables")])


def _of_part(claim: Claim, rows: str, part: str) -> Claim:
    """The claim about some of the rows only."""
    if claim.module is None:
        return claim
    if not rows or "${" in rows:
        return Claim(claim.origin, why=f"{part} has variables" if rows else f"there is no {part}")
    return Claim(claim.origin, with_all(claim.module, where=rows))


def _levels(check: Any) -> list[Claim]:
    """A check with a limit, or one for each of `warn: when …` and `fail: when …`, which say what does not pass."""
    text, options = (check, {}) if isinstance(check, str) else next(iter(check.items()))
    text, options = str(text).strip(), options if isinstance(options, Mapping) else {}
    alerts = {level: options[level] for level in ("warn", "fail") if level in options}
    rest = {key: value for key, value in options.items() if key not in alerts}
    if not alerts:
        return attempt(text, lambda: _claims(text, rest))
    found = []
    for level, limit in alerts.items():
        severity = {"severity": "warning"} if level == "warn" else {}
        if isinstance(limit, Mapping):  # of a schema
            claims = attempt(text, lambda told=limit: _schema(told))  # type: ignore[misc]
            origin = ""
        else:
            passes, origin = _passing(str(limit)), f"{text}, {level} {limit}"
            claims = attempt(text, lambda p=passes: _claims(f"{text} {p}", rest))  # type: ignore[misc]
            claims = claims if passes else [Claim(origin, why=f"no limit is read in {limit}")]
        found += [
            Claim(origin or f"{claim.origin}, {level}", claim.module and with_all(claim.module, **severity), claim.why)
            for claim in claims
        ]
    return found


def _passing(limit: str) -> str:
    """``when > 5`` → ``<= 5``: what passes where it does not."""
    plain = re.fullmatch(r"when\s*(>=|<=|!=|>|<|=)\s*(.+)", limit.strip())
    if plain:
        opposite = {">": "<=", ">=": "<", "<": ">=", "<=": ">", "=": "!=", "!=": "="}
        return f"{opposite[plain[1]]} {plain[2]}"
    between = re.fullmatch(r"when\s+(not\s+)?(between\s+.+)", limit.strip())
    return "" if not between else between[2] if between[1] else f"not {between[2]}"


def _claims(text: str, options: Mapping[str, Any]) -> Iterator[Claim]:
    if text == "schema":
        yield from _schema(options)
        return
    made = _modules(text, options)
    if isinstance(made, Claim):
        yield made
        return
    where = str(options["filter"]) if options.get("filter") else None
    if isinstance(made, str) or not made:
        yield Claim(text, why=str(made or "there is no counterpart"))
    else:
        yield from (Claim(text, with_all(one, where=where)) for one in made)


def _modules(text: str, options: Mapping[str, Any]) -> list[dict[str, Any]] | str | Claim:
    if text == "failed rows":
        condition = options.get("fail condition")
        return [{"expression": {"condition": f"not ({condition})"}}] if condition else "it is in another system's query"
    if found := re.fullmatch(r"row_count same as (\S+)(?: in \S+)?", text):
        return [{"reconcile_totals": {"with": found[1]}}]
    if found := re.fullmatch(r"values in \(?([^)]+?)\)? must (not )?exist in (\S+) \(?([^)]+?)\)?", text):
        references = [f"{found[3]}.{column.strip()}" for column in found[4].split(",")]
        columns = [c.strip() for c in found[1].split(",")]
        key = {"columns": columns, "references": references[0] if len(references) == 1 else references}
        return [{"foreign_key": {**key, **({"negate": True} if found[2] else {})}}]
    if found := _AGE.fullmatch(text):
        return [{"freshness": {"column": found["column"].strip(), "max_age": found["age"].replace(" ", "")}}]
    if found := _OVER_RUNS.match(text):
        return _over_runs(text, found)
    found = _METRIC.fullmatch(text)
    return _metric(text, found, options) if found else []


def _schema(told: Mapping[str, Any]) -> Iterator[Claim]:
    asked = {str(key): value for key, value in told.items() if str(key).startswith("when")}
    required, typed = asked.pop("when required column missing", None), asked.pop("when wrong column type", None)
    if asked.pop("when schema changes", None):
        yield Claim("schema", {"schema_drift": {}})
    if required or typed:
        words = {column: type_word(word) or "any" for column, word in (typed or {}).items()}
        columns = {**dict.fromkeys(required or (), "any"), **words} if typed else list(required or ())
        yield Claim("schema", {"schema": {"columns": columns, "extra": "allow"}})
    yield from (Claim(f"schema, {key}", why="there is no counterpart") for key in asked)


def _over_runs(text: str, found: re.Match[str]) -> list[dict[str, Any]] | str:
    """A figure compared with earlier runs."""
    metric = _METRICS.get(found["metric"], found["metric"])
    if metric not in ("row_count", "mean", "min", "max", "sum", "stddev", "null_count", "null_share"):
        return f"{found['metric']} is not compared over runs"
    figure = {"metric": metric, **({"column": found["column"]} if found["column"] else {})}
    if text.startswith("anomaly"):
        return [{"detect_metric_anomalies": figure}]
    limits = [abs(float(n)) for n in re.findall(r"[-+]?\d+(?:\.\d+)?", found["bound"])]
    between = found["bound"].startswith("between")
    if not limits or (between and (len(limits) != 2 or limits[0] != limits[1])) or not (between or found["bound"][0] == "<"):
        return "only one limit of change for both sides, or for growth, has a counterpart"
    share = found["percent"] or "%" in found["bound"]
    allowed = {"max_change": f"{limits[0]:g}%" if share else limits[0], **({} if between else {"side": "up"})}
    return [{"change": {**figure, **allowed, **({"runs": int(found["runs"])} if found["runs"] else {})}}]


def _metric(text: str, found: re.Match[str], options: Mapping[str, Any]) -> list[dict[str, Any]] | str | Claim:
    metric, columns = found["metric"], [c.strip().strip('"') for c in (found["columns"] or "").split(",") if c.strip()]
    limits = range_of(found.groupdict(), percent=metric.endswith("_percent"))
    if f"{metric} expression" in options or f"{metric} query" in options:
        return "it is in another system's query"
    least = float(found["n"]) if (found["op"] or "")[:1] == ">" else None
    if asked := score(text, metric, least, next(iter(columns), None)):
        return asked
    if limits is None:
        return "what must not be is two ranges, and has no counterpart"
    if metric == "row_count":
        return [{"row_count": limits.count()}]
    if metric in _FIGURES and columns:
        return [{"aggregate": {"column": columns[0], "function": _FIGURES[metric], **limits.figure()}}]
    if metric == "percentile" and len(columns) == 2:
        figure = {"column": columns[0], "function": "quantile", "q": float(columns[1])}
        return [{"aggregate": {**figure, **limits.figure()}}]
    if metric in ("min_length", "max_length") and columns:
        side = metric[:3]
        one_sided = limits.high is None if side == "min" else limits.low is None
        return [{"length": {"column": columns[0], **limits.count()}}] if one_sided else (
            "only the shortest at least, the longest at most, have a counterpart")  # fmt: skip
    return _failures(metric.removesuffix("_count").removesuffix("_percent"), columns, limits, options)


_FIGURES = {"avg": "mean", "min": "min", "max": "max", "sum": "sum", "stddev": "stddev", "variance": "variance"}


def _failures(kind: str, columns: list[str], limits: Limits, options: Mapping[str, Any]) -> list[dict[str, Any]] | str:
    if kind not in ("missing", "duplicate", "invalid") or not columns:
        return []
    allowed = limits.failures()
    if allowed is None:
        return "only an upper limit of failures has a counterpart"
    if kind == "duplicate":
        return [{"unique": {"columns": columns, **allowed}}]
    if kind == "missing":
        if {"missing regex", "missing format"} & set(options):
            return "a pattern of what counts as missing has no counterpart"
        words = {"placeholders": list(options["missing values"])} if options.get("missing values") else {}
        return [{"not_null": {"column": columns[0], **words, **allowed}}]
    made = valid(columns[0], options)
    if isinstance(made, str):
        return made
    return (
        "several notions of valid share one tolerance" if allowed and len(made) > 1 else [with_all(m, **allowed) for m in made]
    )
