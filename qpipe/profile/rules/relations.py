"""Rules for several columns, and for several tables: keys, dependencies, foreign keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.analysis.dependencies import Dependency, minorities, without_equals
from qpipe.analysis.patterns import escaped
from qpipe.core.lazy import pl
from qpipe.profile.model import DependencyFound, ForeignKeyFound, TableProfile
from qpipe.profile.rules.numbers import DIGITS, by_chance
from qpipe.profile.rules.seen import ENOUGH, Suggestion

LONG = 12  # digits of a text: so long ones tell things apart
_NESTED = ("List", "Struct", "Binary")

if TYPE_CHECKING:
    import polars as pl


def unique_keys(table: TableProfile) -> Iterator[Suggestion]:
    for key in table.keys[:3]:
        if table.rows < 2 or key.score < 0.42:
            continue
        reason = "no two rows have the same" if key.holds else f"only {key.groups:,} keys come more than once"
        yield Suggestion(table.name, "unique", {"columns": list(key.columns)}, key.columns, reason, table.rows, key.repeated,
                         round(min(0.99, 0.5 + 0.5 * key.score) if key.holds else 0.4 + 0.5 * key.score, 3))  # fmt: skip


def dependent(table: TableProfile) -> Iterator[Suggestion]:
    private = {c.name for c in table.columns if c.personal}
    for d in without_equals(table.dependencies):
        params = {"determinant": list(d.determinant), "dependent": d.dependent, "undecided": "pass"}
        told = d.examples if not private & {*d.determinant, d.dependent} else ()
        shown = f"; {told[0][1]!r} beside {told[0][2]!r} for {told[0][0]!r}" if told else ""
        reason = f"{', '.join(d.determinant)} tells {d.dependent} in {1 - d.share:.1%} of {d.support:,} rows{shown}"
        yield Suggestion(table.name, "depends_on", params, (*d.determinant, d.dependent), reason, d.support, d.broken,
                         sureness(d))  # fmt: skip


def sureness(d: Dependency | DependencyFound) -> float:
    """How much better than chance, in groups of how many rows, and how lonely the exceptions are."""
    sure = min(0.98, d.strength) * min(1.0, 0.6 + d.support / max(1, d.groups) / 10) * (0.5 + 0.5 * d.lonely)
    return round(sure, 3)


def reports(table: TableProfile, sample: pl.DataFrame) -> Iterator[Suggestion]:
    """Several sources tell of the same things, each once: where they disagree, most are right; what one lacks, others know.

    So weak a dependency says nothing elsewhere: it is looked for where two columns, the thing and who tells of it, are a key.
    """
    texts = sample.select(pl.col(c.name).cast(pl.String) for c in table.columns if not c.stored.startswith(_NESTED))
    few = [c for c in texts.columns if 3 <= texts[c].n_unique() <= texts.height / 3 and not texts[c].null_count()]
    pairs = [(x, s) for x in few[:20] for s in few[:20] if x != s and texts[x].n_unique() >= texts[s].n_unique()]
    for thing, source in pairs:
        if texts.select(pl.struct(thing, source).n_unique()).item() < 0.98 * texts.height:
            continue
        told = [y for y in texts.columns if y not in (thing, source) and _agreed(texts, thing, y)]
        if len(told) > 1:
            things = f"{texts[thing].n_unique():,} {thing}, one for each {source}"
            yield from (s for y in told for s in _reported(table, thing, y, things, minorities(texts, (thing,), y).height))
            return


def _reported(table: TableProfile, thing: str, y: str, things: str, broken: int) -> Iterator[Suggestion]:
    known = table.column(y)
    reason = f"{known.values:,} rows tell {y} of {things}"
    params = {"determinant": [thing], "dependent": y, "undecided": "pass"}
    yield Suggestion(table.name, "depends_on", params, (thing, y), f"{reason}; most of them agree", known.values, broken, 0.82)
    missing = known.nulls + known.blanks
    if 0 < missing <= 0.6 * known.rows:
        yield Suggestion(table.name, "not_null", {"column": y, "blank": True}, (y,), f"{reason}: what one lacks, others know",
                         known.rows, missing, 0.82, "told by others")  # fmt: skip


def _agreed(texts: pl.DataFrame, thing: str, y: str) -> bool:
    """Whether most things have a value that most tell, and another one than other things have."""
    each = texts.lazy().select(pl.col(thing).alias("x"), pl.col(y).alias("y")).filter(pl.col("y").str.strip_chars() != "")
    tops = (
        each.group_by("x", "y").len("n").sort("n", "y", descending=[True, False])
        .group_by("x", maintain_order=True).agg(pl.first("y"), pl.first("n"), pl.sum("n").alias("rows"))
        .filter(pl.col("rows") >= 3).collect()
    )  # fmt: skip
    agreed = tops.filter(pl.col("n") > 0.4 * pl.col("rows"))
    return agreed.height >= max(3, 0.6 * tops.height) and agreed["y"].n_unique() >= 0.3 * agreed.height


def copies(table: TableProfile, sample: pl.DataFrame) -> Iterator[Suggestion]:
    """Values that nearly all come once, and some twice or more in rows that have nothing else in common: copied, not shared."""
    texts = sample.select(pl.col(c.name).cast(pl.String) for c in table.columns if not c.stored.startswith(_NESTED))
    once = {c: _lonely(texts[c]) for c in texts.columns}
    telling = {c: s for c, s in once.items() if s >= 0.5 * texts.height}
    for name in (c for c in telling if table.column(c).type != "date"):  # days are shared
        counts = texts[name].drop_nulls().alias("value").value_counts(name="n")
        several = counts.filter(pl.col("n") > 1)
        few = 0.34 if counts.height < 100 else 0.1
        if counts.height < ENOUGH or not 0 < several.height <= few * counts.height:
            continue
        digits = pl.col("value").str.replace_all(r"[^0-9]", "").str.strip_chars_start("0").str.len_chars().mean()
        if (several.select(digits).item() or 0.0) < (LONG if table.column(name).type == "string" else DIGITS):
            continue
        if by_chance(several["n"]):
            continue
        rows = texts.filter(pl.col(name).is_in(several["value"].implode()))
        others = [c for c in telling if c != name]
        shared = rows.select(
            (pl.struct(name, c).is_duplicated() & pl.col(c).is_not_null()).alias(f"{n}") for n, c in enumerate(others)
        )
        if others and shared.select(pl.any_horizontal(pl.all()).mean()).item() >= 0.5:
            continue
        repeated = int((several["n"] - 1).sum())
        reason = f"{several.height:,} values come more than once, in rows that share nothing else"
        yield Suggestion(table.name, "unique", {"columns": [name]}, (name,), reason, texts.height, repeated, 0.82)


def _lonely(values: pl.Series) -> int:
    return int((values.drop_nulls().alias("value").value_counts(name="n")["n"] == 1).sum())


def run_together(table: TableProfile, sample: pl.DataFrame) -> Iterator[Suggestion]:
    """A value that is missing in its column and stands at the end of another one: Austin TX, and no state."""
    texts = [c for c in table.columns if c.type == "string" and c.stored == "String"]
    for short in (c for c in texts if 2 <= c.distinct <= 500 and 0 < c.nulls + c.blanks <= 0.3 * c.rows):
        known = sample[short.name].drop_nulls().unique()
        rows = sample.filter(pl.col(short.name).is_null() | (pl.col(short.name).str.strip_chars() == ""))
        for long in (c for c in texts if c is not short and rows.height >= 5):
            last = pl.col(long.name).str.strip_chars().str.extract(r"\S[\s,;/-]+(\S+)$")
            ending = last.is_in(known.filter(known.str.len_chars() > 1).implode())
            inside = int(rows.select(ending.sum()).item())
            elsewhere = int(sample.select(ending.sum()).item()) - inside
            if inside < 0.6 * rows.height or elsewhere > 0.1 * inside:
                continue
            ends = sorted(rows.filter(ending).select(last).to_series().unique().to_list())
            regex = rf"\S[\s,;/-]+(?:{'|'.join(escaped(e) for e in ends)})\s*$"
            where = (
                f"where {short.name} is missing, {long.name} ends with one of its values in {inside:,} of {rows.height:,} rows"
            )
            yield Suggestion(table.name, "not_null", {"column": short.name, "blank": True}, (short.name,), where, table.rows,
                             short.nulls + short.blanks, 0.88, "run together")  # fmt: skip
            yield Suggestion(table.name, "matches", {"column": long.name, "regex": regex, "negate": True}, (long.name,), where,
                             table.rows, inside, 0.88, "run together")  # fmt: skip


def foreign(table: str, f: ForeignKeyFound) -> Suggestion:
    references = [f"{f.references}.{c}" for c in f.key]
    params = {"columns": list(f.columns), "references": references if len(references) > 1 else references[0]}
    reason = f"{1 - f.missing / max(1, f.rows):.1%} of {f.rows:,} keys are in {f.references}"
    return Suggestion(table, "foreign_key", params, f.columns, reason, f.rows, f.missing, f.confidence, f"in {f.references}")
