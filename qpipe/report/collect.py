"""Everything a report shows, in one frozen value: the summary, the data's shapes, the spec as it was."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qpipe.core.secrets import MASK, embedded_secrets, looks_secret
from qpipe.orchestrator.results import CheckResult, Sample, Summary
from qpipe.orchestrator.summary import load
from qpipe.orchestrator.trend import Trend, trend

if TYPE_CHECKING:
    from qpipe.orchestrator.journal import Journal
    from qpipe.report.distributions import Shapes
    from qpipe.spec.plan import Plan


@dataclass(frozen=True)
class Report:
    summary: Summary
    spec_text: str
    shapes: Shapes | None  # None: the run kept no sample
    trend: Trend | None = None  # scores over the runs up to this one
    description: str = ""  # as the spec has it

    def to_json(self) -> dict[str, Any]:
        data = dataclasses.asdict(self.shapes) if self.shapes else None
        return self.summary.to_json() | {"data": data, "trend": self.trend.to_json() if self.trend else None}


def collect(
    journal: Journal, run: Mapping[str, Any], plan: Plan | None = None, *, draw: bool = True, unmask: bool = False
) -> Report:
    """``draw``: also read the sample of rows, which text and Markdown do without. ``unmask``: show personal columns."""
    summary = load(journal, run, plan)
    masked = frozenset[str]() if unmask else summary.masked
    summary = dataclasses.replace(summary, checks=tuple(_masked(c, masked) for c in summary.checks))
    shapes = None
    if draw:
        from qpipe.report import distributions

        balance = summary.balance
        quarantine = [r.id for r in balance.routes if r.kind == "quarantined"]
        sample = distributions.merged_sample(journal.directory(run["id"]) / "sample", quarantine)
        totals = balance.delivered, balance.quarantined
        shapes = distributions.shapes(sample, totals, masked) if sample else None
    scores = trend(journal, run["name"], until=run["started"], plan=plan) if draw else None
    return Report(summary, without_secrets(run["spec_text"]), shapes, scores, _description(run["spec_text"]))


def _description(spec_text: str) -> str:
    """What the spec says of itself, on one line."""
    import yaml

    try:
        told = (yaml.safe_load(spec_text) or {}).get("description")
    except (yaml.YAMLError, AttributeError):
        return ""
    return without_secrets(" ".join(told.split())) if isinstance(told, str) else ""


def _masked(check: CheckResult, masked: frozenset[str]) -> CheckResult:
    samples = tuple(_hidden(sample, check.column in masked, masked) for sample in check.samples)
    return dataclasses.replace(check, samples=samples)


def _hidden(sample: Sample, whole: bool, masked: frozenset[str]) -> Sample:
    cells = {name: MASK if name in masked and value is not None else value for name, value in sample.cells.items()}
    return dataclasses.replace(sample, cells=cells, value=MASK if whole and sample.value is not None else sample.value)


_SETTING = re.compile(r"""([\w.-]+["']?\s*[:=]\s*)("[^"\n]*"|'[^'\n]*'|\$\{[^}\n]*\}|[^\s,{}\[\]#][^,{}\[\]#\n]*)""")


def without_secrets(text: str) -> str:
    """A spec's text with written-out secrets masked. References such as ${env:NAME} stay: they say nothing."""
    text = _SETTING.sub(lambda m: m[1] + MASK if looks_secret(m[1].rstrip(" :='\"")) and "${" not in m[2] else m[0], text)
    for word in text.split():
        for secret in embedded_secrets(word.strip("\"'")):
            text = text if "${" in secret else text.replace(secret, MASK)
    return text
