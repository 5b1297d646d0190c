"""What of a profile deserves a look: said in the same words at the terminal and on the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from qpipe.analysis.semantic import ADDRESS
from qpipe.profile.model import ColumnProfile, ForeignKeyFound, Profile, TableProfile
from qpipe.report.words import plural

_SHOWN = 3  # examples


@dataclass(frozen=True)
class Doubt:
    """``rows`` that something is probably wrong with."""

    place: str
    words: str
    rows: int


def doubts(profile: Profile) -> list[Doubt]:
    """All of a profile, those of most rows first."""
    found = [d for table in profile.tables for d in _of_table(table, several=len(profile.tables) > 1)]
    for f in profile.foreign_keys:
        if not f.holds:
            found.append(Doubt(_name(f), f"{plural(f.missing_keys, 'key is', 'keys are')} not there", f.missing))
    return sorted(found, key=lambda d: (-d.rows, d.place))


def of_column(c: ColumnProfile) -> Iterator[tuple[str, int]]:
    """What is odd about a column, with the rows that it is told of. Personal values are not shown."""
    if c.unfit:
        yield f"{plural(c.unfit, 'value is', 'values are')} no {c.type}", c.unfit
    for value, count, reason, _ in c.placeholders[:_SHOWN]:
        yield f"{value!r}: {reason}, {plural(count, 'time')}", count
    if c.outside:
        yield f"{c.outside:,} far out: usual is {_limit(c.earliest or c.low)} to {_limit(c.latest or c.high)}", c.outside
    if c.typos and (not c.personal or c.meaning == ADDRESS):  # names that are alike are two persons'
        shown = "" if c.personal else ": " + ", ".join(f"{t[0]!r} for {t[2]!r}" for t in c.typos[:_SHOWN])
        more = f", and {len(c.typos) - _SHOWN} more" if len(c.typos) > _SHOWN and not c.personal else ""
        yield f"{len(c.typos):,} misspelt{shown}{more}", sum(t[1] for t in c.typos)


def _of_table(table: TableProfile, *, several: bool) -> Iterator[Doubt]:
    before = f"{table.name}." if several else ""
    if table.faults:
        yield Doubt(table.name, "malformed lines", table.faults)
    for c in table.columns:
        yield from (Doubt(f"{before}{c.name}", words, rows) for words, rows in of_column(c))
    for k in table.keys:
        if not k.holds:
            words = f"a key, but {plural(k.groups, 'comes', 'come')} more than once"
            yield Doubt(f"{before}{', '.join(k.columns)}", words, k.repeated)
    masked = {c.name for c in table.columns if c.personal}
    for d in table.dependencies:
        if d.broken:
            example = d.examples[0] if d.examples and not masked & {*d.determinant, d.dependent} else None
            shown = f": {example[1]} for {example[0]}, mostly {example[2]}" if example else ""
            yield Doubt(f"{before}{', '.join(d.determinant)} → {d.dependent}", f"told otherwise{shown}", d.broken)


def _name(f: ForeignKeyFound) -> str:
    return f"{f.table}.{', '.join(f.columns)} → {f.references}.{', '.join(f.key)}"


def _limit(value: object) -> str:
    """A limit is no measured figure: four digits are enough."""
    return figure(float(f"{value:.4g}")) if isinstance(value, float) else str(value)


def figure(value: object) -> str:
    """A number as a person would write it; 2013, not 2,013.0, for a whole one."""
    if isinstance(value, float) and value == int(value) and abs(value) < 10_000:
        return str(int(value))
    return f"{value:,.6g}" if isinstance(value, float) else str(value)
