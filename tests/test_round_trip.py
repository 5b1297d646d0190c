"""What is written is read back as it was: by qpipe under the same contract, and by others' readers."""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow
import pytest
import xlsxwriter
from polars.testing import assert_series_equal
from running import Project

from qpipe.core.types import DataType

JSON = [
    '{"a": 1.10, "b": [1E5, -0, 123456789012345678901234567890, 1e400]}', "[]", "1.50", "true", '"a text"', '"5"',
    '{"t": "two, \\"quoted\\" \\u00e9 \\n"}', '[{"deep": {"er": [null, 0.10]}}]', None,
]  # fmt: skip


@pytest.mark.parametrize("path", ["out.ndjson", "out.json", "out.ndjson.gz", "parts/", "by/"])
def test_json_is_a_value_in_json(tmp_path: Path, path: str) -> None:
    pl.DataFrame({"n": range(len(JSON)), "p": JSON, "s": ['{"s": 1}'] * len(JSON)}).write_csv(tmp_path / "in.csv")
    more = {"parts/": ", format: ndjson", "by/": ", format: ndjson, partition_by: s"}.get(path, "")
    schema = "schema: {n: int, p: json, s: string}"
    spec = f"sources:\n  a: {{path: in.csv, {schema}}}\noutputs:\n  out: {{path: {path}{more}}}\n"
    assert Project(tmp_path, spec).run().state == "done"
    found = sorted((tmp_path / path).rglob("*.ndjson")) if path.endswith("/") else [tmp_path / path]
    if path == "out.ndjson":
        rows = [line.removeprefix(f'{{"n":{n},"p":').removesuffix(r',"s":"{\"s\": 1}"}') for n, line in
                enumerate(found[0].read_text().splitlines())]  # fmt: skip
        assert rows == [json.dumps(text) if str(text).startswith('"') else text or "null" for text in JSON]
    there = f"path: {found[0].relative_to(tmp_path)}, on_missing_column: warn"
    Project(tmp_path, f"sources:\n  a: {{{there}, {schema}}}\noutputs: {{out: {{path: back.parquet}}}}\n").run()
    assert pl.read_parquet(tmp_path / "back.parquet").sort("n")["p"].to_list() == JSON


def test_json_over_lines_is_one_line_of_ndjson(tmp_path: Path) -> None:
    text = '{\n  "a": 1,\n  "b": "x"\n}'
    pl.DataFrame({"p": [text, "[1]"]}).write_csv(tmp_path / "in.csv")
    Project(tmp_path, "sources: {a: {path: in.csv, schema: {p: json}}}\noutputs: {out: {path: out.ndjson}}\n").run()
    assert (tmp_path / "out.ndjson").read_text() == '{"p":{   "a": 1,   "b": "x" }}\n{"p":[1]}\n'


def test_what_is_no_json_any_more_is_a_text(tmp_path: Path) -> None:
    Project(tmp_path, """\
        sources: {a: {path: in.csv, schema: {p: json}}}
        modules: [{replace_pattern: {columns: p, pattern: '\\d', to: '}'}}]
        outputs: {out: {path: out.ndjson}}
        """, {"in.csv": 'p\n"{""a"": 1}"\n[]\n'}).run()  # fmt: skip
    assert (tmp_path / "out.ndjson").read_text() == '{"p":"{\\"a\\": }}"}\n{"p":[]}\n'


UTC, BERLIN = dt.UTC, zoneinfo.ZoneInfo("Europe/Berlin")
TYPES: dict[str, list[Any]] = {
    "int": [2**53 + 1, -(2**63), 2**63 - 1, None],
    "int128": [2**100, -1, None, 0],
    "float": [0.1, 1 / 3, 1e300, -0.0, 123456789.12345679, 1e15 + 0.5, 5e-324, None],
    "float ": [float("inf"), float("-inf"), float("nan")],
    "decimal(38,10)": [Decimal("1.1000000000"), Decimal("1234567890123456789012345678.0123456789"), None],
    "date": [dt.date(1, 1, 1), dt.date(1899, 12, 31), dt.date(1900, 1, 1), dt.date(1900, 2, 28), dt.date(9999, 12, 31), None],
    "datetime": [dt.datetime(1, 1, 1), dt.datetime(1899, 12, 30, 12), dt.datetime(2024, 1, 2, 3, 4, 5, 123456), None],
    "datetime(UTC)": [dt.datetime(2024, 1, 2, 3, 4, 5, 1, UTC), dt.datetime(9999, 12, 31, 23, 59, 59, 0, UTC), None],
    "datetime(Europe/Berlin)": [dt.datetime(2024, 10, 27, 0, 30, tzinfo=UTC), dt.datetime(2024, 10, 27, 1, 30, tzinfo=UTC)],
    "time": [dt.time(0), dt.time(23, 59, 59, 999999), None],
    "duration": [dt.timedelta(400, 0, 1), -dt.timedelta(seconds=1.5), dt.timedelta(0), None],
    "bool": [True, False, None],
    "string": ["=1+1", '=HYPERLINK("http://x")', "", "two\nlines", "\r\nq", "\ttab", "'x", " lead ", "_x000D_", 'a"b,c;d',
               "NULL", "007", "1e5", "TRUE", "2024-01-01", "\u00e9\U0001f600\u202e", "\u2028", "\\N", "#N/A", "\x01\x0b",
               "x" * 32_000, None],
    "list(string)": [["a", "b"], [], None, [None, 'x,"y\n']],
    "list(int)": [[1, 2**60], [], None, [None]],
    "struct(a: int, b: string)": [{"a": 1, "b": "=1"}, {"a": None, "b": None}, None],
    "{type: binary, format: base64}": [b"\x00\xff", b"", b"abc", None],
}  # fmt: skip


@pytest.mark.parametrize("path", ["out.csv", "out.tsv", "out.json", "out.ndjson", "out.parquet", "out.arrow", "out.xlsx"])
@pytest.mark.parametrize("word", list(TYPES))
def test_every_type_in_every_format(tmp_path: Path, word: str, path: str) -> None:
    binary = word.startswith("{")  # as it is written where there is only text
    dtype = pl.Binary() if binary else DataType.parse(word).polars()
    values = pl.Series("v", TYPES[word], dtype=dtype)
    pl.DataFrame([pl.Series("n", range(values.len())), values]).write_parquet(tmp_path / "in.parquet")
    written = "binary" if binary else word.strip()
    spec = "sources: {{s: {{path: {}, schema: {{n: int, v: {}}}}}}}\noutputs: {{out: {{path: {}}}}}\n"
    assert Project(tmp_path, spec.format("in.parquet", f"'{written}'", path)).run().state == "done"
    read = word if binary and path not in ("out.parquet", "out.arrow") else f"'{written}'"
    Project(tmp_path, spec.format(path, read, "back.parquet")).run()
    back = pl.read_parquet(tmp_path / "back.parquet")
    wanted = values.cast(pl.Decimal(38, 0)) if word == "int128" else values
    if word == "float " and path in ("out.json", "out.ndjson"):
        wanted = pl.Series("v", [None] * 3, pl.Float64)  # JSON has no number that is none
    assert_series_equal(back["v"], wanted, check_exact=True)
    assert back["n"].to_list() == list(range(values.len()))


@pytest.mark.parametrize("path", ["out.parquet", "out.arrow", "parts/", "by/"])
def test_wide_integers_are_read_by_others(tmp_path: Path, path: str) -> None:
    """Polars alone has an integer of 128 bits in files."""
    more = ", partition_by: k" if path == "by/" else ""
    spec = f"sources: {{s: {{path: in.csv, schema: {{k: string, v: int128}}}}}}\noutputs: {{out: {{path: {path}{more}}}}}\n"
    Project(tmp_path, spec, {"in.csv": f"k,v\na,{10**30}\na,-7\n"}).run()
    file = next((tmp_path / path).rglob("*.parquet")) if path.endswith("/") else tmp_path / path
    if path == "out.arrow":
        assert pyarrow.ipc.open_file(str(file)).read_all()["v"].to_pylist() == [Decimal(10**30), Decimal(-7)]
    else:
        assert duckdb.sql(f"select v from read_parquet('{file}')").fetchall() == [(Decimal(10**30),), (Decimal(-7),)]


def test_a_wide_integer_that_no_decimal_holds_is_refused(tmp_path: Path) -> None:
    spec = "sources: {s: {path: in.csv, schema: {v: int128}}}\noutputs: {out: {path: out.parquet}}\n"
    outcome = Project(tmp_path, spec, {"in.csv": f"v\n{2**127 - 1}\n"}).run()
    assert outcome.state != "done" and "more than 38 digits" in outcome.message


def test_a_number_beside_texts_in_a_sheet_keeps_its_figures(tmp_path: Path) -> None:
    cells = [1 / 3, "n/a", 1e-12, "007", "0.5000000000001", 5, -2.5, "0"]
    with xlsxwriter.Workbook(tmp_path / "in.xlsx") as book:
        sheet = book.add_worksheet()
        for row, cell in enumerate(["v", *cells]):
            sheet.write(row, 0, cell)
    Project(tmp_path, "sources: {s: {path: in.xlsx}}\noutputs: {out: {path: out.parquet}}\n").run()
    found = pl.read_parquet(tmp_path / "out.parquet")["v"].to_list()
    assert found == [f"{1 / 3:.16G}", "n/a", "1e-12", "007", "0.5000000000001", "5", "-2.5", "0"]
