"""Delimited text enters by read_delimited, sniff and preview; polluted files come from messy_csv."""

from __future__ import annotations

import bz2
import csv
import functools
import gzip
import io
import json
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import messy_csv
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qpipe.core.errors import DataRefused
from qpipe.sources.file.chunk import Chunk, Fault
from qpipe.sources.file.text import delimited
from qpipe.sources.file.text.delimited import preview, read_delimited
from qpipe.sources.file.text.options import DelimitedOptions
from qpipe.sources.file.text.sniff import sniff

SPECTRUM = Path(__file__).parent / "data" / "csv" / "csv-spectrum"
Row = list[str | None]


def read(data: bytes, options: DelimitedOptions | None = None, **more: Any) -> list[Chunk]:
    return list(read_delimited(lambda: io.BytesIO(data), options, **more))


def rows_of(chunks: list[Chunk]) -> list[Row]:
    return [list(row) for chunk in chunks for row in chunk.frame.rows()]


def faults_of(chunks: list[Chunk]) -> list[Fault]:
    """All faults, with row numbers counted from the file's first row."""
    told, before = [], 0
    for chunk in chunks:
        told += [f if f.row is None else Fault(f.row + before, *list(vars(f).values())[1:]) for f in chunk.faults]
        before += chunk.frame.height
    return told


def lines_of(chunks: list[Chunk]) -> list[int]:
    found: list[int] = []
    for chunk in chunks:
        first = chunk.first_line
        found += chunk.lines.to_list() if chunk.lines is not None else [first + n for n in range(chunk.frame.height)]  # type: ignore[operator]
    return found


def codes(chunks: list[Chunk]) -> list[str]:
    return [fault.code for fault in faults_of(chunks)]


def no_empty(rows: list[Row]) -> list[Row]:
    return [[value or None for value in row] for row in rows]


# ---- polluted files, without any parameter

CASES = list(messy_csv.cases())


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_polluted(case: messy_csv.Case) -> None:
    chunks = read(case.data)
    assert chunks[0].frame.columns == case.header
    assert no_empty(rows_of(chunks)) == no_empty(case.rows)
    named = {fault.row for fault in faults_of(chunks) if fault.row is not None}
    assert named == set(case.told_rows)
    assert set(case.told) <= set(codes(chunks))
    assert not (case.clean and codes(chunks))


@pytest.mark.parametrize("part", range(4))
def test_polluted_whatever_the_block(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for case in CASES[3 * part :: 12]:
        whole = read(case.data)
        for size, side_by_side_from in [(1, delimited.BLOCK), (64, delimited.BLOCK), (64, 1), (300, 1)]:
            with monkeypatch.context() as given:
                given.setattr(delimited, "BLOCK", side_by_side_from)
                cut = read(case.data, block_size=size, rows_per_chunk=3)
            assert rows_of(cut) == rows_of(whole), (case.id, size, side_by_side_from)
            assert lines_of(cut) == lines_of(whole), (case.id, size, side_by_side_from)
            assert faults_of(cut) == faults_of(whole), (case.id, size, side_by_side_from)


def test_polluted_restarts_anywhere() -> None:
    for case in CASES[::5]:
        chunks = read(case.data, rows_per_chunk=2, block_size=200)
        for number in range(0, len(chunks), 3):
            position = json.loads(json.dumps(chunks[number].position))
            rest = read(case.data, position=position, rows_per_chunk=5)
            assert rows_of(rest) == rows_of(chunks[number + 1 :]), case.id
            assert lines_of(rest) == lines_of(chunks[number + 1 :]), case.id
            after = [fault for chunk in chunks[number + 1 :] for fault in chunk.faults]
            assert len(faults_of(rest)) == len(after), case.id


# ---- well-formed files of the csv module


@pytest.mark.parametrize("file", sorted(SPECTRUM.glob("*.csv")), ids=lambda file: file.stem)
def test_csv_spectrum(file: Path) -> None:
    chunks = read(file.read_bytes())
    found = [{k: v or "" for k, v in row.items()} for chunk in chunks for row in chunk.frame.to_dicts()]
    truth = json.loads(file.with_suffix(".json").read_text())
    truth = truth if isinstance(truth, list) else [truth]
    if file.stem == "location_coordinates":  # the suite's own CSV and JSON disagree about the phone number
        found[0].pop("Contact Phone Number"), truth[0].pop("Contact Phone Number")
    assert found == truth
    assert not codes(chunks)


class Excel(csv.excel):
    """CRLF, doubled quotes."""


class Unix(csv.unix_dialect):
    """Every cell quoted, LF."""


class Semicolon(csv.excel):
    delimiter, quotechar = ";", "'"


class Backslash(csv.excel):
    delimiter, escapechar, doublequote = "\t", "\\", False


class Bare(csv.excel):
    quoting, escapechar, delimiter = csv.QUOTE_NONE, "\\", "|"


TEXT = st.text(st.sampled_from(list("ab1 ,;|\t'\"\\\n\r\x00é東\ufeff")) | st.characters(codec="utf-8"), max_size=8)
ROWS = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), max_size=12))


def given_options(dialect: type[csv.Dialect], width: int) -> DelimitedOptions:
    return DelimitedOptions(
        delimiter=dialect.delimiter,
        quote="" if dialect.quoting == csv.QUOTE_NONE else dialect.quotechar,
        escape=dialect.escapechar or "",
        encoding="utf-8",
        newline="\n",
        header=False,
        columns=tuple(f"c{number}" for number in range(width)),
    )


@pytest.mark.parametrize("dialect", [Excel, Unix, Semicolon, Backslash, Bare], ids=lambda d: d.__name__)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, most=st.integers(1, 5), block=st.integers(1, 60), restart=st.integers(0, 12))
def test_what_the_csv_module_writes_is_read_exactly(
    dialect: type[csv.Dialect], rows: list[list[str]], most: int, block: int, restart: int
) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, dialect).writerows(rows)
    data = buffer.getvalue().encode()
    if not rows or data.startswith("\ufeff".encode()):
        return
    options = given_options(dialect, len(rows[0]))
    chunks = read(data, options, rows_per_chunk=most, block_size=block)
    assert no_empty(rows_of(chunks)) == no_empty([list(row) for row in rows])
    assert {f.code for f in faults_of(chunks)} <= {"nul-character"}
    assert rows_of(read(data, options)) == rows_of(chunks)
    cut = restart % len(chunks)
    rest = read(data, options, position=chunks[cut].position)
    assert rows_of(rest) == rows_of(chunks[cut + 1 :])


def test_null_and_the_empty_text_differ() -> None:
    assert rows_of(read(b'a,b,c\n1,,""\n"",x,\n')) == [["1", None, ""], ["", "x", None]]


def test_lines_of_rows_that_span_lines() -> None:
    data = b'a,b\n1,"x\ny"\n2,z\n\n3,"p\n\nq"\n4,r\n'
    chunks = read(data)
    assert lines_of(chunks) == [2, 4, 6, 9]


# ---- a large file: both ways agree, and a bad line costs one piece


def big(count: int = 60_000) -> list[bytes]:
    return [b"id,name,note,amount\n"] + [
        b'%d,name %d,"a, ""b"" %d",%d.5\n' % (n, n % 100, n, n) if n % 3 else b"%d,name %d,,%d\n" % (n, n, n)
        for n in range(count)
    ]


def test_one_bad_line_among_many() -> None:
    lines = big()
    clean = rows_of(read(b"".join(lines)))
    lines[40_001] = b"40000,only two\n"
    chunks = read(b"".join(lines))
    found = rows_of(chunks)
    assert [f for f in faults_of(chunks) if f.severity == "error"] == [
        Fault(40_000, 40_002, "missing-cells", "the row has 2 of 4 cells: the last 2 are empty", None, "40000,only two\n")
    ]
    assert found[40_000] == ["40000", "only two", None, None]
    assert found[:40_000] == clean[:40_000] and found[40_001:] == clean[40_001:]


def test_an_unclosed_quote_swallows_nothing() -> None:
    lines = big()
    lines[30_000] = b'29999,"open,x,1\n'
    chunks = read(b"".join(lines))
    assert len(rows_of(chunks)) == 60_000
    (fault,) = [f for f in faults_of(chunks) if f.code == "unclosed-quote"]
    assert (fault.row, fault.line) == (29_999, 30_001) and "character 7" in fault.message


@pytest.mark.parametrize("quotes", ['""', "“”"])
def test_a_quoted_cell_longer_than_what_is_read_at_once(quotes: str) -> None:
    start, end = quotes
    lines = [f"{n},{start}line {n}\nmore, of it{end}\n" for n in range(30)]
    long = "long, line\n" * 60_000
    chunks = read("".join(["id,note\n", *lines, f"30,{start}{long}{end}\n", *lines]).encode())
    assert len(rows_of(chunks)) == 61 and rows_of(chunks)[30] == ["30", long] and not faults_of(chunks)


def test_invalid_utf8_far_into_the_file() -> None:
    lines = big(40_000)
    lines[30_000] = b"29999,caf\xe9,x,1\n"
    chunks = read(b"".join(lines))
    assert rows_of(chunks)[29_999] == ["29999", "café", "x", "1"]
    assert [(f.code, f.row) for f in faults_of(chunks)] == [("invalid-utf8", 29_999)]


def test_a_record_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qpipe.sources.file.text.delimited.LONGEST", 1 << 20)
    with pytest.raises(DataRefused, match="no end within") as refused:
        read(b"a,b\n1,2\n" + b"x" * (6 << 20))
    assert refused.value.line == 3


# ---- packed files

PLAIN = b"a,b\n" + b"".join(b"%d,row %d\n" % (n, n) for n in range(5000))


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_csv", ".csv"), data)
    return buffer.getvalue()


def zstd(data: bytes) -> bytes:
    import pyarrow as pa

    return bytes(pa.compress(data, codec="zstd", asbytes=True))


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
    "zip": lambda data: zipped(data_csv=data),
}


@pytest.mark.parametrize("kind", PACKERS)
def test_packed(kind: str) -> None:
    data = PACKERS[kind](PLAIN)
    chunks = read(data, rows_per_chunk=1500)
    assert rows_of(chunks) == rows_of(read(PLAIN))
    assert sniff(data).compression == kind
    assert rows_of(read(data, position=chunks[1].position)) == rows_of(chunks[2:])


@functools.cache
def noisy_rows() -> tuple[bytes, list[Row]]:
    noisy = b"a,b\n" + b"".join(b"%d,%d\n" % (n, hash((n, "x")) % 10**12) for n in range(60_000))
    return noisy, rows_of(read(noisy))


@pytest.mark.parametrize("kind", PACKERS)
def test_torn(kind: str) -> None:
    noisy, whole = noisy_rows()
    packed = bz2.compress(noisy, 1) if kind == "bzip2" else PACKERS[kind](noisy)
    chunks = read(packed[: len(packed) // 2])
    found = rows_of(chunks)
    assert 100 < len(found) < 60_000
    assert found[:-1] == whole[: len(found) - 1]
    torn = [fault for fault in faults_of(chunks) if fault.code == "torn-file"]
    assert len(torn) == 1 and torn[0].severity == "error" and f"line {torn[0].line}" in torn[0].message
    last = [fault for fault in faults_of(chunks) if fault.code == "cut-off-row"]
    assert not last or last[0].row == len(found) - 1


def test_several_gzip_parts_are_one_file() -> None:
    assert rows_of(read(gzip.compress(PLAIN[:400]) + gzip.compress(PLAIN[400:]))) == rows_of(read(PLAIN))


def test_zip_members() -> None:
    two = zipped(one_csv=b"a,b\n1,2\n", two_csv=b"a,b\n3,4\n")
    chunks = read(two)
    assert rows_of(chunks) == [["1", "2"], ["3", "4"]]
    assert [chunk.file for chunk in read(two, name="o.zip")] == ["o.zip/one.csv", "o.zip/two.csv"]  # whose lines are told
    assert rows_of(read(two, position=chunks[0].position)) == [["3", "4"]]
    assert rows_of(read(two, DelimitedOptions(member="two.csv"))) == [["3", "4"]]
    with pytest.raises(DataRefused, match=r"not those of one\.csv"):
        read(zipped(one_csv=b"a,b\n1,2\n", two_csv=b"a,c\n3,4\n"))
    with pytest.raises(DataRefused, match=r"no member like 'x\*'"):
        read(two, DelimitedOptions(member="x*"))


# ---- refusals

REFUSED = {
    "empty": (b"", "the file is empty"),
    "blank": (b"\n\n\n", "nothing but blank lines"),
    "parquet": (b"PAR1\x15\x04\x15", "this is a Parquet file"),
    "excel-old": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "Excel"),
    "excel": (zipped(**{"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"}), "this is an Excel workbook"),
    "html": (b"<!DOCTYPE html>\n<html><body>404, not found</body></html>", "this is an HTML page"),
    "json": (b'[{"a": 1, "b": 2}, {"a": 3, "b": 4}]', "this is a JSON file"),
    "ndjson": (b'{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n', "this is a JSON file"),
    "xml": (b'<?xml version="1.0"?><a/>', "this is an XML file"),
    "sqlite": (b"SQLite format 3\x00....", "SQLite"),
    "pdf": (b"%PDF-1.7 ...", "a PDF"),
    "tar": (b"a.csv".ljust(257, b"\0") + b"ustar\x0000" + b"\0" * 300, "a TAR archive"),
    "garbage": (bytes(range(256)) * 8, "this is no text"),
    "broken zip": (b"PK\x03\x04" + b"\xff" * 50, "damaged"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused(kind: str) -> None:
    data, message = REFUSED[kind]
    with pytest.raises(DataRefused, match=message) as refused:
        read(data, name="feed.csv")
    assert refused.value.file == "feed.csv"


# ---- options win


def test_options() -> None:
    data = b"# made by hand\na;b\n# inner\n1,5;NA\n2;x\n"
    chunks = read(data, DelimitedOptions(delimiter=";", comment="#", nulls=("NA",), header=True))
    assert rows_of(chunks) == [["1,5", None], ["2", "x"]]
    assert codes(chunks) == ["comment-line", "comment-line"]
    chunks = read(b"x y\na,b\n1,2\n", DelimitedOptions(skip_rows=1, columns=("p", "q")))
    assert chunks[0].frame.columns == ["p", "q"] and rows_of(chunks) == [["1", "2"]]
    chunks = read(b"1,2\n3,4\n", DelimitedOptions(header=False))
    assert chunks[0].frame.columns == ["column_1", "column_2"] and len(rows_of(chunks)) == 2
    chunks = read(b"a,b\nx,y\n3,4\n", DelimitedOptions(header=2))
    assert chunks[0].frame.columns == ["a x", "b y"] and rows_of(chunks) == [["3", "4"]]
    assert rows_of(read("é,b\n1,ü\n".encode("cp1250"), DelimitedOptions(encoding="cp1250"))) == [["1", "ü"]]


def test_a_given_delimiter_is_not_bent() -> None:
    data = b"a,b,c\n1,2,3\n4;5;6\n7,8,9\n"
    assert codes(read(data)) == ["other-delimiter"]
    chunks = read(data, DelimitedOptions(delimiter=","))
    assert rows_of(chunks)[1] == ["4;5;6", None, None] and codes(chunks) == ["missing-cells"]


def test_preview() -> None:
    found = preview(lambda: io.BytesIO(PLAIN), rows=5)
    assert found.frame.height == 5 and found.dialect.delimiter == "," and not found.faults


def test_a_stream_that_cannot_seek() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self._data = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def readinto(self, target: Any) -> int:
            return self._data.readinto(memoryview(target)[:777])

    for data in (PLAIN, gzip.compress(PLAIN), zipped(a_csv=PLAIN)):
        found = [row for chunk in read_delimited(lambda data=data: Pipe(data)) for row in chunk.frame.rows()]  # type: ignore[misc,arg-type]
        assert [list(row) for row in found] == rows_of(read(PLAIN))


def test_the_last_row_may_be_a_total() -> None:
    chunks = read(b"region,units,price\nnorth,3,4.5\nsouth,5,1.5\nTotal,8,\n")
    assert [(f.code, f.row, f.severity) for f in faults_of(chunks)] == [("totals-row", 2, "error")]


def test_a_file_cut_inside_its_first_line_is_refused() -> None:
    with pytest.raises(DataRefused, match="first line"):
        read(gzip.compress(b"id,amount,a long name of a column\n" + b"1,2,3\n" * 5000)[:40])


def test_what_fits_every_line_goes_before_what_would_skip_some() -> None:
    chunks = read(b"col1,col2\n1;2;3,4;5;6\na;b;c,d;e;f\n")
    assert (chunks[0].frame.columns, rows_of(chunks)) == (["col1", "col2"], [["1;2;3", "4;5;6"], ["a;b;c", "d;e;f"]])
    assert not faults_of(chunks)


# Of W3C's tests for CSV on the Web these differ from a plain reading: one has a time as its only header, three a first row that
# is no header or stands twice, one blanks before the names, which its own metadata trims.
OTHERWISE = {"test247.csv", "test257.csv", "test258.csv", "test284.csv", "events-listing.csv"}


@pytest.mark.skipif(
    "QPIPE_CSVW_TESTS" not in os.environ, reason="git clone https://github.com/w3c/csvw, QPIPE_CSVW_TESTS=csvw/tests"
)
def test_csv_on_the_web() -> None:
    files = sorted(Path(os.environ["QPIPE_CSVW_TESTS"]).rglob("*.csv"))
    assert files
    for file in files:
        chunks = read(file.read_bytes())
        plain = [row for row in csv.reader(io.StringIO(file.read_text("utf-8-sig"))) if row]
        found = [chunks[0].frame.columns, *([cell or "" for cell in row] for row in rows_of(chunks))]
        assert found == plain or (file.name in OTHERWISE and len(faults_of(chunks)) <= 1), file


# ---- another table right below, of the same width


def stock(count: int) -> list[bytes]:
    return [b"id,name,qty,price\n", *(b"%d,item %d,%d,%d.5\n" % (n, n % 50, n * 7 % 90, n % 40) for n in range(count))]


def test_another_table_far_into_the_file() -> None:
    other = [b"person,born,town,score\n", *(b"p%d,%d,t%d,%d\n" % (n, 1950 + n % 50, n % 9, n) for n in range(500))]
    data = b"".join([*stock(60_000), *other])
    for more in ({}, {"block_size": 5_000}):
        chunks = read(data, **more)
        assert len(rows_of(chunks)) == 60_000
        (fault,) = faults_of(chunks)
        assert (fault.code, fault.line) == ("other-table", 60_002) and "lines 60002 to 60502" in fault.message


def test_a_table_that_only_its_names_tell_is_read_on_and_named() -> None:
    lines = stock(30_000)
    lines[20_000:20_000] = [b"code,product,stock,cost\n"]
    chunks = read(b"".join(lines))
    assert len(rows_of(chunks)) == 30_001
    assert [(f.code, f.row, f.severity) for f in faults_of(chunks)] == [("names-in-a-row", 19_999, "warning")]


ROWS_AMONG_NUMBERS = {
    "a word for nothing": b"7,item 7,unknown,n/a\n",
    "one text": b"7,item 7,many,3.5\n",
    "the same again": b"x,item 7,y,z\n",
    "empty cells": b"x,item 77,,z\n",
}


@pytest.mark.parametrize("kind", ROWS_AMONG_NUMBERS)
@pytest.mark.parametrize("count", [40, 20_000])
def test_a_dirty_row_begins_no_table(kind: str, count: int) -> None:
    lines = stock(count)
    at = count // 2
    lines[at:at] = [ROWS_AMONG_NUMBERS[kind]] * (2 if kind == "the same again" else 1)
    chunks = read(b"".join(lines))
    assert len(rows_of(chunks)) == len(lines) - 1 and not faults_of(chunks)


TABLES_OF_TEXTS = {
    "other signs": ["product,colour,made in", *(f"{n}. pump,blue,Lyon" for n in "abcdefgh")],
    "known names": ["name,phone,land", *(f"Bo Roe,none {n},FR" for n in "abcdefgh")],
}
PEOPLE = [
    "name,mail,land",
    *(f"Ann Lee,{n}@example.org,{land}" for n, land in zip("abcdefghi", ["FR", "TR", "DE"] * 3, strict=True)),
]


@pytest.mark.parametrize("blank", [[], [""]], ids=["right below", "after a blank line"])
@pytest.mark.parametrize("kind", TABLES_OF_TEXTS)
def test_a_table_of_texts_under_a_table_of_texts(kind: str, blank: list[str]) -> None:
    chunks = read(messy_csv.joined([*PEOPLE, *blank, *TABLES_OF_TEXTS[kind]]))
    assert chunks[0].frame.columns == ["name", "mail", "land"] and len(rows_of(chunks)) == 9
    assert [(f.code, f.line) for f in faults_of(chunks) if f.code != "blank-line"] == [("other-table", 11 + len(blank))]


def test_a_table_of_texts_under_a_table_of_numbers() -> None:
    numbers = ["date,qty", *(f"2024-01-0{n},{n}" for n in range(1, 10))]
    chunks = read(messy_csv.joined([*numbers, "product,colour", *(f"{n} pump,blue" for n in "abcde")]))
    assert len(rows_of(chunks)) == 9 and [(f.code, f.line) for f in faults_of(chunks)] == [("other-table", 11)]


def test_a_table_that_only_its_names_tell_near_the_beginning() -> None:
    lines = [line for year in (2023, 2024) for line in ["date,qty", *(f"{year}-01-0{n},{n}" for n in range(1, 9))]]
    lines[9] = "day,count"
    chunks = read(messy_csv.joined(lines))
    assert len(rows_of(chunks)) == 17 and [(f.code, f.row) for f in faults_of(chunks)] == [("names-in-a-row", 8)]


TEXTS_THAT_ARE_ROWS = {
    "a mail without its sign": "Bo Roe,bo at example,FR",
    "another country": "Bo Roe,x@example.org,Norway",
    "a known name": "name,x@example.org,DE",
    "nothing is known": "unknown,missing,none",
}


@pytest.mark.parametrize("kind", TEXTS_THAT_ARE_ROWS)
@pytest.mark.parametrize("blank", [[], [""]], ids=["", "after a blank line"])
def test_an_odd_row_of_texts_begins_no_table(kind: str, blank: list[str]) -> None:
    chunks = read(messy_csv.joined([*PEOPLE[:6], *blank, TEXTS_THAT_ARE_ROWS[kind], *PEOPLE[6:]]))
    assert len(rows_of(chunks)) == 10 and {f.code for f in faults_of(chunks)} <= {"blank-line"}


def test_texts_after_numbers_are_no_table() -> None:
    long = [b"key,value\n", *(b"a%d,%d\n" % (n, n) for n in range(30)), *(b"b%d,word %d\n" % (n, n) for n in range(30))]
    assert not faults_of(read(b"".join(long)))
    turned = [long[0], *long[31:], *long[1:31]]
    assert not faults_of(read(b"".join(turned)))


NUMBERS = "north,1.5,2,3,4\nsouth,2.5,3,4,5\n"


@pytest.mark.parametrize("header, names", [
    ("Region,2023,,2024,\n,Plan,Actual,Plan,Actual\n", ("Region", "2023 Plan", "2023 Actual", "2024 Plan", "2024 Actual")),
    (",2023,,2024,\n,Q1,Q2,Q1,Q2\nregion,a,b,c,d\n", ("region", "2023 Q1 a", "2023 Q2 b", "2024 Q1 c", "2024 Q2 d")),
    ("Region,Revenue,,Cost,\n,Plan,Actual,Plan,Actual\n,EUR,EUR,EUR,EUR\n",
     ("Region", "Revenue Plan EUR", "Revenue Actual EUR", "Cost Plan EUR", "Cost Actual EUR")),
    (",2023,,,\n,Q1,,Q2,\nregion,sales,cost,sales,cost\n",
     ("region", "2023 Q1 sales", "2023 Q1 cost", "2023 Q2 sales", "2023 Q2 cost")),
])  # fmt: skip
def test_a_header_of_merged_cells(header: str, names: tuple[str, ...]) -> None:
    """However few the rows: names over gaps stand for the columns up to the next."""
    chunks = read((header + NUMBERS).encode())
    assert tuple(chunks[0].frame.columns) == names
    assert rows_of(chunks) == [["north", "1.5", "2", "3", "4"], ["south", "2.5", "3", "4", "5"]]
    assert [fault.code for fault in chunks[0].faults] == ["joined-header"]


def test_rows_with_gaps_are_no_header() -> None:
    chunks = read(b"a,b,c\nx,,y\nz,u,v\nq,,1\n")
    assert chunks[0].frame.columns == ["a", "b", "c"] and len(rows_of(chunks)) == 3


def test_a_column_of_quoted_texts_is_one_column() -> None:
    """Its cells hold commas, but its header names one."""
    chunks = read(b'"address"\n"Main St 1, Boston"\n"High St 2, Salem"\n"Elm St 3, Lynn"\n')
    assert rows_of(chunks) == [["Main St 1, Boston"], ["High St 2, Salem"], ["Elm St 3, Lynn"]]
