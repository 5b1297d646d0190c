"""From figures to verdicts: how the figures of two batches become one, and when failures are too many.

Nothing passes vacuously: where there was nothing to judge, the outcome is "not evaluated".
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from qpipe.core.component import Gate, Judging, Measure, Outcome, Verdict

_FAILURE: dict[str, Outcome] = {"error": "fail", "warning": "warn", "info": "warn"}


def figure(value: Any, measure: Measure) -> Any:
    """A figure of one batch as it is merged and kept: sets sorted and cut to what is kept, counts as a mapping."""
    if value is None or measure.merge not in ("union", "counts"):
        return value
    if measure.merge == "counts":
        if value and not isinstance(value[0], dict):
            return {item: count for item, count in zip(value[::2], value[1::2], strict=True) if count}
        return {item["value"]: item["count"] for item in value}
    return sorted({item for item in value if item is not None})[: measure.keep]


def merge(one: Mapping[str, Any], two: Mapping[str, Any], measures: Mapping[str, Measure]) -> dict[str, Any]:
    """The figures of two batches as one; a figure that is null counts for nothing."""
    return {name: _merge(one.get(name), two.get(name), measure) for name, measure in measures.items()}


def _merge(a: Any, b: Any, measure: Measure) -> Any:
    if a is None or b is None:
        return b if a is None else a
    if measure.merge == "union":
        return sorted({*a, *b})[: measure.keep]
    if measure.merge == "counts":
        return {**a, **{value: a.get(value, 0) + count for value, count in b.items()}}
    return a + b if measure.merge == "sum" else {"min": min, "max": max}[measure.merge](a, b)


def judge_rows(module: Judging, failed: int, evaluated: int) -> Verdict:
    """A check's verdict on its counts."""
    observed = {"evaluated": evaluated, "failed": failed}
    if not evaluated:
        return Verdict("not evaluated", observed)
    tolerated = failed <= allowed(module.tolerance, evaluated)
    return Verdict("pass" if tolerated else _FAILURE[module.severity], observed)


def judge_groups(gate: Gate, verdicts: Mapping[Any, Verdict]) -> Verdict:
    """One verdict of several; ``tolerance`` is the share or count of groups that may fail."""
    judged = {key: v for key, v in verdicts.items() if v.outcome != "not evaluated"}
    if not judged:
        return next(iter(verdicts.values()), Verdict("not evaluated"))
    failing = [v for v in judged.values() if v.outcome != "pass"]
    verdict = next(iter(failing or judged.values()))
    if failing and any(v.outcome == "error" for v in failing):
        return Verdict("error", verdict.observed, verdict.expected, verdict.message)
    tolerated = len(failing) <= allowed(gate.tolerance, len(judged))
    outcome: Outcome = "pass" if tolerated else _FAILURE[gate.severity]
    return Verdict(outcome, verdict.observed, verdict.expected, verdict.message)


def allowed(tolerance: float | None, evaluated: int) -> float:
    """How many may fail: a whole number is a count, any other a share."""
    if tolerance is None:
        return 0
    return tolerance if isinstance(tolerance, int) else tolerance * evaluated


def encoded(value: Any) -> Any:
    """A figure as JSON, so that ``decoded`` gives the same value of the same type."""
    if isinstance(value, dict):
        return {"$": "counts", "v": [[encoded(k), encoded(v)] for k, v in value.items()]}
    if isinstance(value, (list, tuple)):
        return [encoded(item) for item in value]
    if name := _KINDS.get(type(value)):
        return {"$": name, "v": str(value.total_seconds() if isinstance(value, dt.timedelta) else value)}
    return value


def decoded(value: Any) -> Any:
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if not isinstance(value, dict):
        return value
    name, inner = value["$"], value["v"]
    if name == "counts":
        return {decoded(k): decoded(v) for k, v in inner}
    return _READERS[name](inner)


_KINDS: dict[type, str] = {
    dt.datetime: "datetime", dt.date: "date", dt.time: "time", dt.timedelta: "timedelta", Decimal: "decimal",
}  # fmt: skip
_READERS: dict[str, Any] = {
    "datetime": dt.datetime.fromisoformat,
    "date": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
    "timedelta": lambda text: dt.timedelta(seconds=float(text)),
    "decimal": Decimal,
}
