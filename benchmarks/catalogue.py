"""Modules beside the same written by hand: ``python -m benchmarks.catalogue [--rows 1000000] [--repeat 3] [--write]``.

Each module runs alone over orders in memory, in batches as the engine makes them, and in turn with what one would write by
hand (``by_hand``, ``by_hand_more``): processor seconds, the median of the paired ratios, worst first. Row by row the
hand-written expression gets the same batches; what looks at all rows gets the whole frame. Results must agree.
``--write`` makes docs/speed.md. ``--many`` holds a spec of 60 checks against one of 20, as whole runs of ``qpipe run``.
"""

from __future__ import annotations

import benchmarks.as_in_a_run  # noqa: F401  before Polars

# isort: split
import argparse
import datetime as dt
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from benchmarks import by_hand_more
from benchmarks.__main__ import HERE, Measured, generate, report, run
from benchmarks.by_hand import RATES, SLOWER, Case, cases, orders
from benchmarks.by_hand_more import APART
from qpipe.core.batch import ROW
from qpipe.core.component import Check, Context, Gate, Measure, Module, Relational, Step, Transform
from qpipe.core.figures import by_group, measured, merged
from qpipe.core.gather import Table
from qpipe.core.judgement import judge_groups
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.orchestrator.prepare import CELLS
from qpipe.spec.plan import Settings
from qpipe.testing.alone import collect
from qpipe.testing.examples import types_of, values_of

STARTED = 1_800_000_000.0
GOAL = 1.5
LITTLE = 0.02  # seconds for a million rows, which nobody misses
BATCH = CELLS // 12  # rows: what the engine takes of a table as wide as the orders


@dataclass(frozen=True)
class Row:
    name: str
    ours: float  # seconds of processor time
    hand: float
    ratio: float


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.catalogue", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--data", type=Path, default=Path("bench-data"))
    parser.add_argument("--only", nargs="*", default=[], help="names of modules")
    parser.add_argument(
        "--keep", type=Path, help="a file of figures: what is in it is not measured again, what is measured is added"
    )
    parser.add_argument("--write", action="store_true", help="make docs/speed.md")
    parser.add_argument("--many", action="store_true", help="60 checks beside 20")
    asked = parser.parse_args()
    generate(asked.rows, asked.data)
    if asked.many:
        return many(asked.rows, asked.data, asked.repeat)
    table = compared(asked.data, asked.rows, asked.repeat, asked.only, asked.keep)
    print(text := as_table(table))
    if asked.write:
        (HERE.parent / "docs" / "speed.md").write_text(page(text, table, asked.rows))


# ── modules, one by one ───────────────────────────────────────────────────────────────────────────────────────────────


def compared(data: Path, rows: int, repeat: int, only: Sequence[str], keep: Path | None) -> list[Row]:
    kept = {
        name: Row(name, *figures) for name, figures in (json.loads(keep.read_text()) if keep and keep.exists() else {}).items()
    }
    frame, customers = orders(data / f"orders_{rows}.parquet"), pl.read_parquet(data / f"customers_{rows}.parquet")
    countries = sorted(frame["country"].drop_nulls().unique().to_list())[3:]
    rates = pl.DataFrame({"land": list(RATES), "rate": list(RATES.values())})
    tables = {"customers": customers, "rates": rates, "ledger": frame.select("n", "amount")}
    table = []
    for case in [*cases(customers, countries), *by_hand_more.cases(customers, rows)]:
        if only and case.module not in only:
            continue
        name = _named(case)
        if name not in kept:
            kept[name] = _beside(case, frame.select(case.columns.split()), tables, repeat)
            print(as_line(kept[name]), file=sys.stderr, flush=True)
            if keep:
                keep.write_text(json.dumps({row.name: (row.ours, row.hand, row.ratio) for row in kept.values()}, indent=0))
        table.append(kept[name])
    return sorted(table, key=lambda row: -row.ratio)


def _beside(case: Case, frame: pl.DataFrame, tables: dict[str, pl.DataFrame], repeat: int) -> Row:
    component: Any = Registry().get("module", case.module)
    context = Context(types=types_of(frame), tables=tables, started=STARTED, memory_limit=Settings.memory_limit // 4)
    frame = frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))
    ours = _ours(build(component, values_of(component, case.written)), frame, context)
    hand = _by_hand(case, frame)
    if case.like:
        _agree(case, ours(), hand())
    pairs = [(_timed(ours), _timed(hand)) for _ in range(repeat + 1)][1:]
    ratio = statistics.median(a / b for a, b in pairs)
    return Row(_named(case), statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio)


def _ours(module: Module, frame: pl.DataFrame, context: Context) -> Callable[[], Any]:
    if isinstance(module, Check):
        return lambda: _checked(module, frame, context)
    if isinstance(module, Transform):
        return lambda: _transformed(module, frame, context)
    if isinstance(module, Step):
        return lambda: pl.concat([module.process(batch, context) for batch in _batches(frame)])
    if isinstance(module, Gate):
        return lambda: _gauged(module, frame, context)
    assert isinstance(module, Relational)
    place = tempfile.TemporaryDirectory()  # of a pass: its steps share one DuckDB, as by hand one is open
    shared = Table(Path(place.name) / "another", context.memory_limit)
    return lambda: _related(module, frame, context, Path(place.name), shared)


def _checked(check: Check, frame: pl.DataFrame, context: Context) -> int:
    """As the engine fuses it: a column for each rule, and one for the rows that it speaks of."""
    rules = check.rules(context)
    wanted = [rule.bad.alias(f"bad {n}") for n, rule in enumerate(rules)]
    wanted += [rule.applies.alias(f"judged {n}") for n, rule in enumerate(rules) if rule.applies is not None]
    bad = 0
    for batch in _batches(frame):
        found = collect(batch.lazy().with_columns(wanted))
        counts = [int(found[name].sum() or 0) for name in found.columns if name.startswith(("bad ", "judged "))]
        bad += sum(counts[: len(rules)])
    return bad


def _transformed(step: Transform, frame: pl.DataFrame, context: Context) -> pl.DataFrame:
    """As the engine fuses it: a column for each rule stands beside the cells, until rows are taken apart by their ways."""
    rules, keeps, done = step.rules(context), step.keeps(context), []
    flags = {f"__{n}": rule.bad for n, rule in enumerate(rules)}
    for batch in _batches(frame):
        query = step.apply(batch.lazy().with_columns(**flags) if flags else batch.lazy(), context)
        made = collect(query if keeps is None else query.filter(keeps))
        done.append(made[[name for name in made.columns if name not in flags]])
    return pl.concat(done)


def _gauged(gate: Gate, frame: pl.DataFrame, context: Context) -> None:
    """As the engine does: the figures of each batch, then those of all, then the verdict."""
    measures = {"rows": Measure(pl.len())} | gate.measures(context)
    figures = [measured(batch.lazy(), measures, gate.by or ()) for batch in _batches(frame)]
    groups = by_group(merged(figures, measures), measures)
    judge_groups(gate, {key: gate.verdict(values, context) for key, values in groups.items()})


def _related(step: Relational, frame: pl.DataFrame, context: Context, place: Path, _shared: Table) -> int | None:
    folder, wanted = Path(tempfile.mkdtemp(dir=place)), [e.alias(n) for n, e in step.gather(context).items()]
    collector = step.collector(context, folder)
    try:
        for batch in _batches(frame):
            collector.add(collector.pack(collect(batch.lazy().select(ROW, *wanted))))
        if step.effect == "replace":
            step.replace(collector, context)
            return None
        return sum(len(verdict.rows) for verdict in step.judge(collector, context))
    finally:
        collector.close()
        shutil.rmtree(folder)


def _by_hand(case: Case, frame: pl.DataFrame) -> Callable[[], Any]:
    hand, component = case.hand, Registry().get("module", case.module)
    if isinstance(hand, pl.Expr):
        bad = hand.alias("bad")
        return lambda: sum(int(collect(batch.lazy().with_columns(bad))["bad"].sum() or 0) for batch in _batches(frame))
    if issubclass(component, (Transform, Step)):
        return lambda: pl.concat([collect(hand(batch.lazy())) for batch in _batches(frame)])
    return lambda: hand(frame)


def _agree(case: Case, ours: Any, hand: Any) -> None:
    if isinstance(ours, pl.DataFrame):
        hand = hand.select(ours.columns).cast(dict(ours.schema))
        assert ours.equals(hand), f"{_named(case)}: the results differ\n{ours}\n{hand}"
    else:
        assert ours is None or ours == hand, f"{_named(case)}: {ours} rows, by hand {hand}"


def _batches(frame: pl.DataFrame) -> list[pl.DataFrame]:
    return [frame.slice(start, BATCH) for start in range(0, frame.height, BATCH)]


def _timed(work: Callable[[], Any]) -> float:
    """Processor seconds of one go, over several where one is too short to tell."""
    began = time.process_time()
    goes = 0
    while goes == 0 or (time.process_time() - began < 0.05 and goes < 20):
        work()
        goes += 1
    return (time.process_time() - began) / goes


# ── the table ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _named(case: Case) -> str:
    written = case.written
    if isinstance(written, dict):
        more = {k: v for k, v in written.items() if k not in ("column", "columns")} or written
        text = ", ".join(f"{k}: {_short(v)}" for k, v in list(more.items())[:2])
    else:
        text = _short(written)
    return f"{case.module} ({text})"


def _short(value: Any) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, (list, tuple, dict)) else str(value)
    return text if len(text) <= 24 else text[:22] + " …"


def as_line(row: Row) -> str:
    name = row.name.replace("|", "\\|")
    return f"| {name} | {row.ours * 1000:.1f} | {row.hand * 1000:.1f} | {row.ratio:.2f} |"


def as_table(table: Sequence[Row]) -> str:
    return "\n".join(["| module | ours, ms | by hand, ms | ratio |", "| --- | ---: | ---: | ---: |", *map(as_line, table)])


def page(text: str, table: Sequence[Row], rows: int) -> str:
    kept = [row for row in table if row.ratio <= GOAL]
    little = [row for row in table if row.ratio > GOAL and (row.ours - row.hand) * 1e6 / rows <= LITTLE]
    compared = {row.name.partition(" (")[0] for row in table}
    modules: list[Any] = Registry().all("module")
    others = [each for each in modules if each.name not in compared]
    facts = {
        "rows": f"{rows:,}", "batch": f"{BATCH:,}", "cores": os.cpu_count(), "polars": pl.__version__, "day": dt.date.today(),
        "all": len(table), "modules": len(compared), "kept": len(kept), "goal": GOAL, "little": len(little),
        "most": f"{LITTLE * 1000:.0f}", "rest": len(table) - len(kept) - len(little),
        "middle": f"{statistics.median(row.ratio for row in table):.2f}", "others": apart(others), "table": text,
        "slower": reasons(row.name for row in table if row not in kept and row not in little),
    }  # fmt: skip
    return PAGE.format(**facts)


def reasons(slower: Iterable[str]) -> str:
    """Why some cost more, told once for all cases of a module."""
    names = dict.fromkeys(name.partition(" (")[0] for name in slower)
    told = [f"- `{name}`: {SLOWER.get(name, 'not looked into')}." for name in sorted(names)]
    return "\n".join(["What costs more than that, and why:", "", *told]) if told else ""


def apart(modules: Iterable[Any]) -> str:
    """Why some have no hand-written counterpart; those of one reason together."""
    told: dict[str, list[str]] = {}
    for each in modules:
        why = "judges the files of a source, before or beside its rows" if each.category == "source" else APART[each.name]
        told.setdefault(why, []).append(f"`{each.name}`")
    return "\n".join(f"- {', '.join(names)}: {why}." for why, names in told.items())


PAGE = """# Speed

<!-- made by python -m benchmarks.catalogue --write -->

What a module costs beside the same thing written by hand, in Polars or DuckDB and with the libraries that the module itself
asks, over {rows} orders in memory. Milliseconds are processor time; ratios are medians of pairs that ran in turn, on a machine
with {cores} cores, Polars {polars}, {day}. Other machines have other milliseconds, but much the same ratios. Where other work
runs beside it, as it did here, a ratio is a tenth or two higher or lower the next time.

{all} cases of {modules} modules: {kept} are within {goal} times the hand-written, {little} beyond it cost at most {most} ms
more for a million rows, {rest} cost more. The median ratio is {middle}.

- Row by row both sides get the same batches of {batch} rows. Within a spec the engine fuses all such modules into one query,
  so that what a query costs to begin is paid once.
- Gates (row_count, aggregate …) measure batch by batch, and their float sums are exact: the same in any batches. By hand that
  is Python's `math.fsum`; a plain sum, which differs in its last digits from batch to batch, takes a millisecond.
- What looks at all rows (no_overlap, reconcile, group, sort …) gathers them batch by batch, in memory while they are few, and
  judges them in DuckDB or batch by batch, in bounded memory; by hand it is a query over the whole frame. A million rows are
  few.
- Both sides keep the memory that they have freed, as a process of `qpipe run` does.
- What a library knows (names, telephone numbers, codes, places) is asked for each different value, and remembered from batch
  to batch where it takes long, so that the goes that are measured find it known; by hand it is asked for each different value
  of a batch.
- A module also says which rows it spoke of, and which cells it could not do. By hand only the rows that fail are named.

{table}

{slower}

Not in the table, since there is nothing to write by hand that does the same:

{others}

`python -m benchmarks.catalogue --many` compares a spec of 60 checks with one of 20 on the same data.
"""


# ── many checks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def many(rows: int, data: Path, repeat: int) -> None:
    """Whole runs: 60 checks beside 20, on the same data."""
    out = Path("bench-out").resolve()
    runs: dict[str, list[Measured]] = {"qpipe": [], "20": []}
    for _ in range(repeat):
        for name, copies in (("qpipe", 3), ("20", 1)):
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            spec = out / "many.yaml"
            spec.write_text(_many(copies))
            vars = {"rows": rows, "data": data.resolve(), "out": out}
            words = [part for name, value in vars.items() for part in ("--var", f"{name}={value}")]
            runs[name].append(
                run([sys.executable, "-m", "qpipe", "run", str(spec), *words, "--quiet", "--home", str(out / ".qpipe")])
            )
    report(f"60 checks ('qpipe') beside 20, {rows:,} rows, parquet (goal: 2.5)", runs)


def _many(copies: int) -> str:
    """The 20 checks of W20 without its schema, and variants: no two are alike, so that nothing is computed once for two."""
    spec = yaml.safe_load((HERE / "w20.yaml").read_text())
    checks = [entry for entry in spec["modules"] if "schema" not in entry]
    spec["modules"] = [_variant(dict(entry), copy) for copy in range(copies) for entry in checks]
    return str(yaml.safe_dump(spec, sort_keys=False))


def _variant(entry: dict[str, Any], copy: int) -> dict[str, Any]:
    ((name, written),) = entry.items()
    if not copy:
        return entry
    first, second = VARIED.get(written["id"], ({}, {}))
    changed = {**written, **(first if copy == 1 else second), "id": f"{written['id']}-{copy}"}
    if isinstance(changed.get("max"), (int, float)):
        changed["max"] += copy if changed["max"] >= 1 else copy / 10
    elif "max" in changed:
        changed["max"] = f"2026-01-0{copy}"
    if "regex" in changed:
        changed["regex"] = changed["regex"].replace("{2,}", f"{{2,{9 + copy}}}").replace("{7}", f"{{7,{7 + copy}}}")
    if "values" in changed:
        changed["values"] = [*changed["values"], *"XYZ"[:copy]]
    return {name: changed}


# What the variants of a check of W20 say in place of it, where it is not only a bound that moves.
VARIED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "c01": ({"columns": "email"}, {"columns": "quantity"}),
    "c02": ({"columns": "country"}, {"columns": "order_date"}),
    "c03": ({"columns": "status"}, {"columns": "phone"}),
    "c04": ({"columns": ["order_id", "amount"]}, {"columns": ["order_id", "email"]}),
    "c05": ({"columns": ["customer_id", "order_date", "amount"]}, {"columns": ["customer_id", "order_date", "email"]}),
    "c06": ({"where": "quantity > 10"}, {"where": "quantity > 20"}),
    "c14": ({"left": "amount", "right": "discount"}, {"left": "order_id", "right": "customer_id"}),
    "c15": (
        {"condition": "amount * (1 - discount) >= quantity * 0.4"},
        {"condition": "amount * (1 - discount) >= quantity * 0.3"},
    ),
    "c20": ({"column": "quantity", "min": 0}, {"column": "discount", "min": 0}),
    "c21": ({"columns": "phone"}, {"columns": "email"}),
    "c19": ({"min": 2}, {"min": 3}),
}


if __name__ == "__main__":
    main()
