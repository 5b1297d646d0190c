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
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from benchmarks.conformance.data import frame_of
from benchmarks.conformance.expectations import NotMapped, Refused, Written, built, written
from qpipe.core.component import Check, Context, Module, Relational
from qpipe.core.errors import QpipeError
from qpipe.testing.alone import Seen, run_alone
from qpipe.testing.examples import STARTED, types_of

Case = Mapping[str, Any]


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
        frame = frame_of(case)
        return found | _judged(written(case, types_of(frame)), frame, case)
    except NotMapped as reason:
        return found | {"supported": False, "error": str(reason)}
    except (QpipeError, Refused) as error:
        return found | {"error": str(error) or type(error).__name__}


def _judged(made: list[Written], frame: pl.DataFrame, case: Case) -> dict[str, Any]:
    seen = [(built(name, values), values) for name, values in made if name]
    results = [(module, _run(module, frame)) for module, _ in seen]
    nothing = all(_counts(module) and r.verdict and r.verdict.outcome == "not evaluated" for module, r in results) and results
    rows = sorted({row for module, result in results if isinstance(module, Check | Relational) for row in result.failed})
    return {
        "success": all(_holds(module, result) for module, result in results),
        "unexpected_rows": rows,
        "unexpected_list": _cells(case, rows),
        "observed_value": 0 if nothing else _observed([result for _, result in results], case),
    }


def _run(module: Module, frame: pl.DataFrame) -> Seen:
    context = Context(types=types_of(frame), started=STARTED)
    for parameter, message in module.problems(context.types):
        raise QpipeError(f"{module.name}: {parameter}: {message}")
    return run_alone(module, frame, context)


def _holds(module: Module, seen: Seen) -> bool:
    """Theirs has no third verdict: where nothing could be evaluated, a claim about rows holds, one about a figure does not."""
    outcome = seen.verdict.outcome if seen.verdict else "error"
    if outcome != "not evaluated":
        return outcome == "pass"
    if _counts(module):  # the sum, or the number of different values, of nothing is 0
        low, high, exclusive = getattr(module, "min", None), getattr(module, "max", None), getattr(module, "exclusive", False)
        low, high = (
            (getattr(module, "min_share", None), getattr(module, "max_share", None)) if low is high is None else (low, high)
        )
        above = low is None or (low < 0 if exclusive in (True, "min") else low <= 0)
        return above and (high is None or (high > 0 if exclusive in (True, "max") else high >= 0))
    return module.name != "most_common" and (isinstance(module, Check | Relational) or getattr(module, "in_", None) is not None)


def _counts(module: Module) -> bool:
    return module.name == "cardinality" or getattr(module, "function", None) == "sum"


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
    if "values" in figures[0]:
        return sorted(figures[0]["values"], key=lambda text: (_number(text), text))
    wanted = "share" if "proportion" in case["expectation_type"] else None
    return _plain(figures[0].get(wanted) if wanted else next(iter(figures[0].values())))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf


def _plain(value: Any) -> Any:
    if isinstance(value, dt.date):
        return value.isoformat()
    return float(value) if type(value).__name__ in ("Decimal", "Fraction") else value


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
