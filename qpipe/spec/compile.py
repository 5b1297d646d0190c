"""A checked spec becomes a plan: ``plan_of("orders.yaml")``. It opens nothing and runs nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qpipe.core.component import Step
from qpipe.core.errors import Problem, SpecError
from qpipe.core.expression import Expression
from qpipe.core.params import params_of
from qpipe.core.registry import Registry
from qpipe.core.retry import NEVER, Retry
from qpipe.spec.check import check
from qpipe.spec.document import Document, Entry, RouteEntry
from qpipe.spec.load import At, Spec
from qpipe.spec.plan import Decision, OnError, OutputNode, Place, Plan, Route, Settings, SourceNode, SpecTest, StepNode
from qpipe.spec.sections import RetrySection

QUARANTINE = "quarantine"  # the output of this name keeps rows as they came, with reasons


def plan_of(
    path_or_text: str | Path, *, vars: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None,
    registry: Registry | None = None, file: str | None = None,
) -> Plan:  # fmt: skip
    """Load, check and compile. Raises SpecError with every problem; warnings alone do not stop it."""
    spec = Spec.load(path_or_text, vars=vars, env=env, file=file)
    problems, document = check(spec, registry)
    if any(problem.severity == "error" for problem in problems):
        raise SpecError([p for p in problems if p.severity == "error"])
    return compile_plan(document)


def compile_plan(document: Document) -> Plan:
    """The plan of a document that was found without errors."""
    spec = document.spec
    name = document.head.get("name") or Path(spec.file).stem.strip("<>") or "run"
    settings = _settings(document.settings)
    outputs = {id: _output(document, id, entry) for id, entry in document.outputs.items()}
    decisions = {id: _decision(document, id, values, settings) for id, values in document.decisions.items()}
    decisions |= _malformed_decisions(document, outputs) | _broken_decisions(settings, outputs)
    return Plan(
        name=str(name), file=spec.file, directory=spec.directory, text=spec.safe_text, fingerprint=fingerprint(spec),
        sources=tuple(_source(document, id, entry) for id, entry in document.sources.items()),
        steps=tuple(StepNode(e.id, _built(spec, e), _place(spec, e.path)) for e in document.modules),
        routes=_routes(document, outputs, settings), decisions=decisions, outputs=outputs, settings=settings,
        tests=tuple(_test(document, n, values) for n, values in enumerate(document.tests)),
        vars={k: str(v) for k, v in spec.vars.items()}, description=str(document.head.get("description") or ""),
        redact=spec.redact,
    )  # fmt: skip


def fingerprint(spec: Spec) -> str:
    """What the spec means: its text and its variables, without secrets."""
    told = json.dumps([spec.safe_text, {k: spec.redact(str(v)) for k, v in sorted(spec.vars.items())}])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _built(spec: Spec, entry: Entry) -> Any:
    try:
        return entry.build()
    except ValueError as error:
        line, column = spec.place(entry.path)
        raise SpecError([Problem(spec.file, line, column, str(entry.path), "bad-value", f"{entry.id}: {error}")]) from error


def _source(document: Document, id: str, entry: Entry) -> SourceNode:
    return SourceNode(id, _built(document.spec, entry), entry.types, _place(document.spec, entry.path))


def _output(document: Document, id: str, entry: Entry) -> OutputNode:
    output = _built(document.spec, entry)
    original = output.content == "original" if output.content else id == QUARANTINE
    return OutputNode(id, output, output.source, original, _place(document.spec, entry.path))


def _decision(document: Document, id: str, values: Mapping[str, Any], settings: Settings) -> Decision:
    return Decision(
        id, values["question"], values["choices"], values.get("scope") or "run", tuple(values.get("by") or ()),
        values.get("timeout") or settings.decision_timeout, values.get("default"), values.get("remember"),
        _place(document.spec, ("decisions", id)),
    )  # fmt: skip


def _routes(document: Document, outputs: Mapping[str, OutputNode], settings: Settings) -> tuple[Route, ...]:
    """The routes as written; what the spec leaves unsaid is added, and marked as implied."""
    written = [_route(document.spec, entry, outputs) for entry in document.routes]
    if not written or written[-1].when is not None:
        rest = tuple(id for id, node in outputs.items() if not node.original and node.follows is None)
        if not written and QUARANTINE in outputs:
            written.append(Route("failed", Expression.parse("failed(error)"), (QUARANTINE,), implied=True))
        written.append(Route("default", None, rest, implied=True))
    broken = _broken_routes(document, outputs, settings, written)
    return (*_malformed_routes(document, outputs, written), *broken, *written)


def _route(spec: Spec, entry: RouteEntry, outputs: Mapping[str, OutputNode]) -> Route:
    to = tuple(id for id in entry.to if id in outputs)  # drop, fail: no output
    when = Expression.parse(entry.when) if entry.when is not None else None
    return Route(entry.id, when, to, entry.ask, _place(spec, entry.path), entry.implied, "fail" in entry.to, "warn" in entry.to)


def _malformed_routes(document: Document, outputs: Mapping[str, OutputNode], written: list[Route]) -> list[Route]:
    """Rows that break a contract go to quarantine, or to a question, before any route of the spec sees them."""
    policies = {entry.values.get("on_malformed") or "quarantine" for entry in document.streams.values()}
    broken = Expression.parse("failed('contract')")
    if "question" in policies:
        return [Route("malformed", broken, (), "malformed", implied=True)]
    if "quarantine" in policies and QUARANTINE in outputs and not (written and _catches_errors(written[0])):
        return [Route("malformed", broken, (QUARANTINE,), implied=True)]
    return []


def _catches_errors(route: Route) -> bool:
    return not route.warns and (route.when is None or str(route.when).replace(" ", "") in ("failed(error)", "failed()"))


def _malformed_decisions(document: Document, outputs: Mapping[str, OutputNode]) -> dict[str, Decision]:
    asks = [e for e in document.streams.values() if e.values.get("on_malformed") == "question"]
    if not asks:
        return {}
    ends = {QUARANTINE: QUARANTINE} if QUARANTINE in outputs else {}
    return {
        "malformed": Decision(
            "malformed", "{rows} rows break their contract: what now?", {**ends, "drop": "drop", "stop": "fail"}
        )
    }


def _broken_routes(
    document: Document, outputs: Mapping[str, OutputNode], settings: Settings, written: list[Route]
) -> list[Route]:
    """Rows that a user's own code cannot do go to quarantine, or to a question, before any route of the spec sees them."""
    steps = [entry.id for entry in document.modules if issubclass(entry.component, Step)]
    if not steps or settings.on_error.then == "fail":
        return []
    when = Expression.parse(" or ".join(f"failed('{id}')" for id in steps))
    if settings.on_error.then == "question":
        return [Route("broken", when, (), "broken", implied=True)]
    if QUARANTINE in outputs and not (written and _catches_errors(written[0])):
        return [Route("broken", when, (QUARANTINE,), implied=True)]
    return []


def _broken_decisions(settings: Settings, outputs: Mapping[str, OutputNode]) -> dict[str, Decision]:
    if settings.on_error.then != "question":
        return {}
    ends = {QUARANTINE: QUARANTINE} if QUARANTINE in outputs else {}
    question = "{rows} rows break your code: what now?"
    return {"broken": Decision("broken", question, {**ends, "drop": "drop", "stop": "fail"})}


def _settings(values: Mapping[str, Any]) -> Settings:
    def number(name: str) -> int | None:
        value = values.get(name)
        return value if isinstance(value, int) else None

    return Settings(
        number("batch_size"), number("workers"), values.get("memory_limit") or Settings.memory_limit,
        values.get("decision_timeout"), values.get("fail_on") or "error", values.get("publish") or "decided",
        _retry(values.get("retry")), number("buffer_size") or Settings.buffer_size,
        OnError(**{name: value for name, value in (values.get("on_error") or {}).items() if value is not None}),
    )  # fmt: skip


def _retry(given: Mapping[str, Any] | None) -> Retry:
    """Unset, nothing is tried again; with the section, three times unless it says otherwise."""
    if given is None:
        return NEVER
    chosen = {name: declared.default for name, declared in params_of(RetrySection).items()}
    chosen |= {name: value for name, value in given.items() if value is not None}
    return Retry(chosen["max_retries"], chosen["backoff"], chosen["initial_delay"], chosen["max_delay"])


def _test(document: Document, number: int, values: Mapping[str, Any]) -> SpecTest:
    return SpecTest(
        values["name"], tuple(values.get("rows") or ()), values["expect"], values.get("source"),
        {k: tuple(v) for k, v in (values.get("tables") or {}).items()},
        {k: str(v) for k, v in (values.get("answers") or {}).items()}, _place(document.spec, ("tests", number)),
    )  # fmt: skip


def _place(spec: Spec, path: At) -> Place:
    return Place(*spec.place(path))
