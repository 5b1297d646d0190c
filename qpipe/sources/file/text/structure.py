"""Where a table begins and ends in a text: preamble, header rows, footnotes, further tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from qpipe.core.errors import DataRefused
from qpipe.sources.file.chunk import Fault
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.grammar import cut
from qpipe.sources.file.text.options import DelimitedOptions
from qpipe.sources.file.text.records import Record, kind_of, read_records

MOST_HEADER_ROWS = 5
MOST_FOOTNOTES = 20
_MARKER = re.compile(
    r"\W*(?:source|note|notes|total|footnote|remark|quelle|legend|generated|created|end of|copyright|©)\b", re.I
)

Kinds = tuple[str | None, ...]


def find_table(text: str, whole: bool, dialect: Dialect, options: DelimitedOptions, name: str) -> Dialect:
    """The dialect, with the columns, the place of the first row, and what stands before it told."""
    records = read_records(text, dialect.grammar, dialect.newline, whole=whole)
    skipped, comments, records = _given_skips(records, dialect, options)
    filled = [record for record in records if not record.blank]
    if not filled:
        raise DataRefused("the file holds no row", file=name)
    table = filled if not dialect.tables else _first_table(records)
    width = _width(table)
    kinds = _kinds(table, width)
    start = _first_row(table, width, kinds) if dialect.tables else 0
    if dialect.tables and options.header is None:
        start += _titles(table[start:], width)
        kinds = _kinds(table[start:], width)
    bent = _other_header(table, start, width, kinds, dialect) if start else None
    if bent:
        start -= 1
        table = [*table[:start], bent, *table[start + 1 :]]
    before = [record for record in filled if record.start < table[start].start]
    count = _header_rows(table[start:], width, kinds, options)
    header, rows = table[start : start + count], table[start + count :]
    columns, told = _columns(header, rows, width, options)
    first = rows[0].start if rows else (header[-1].end if header else len(text))
    line = rows[0].line if rows else _line_after(text, header, dialect)
    preamble = tuple(
        Fault(None, r.line, "preamble", "a line before the header: skipped", raw=r.raw, severity="warning") for r in before
    )
    blank = [r for r in records if r.blank and r.start < first]
    if bent:
        told = (*told, _warning(bent.line, "other-delimiter", "the header is separated by another sign than the rows"))
    told = (*skipped, *_blanks(blank), *_comments(comments, first), *preamble, *told)
    return replace(
        dialect,
        columns=columns,
        width=width,
        kinds=kinds,
        header=header[0].raw if len(header) == 1 and width > 1 and "\n" not in header[0].raw and dialect.tables else "",
        start=len(text[:first].encode("utf-8", "surrogateescape")),
        line=line,
        faults=dialect.faults + tuple(sorted(told, key=lambda fault: fault.line)),
    )


def _line_after(text: str, header: Sequence[Record], dialect: Dialect) -> int:
    return header[-1].line + max(1, header[-1].raw.count(dialect.newline) + 1) if header else 1


def _given_skips(
    records: list[Record], dialect: Dialect, options: DelimitedOptions
) -> tuple[list[Fault], list[Record], list[Record]]:
    """What skip_rows leaves out, told; the comments; and the records without both."""
    told: list[Fault] = []
    if options.skip_rows:
        head = [record for record in records if record.line <= options.skip_rows]
        raw = "\n".join(record.raw for record in head)
        message = f"the first {options.skip_rows} lines were skipped, as skip_rows says"
        told.append(Fault(None, 1, "skipped-lines", message, raw=raw, severity="warning"))
        records = records[len(head) :]
    if not dialect.comment:
        return told, [], records
    comments = [record for record in records if record.raw.startswith(dialect.comment)]
    return told, comments, [record for record in records if not record.raw.startswith(dialect.comment)]


def _blanks(records: Sequence[Record]) -> list[Fault]:
    return [Fault(None, r.line, "blank-line", "a blank line was skipped", severity="warning") for r in records]


def _comments(records: Sequence[Record], first: int) -> list[Fault]:
    """Those before the first row; later ones are told where they are met."""
    message = "a comment: skipped"
    return [Fault(None, r.line, "comment-line", message, raw=r.raw, severity="warning") for r in records if r.start < first]


# ---- where the table is


def _first_table(records: list[Record]) -> list[Record]:
    """The records from the first table on: of the groups between blank lines, the first that is not small."""
    groups = _groups(records)
    sizes = [_size(group) for group in groups]
    biggest = max(sizes)
    chosen = next(number for number, size in enumerate(sizes) if 3 * size >= biggest)
    while chosen and len(groups[chosen - 1]) <= MOST_HEADER_ROWS and _width(groups[chosen - 1]) == _width(groups[chosen]) > 1:
        chosen -= 1  # a header with a blank line under it
    return [record for group in groups[chosen:] for record in group]


def _groups(records: list[Record]) -> list[list[Record]]:
    """Records between blank lines, cut as well where the width changes for good."""
    groups: list[list[Record]] = [[]]
    for number, record in enumerate(records):
        if record.blank:
            if groups[-1]:
                groups.append([])
            continue
        if _changes_for_good(records, number, groups[-1]):
            groups.append([])
        groups[-1].append(record)
    return [group for group in groups if group]


def _changes_for_good(records: list[Record], number: int, before: list[Record]) -> bool:
    width = records[number].width
    if len(before) < 3 or before[-1].width == width:
        return False
    after = records[number : number + 4]
    same_after = len(after) == 4 and all(record.width == width for record in after)
    return same_after and all(r.width == before[-1].width for r in before[-3:])


def _size(group: Sequence[Record]) -> int:
    width = _width(group)
    return sum(record.width == width for record in group) * (width if width > 1 else 0) + 1


def _width(records: Sequence[Record]) -> int:
    """The width most records have; the greater one where two are as many. The first table's, when several follow."""
    head = _groups(list(records))[0] if len(records) > 3 else records
    widths = Counter(record.width for record in (head if len(head) > 3 else records))
    return max(widths, key=lambda width: (widths[width] * (1 if width > 1 else 0.5), width))


def _kinds(records: Sequence[Record], width: int) -> Kinds:
    """What a column holds, where at least four of five of its cells say so."""
    rows = [record.cells for record in records if record.width == width][:500]
    body = rows[1:] if len(rows) > 1 else rows
    found: list[str | None] = []
    for number in range(width):
        seen = Counter(kind_of(row[number]) for row in body if row[number])
        kind, count = seen.most_common(1)[0] if seen else (None, 0)
        found.append(kind if kind and count >= 0.8 * sum(seen.values()) else None)
    return tuple(found)


def _first_row(table: Sequence[Record], width: int, kinds: Kinds) -> int:
    """The header's place: the first record as wide as the table, or the one before it, if that names columns."""
    full = next((number for number, record in enumerate(table) if record.width == width), 0)
    if full == 0:
        return 0
    before = table[full - 1]
    near = before.width > 1 and abs(before.width - width) <= max(1, width // 3) and before.filled >= before.width * 0.6
    adjacent = before.end == table[full].start
    return full - 1 if near and adjacent and not _names_columns(table[full], kinds, table[full + 1 :]) else full


def _titles(table: Sequence[Record], width: int) -> int:
    """How many lines before the header are a title and empty cells, as spreadsheets write it, or empty cells alone."""
    if width < 3:
        return 0
    count = 0
    while count < len(table) - 1 and table[count].width == width and not any(table[count].cells[1:]):
        count += 1
    header = table[count]
    named = header.width == width and all(header.cells)
    return count if count and named and _names_columns(header, _kinds(table[count:], width), table[count + 1 :]) else 0


# ---- header


def _other_header(table: Sequence[Record], start: int, width: int, kinds: Kinds, dialect: Dialect) -> Record | None:
    """The line before the first row, where another delimiter makes it a header of just the table's width."""
    line, first = table[start - 1], table[start]
    if "delimiter" in dialect.fixed or line.end != first.start or _names_columns(first, kinds, table[start + 1 :]):
        return None
    for other in (";", "\t", "|", ",", ":", "^", "~", " "):
        found = cut(line.raw, 0, replace(dialect.grammar, delimiter=other))
        if other != dialect.delimiter and found and found[1] == len(line.raw) and len(found[0]) == width:
            named = replace(line, cells=found[0])
            if all(found[0]) and len(set(found[0])) == width and _names_columns(named, kinds, table[start:]):
                return named
    return None


def _names_columns(record: Record, kinds: Kinds, rows: Sequence[Record]) -> bool:
    """Whether a record names columns and is no row: no number or date stands where the rows have them."""
    typed = [number for number, kind in enumerate(kinds) if kind and number < record.width]
    cells = [record.cells[number] for number in typed]
    if sum(cell is not None for cell in cells) * 2 >= len(cells) > 0:
        numbers = sum(kind_of(cell) is not None for cell in cells)
        named = [cell for cell in record.cells if cell]
        if numbers == 0 or (5 * numbers <= len(cells) and len(set(named)) == len(record.cells)):
            return True
        years = [cell for cell in cells if cell and re.fullmatch(r"(?:19|20)\d\d", cell.strip())]
        return len(years) > 1 and len(set(named)) == len(named) and all(not kind_of(c) or c in years for c in named)
    return not _recurs(record, rows)


def _recurs(record: Record, rows: Sequence[Record]) -> bool:
    """Whether one of the cells stands in its column again, as a name hardly does."""
    others = [row.cells for row in rows[:500] if row.width == record.width and row.cells != record.cells]
    return any(cell and any(other[number] == cell for other in others) for number, cell in enumerate(record.cells)) or (
        bool(others) and record.filled < record.width / 2
    )


def _header_rows(table: Sequence[Record], width: int, kinds: Kinds, options: DelimitedOptions) -> int:
    if options.header is not None:
        return min(int(options.header), len(table))
    if not table:
        return 0
    if len(table) == 1:
        return 0 if any(kind_of(cell) for cell in table[0].cells) else 1
    if not _names_columns(table[0], kinds, table[1:]):
        return 0
    count = 1
    while count < min(MOST_HEADER_ROWS, len(table) - 1) and _names_more(table[count], width, kinds):
        count += 1
    return count


def _names_more(record: Record, width: int, kinds: Kinds) -> bool:
    """Whether a record is a further header row: text in every numeric and date column that says something, at least two."""
    cells = [record.cells[number] for number, kind in enumerate(kinds) if kind and number < record.width]
    said = [cell for cell in cells if cell]
    return record.width == width and len(said) >= max(2, len(cells) * 0.6) and not any(kind_of(cell) for cell in said)


def _columns(
    header: Sequence[Record], rows: Sequence[Record], width: int, options: DelimitedOptions
) -> tuple[tuple[str, ...], tuple[Fault, ...]]:
    """The names of the columns, each once and none empty; what had to be made up is told."""
    line = header[0].line if header else (rows[0].line if rows else 1)
    told: list[Fault] = []
    if options.columns is not None:
        return tuple(options.columns), ()
    if not header:
        if options.header is None:
            told.append(_warning(line, "missing-header", "no header: the columns are column_1, column_2, …"))
        return tuple(f"column_{number + 1}" for number in range(_used(rows, width, width))), tuple(told)
    raw = _joined(header)
    used = _used(rows, width, len(raw)) if (raw and raw[-1] is None) or len(raw) < width else len(raw)
    names = [raw[number] if number < len(raw) else None for number in range(used)]
    if len(header) > 1:
        told.append(_warning(line, "joined-header", f"the header has {len(header)} rows: joined"))
    if used < max(width, len(raw)):
        told.append(_warning(line, "trailing-delimiter", "every row ends with a delimiter: the empty last column is left out"))
    elif rows and len(raw) != width:
        told.append(_warning(line, "header-width", f"the header has {len(raw)} cells and the rows have {width}"))
    return _distinct(names, line, told), tuple(told)


def _warning(line: int, code: str, message: str) -> Fault:
    return Fault(None, line, code, message, severity="warning")


def _used(rows: Sequence[Record], width: int, named: int) -> int:
    """How many columns hold something, or have a name."""
    used = max(width, named)
    full = [row for row in rows if row.width == width]
    while full and used > 1 and used >= named and all(used > len(r.cells) or r.cells[used - 1] is None for r in full):
        used -= 1
        named = min(named, used)
        break
    return used


def _joined(header: Sequence[Record]) -> list[str | None]:
    """Several header rows as one: an upper name that spans columns is carried on to the right."""
    if len(header) == 1:
        return list(header[0].cells)
    width = max(record.width for record in header)
    parts: list[list[str]] = [[] for _ in range(width)]
    for depth, record in enumerate(header):
        carried = None
        spans = depth < len(header) - 1 and any(cell is None for cell in record.cells)
        for number in range(width):
            cell = record.cells[number] if number < record.width else None
            carried = cell or (carried if spans else None)
            if carried:
                parts[number].append(carried)
    return [" ".join(part) or None for part in parts]


def _distinct(names: Sequence[str | None], line: int, told: list[Fault]) -> tuple[str, ...]:
    seen: set[str] = {name for name in names if name}
    used: set[str] = set()
    result = []
    for number, name in enumerate(names):
        unique = name or f"column_{number + 1}"
        if name is None and unique in seen:
            unique = f"{unique}_"
        step = 2
        while unique in used:
            unique = f"{name or 'column'}_{step}"
            step += 1
            if unique in seen:
                unique = unique if unique not in used else f"{unique}_"
        if name is None:
            told.append(_warning(line, "empty-header", f"column {number + 1} has no name: it is called {unique!r}"))
        elif unique != name:
            told.append(_warning(line, "duplicate-header", f"the name {name!r} stands twice: the later is {unique!r}"))
        used.add(unique)
        result.append(unique)
    return tuple(result)


# ---- where the table ends


def table_end(ahead: str, whole: bool, dialect: Dialect, *, blank: bool) -> tuple[str, str] | None:
    """A code and a message when what comes is no more of this table; ``blank`` when a blank line stands before it."""
    records = read_records(ahead, dialect.grammar, dialect.newline, most=2 * MOST_FOOTNOTES + 2, whole=whole)
    filled = [record for record in records if not record.blank]
    if not filled or dialect.width < 2:
        return None
    if whole and records[-1].end >= len(ahead) and _are_footnotes(filled, dialect, blank):
        return "footnote", "the table ends here: footnotes follow, which are no rows"
    group = _groups(records)[0]
    if _is_other_table(group, dialect, blank):
        return "other-table", f"another table with {_width(group)} columns starts here: it is not read"
    return None


def _are_footnotes(records: Sequence[Record], dialect: Dialect, blank: bool) -> bool:
    if len(records) > MOST_FOOTNOTES or any(record.width == dialect.width and record.filled > 1 for record in records):
        return False
    if blank:
        return all(record.filled <= max(1, dialect.width // 3) for record in records)
    return all(record.filled == 1 and dialect.width > 2 and _is_remark(record.raw) for record in records)


def _is_remark(raw: str) -> bool:
    return bool(_MARKER.match(raw)) or raw.lstrip('"')[:1] in "*#(-\u2013†©" or len(raw.split()) >= 4


def _is_other_table(group: Sequence[Record], dialect: Dialect, blank: bool) -> bool:
    width = _width(group)
    if width < 2 or len(group) < 2:
        return False
    same = [record for record in group[:10] if record.width == width]
    if len(same) < min(len(group), 10) * 0.8:
        return False
    kinds = _kinds(group, width)
    if width != dialect.width:
        return blank or (len(same) >= 3 and any(kinds) and _names_columns(group[0], kinds, group[1:]))
    names = [cell for cell in group[0].cells if cell]
    distinct = len(set(names)) == len(names) >= 0.8 * width
    return blank and distinct and any(kinds) and _names_columns(group[0], kinds, group[1:])
