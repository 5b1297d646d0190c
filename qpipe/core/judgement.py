"""From counts to verdicts: when failures are too many.

Nothing passes vacuously: where there was nothing to judge, the outcome is "not evaluated".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qpipe.core.component import Gate, Judging, Outcome, Verdict

_FAILURE: dict[str, Outcome] = {"error": "fail", "warning": "warn", "info": "warn"}


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
    """How many may fail: a whole number is a count, any other a share, which binary fractions miss by a hair: 29 % of 100."""
    if tolerance is None:
        return 0
    return tolerance if isinstance(tolerance, int) else tolerance * evaluated * (1 + 1e-12) + 1e-9
