"""Polluted delimited files, made of clean tables: each says what a person would read in it, and what must be told.

A case is a table, one kind of pollution, and where it strikes. Nothing here knows how the reader decides.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Row = list[str | None]


@dataclass(frozen=True)
class Table:
    name: str
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Case:
    id: str
    data: bytes
    header: list[str]
    rows: list[Row]
    told_rows: tuple[int, ...] = ()  # rows (0-based) that must be named
    told: tuple[str, ...] = ()  # codes that must be told of the file or of text that is no row
    clean: bool = field(default=False)  # nothing at all may be told


def tables() -> list[Table]:
    """Numbers and dates, long quoted texts, other scripts, newlines in cells, empty cells, wide ones, texts alone."""
    towns = ["Lyon", "Porto", "Gdańsk", "München", "Oslo", "Žilina", "Bergen", "Turin"]
    sales = [
        [f"2024-03-{1 + n:02}", f"{9 + n % 8}:{10 + n}", str(3 + n * 7 % 40), f"P-{1000 + n * 37}", f"{n * 13.37 + 2:.2f}",
         towns[n % 8], f"https://example.org/item/{n}"] for n in range(14)
    ]  # fmt: skip
    words = ["pump, hand operated", 'the "blue" one', "spare part", "two, three; four", "it's fine", "size 5 | 6", "as new"]
    texts = [[str(100 + n), words[n % 7], f"{n}.5", words[(n * 3 + 1) % 7], "yes" if n % 3 else "no"] for n in range(12)]
    notes = [[f"K{n}", f"first line {n}\nsecond, line", str(n * n), f"2023-11-{n + 1:02}"] for n in range(9)]
    people = [
        [["東京 太郎", "Ελένη", "Зоя"][n % 3], str(1950 + n), ["Αθήνα", "Київ", "京都"][n % 3], f"{n},5"] for n in range(10)
    ]
    sparse = [[f"id{n}", "" if n % 2 else "x", "", str(n) if n % 3 == 0 else "", "end"] for n in range(10)]
    first, last = ["Ann", "Bo", "Cem", "Dana", "Eva", "Finn", "Gil"], ["Lee", "Roe", "Kaya", "Vogt", "Sanz", "Moe", "Abe"]
    members = [
        [
            f"{first[n % 7]} {last[n // 2]}",
            f"{first[n % 7].lower()}{n}@example.org",
            ["FR", "TR", "DE", "NO"][n % 4],
            f"K-{n}{n}",
        ]
        for n in range(10)
    ]
    return [
        Table("sales", ["date", "time", "qty", "product", "price", "town", "url"], sales),
        Table("texts", ["id", "description", "weight", "remark", "in stock"], texts),
        Table("notes", ["key", "note", "square", "day"], notes),
        Table("people", ["name", "born", "city", "score"], people),
        Table("members", ["member", "mail", "country", "card"], members),
        Table("sparse", ["id", "flag", "unused", "count", "last"], sparse),
    ]


def write(
    table: Table,
    *,
    delimiter: str = ",",
    quote: str = '"',
    escape: str = "",
    newline: str = "\n",
    every: bool = False,
    end: bool = True,
) -> list[str]:
    """The records of a table as text, header first."""

    def cell(value: str) -> str:
        risky = any(sign in value for sign in (delimiter, quote, "\n", "\r", *([escape] if escape else [])))
        if not (every or risky):
            return value
        if escape:
            return quote + value.replace(escape, escape * 2).replace(quote, escape + quote) + quote
        return quote + value.replace(quote, quote * 2) + quote

    return [delimiter.join(cell(value) for value in row) for row in [table.header, *table.rows]]


def expected(table: Table) -> list[Row]:
    return [[value or None for value in row] for row in table.rows]


def joined(lines: list[str], newline: str = "\n", encoding: str = "utf-8") -> bytes:
    return (newline.join(lines) + newline).encode(encoding)


def cases() -> Iterator[Case]:
    for table in tables():
        for make in KINDS:
            yield from make(table)


def _case(table: Table, kind: str, data: bytes, **more: Any) -> Case:
    given: dict[str, Any] = {"header": table.header, "rows": expected(table), **more}
    return Case(f"{table.name}-{kind}", data, **given)


def _has(table: Table, *signs: str) -> bool:
    return any(sign in value for row in table.rows for value in row for sign in signs)


# ---- the whole file


def whole_dialects(table: Table) -> Iterator[Case]:
    for name, delimiter in {
        "comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "comma-blank": ", ", "two-bars": "||",
        "caret": "^", "tilde": "~", "unit-separator": "\x1f",
        "start-of-heading": "\x01", "colons": "::", "section": "§", "semicolon-blank": "; ",
        "not-sign": "¬", "thorn": "þ", "two-tabs": "\t\t", "tilde-bar-tilde": "~|~",
    }.items():  # fmt: skip
        yield _case(table, f"delimiter-{name}", joined(write(table, delimiter=delimiter)), clean=True)
        yield _case(table, f"delimiter-{name}-all-quoted", joined(write(table, delimiter=delimiter, every=True)))
    yield _case(table, "delimiter-blank", joined(write(table, delimiter=" ")), clean=True)
    for delimiter in ",;\t|":
        for quote in "'`":
            if not _has(table, "'"):
                yield _case(
                    table,
                    f"quote-{ord(quote)}-{ord(delimiter)}",
                    joined(write(table, delimiter=delimiter, quote=quote, every=True)),
                )
        yield _case(table, f"escape-{ord(delimiter)}", joined(write(table, delimiter=delimiter, escape="\\")))
        yield _case(table, f"escape-all-{ord(delimiter)}", joined(write(table, delimiter=delimiter, escape="\\", every=True)))


def whole_quotes_of_another_kind(table: Table) -> Iterator[Case]:
    lines = [",".join(f"“{value}”" for value in row) for row in [table.header, *table.rows]]
    yield _case(table, "quote-curly", joined(lines), rows=[["" if v == "" else v for v in row] for row in table.rows])
    for name, (start, end) in {"curly": "“”", "low": "„“", "angle": "«»"}.items():
        if _has(table, "\n"):  # only where they must be
            lines = [",".join(f"{start}{v}{end}" if "\n" in v else v for v in row) for row in [table.header, *table.rows]]
            yield _case(table, f"quote-{name}-over-lines", joined(lines), clean=True)


def newlines(table: Table) -> Iterator[Case]:
    for name, newline in {"crlf": "\r\n", "cr": "\r", "record-separator": "\x1e", "line-separator": "\u2028"}.items():
        if name == "cr" and _has(table, "\n"):
            continue
        yield _case(table, f"newline-{name}", joined(write(table), newline))
        yield _case(table, f"newline-{name}-all-quoted", joined(write(table, every=True), newline))
    lines = write(table)
    mixed = "".join(line + ("\r\n" if number % 3 else "\n") for number, line in enumerate(lines))
    yield _case(table, "newline-mixed", mixed.encode())
    if not _has(table, "\n"):
        for at in (1, len(lines) // 2):
            mixed = "".join(line + ("\r" if number == at else "\n") for number, line in enumerate(lines))
            yield _case(table, f"newline-one-cr-{at}", mixed.encode(), told_rows=(at - 1,))
    yield _case(table, "newline-none-at-end", joined(lines)[:-1], clean=True)
    yield _case(table, "newline-many-at-end", joined([*lines, "", ""]), told=("blank-line",))


def encodings(table: Table) -> Iterator[Case]:
    lines = write(table)
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        told = () if encoding in ("utf-16-le", "utf-16-be") else ("byte-order-mark",)
        if encoding.startswith("utf-16-") and table.name == "people":
            continue  # without a mark and mostly not Latin: no one could tell
        yield _case(table, f"encoding-{encoding}", joined(lines, encoding=encoding), told=told)
    try:
        yield _case(table, "encoding-cp1252", joined(lines, encoding="cp1252"))
    except UnicodeEncodeError:
        return


def one_western_line(table: Table) -> Iterator[Case]:
    lines = joined(write(table)).split(b"\n")
    if not _has(table, "\n"):
        lines[3] = lines[3].replace(b",", b"caf\xe9,", 1)
        rows = expected(table)
        rows[2] = [f"{rows[2][0]}café", *rows[2][1:]]
        foreign = any(not value.isascii() for row in table.rows for value in row)
        told: dict[str, Any] = {"told_rows": (2,)} if foreign else {"told": ("encoding-guessed",)}
        yield _case(table, "encoding-one-western-line", b"\n".join(lines), rows=rows, **told)


# ---- around the table


def preambles(table: Table) -> Iterator[Case]:
    lines = write(table)
    for count in (1, 2, 5):
        head = [f"Report number {n} of the northern region" for n in range(count)]
        yield _case(table, f"preamble-{count}", joined([*head, *lines]), told=("preamble",) * count)
        yield _case(table, f"preamble-{count}-blank", joined([*head, "", *lines]), told=("preamble",) * count + ("blank-line",))
    empty = "," * (len(table.header) - 1)
    if table.name != "sparse":  # whose rows look like titles
        for count in (1, 4):
            titles = [f"Annual report number {n}{empty}" for n in range(count)]
            yield _case(table, f"preamble-padded-{count}", joined([*titles, *lines]), told=("preamble",) * count)
            quoted = ",".join(['"Annual report"', *['""'] * (len(table.header) - 1)])
            full = joined([quoted] * count + write(table, every=True))
            yield _case(table, f"preamble-padded-quoted-{count}", full, told=("preamble",) * count)
            yield _case(table, f"preamble-empty-cells-{count}", joined([empty] * count + lines), told=("preamble",) * count)
    if table.name != "sparse":
        yield _case(
            table, "preamble-key-value", joined(["Author,Jane Roe", "Date,2024-01-01", "", *lines]), told=("preamble",) * 2
        )
    yield _case(table, "blank-first", joined(["", "", *lines]), told=("blank-line",))


def blank_lines(table: Table) -> Iterator[Case]:
    for at in (1, 2, 5, len(table.rows)):
        lines = write(table)
        lines[at:at] = [""]
        yield _case(table, f"blank-line-{at}", joined(lines), told=("blank-line",))
    lines = write(table)
    lines[4:4] = ["", "   ", ""]
    if len(table.header) > 1:
        yield _case(table, "blank-lines-several", joined(lines), told=("blank-line",))


def footnotes(table: Table) -> Iterator[Case]:
    lines = write(table)
    yield _case(
        table, "footnote-after-blank", joined([*lines, "", "Source: national office of statistics"]), told=("footnote",)
    )
    yield _case(
        table,
        "footnotes-after-blank",
        joined([*lines, "", "* provisional", "Source: ministry", "made by hand"]),
        told=("footnote",),
    )
    yield _case(table, "footnote", joined([*lines, "Source: national office of statistics"]), told=("footnote",))
    yield _case(table, "footnote-star", joined([*lines, "* figures are provisional and may change"]), told=("footnote",))


def headers(table: Table) -> Iterator[Case]:
    lines = write(table)
    names = [f"column_{number + 1}" for number in range(len(table.header))]
    yield _case(table, "header-missing", joined(lines[1:]), header=names, told=("missing-header",))
    twice = [table.header[0], table.header[0], *table.header[2:]]
    named = [table.header[0], f"{table.header[0]}_2", *table.header[2:]]
    yield _case(table, "header-duplicate", joined([",".join(twice), *lines[1:]]), header=named, told=("duplicate-header",))
    for at in (0, 1, len(table.header) - 1):
        empty = [*table.header[:at], "", *table.header[at + 1 :]]
        filled = [name or f"column_{at + 1}" for name in empty]
        data = joined([",".join(empty), *lines[1:]])
        yield _case(table, f"header-empty-{at}", data, header=filled, told=("empty-header",))
    if table.name in ("sales", "notes", "texts", "members"):
        units = [f"[{name} unit]" for name in table.header]
        both = [f"{name} {unit}" for name, unit in zip(table.header, units, strict=True)]
        yield _case(
            table, "header-two-rows", joined([lines[0], ",".join(units), *lines[1:]]), header=both, told=("joined-header",)
        )
    yield _case(table, "header-only", joined(lines[:1]), rows=[], clean=True)
    yield _case(table, "one-row", joined(lines[:2]), rows=expected(table)[:1], clean=True)
    yield _case(table, "header-repeated", joined([*lines[:5], lines[0], *lines[5:]]), told=("repeated-header",))


def header_widths(table: Table) -> Iterator[Case]:
    lines, width = write(table), len(table.header)
    short = [*table.header[:-1]]
    yield _case(table, "header-short", joined([",".join(short), *lines[1:]]), header=[*short, f"column_{width}"])
    merged = [table.header[0] + table.header[1], *table.header[2:]]
    yield _case(table, "header-merged", joined([",".join(merged), *lines[1:]]), header=[*merged, f"column_{width}"])
    more = [*table.header, "surplus"]
    rows: list[Row] = [[*row, None] for row in expected(table)]
    yield _case(table, "header-long", joined([",".join(more), *lines[1:]]), header=more, rows=rows, told=("header-width",))


def header_dialects(table: Table) -> Iterator[Case]:
    lines = write(table)
    if table.name == "sparse":
        return
    for name, delimiter in {"semicolon": ";", "tab": "\t", "bar": "|"}.items():
        data = joined([delimiter.join(table.header), *lines[1:]])
        yield _case(table, f"header-delimiter-{name}", data, told=("other-delimiter",))
    quoted = ",".join(f'"{name}"' for name in table.header)
    yield _case(table, "header-quoted", joined([quoted, *lines[1:]]), clean=True)
    more = [table.header[0], *table.header]
    named = [table.header[0], f"{table.header[0]}_2", *table.header[1:]]
    rows: list[Row] = [[*row, None] for row in expected(table)]
    yield _case(
        table, "header-cell-twice", joined([",".join(more), *lines[1:]]), header=named, rows=rows, told=("header-width",)
    )


def header_defects(table: Table) -> Iterator[Case]:
    lines, names = write(table), table.header
    yield _case(table, "header-spaced", joined([", ".join(names), *lines[1:]]), told=("space-after-delimiter",))
    quoted = ",".join(f"'{name}'" for name in names)
    yield _case(table, "header-other-quote", joined([quoted, *lines[1:]]), told=("other-quote",))
    if table.name == "sparse":
        return
    for at in range(len(names)):
        more = ",".join([*names[:at], "", *names[at:]])
        yield _case(table, f"header-surplus-{at}", joined([more, *lines[1:]]), told=("surplus-delimiter",))
        stray = [*names[:at], '"' + names[at], *names[at + 1 :]]
        data = joined([",".join(stray), *lines[1:]])
        yield _case(table, f"header-extra-quote-{at}", data, header=stray, told=("unclosed-quote",))
    twice = [f"{name} {name}" for name in names]
    yield _case(table, "header-twice", joined([lines[0], *lines]), header=twice, told=("joined-header",))
    groups = ["left", *[""] * (len(names) - 3), "right", ""]
    spread = [f"left {name}" for name in names[:-2]] + [f"right {name}" for name in names[-2:]]
    yield _case(table, "header-groups", joined([",".join(groups), *lines]), header=spread, told=("joined-header",))


def headers_of_texts(table: Table) -> Iterator[Case]:
    lines, names = write(table), table.header
    if table.name != "members":
        return
    for name, upper in {"texts": ["full", "address", "ISO code", "number"], "brackets": ["(a)", "(b)", "(c)", "(d)"]}.items():
        both = [f"{one} {two}" for one, two in zip(names, upper, strict=True)]
        data = joined([lines[0], ",".join(upper), *lines[1:]])
        yield _case(table, f"header-units-in-{name}", data, header=both, told=("joined-header",))
    for name, upper in {
        "repeated": ["person", "person", "club", "club"], "spread": ["person", "", "club", ""],
    }.items():  # fmt: skip
        both = [f"person {names[0]}", f"person {names[1]}", f"club {names[2]}", f"club {names[3]}"]
        yield _case(table, f"header-groups-{name}", joined([",".join(upper), *lines]), header=both, told=("joined-header",))
    for name, at in {
        "words": [0, 1, 3],
        "mails": [1, 3],
        "codes": [0, 2, 3],
    }.items():  # without a header: no value is there twice
        rows = [[row[n] for n in at] for row in table.rows[:4]]
        made = [f"column_{n + 1}" for n in range(len(at))]
        data = joined([",".join(row) for row in rows])
        yield _case(table, f"header-missing-{name}", data, header=made, rows=[[*row] for row in rows], told=("missing-header",))
        data = joined([",".join(row) for row in [[names[n] for n in at], *rows]])
        yield _case(
            table, f"header-over-{name}", data, header=[names[n] for n in at], rows=[[*row] for row in rows], clean=True
        )


def the_same_table_again(table: Table) -> Iterator[Case]:
    lines, names = write(table), table.header
    full = write(table, every=True)
    yield _case(table, "table-again", joined([*lines, *lines]), told=("other-table",))
    yield _case(table, "table-again-bare-header", joined([*full, lines[0], *full[1:]]), told=("other-table",))
    yield _case(table, "table-again-after-blank", joined([*lines, "", *lines[:-1]]), told=("other-table",))
    for name, width in {"narrower": len(names) - 1, "wider": len(names) + 1}.items():
        other = Table(table.name, [*names, "more"][:width], [[*row, "x"][:width] for row in table.rows])
        yield _case(table, f"table-again-{name}", joined([*lines, *write(other)]), told=("other-table",))


def further_tables(table: Table) -> Iterator[Case]:
    lines = write(table)
    for name, width in {"less": len(table.header) - 1, "more": len(table.header) + 2}.items():
        other = [",".join(f"other{n}" for n in range(width))] + [
            ",".join(str(n * r) for n in range(width)) for r in range(1, 6)
        ]
        yield _case(table, f"table-{name}-after-blank", joined([*lines, "", *other]), told=("other-table",))
        yield _case(table, f"table-{name}", joined([*lines, *other]), told=("other-table",))
    names = [f"other{n}" for n in range(len(table.header))]
    numbers = [[str(n * r) for n in range(len(names))] for r in range(1, 6)]
    turned = [row[::-1] for row in table.rows[::-1]]
    for name, rows in {"numbers": numbers, "turned": turned, "turned-two": turned[:2]}.items():
        told = table.name in ("sales", "texts", "notes", "people") or (table.name == "members" and name == "numbers")
        if told and not (name == "turned-two" and table.name == "texts"):  # words and numbers on both sides
            other = write(Table(table.name, names, rows))
            yield _case(table, f"table-same-{name}", joined([*lines, *other]), told=("other-table",))
    if table.name in ("sales", "texts", "notes"):
        other = [",".join(f"other{n}" for n in range(len(table.header)))]
        other += [",".join(str(n * r) for n in range(len(table.header))) for r in range(1, 6)]
        yield _case(table, "table-same-after-blank", joined([*lines, "", *other]), told=("other-table",))


# ---- every row


def trailing(table: Table) -> Iterator[Case]:
    lines = write(table)
    yield _case(table, "trailing-all", joined([line + "," for line in lines]), told=("trailing-delimiter",))
    yield _case(table, "trailing-rows", joined([lines[0], *(line + "," for line in lines[1:])]), told=("trailing-delimiter",))


def blanks_before_quotes(table: Table) -> Iterator[Case]:
    if not _has(table, '"', "\n"):
        return
    lines = []
    for row in [table.header, *table.rows]:
        cells = ['"' + v.replace('"', '""') + '"' if any(s in v for s in ',"\n') else v for v in row]
        lines.append(",".join(" " + c if c.startswith('"') and n else c for n, c in enumerate(cells)))
    yield _case(table, "blank-before-quote-all", joined(lines))


# ---- one row


def one_row(table: Table) -> Iterator[Case]:
    width = len(table.header)
    for at in (0, 2, len(table.rows) // 2, len(table.rows) - 1):
        lines, rows = write(table), expected(table)
        if "\n" in lines[at + 1]:
            continue
        cells = next(csv.reader([lines[at + 1]]))
        yield from _cells_changed(table, at, width, lines, rows)
        yield from _dialect_changed(table, at, lines, cells)
        yield from _dressed(table, at, lines, cells)


def _cells_changed(table: Table, at: int, width: int, lines: list[str], rows: list[Row]) -> Iterator[Case]:
    def changed(line: str, row: Row) -> dict[str, Any]:
        data = joined([*lines[: at + 1], line, *lines[at + 2 :]])
        return {"data": data, "rows": [*rows[:at], row, *rows[at + 1 :]], "told_rows": (at,)}

    line, row = lines[at + 1], rows[at]
    for extra in (1, 3):
        yield _case(table, f"row-{at}-extra-{extra}", **changed(line + ",surplus" * extra, row))
    yield _case(table, f"row-{at}-trailing", **changed(line + ",", row))
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow([v or "" for v in row[:-1]])
    last = at == len(rows) - 1
    if not last or width > 2:
        yield _case(table, f"row-{at}-short", **changed(buffer.getvalue(), [*row[:-1], None]))
    first, second = (row[0] or ""), (row[1] or "")
    if table.name != "members" and not any(
        s in first + second for s in ',"\n'
    ):  # each half is like its column, and nothing else is
        rest = lines[at + 1].split(",", 2)[2]
        yield _case(table, f"row-{at}-merged", **changed(f"{first}{second},{rest}", row))
    tells = table.name != "sparse"  # no cell is empty elsewhere
    for place in range(width) if tells else ():
        cells = [f'"{cell}"' if "," in (cell or "") else cell or "" for cell in row]
        yield _case(table, f"row-{at}-surplus-{place}", **changed(",".join([*cells[:place], "", *cells[place:]]), row))


def _dialect_changed(table: Table, at: int, lines: list[str], cells: list[str]) -> Iterator[Case]:
    def with_line(line: str) -> dict[str, Any]:
        return {"data": joined([*lines[: at + 1], line, *lines[at + 2 :]]), "told_rows": (at,)}

    one = Table(table.name, table.header, [table.rows[at]])
    others = {"semicolon": ";", "tab": "\t", "bar": "|", "two-bars": "||", "semicolon-blank": "; ", "blank": " "}
    for name, delimiter in others.items():
        if not (delimiter == " " and table.name == "sparse"):  # no one could tell words from cells
            yield _case(table, f"row-{at}-delimiter-{name}", **with_line(write(one, delimiter=delimiter)[1]))
    if any("," in cell for cell in cells) and not any("'" in cell for cell in cells):
        yield _case(table, f"row-{at}-quote", **with_line(write(one, quote="'")[1]))
    if any('"' in cell for cell in cells):
        yield _case(table, f"row-{at}-escape", **with_line(write(one, escape="\\")[1]))
        raw = ",".join(f'"{cell}"' if "," in cell or '"' in cell else cell for cell in cells)
        yield _case(table, f"row-{at}-unescaped", **with_line(raw))
    if any("," in cell for cell in cells[1:]):
        raw = ",".join(f' "{cell}"' if "," in cell and n else cell for n, cell in enumerate(cells))
        if not any('"' in cell for cell in cells):
            yield _case(table, f"row-{at}-blank-before-quote", **with_line(raw))
    if cells[1] and not any(s in "".join(cells) for s in ',"'):
        middle = [*cells[:1], cells[1] + '"', *cells[2:]]
        rows = expected(table)
        rows[at] = [value or None for value in middle]
        yield _case(table, f"row-{at}-quote-in-the-middle", with_line(",".join(middle))["data"], rows=rows)
        opened = [*cells[:1], '"' + (cells[1] or "q"), *cells[2:]]
        rows = expected(table)
        rows[at] = [value or None for value in opened]
        yield _case(table, f"row-{at}-quote-unclosed", with_line(",".join(opened))["data"], rows=rows, told_rows=(at,))


def _dressed(table: Table, at: int, lines: list[str], cells: list[str]) -> Iterator[Case]:
    def with_line(line: str) -> dict[str, Any]:
        return {"data": joined([*lines[: at + 1], line, *lines[at + 2 :]]), "told_rows": (at,)}

    written = [f'"{cell.replace(chr(34), chr(34) * 2)}"' if any(s in cell for s in ',"') else cell for cell in cells]
    yield _case(table, f"row-{at}-spaced", **with_line(", ".join(written)))
    if not any("'" in cell for cell in cells):
        yield _case(table, f"row-{at}-all-in-apostrophes", **with_line(",".join(f"'{cell}'" for cell in cells)))
    if not any(s in cell for s in '",“”' for cell in cells):
        yield _case(table, f"row-{at}-all-in-curly-quotes", **with_line(",".join(f"“{cell}”" for cell in cells)))
    for place, cell in enumerate(cells):
        if cell and not any(s in cell for s in ',"'):
            bent = [*written[:place], '"' + cell, *written[place + 1 :]]
            rows = expected(table)
            rows[at] = [v or None for v in [*cells[:place], '"' + cell, *cells[place + 1 :]]]
            yield _case(table, f"row-{at}-extra-quote-{place}", with_line(",".join(bent))["data"], rows=rows, told_rows=(at,))
    if table.name == "sales":  # towns are the only words, so blanks may part the cells and stand in them, too
        cells = [*cells[:5], f"New {cells[5]} upon Sea", *cells[6:]]
        rows = expected(table)
        rows[at] = [*cells]
        yield _case(table, f"row-{at}-parted-by-blanks", with_line(" ".join(cells))["data"], rows=rows, told_rows=(at,))


def nul(table: Table) -> Iterator[Case]:
    lines = joined(write(table)).split(b"\n")
    if not _has(table, "\n"):
        lines[2] = b"\x00" + lines[2]
        rows = expected(table)
        rows[1] = ["\x00" + (rows[1][0] or ""), *rows[1][1:]]
        yield _case(table, "nul", b"\n".join(lines), rows=rows, told_rows=(1,))


# ---- as files come from spreadsheets, databases and other systems


def exports(table: Table) -> Iterator[Case]:
    """Whole files, as other programs leave them."""
    lines, names = write(table), table.header
    for name, delimiter in {
        "tilde-bar": "~|~",
        "hash-bar": "#|#",
        "angles": "<|>",
        "carets": "^^^^^",
        "tab-bar": "\t|\t",
    }.items():
        yield _case(table, f"delimiter-{name}", joined(write(table, delimiter=delimiter)))
    yield _case(table, "delimiter-fullwidth-comma", joined(write(table, delimiter="\uff0c")))
    if not _has(table, "'", "\n"):
        yield _case(table, "quote-39-carets", joined(write(table, delimiter="^", quote="'")))
    if not _has(table, ",", "\n", '"'):
        formulas = [",".join([*row[:-1], f'="{row[-1]}"']) for row in table.rows]
        rows: list[Row] = [[*(value or None for value in row[:-1]), f'="{row[-1]}"'] for row in table.rows]
        yield _case(table, "formula-last", joined([lines[0], *formulas]), rows=rows, clean=True)
        blanks = [",".join([row[0], f'"{row[1]}" ', *row[2:]]) for row in [names, *table.rows]]
        if table.name != "sparse":
            yield _case(table, "blank-after-quote-all", joined(blanks))
    yield _case(table, "dos-end", joined(lines) + b"\x1a", told=("footnote",))
    yield _case(table, "separator-line", joined(["sep=,", *lines]), told=("preamble",))
    yield _case(table, "newline-crcrlf", joined(lines, "\r\r\n"), clean=True)
    mark = "\ufeff".encode()
    yield _case(table, "marks-two", mark * 2 + joined(lines), told=("byte-order-mark",))
    appended = mark + joined(lines) + mark + joined([lines[0], lines[-1]])
    again = [*expected(table), expected(table)[-1]]
    if not _has(table, "\n"):
        yield _case(table, "marks-appended", appended, rows=again, told=("byte-order-mark", "repeated-header"))


def titles_in_pairs(table: Table) -> Iterator[Case]:
    """Names and values before the table, as a spreadsheet saves them."""
    lines, width = write(table), len(table.header)
    if table.name not in ("sparse", "members") and width > 3:
        head = ["Report" + "," * (width - 1), "Created,2024-01-01" + "," * (width - 2), "," * (width - 1)]
        yield _case(table, "preamble-padded-pairs", joined([*head, *lines]), told=("preamble",) * 3)


def days_across(table: Table) -> Iterator[Case]:
    """A column for each day."""
    if table.name == "sales":
        names = ["station", *(row[0] for row in table.rows[:4])]
        rows = [[f"S{n}", *(f"{n}.{day}" for day in range(4))] for n in range(9)]
        data = joined([",".join(row) for row in [names, *rows]])
        yield _case(table, "header-of-days", data, header=names, rows=[[*row] for row in rows], clean=True)


def one_row_elsewhere(table: Table) -> Iterator[Case]:
    """A row that is quoted as a whole, or whose delimiters are escaped."""
    for at in (0, len(table.rows) // 2):
        lines, rows = write(table), expected(table)
        if "\n" in lines[at + 1]:
            continue
        whole = '"' + lines[at + 1].replace('"', '""') + '"'
        data = joined([*lines[: at + 1], whole, *lines[at + 2 :]])
        yield _case(table, f"row-{at}-quoted-as-a-whole", data, told_rows=(at,))
        if table.name in ("sales", "people") and not any("," in (cell or "") for cell in rows[at]):
            bent = ",".join([*(cell or "" for cell in rows[at][:-1]), f"{rows[at][-1]}\\, more"])
            rows[at] = [*rows[at][:-1], f"{rows[at][-1]}, more"]
            data = joined([*lines[: at + 1], bent, *lines[at + 2 :]])
            yield _case(table, f"row-{at}-escaped-delimiter", data, rows=rows, told_rows=(at,))


def lines_as_one_column(table: Table) -> Iterator[Case]:
    """Lines that are one cell each, and hold a line of several."""
    if not _has(table, "\n"):
        for delimiter in ",;":
            lines = ['"' + line.replace('"', '""') + '"' for line in write(table, delimiter=delimiter)]
            yield _case(table, f"all-quoted-as-a-whole-{ord(delimiter)}", joined(lines), told=("quoted-lines",))
        header, *rows = write(table)
        rows = ['"' + line.replace('"', '""') + '"' for line in rows]
        yield _case(table, "rows-quoted-as-a-whole", joined([header, *rows]), told=("quoted-lines",))


KINDS: tuple[Callable[[Table], Iterator[Case]], ...] = (
    whole_dialects, whole_quotes_of_another_kind, newlines, encodings, one_western_line, preambles, blank_lines, footnotes,
    headers, headers_of_texts, header_widths, header_dialects, header_defects, the_same_table_again,
    further_tables, trailing, blanks_before_quotes, one_row, nul,
    exports, titles_in_pairs, days_across, one_row_elsewhere, lines_as_one_column,
)  # fmt: skip
