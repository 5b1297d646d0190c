"""The steps of a plan fused into programs: what each says becomes expressions, and these a query as long as can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from qpipe.core.batch import ROW, Severity
from qpipe.core.component import Check, Context, Gate, Judging, Relational, Rule, Source, Step, Transform, Types
from qpipe.core.convert import exactly
from qpipe.core.errors import Problem
from qpipe.core.expression import Expression
from qpipe.core.lazy import pl
from qpipe.core.params import params_of
from qpipe.core.types import DataType
from qpipe.orchestrator import salvage
from qpipe.orchestrator.program import (
    CONTRACT,
    LEAVES,
    Asking,
    Drop,
    Finish,
    Flag,
    Gathering,
    Leaving,
    Program,
    Query,
    Replaced,
    Stake,
    Watch,
    Whole,
)  # fmt: skip
from qpipe.orchestrator.unread import Unread
from qpipe.spec.plan import Plan, SourceNode, StepNode

if TYPE_CHECKING:
    from qpipe.core.component import RowVerdict


def compile_program(
    plan: Plan, source: SourceNode, columns: Types, union: Types, context: Context,
    verdicts: Mapping[str, Sequence[RowVerdict]], gathers: Sequence[str] = (), finish: Finish | None = None,
    replaced: Mapping[str, Replaced] | None = None, after: str | None = None, leaving: Leaving | None = None,
) -> Program:  # fmt: skip
    """A program for a source.

    ``columns`` are those the source delivers, ``union`` those of all streams under their contracts; ``verdicts`` holds what
    relational steps found in earlier passes, by step id; ``gathers`` names the relational steps to gather for, and the program
    ends at the last of them; ``finish`` adds the last expressions: the router's. ``replaced`` holds what SQL steps of earlier
    passes have made; the program of such a step's new rows begins ``after`` it. ``leaving`` says which rows are routed before
    such a step.
    """
    return _Compiler(plan, source, context, verdicts, finish, replaced or {}, leaving).compile(columns, union, gathers, after)


def table_types(context: Context) -> dict[str, Types]:
    """The columns of the reference tables, by id."""
    return {id: {name: DataType.of(dtype) for name, dtype in table.schema.items()} for id, table in context.tables.items()}


def misfits(plan: Plan, union: Types, context: Context) -> list[Problem]:
    """What is wrong with the steps now that the real columns are known: without a contract the spec's check could not tell."""
    told: list[Problem] = []
    types, tables, asking = union, table_types(context), False
    for step in plan.steps:
        path, line, column = f"modules.{step.id}", step.place.line, step.place.column
        told += [
            Problem(plan.file, line, column, f"{path}.{name}", "bad-value", text) for name, text in step.module.problems(types)
        ]
        absent = [name for name in _named_columns(step.module) if name not in types]
        told += [Problem(plan.file, line, column, path, "unknown-column", f"there is no column '{name}'.",
                         f"There are {', '.join(types)}.") for name in absent]  # fmt: skip
        if absent:
            continue
        asking = asking or (isinstance(step.module, Transform) and bool(step.module.asks(context.but(types=types))))
        if asking and getattr(step.module, "effect", "") == "replace":
            told.append(Problem(plan.file, line, column, path, "bad-value", "rows may wait for a person before this step.",
                                "A query needs all rows: put the questions after it, or say unknown: quarantine."))  # fmt: skip
        asking = asking or getattr(step.module, "settles", False)
        types = step.module.types_after(types, tables)
    return told


class _Compiler:
    def __init__(
        self, plan: Plan, source: SourceNode, context: Context,
        verdicts: Mapping[str, Sequence[RowVerdict]], finish: Finish | None, replaced: Mapping[str, Replaced],
        leaving: Leaving | None,
    ) -> None:  # fmt: skip
        self._plan, self._context, self._verdicts, self._finish = plan, context, verdicts, finish
        self._replaced, self._leaving = replaced, leaving
        self._program = Program(source)
        self._pending: list[pl.Expr] = []
        self._queries: list[Query] = []
        self._wheres: dict[str, str] = {}
        self._unread = Unread()
        self._named = 0
        self._tables = table_types(context)

    def compile(self, columns: Types, union: Types, gathers: Sequence[str], after: str | None) -> Program:
        self._program.columns = columns
        begun = after is None
        self._contract(columns, union, judged=begun)
        types: Types = dict(union)
        for position, step in enumerate(self._plan.steps):
            if not begun:
                begun = step.id == after
                continue
            if step.id in gathers:
                self._gather(step, types)
                if step.id == gathers[-1]:
                    break
                continue
            changes = isinstance(step.module, (Transform, Step)) or step.id in self._replaced
            if changes:
                self._keep_watched(position)
                self._keep_told(types)
            self._step(step, types)
            if changes:
                before, types = types, step.module.types_after(types, self._tables)
                self._unread = self._unread.after(step.module, before, types)
                self._wheres.clear()
        if self._finish:
            for stage in self._finish(self._program, types):
                self._flush()
                self._pending += stage
        self._close()
        self._program.types = types
        return self._program

    # ── the contract: text becomes typed, the union of all streams takes shape ──

    def _contract(self, columns: Types, union: Types, *, judged: bool) -> None:
        declared, expressions = self._program.source.types or {}, []
        rules: list[tuple[str, pl.Expr, DataType]] = []
        unread: dict[str, tuple[str, ...]] = {}
        for name, wanted in union.items():
            if name not in columns:
                expressions.append(pl.lit(None, dtype=wanted.polars()).alias(name))
            elif name in declared and _is_cast(columns[name], wanted, self._program.source.source):
                typed = exactly(pl.col(name), columns[name], wanted)
                expressions.append(typed.alias(name))
                rules.append((name, pl.col(name).is_not_null() & typed.is_null(), wanted))
        if judged:  # rows that a step has made anew have been judged before
            self._flag(CONTRACT, Rule(pl.col("__fault")), "error", None, 1.0, hidden="__fault")
        for name, bad, wanted in rules:
            self._flag(CONTRACT, Rule(bad, (name,), wanted.describe()), "error", None, 1.0)
            unread[name] = (self._program.flags[-1].bad,)
        self._unread = Unread(unread)
        self._pending += expressions  # beside their rules, so that each cell is cast once
        self._flush()

    # ── steps ──

    def _step(self, step: StepNode, types: Types) -> None:
        module, context = step.module, self._context.but(types=types)
        flags = len(self._program.flags)
        if isinstance(module, Check):
            for rule in module.rules(context):
                self._judge(step, module, self._unread.but(rule, module.where), types)
        elif step.id in self._replaced:
            leaves = self._leave(types)
            self._close()
            self._unread = Unread()  # rows that SQL or Python made may be others
            result = self._replaced[step.id]
            self._program.stages.append(Whole(step.id, _replacement(result), leaves, anew=not result.same_rows))
            if not result.same_rows:
                watches = self._program.watches
                watches[:] = [w if w.before else replace(w, before=step.id) for w in watches]
            after = context.but(types=self._replaced[step.id].types)
            if isinstance(module, Relational) and (settling := module.settle(self._replaced[step.id].folder, after)):
                self._transform(step, settling, after)
        elif isinstance(module, Relational):
            self._relational(step, module, types)
        elif isinstance(module, Gate):
            self._watch(step, module, types)
        elif isinstance(module, Transform):
            self._transform(step, module, context)
        elif isinstance(module, Step):
            self._close()
            self._unread = Unread()
            self._own_code(step, module, context)
        if isinstance(module, Judging) and (made := tuple(self._program.flags[flags:])):
            self._stake(module, made, types)

    def _own_code(self, step: StepNode, module: Step, context: Context) -> None:
        on_error, n = self._plan.settings.on_error, len(self._program.stages)
        flag, said = f"__b{n}", f"__e{n}"
        process = partial(salvage.process, module, context=context, on_error=on_error, flag=flag, said=said)
        self._program.stages.append(Whole(step.id, process))
        if on_error.then != "fail":
            self._program.flags.append(
                Flag(step.id, "", (), "error", "", "{value}", 1.0, flag, after=self._dropped(), said=said)
            )

    def _stake(self, module: Judging, flags: tuple[Flag, ...], types: Types) -> None:
        """Keep the groups and what is at stake as they are where the check stands."""
        by, n, group, impact = (module.by if isinstance(module, Check) else None), len(self._program.stakes), None, None
        if by:
            group = f"__g{n}"
            self._pending.append(pl.struct(pl.col(name).cast(pl.String, strict=False) for name in by).alias(group))
        if module.impact is not None:
            impact = f"__i{n}"
            value = Expression.parse(module.impact).compile(types).cast(pl.Float64, strict=False)
            self._pending.append(value.alias(impact))
        if group or impact:
            self._program.stakes.append(Stake(flags, group, impact))

    def _judge(self, step: StepNode, module: Judging, rule: Rule, types: Types) -> None:
        judged = self._judged(module.where, rule.applies, types)
        if module.where is not None:
            rule = replace(rule, bad=rule.bad & Expression.parse(module.where).compile(types))
        self._flag(step.id, rule, module.severity, module.message, module.weight, judged=judged)

    def _judged(self, where: str | None, applies: pl.Expr | None, types: Types) -> str | None:
        """The hidden column that says which rows a rule speaks of; equal ones are shared."""
        parts = [] if applies is None else [applies]
        if where is not None:
            parts.append(Expression.parse(where).compile(types))
        if not parts:
            return None
        key = f"{where}|{applies}"
        if key not in self._wheres:
            self._wheres[key] = f"__w{self._named}"
            self._named += 1
            self._pending.append(pl.all_horizontal(parts).alias(self._wheres[key]))
        return self._wheres[key]

    def _flag(
        self, check: str, rule: Rule, severity: Severity, message: str | None, weight: float,
        judged: str | None = None, hidden: str | None = None, notes: Mapping[int, str] | None = None,
    ) -> None:  # fmt: skip
        name = hidden or f"__f{len(self._program.flags)}"
        if hidden is None:
            self._pending.append(rule.bad.alias(name))
        chief = rule.columns[0] if rule.columns else ""
        self._program.flags.append(
            Flag(
                check, chief, rule.columns, severity, rule.expected, message, weight, name, judged, self._dropped(), None, notes
            )
        )

    def _dropped(self) -> tuple[str, ...]:
        return tuple(d.flag for d in self._program.drops)

    def _relational(self, step: StepNode, module: Relational, types: Types) -> None:
        for verdict in self._verdicts.get(step.id, ()):
            name = f"__r{len(self._program.masks)}"
            self._program.masks[name] = verdict.rows
            if module.effect == "drop":
                self._program.drops.append(Drop(step.id, name))
            else:
                rule = Rule(pl.col(name), verdict.columns, verdict.expected)
                judged = self._compared(module, types)
                said = module.severity, module.message, module.weight
                self._flag(step.id, rule, *said, judged, hidden=name, notes=verdict.notes)

    def _compared(self, module: Relational, types: Types) -> str | None:
        """The hidden column that says which rows are looked at together; all of them where rows are made anew."""
        rule = Rule(pl.lit(False), tuple(module.compared_by))
        read = None if module.effect == "replace" else self._unread.but(rule, module.where).applies
        return self._judged(module.where, read, types)

    def _transform(self, step: StepNode, module: Transform, context: Context) -> None:
        context = _answered(step, module, context)
        for rule in map(self._unread.but, module.rules(context)):
            severity: Severity = getattr(module, "severity", None) or "error"
            judged = self._judged(None, rule.applies, context.types)
            self._flag(step.id, rule, severity, getattr(module, "message", None), 1.0, judged)
        for ask in module.asks(context):
            n = len(self._program.asks)
            self._pending += [ask.unknown.alias(f"__a{n}"), pl.col(ask.column).cast(pl.String).alias(f"__v{n}")]
            self._program.asks.append(Asking(step.id, ask, f"__a{n}", f"__v{n}"))
        self._keep_told(context.types)
        self._flush()
        self._queries.append(lambda lf: module.apply(lf, context))
        kept = module.keeps(context.but(types=module.types_after(context.types, self._tables)))
        if kept is not None:
            name = f"__d{len(self._program.drops)}"
            self._pending.append(self._unread.dropped(kept).alias(name))
            self._program.drops.append(Drop(step.id, name))

    def _watch(self, step: StepNode, gate: Gate, types: Types) -> None:
        where = Expression.parse(gate.where) if gate.where else None
        needs = set(where.columns if where else ()) | set(gate.by or ())
        context = self._context.but(types=types)
        for measure in gate.measures(context).values():
            needs |= set(measure.value.meta.root_names())
        columns = {name: name for name in types if name in needs}
        self._program.watches.append(Watch(step, context, columns, where, self._dropped()))

    def _keep_watched(self, position: int) -> None:
        """The next step may change columns that a gate has seen: keep them as they are. An alias costs nothing."""
        kept: dict[str, str] = {}
        for index, watch in enumerate(self._program.watches):
            moved = {
                name: now if now.startswith("__s") else kept.setdefault(now, f"__s{position}_{now}")
                for name, now in watch.columns.items()
            }
            self._program.watches[index] = replace(watch, columns=moved)
        self._pending += [pl.col(now).alias(hidden) for now, hidden in kept.items()]

    def _keep_told(self, types: Types) -> None:
        """The same for what is told of failures, but where the row as it came has a column of that name."""
        kept: dict[str, str] = {}
        for index, flag in enumerate(self._program.flags):
            if flag.said is None and flag.column in types and flag.column not in self._program.columns:
                said = kept.setdefault(flag.column, f"__t{self._named}_{flag.column}")
                self._program.flags[index] = replace(flag, said=said)
        self._named += 1
        self._pending += [pl.col(column).alias(hidden) for column, hidden in kept.items()]

    def _gather(self, step: StepNode, types: Types) -> None:
        module = step.module
        assert isinstance(module, Relational)
        context = self._context.but(types=types)
        leaves = module.effect == "replace" and self._leave(types)
        names = {name: f"__k{len(self._program.gatherings)}_{name}" for name in module.gather(context)}
        self._pending += [expression.alias(names[name]) for name, expression in module.gather(context).items()]
        where = self._compared(module, types)
        self._program.gatherings[step.id] = Gathering(step, context, names, where, self._dropped(), leaves)

    def _leave(self, types: Types) -> bool:
        """Before a step that makes rows anew: which rows take their way now, since what was found in them goes with them."""
        way = self._leaving(self._program, types) if self._leaving else None
        if way is None:
            return False
        self._flush()
        self._pending.append(way.alias(LEAVES))
        self._flush()
        return True

    # ── stretches ──

    def _flush(self) -> None:
        if self._pending:
            expressions, self._pending = self._pending, []
            self._queries.append(lambda lf: lf.with_columns(expressions))

    def _close(self) -> None:
        self._flush()
        if self._queries:
            queries, self._queries = self._queries, []

            def query(frame: pl.LazyFrame) -> pl.LazyFrame:
                for part in queries:
                    frame = part(frame)
                return frame

            self._program.stages.append(query)


def _answered(step: StepNode, module: Transform, context: Context) -> Context:
    """What people said to this step, under the id the module knows itself by."""
    name = module.id or module.name
    return context.but(answers={(name, value): text for (id, value), text in context.answers.items() if id == step.id})


def _named_columns(module: object) -> list[str]:
    """The columns that a module's parameters name."""
    named: list[str] = []
    for parameter in params_of(type(module)).values():
        if parameter.role is not None and parameter.role.name in ("column", "columns"):
            value = getattr(module, parameter.name, None) or ()
            named += [value] if isinstance(value, str) else list(value)
    return named


def _is_cast(given: DataType, wanted: DataType, source: Source) -> bool:
    """Whether a contract has something to do: texts may be no JSON, but for those that come out of JSON."""
    return given.polars() != wanted.polars() or (wanted.name == "json" != given.name and not source.reads_json)


def _replacement(replaced: Replaced) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """The rows of a result that descend from the rows of a batch; none where the result's rows are new."""

    def process(frame: pl.DataFrame) -> pl.DataFrame:
        empty = pl.DataFrame(schema={**{n: t.polars() for n, t in replaced.types.items()}, ROW: pl.Int64})
        if not replaced.same_rows or frame.height == 0:
            return empty
        low, high = frame[ROW].min(), frame[ROW].max()
        result = pl.scan_parquet(replaced.folder / "*.parquet").filter(pl.col(ROW).is_between(low, high))
        mine = result.collect(engine="in-memory").select(empty.columns).sort(ROW, maintain_order=True)
        return mine.join(frame.select(ROW), on=ROW, how="semi", maintain_order="left")

    return process
