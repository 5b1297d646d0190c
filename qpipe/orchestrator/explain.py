"""The plan told and drawn: passes, fused stretches, routes, outputs with their guarantees; as text, Mermaid, JSON."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from qpipe.core.component import Check, Gate, Inspection, Module, Relational, Step, Transform
from qpipe.orchestrator.passes import has_python, passes_of
from qpipe.spec.plan import OutputNode, Plan, Route, StepNode

KINDS: dict[type[Module], str] = {
    Check: "check", Transform: "transform", Gate: "gate", Relational: "over all rows", Step: "python",
}  # fmt: skip


def as_json(plan: Plan) -> dict[str, Any]:
    return {
        "name": plan.name, "fingerprint": plan.fingerprint,
        "sources": [{"id": s.id, "type": s.source.name, "role": s.source.role,
                     "columns": {n: str(t) for n, t in (s.types or {}).items()}} for s in plan.sources],
        "passes": [{"number": p.number, "gathers": list(p.gathers)} for p in passes_of(plan)],
        "steps": [{"id": s.id, "module": s.module.name, "kind": kind(s), "line": s.place.line} for s in plan.steps],
        "routes": [{"id": r.id, "when": str(r.when) if r.when else None, "to": list(r.to), "ask": r.ask, "implied": r.implied}
                   for r in plan.routes],
        "outputs": [{"id": o.id, "type": o.output.name, "guarantee": o.output.guarantee, "follows": o.follows,
                     "content": "original" if o.original else "processed"} for o in plan.outputs.values()],
        "decisions": [{"id": d.id, "scope": d.scope, "choices": dict(d.choices)} for d in plan.decisions.values()],
    }  # fmt: skip


def text(plan: Plan) -> str:
    """For people: what will be read, done, asked and written, in this order."""
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    yield f"{plan.name}: {plan.description}" if plan.description else plan.name
    yield ""
    yield "sources"
    for node in plan.sources:
        typed = f"{len(node.types)} columns under contract" if node.types else "columns as they come"
        yield f"  {node.id}: {node.source.name}, {'rows' if node.is_stream else 'reference table'}, {typed}"
    if any(node.source.name == "file" and not node.types for node in plan.sources):
        yield "  without a schema every cell of CSV or JSON is text: qpipe init FILE writes a spec with one"
    for each in passes_of(plan):
        yield ""
        what = "routes and keeps" if each.is_last else f"gathers for {', '.join(each.gathers)}"
        yield f"pass {each.number}: {what}"
        if each.is_last:
            for stretch in stretches(plan):
                yield from _stretch(stretch)
    if len(passes_of(plan)) > 1:
        yield ""
        again = (
            "kept in the run's spool"
            if has_python(plan)
            else "read again where that is cheap (Parquet), else kept in the run's spool"
        )
        yield f"  between passes rows are {again}"
    yield ""
    yield "routes, the first that fits"
    for route in plan.routes:
        yield f"  {_route(route)}"
    for decision in plan.decisions.values():
        choices = ", ".join(f"{choice} → {target}" for choice, target in decision.choices.items())
        yield f"  question {decision.id}, one for each {decision.scope}: {choices}"
    yield ""
    yield "outputs"
    for output in plan.outputs.values():
        yield f"  {_output(output)}"


def _stretch(steps: list[StepNode]) -> Iterator[str]:
    fused = f"fused, {len(steps)} steps" if len(steps) > 1 else "alone"
    yield f"  {fused}"
    for step in steps:
        yield f"    {step.id}" + (f" ({step.module.name})" if step.id != step.module.name else "") + f": {kind(step)}"


def stretches(plan: Plan) -> list[list[StepNode]]:
    """Steps that run as one query; a Python step stands alone."""
    made: list[list[StepNode]] = [[]]
    for step in plan.steps:
        if isinstance(step.module, Step):
            made += [[step], []]
        else:
            made[-1].append(step)
    return [stretch for stretch in made if stretch]


def kind(step: StepNode) -> str:
    return next((word for base, word in KINDS.items() if isinstance(step.module, base)), "module")


def _route(route: Route) -> str:
    when = f"when {route.when!s}" if route.when else "all others"
    return f"{when} → {_way(route)}" + (" (not written in the spec)" if route.implied else "")


def _way(route: Route) -> str:
    if route.ask:
        return f"ask {route.ask}"
    if route.stops:
        return "all data is refused"
    if route.warns:
        return "told of, and on"
    return ", ".join(route.to) or "dropped, counted"


def _output(node: OutputNode) -> str:
    rows = "rows as they came, with reasons" if node.original else "rows as processed"
    follows = f", the rows of {node.follows}" if node.follows else ""
    return f"{node.id}: {node.output.name}, {rows}{follows}, {node.output.guarantee}"


def mermaid(plan: Plan) -> str:
    """A flow chart for Markdown."""
    lines = ["flowchart LR"]
    lines += [f"  s_{_id(s.id)}[({_text(s.id)})]" for s in plan.sources]
    for number, step in enumerate(plan.steps):
        left, right = (
            ("{{", "}}")
            if isinstance(step.module, (Gate, Inspection))
            else ("[/", "/]")
            if isinstance(step.module, Transform)
            else ("[", "]")
        )
        lines.append(f"  m{number}{left}{_text(step.id)}{right}")
    chain = [f"m{n}" for n in range(len(plan.steps))] + ["router"]
    lines += ["  router{route}"] + [f"  s_{_id(s.id)} --> {chain[0]}" for s in plan.streams]
    lines += [f"  {a} --> {b}" for a, b in itertools.pairwise(chain)]
    for number, step in enumerate(plan.steps):
        lines += [f"  s_{_id(ref)} -.-> m{number}" for ref in step.module.references()]
    lines += [f"  d_{_id(d)}([{_text(d)}?])" for d in plan.decisions]
    lines += [f"  o_{_id(o.id)}[({_text(o.id)})]" for o in plan.outputs.values()]
    for route in plan.routes:
        label = _text(str(route.when) if route.when else "all others")
        lines += [f"  router -- {label} --> o_{_id(o)}" for o in route.to]
        lines += [f"  router -- {label} --> d_{_id(route.ask)}"] if route.ask else []
    for decision in plan.decisions.values():
        lines += [
            f"  d_{_id(decision.id)} -- {_text(c)} --> o_{_id(t)}" for c, t in decision.choices.items() if t in plan.outputs
        ]
    lines += [f"  o_{_id(o.follows)} --> o_{_id(o.id)}" for o in plan.outputs.values() if o.follows]
    return "\n".join(lines)


def _id(name: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in name)


def _text(name: str) -> str:
    return '"' + name.replace('"', "#quot;").replace("\n", " ") + '"'
