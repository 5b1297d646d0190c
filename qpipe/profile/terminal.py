"""A profile on the terminal: what matters first, one block a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qpipe.analysis.patterns import without_words
from qpipe.profile.doubts import figure, of_column
from qpipe.profile.drift import Change
from qpipe.profile.model import ColumnProfile, ForeignKeyFound, Profile, TableProfile

_WIDE = 118


def text(profile: Profile, changes: Sequence[Change] = ()) -> str:
    lines = [line for table in profile.tables for line in (*_table(table), "")]
    if profile.foreign_keys:
        lines += ["Foreign keys", *(_foreign(f, profile) for f in profile.foreign_keys), ""]
    if changes:
        lines += ["Changed since the earlier profile", *(_change(c) for c in changes)]
    return "\n".join(lines).rstrip() + "\n"


def _table(table: TableProfile) -> Iterator[str]:
    sampled = "" if table.looked >= table.rows else f"; ~ rests on a sample of {table.looked:,}"
    yield f"{table.name}: {_several(table.rows, 'row')}, {_several(len(table.columns), 'column')}{sampled}"
    if table.faults:
        yield f"  ! {_several(table.faults, 'malformed line')}"
    name_width = min(26, max([len(c.name) for c in table.columns] + [6]))
    yield f"  {'column':{name_width}}  {'type':14}  {'missing':>8}  {'distinct':>10}  what is in it"
    for column in table.columns:
        yield _cut(f"  {_cut(column.name, name_width):{name_width}}  {_cut(column.type, 14):14}  {_missing(column):>8}  "
                   f"{_distinct(column):>10}  {_content(column)}", _WIDE + 30)  # fmt: skip
        yield from (f"  {'':{name_width}}  ! {line}" for line, _ in of_column(column))
    yield from _relations(table)


def _several(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _relations(table: TableProfile) -> Iterator[str]:
    if table.keys:
        yield "  Keys"
        for key in table.keys:
            state = "" if key.holds else f"  broken: {key.repeated:,} rows repeat {key.groups:,} keys"
            yield f"    {', '.join(key.columns)}{state}{'' if key.exact else '  (in the sample)'}"
    if table.dependencies:
        yield "  Dependencies"
        private = {c.name for c in table.columns if c.personal}
        for d in table.dependencies[:12]:
            state = f"  broken by {d.broken:,} of {d.support:,}" if d.broken else ""
            told = d.examples if not private & {*d.determinant, d.dependent} else ()
            example = f": {told[0][1]} for {told[0][0]}, mostly {told[0][2]}" if told else ""
            yield _cut(f"    {', '.join(d.determinant)} → {d.dependent}{state}{example}", _WIDE)
        if len(table.dependencies) > 12:
            yield f"    and {len(table.dependencies) - 12} more: --json has them"
    if table.correlations:
        yield "  Correlations  " + ", ".join(f"{c.a} ~ {c.b} {c.value:+.2f}" for c in table.correlations[:6])


def _change(c: Change) -> str:
    place = ".".join(x for x in (c.table, c.column) if x)
    return f"  {'!' if c.grave else ' '} {place}: {c.what}  {c.before} → {c.now}"


def _foreign(f: ForeignKeyFound, profile: Profile) -> str:
    told = f"  {f.table}({', '.join(f.columns)}) → {f.references}({', '.join(f.key)})"
    if f.holds:
        return told
    masked = any(profile.table(f.table).column(c).personal for c in f.columns)
    shown = "" if masked else f", such as {' | '.join(f.examples[:3])}"
    return f"{told}  broken: {f.missing:,} of {f.rows:,} rows, {f.missing_keys:,} keys{shown}"


def _missing(c: ColumnProfile) -> str:
    missing = c.nulls + c.blanks
    if not missing:
        return "-"
    share = missing / c.rows
    return f"{share:.1%}" if share >= 0.001 else "<0.1%"


def _distinct(c: ColumnProfile) -> str:
    return ("~" if "distinct" in c.estimated else "") + f"{c.distinct:,}"


def _content(c: ColumnProfile) -> str:
    told = []
    if c.meaning:
        told.append(c.meaning + (" (personal)" if c.personal else ""))
    if c.personal:
        pass  # its values are nobody's business
    elif c.quantiles and c.least is not None:
        told.append(f"{figure(c.least)} … {_middle(c)} … {figure(c.greatest)}")
    elif c.frequent and c.distinct <= 12:
        told.append(", ".join(f"{v} {n:,}" for v, n in c.frequent[:5]))
    elif c.frequent:
        told.append(f"such as {', '.join(v for v, _ in c.frequent[:3])}")
    if c.patterns and c.patterns[0][2] > 0.5 and not c.quantiles:
        regex = without_words(c.patterns[0][0]) if c.personal else c.patterns[0][0]
        told.append(f"{c.patterns[0][2]:.0%} {regex}")
    return "; ".join(told)


def _middle(c: ColumnProfile) -> str:
    """The median, a whole number among whole numbers."""
    value = c.quantiles["0.5"]
    return str(int(value)) if c.type == "int" and isinstance(value, float) and value == int(value) else figure(value)


def _cut(words: str, width: int) -> str:
    return words if len(words) <= width else words[: width - 1] + "…"
