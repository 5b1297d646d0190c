"""Where a table begins and ends in a text: preamble, header rows, footnotes, further tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from qpipe.core.errors import DataRefused
from qpipe.sources.file.chunk import Fault
from qpipe.sources.file.text.below import first_head_below, plain_columns
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.dress import undressed
from qpipe.sources.file.text.header import (
    MOST_HEADER_ROWS,
    columns_of,
    header_rows,
    names_columns,
    other_header,
    under_another_delimiter,
    warning,
    without_surplus_name,
)
from qpipe.sources.file.text.looks import looks_of
from qpipe.sources.file.text.options import DelimitedOptions
from qpipe.sources.file.text.records import Kinds, Record, kind_of, read_records

MOST_FOOTNOTES = 20
DOS_END = "\x1a"  # Ctrl-Z, which CP/M and DOS put at a file's end
_SEPARATOR = re.compile(r"\ufeff?\"?sep=.?\"?", re.IGNORECASE)  # the line by which Excel is told the delimiter
_MARKER = re.compile(
    r"\W*(?:source|note|notes|total|eof|footnote|remark|quelle|legend|generated|created|end of|copyright|©)\b", re.I
)


def find_table(text: str, whole: bool, dialect: Dialect, options: DelimitedOptions, name: str) -> Dialect:
    """The dialect, with the columns, the place of the first row, and what stands before it told."""
    records = read_records(text, dialect.grammar, dialect.newline, whole=whole)
    skipped, comments, records = _given_skips(records, dialect, options)
    filled = [record for record in records if not record.blank]
    if not filled:
        raise DataRefused("the file holds no row", file=name)
    head = 1 if len(filled) > 1 and _SEPARATOR.fullmatch(records[0].raw) else 0
    table = filled if not dialect.tables else _first_table(records[head:])
    width = _width(table)
    kinds = _kinds(table, width)
    dialect = replace(dialect, dressed=_is_habit(table[1:], width, replace(dialect, kinds=kinds)))
    table = [_bare(record, dialect) for record in table]
    end = first_head_below(table, width, dialect.grammar) if dialect.tables else None
    below = table[end].raw if end else ""
    if end:
        table = table[:end]
        kinds = _kinds(table, width)
    start = _first_row(table, width, kinds) if dialect.tables else 0
    if dialect.tables and options.header is None:
        start += _titles(table[start:], width)
    before = [record for record in filled if record.start < table[start].start]
    if before and dialect.tables and (found := under_another_delimiter(before, width, dialect)):
        table, start = [*found, *table[start:]], 0
    if start:
        kinds = _kinds(table[start:], width)
    at = start if table[start].width != width or not table[start].well_formed else start - 1
    bent, how = other_header(table, at, width, kinds, dialect) if at >= 0 else (None, None)
    if bent:
        start = at
        table = [*table[:at], bent, *table[at + 1 :]]
    before = [record for record in filled if record.start < table[start].start]
    count = header_rows(table[start:], width, kinds, options)
    header, rows = table[start : start + count], table[start + count :]
    worn = _worn(header, dialect)
    header, surplus = without_surplus_name(header, width) if rows else (header, [])
    columns, told = columns_of(header, rows, width, options)
    first = rows[0].start if rows else (header[-1].end if header else len(text))
    line = rows[0].line if rows else _line_after(header, dialect)
    preamble = tuple(
        Fault(None, r.line, "preamble", "a line before the header: skipped", raw=r.raw, severity="warning") for r in before
    )
    blank = [r for r in records if r.blank and r.start < first]
    told = (*told, how) if how else told
    told = (*told, *_one_column(table, width, dialect))
    told = (*worn, *surplus, *skipped, *_blanks(blank), *_comments(comments, first), *preamble, *told)
    return replace(
        dialect,
        columns=columns,
        width=width,
        kinds=kinds,
        looks=() if "delimiter" in dialect.fixed else looks_of(rows, width, dialect.grammar),
        header=_header_texts(header[0], dialect) if len(header) == 1 and width > 1 and dialect.tables else (),
        opening=_opening(rows),
        plain=plain_columns(rows, kinds) if dialect.tables else (),
        below=below if "\n" not in below else "",
        start=len(text[:first].encode("utf-8", "surrogateescape")),
        line=line,
        faults=dialect.faults + tuple(sorted(told, key=lambda fault: fault.line)),
    )


def _header_texts(header: Record, dialect: Dialect) -> tuple[str, ...]:
    """How a header may stand in a file again: as it is written, and without quotes."""
    plain = dialect.delimiter.join(cell or "" for cell in header.cells)
    texts = (header.raw, plain, f"\ufeff{header.raw}")  # files that begin with a mark, one after the other
    return tuple(dict.fromkeys(text for text in texts if "\n" not in text))


def _opening(rows: Sequence[Record]) -> tuple[tuple[str | None, ...], ...]:
    """The first three rows, if each is another: by them the table is known when it stands in a file twice."""
    head = tuple(tuple(cell or None for cell in row.cells) for row in rows[:3])
    return head if len(set(head)) == 3 else ()


_PARTS = (*map(re.compile, (",", ";", "\t", r"\|", r"\S {2,}\S")),)


def _one_column(records: Sequence[Record], width: int, dialect: Dialect) -> list[Fault]:
    """What is told of lines that nothing parts alike, though most have a sign that parts cells, or stand in columns."""
    lines = [record.raw for record in records[:500]]
    if width > 1 or not dialect.tables or "delimiter" in dialect.fixed or len(lines) < 2:
        return []
    message = "no delimiter fits its lines, so it is read as one column: say delimiter, or widths, if it has more"
    told = any(sum(part.search(line) is not None for line in lines) >= 0.8 * len(lines) for part in _PARTS)
    return [warning(records[0].line, "one-column", message)] if told else []


def _is_habit(rows: Sequence[Record], width: int, dialect: Dialect) -> bool:
    """Whether many rows have blanks after their delimiters, or quotes of another kind: then they are text."""
    full = [row for row in rows if row.width == width][:500]
    worn = sum(undressed(row.cells, row.raw, dialect) is not None for row in full)
    return 2 * worn > len(full) or worn > max(1, 0.1 * len(full))


def _bare(record: Record, dialect: Dialect) -> Record:
    worn = undressed(record.cells, record.raw, dialect)
    return replace(record, cells=worn[0]) if worn else record


def _worn(header: Sequence[Record], dialect: Dialect) -> list[Fault]:
    """What is to be told of header rows in another dress."""
    found = [(r.line, undressed([*r.raw.split(dialect.delimiter)], r.raw, dialect)) for r in header]
    return [warning(line, *worn[1:]) for line, worn in found if worn]


def _line_after(header: Sequence[Record], dialect: Dialect) -> int:
    return header[-1].line + header[-1].raw.count(dialect.newline) + 1 if header else 1


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
    if not near or before.end != table[full].start:
        return full
    surplus = before.width == width + 1 and before.filled == width and not any(kinds)  # names, and a delimiter too many
    return full - 1 if surplus or not names_columns(table[full], kinds, table[full + 1 :]) else full


def _titles(table: Sequence[Record], width: int) -> int:
    """How many lines before the header are a title and empty cells, as spreadsheets write it, or empty cells alone."""
    count = next((n for n, record in enumerate(table) if record.width != width or not _is_title(record)), 0)
    if count >= len(table) - 1:
        return 0
    if width < 3 and all(any(record.cells) for record in table[:count]):
        return 0
    header = table[count]
    named = header.width == width and all(header.cells)
    kinds = _kinds(table[count:], width)
    pairs = any(any(record.cells[1:]) for record in table[:count])  # such as a name and what it is: rows may look so, too
    sure = named and (not pairs or any(kinds)) and names_columns(header, kinds, table[count + 1 :])
    return count if count and sure else 0


def _is_title(record: Record) -> bool:
    """Whether a line has its texts on the left, and empty cells in at least half of its width."""
    filled = sum(bool(cell) for cell in record.cells)
    return all(record.cells[:filled]) and (filled < 2 or 2 * filled <= record.width)


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
    return all(_is_remark(record, dialect.width) for record in records)


def _is_remark(record: Record, width: int) -> bool:
    raw = record.raw
    if raw == DOS_END or record.filled != 1 or width < 3:
        return raw == DOS_END
    return bool(_MARKER.match(raw)) or raw.lstrip('"')[:1] in "*#(-\u2013†©" or len(raw.split()) >= 4


def _is_other_table(group: Sequence[Record], dialect: Dialect, blank: bool) -> bool:
    width = _width(group)
    if width < 2 or len(group) < 2:
        return False
    same = [record for record in group[:10] if record.width == width]
    if len(same) < min(len(group), 10) * 0.8:
        return False
    kinds = _kinds(group, width)
    least = min(width, dialect.width)
    if width != dialect.width and tuple(group[0].cells[:least]) == dialect.columns[:least]:
        return True  # under the same names, fewer or more of them
    if width != dialect.width:
        return blank or (len(same) >= 3 and any(kinds) and names_columns(group[0], kinds, group[1:]))
    names = [cell for cell in group[0].cells if cell]
    distinct = len(set(names)) == len(names) >= 0.8 * width
    return blank and distinct and any(kinds) and names_columns(group[0], kinds, group[1:])
