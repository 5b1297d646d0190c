"""Every format a file can have: read exactly, or refused with a message that names the place."""

from __future__ import annotations

import base64
import datetime
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import Project

from qpipe.core.batch import Chunk
from qpipe.core.component import Context
from qpipe.core.errors import DataRefused
from qpipe.core.params import build
from qpipe.core.registry import Registry

File = Registry().get("source", "file")
DATA = Path(__file__).parent / "data" / "formats"


def chunks(path: str | Path, rows: int = 3, **params: Any) -> list[Chunk]:
    """All of a file. What ``columns`` promises is what comes."""
    source, context = build(File, {"path": str(path), **params}), Context(directory=DATA)
    promised = {name: type.polars() for name, type in source.columns(context).items()}
    made = list(source.read(context, None, rows))
    for chunk in made:
        assert list(chunk.frame.columns) == list(promised)
        assert chunk.frame.height <= rows
    return made


def rows(path: str | Path, **params: Any) -> list[dict[str, Any]]:
    return [row for chunk in chunks(path, **params) for row in chunk.frame.to_dicts()]


def faults(path: str | Path, **params: Any) -> list[str]:
    """line:severity:code:column:raw, in the order of the file."""
    found = [f for chunk in chunks(path, rows=100, **params) for f in chunk.faults]
    return [f"{f.line}:{f.severity}:{f.code}:{f.column or ''}:{f.raw}" for f in found]


# name, content, parameters, rows, faults
TEXTS: list[tuple[str, str | bytes, dict[str, Any], list[dict[str, Any]], list[str]]] = [
    ("plain.ndjson", '{"a":1.10,"b":"x"}\n{"a":1e5,"b":null}\n', {}, [{"a": "1.10", "b": "x"}, {"a": "1e5", "b": None}], []),
    ("big.ndjson", '{"a":12345678901234567890123,"b":-0.0}', {}, [{"a": "12345678901234567890123", "b": "-0.0"}], []),
    ("nested.ndjson", '{"a":[1, 2.50],"b":{"c": null}}\n', {}, [{"a": "[1, 2.50]", "b": '{"c": null}'}], []),
    ("bool.ndjson", '{"a":true}\r\n\r\n{"a":false}\r\n', {}, [{"a": "true"}, {"a": "false"}], []),
    ("text.ndjson", '{"a":"x: 1,\\"y\\": 2, null","b":"\\u00e9\\ud83d\\ude00"}\n', {},
     [{"a": 'x: 1,"y": 2, null', "b": "é😀"}], []),
    ("missing.ndjson", '{"a":1}\n{"b":2}\n', {}, [{"a": "1", "b": None}, {"a": None, "b": "2"}], []),
    ("broken.ndjson", '{"a":1}\n{"a":\n{"a":3}\n', {}, [{"a": "1"}, {"a": None}, {"a": "3"}], ['2:error:not-json::{"a":']),
    ("two.ndjson", '{"a":1},{"a":2}\n', {}, [{"a": None}], ['1:error:not-json::{"a":1},{"a":2}']),
    ("scalar.ndjson", '{"a":1}\n7\n', {}, [{"a": "1"}, {"a": None}], ["2:error:no-object::7"]),
    ("twice.ndjson", '{"a":1,"a":2}\n', {}, [{"a": "2"}], ['1:error:duplicate-key:a:{"a":1,"a":2}']),
    ("twice-null.ndjson", '{"a":1,"a":null}\n{"b":1,"a":0}\n', {}, [{"a": None, "b": None}, {"a": "0", "b": "1"}],
     ['1:error:duplicate-key:a:{"a":1,"a":null}']),
    ("half.ndjson", '{"a":"\\ud800"}\n', {}, [{"a": None}], ['1:error:not-json::{"a":"\\ud800"}']),
    ("nan.ndjson", '{"a":NaN}\n{"a":1}\n', {}, [{"a": None}, {"a": "1"}], ['1:error:not-json::{"a":NaN}']),
    ("utf16.ndjson", '{"a":"ä"}\n'.encode("utf-16"), {}, [{"a": "ä"}], []),
    ("array.json", '[{"a": 1.0},\n {"a": "x", "b": []}]', {}, [{"a": "1.0", "b": None}, {"a": "x", "b": "[]"}], []),
    ("empty.json", "[]", {}, [], []),
    ("records.json", '{"n": 1, "d": {"x": [0], "rows": [{"a": 1}, {"a": 2}], "y": {}}, "z": 0}', {"records": "d.rows"},
     [{"a": "1"}, {"a": "2"}], []),
    ("concatenated.json", '{"a":1}{"a":2}\n\n{"a":3}', {}, [{"a": "1"}, {"a": "2"}, {"a": "3"}], []),
    ("one.json", '{"rows": [1]}', {}, [{"rows": "[1]"}], ["1:info:one-object::"]),
    ("scalars.json", '[1.50, "x", null]', {}, [{"value": "1.50"}, {"value": "x"}, {"value": None}], []),
    ("bom.json", '[{"a":1}]'.encode("utf-8-sig"), {}, [{"a": "1"}], []),
    ("places.txt", "id  name\n1   ä ö \n\n22  b\n", {"format": "fixed-width", "widths": {"id": 4, "name": 4}, "header": True},
     [{"id": "1", "name": "ä ö"}, {"id": "22", "name": "b"}], []),
    ("ranges.fwf", "1xxAB\n2yyC\n3\n4zzDEF\n", {"widths": {"id": [1, 1], "name": [4, 5]}},
     [{"id": "1", "name": "AB"}, {"id": "2", "name": "C"}, {"id": "3", "name": None}, {"id": "4", "name": "DE"}],
     ["3:error:short-row::3", "4:error:long-row::4zzDEF"]),
    ("nulls.fwf", "# said\n1 NA\n2 - \n", {"widths": {"a": 2, "b": 2}, "comment": "#", "nulls": ["NA", "-"]},
     [{"a": "1", "b": None}, {"a": "2", "b": None}], []),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "params", "expected", "told"), TEXTS, ids=[case[0] for case in TEXTS])
def test_text_is_read_as_it_is_written(
    tmp_path: Path, name: str, content: str | bytes, params: dict[str, Any], expected: list[dict[str, Any]], told: list[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert rows(path, **params) == expected
    assert faults(path, **params) == told


@pytest.mark.parametrize("odd", ["", '{"a":[1],"b":"y","c":2}', '{"a":"1","a":"2"}', "{"])
def test_all_at_once_and_one_by_one_agree(tmp_path: Path, odd: str) -> None:
    """Polars decodes a block in which nothing is odd; one odd line sends it the other way."""
    path = tmp_path / "x.ndjson"
    lines = [f'{{"a": {n}.50, "b": "t: {n},", "c": null}}' for n in range(3000)]
    path.write_text("\n".join([*lines, odd]))
    read = rows(path)[:3000]
    assert read == [{"a": f"{n}.50", "b": f"t: {n},", "c": None} for n in range(3000)]


# content, name, parameters, the message
BAD_TEXTS: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("cut.json", b'[{"a": 1},\n {"a": 2', {}, "cut.json:2:9: not JSON: expecting ',' delimiter"),
    ("comma.json", b'[{"a": 1},\n]', {}, "comma.json:2:1: not JSON: a comma, and nothing after it"),
    ("tail.json", b'[{"a": 1}]\n\nx', {}, "tail.json:3:1: not JSON: text after the end"),
    ("nan.json", b'[{"a": NaN}]', {}, "nan.json:1:8: not JSON: NaN is no JSON"),
    ("nothing.json", b"  \n", {}, "nothing.json:2:1: not JSON: the file is empty"),
    ("bytes.json", b'[{"a": "\xe9"}]', {"encoding": "utf-8"}, "bytes.json:1:9: not JSON: a byte that is no UTF-8"),
    ("path.json", b'{"a": []}', {"records": "b"}, "path.json:1:9: not JSON: there is no key 'b'"),
    ("list.json", b'{"a": 1}', {"records": "a"}, "list.json:1:7: not JSON: a is no list"),
    ("damaged.parquet", b"PAR1....PAR1", {}, "damaged.parquet: the Parquet file is damaged: "),
    ("short.arrow", b"ARROW1\0\0", {}, "short.arrow: the Arrow file is damaged: "),
    ("short.xlsx", b"PK\x03\x04[Content_Types].xml", {}, "short.xlsx: the workbook cannot be read: "),
    ("where.fwf", b"1 2\n", {}, "where.fwf: where do the columns stand?"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "content", "params", "message"), BAD_TEXTS, ids=[case[0] for case in BAD_TEXTS])
def test_a_broken_file_is_refused_with_its_place(
    tmp_path: Path, name: str, content: bytes, params: dict[str, Any], message: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataRefused) as refused:
        rows(path, **params)
    assert str(refused.value).removeprefix(f"{tmp_path}/").startswith(message)
    assert refused.value.hint


SUITE = [json.loads(line) for line in (DATA / "json_test_suite.ndjson").read_text().splitlines()]


def test_the_public_json_suite(tmp_path: Path) -> None:
    """What must be read is read, value by value; what must be refused is refused, with line and column."""
    wrong = []
    for case in SUITE:
        content = base64.b64decode(case["base64"])
        path = tmp_path / case["name"]
        path.write_bytes(content)
        try:
            read: Any = rows(path, format="json")
        except DataRefused as refused:
            read = None
            assert refused.line and refused.column, case["name"]
        if case["name"].startswith("n_") and read is not None:
            wrong.append(case["name"])
        if case["name"].startswith("y_") and read != _expected(content):
            wrong.append((case["name"], read, _expected(content)))
    assert not wrong
    assert len(SUITE) > 300


def _expected(content: bytes) -> list[dict[str, Any]]:
    """Rows as Python's own reader sees them; nested values are compared by the other tests."""
    value = json.loads(content, parse_float=str, parse_int=str)
    items = value if isinstance(value, list) else [value]
    pairs = [item if isinstance(item, dict) and item else {"value": _Nested(item) if item == {} else item} for item in items]
    names = dict.fromkeys(name for pair in pairs for name in pair)
    return [{name: _text(pair.get(name)) for name in names} for pair in pairs]


class _Nested:
    def __init__(self, value: Any) -> None:
        self.value = value


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    return _Json() if isinstance(value, (dict, list, _Nested)) else value


class _Json:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and other[0] in "[{"


PARQUET_REFUSED = [
    ("ARROW-GH-41317", "column timestamp_us_no_tz, row group 1: 0 values on its pages, 3 in the footer"),
    ("ARROW-GH-43605", "column min_fl, row group 1: dictionary indices of no width in a bit-packed run"),
    ("ARROW-GH-45185", "columns x: The repetition level at the start of a record must be 0 but got 1"),
    ("ARROW-GH-47662", "column flba_field, row group 1: 100 values of 4 bytes on a page of 364"),
    ("ARROW-RS-GH-6229-DICTHEADER", "column name, row group 1: a page reaches beyond the file"),
    ("ARROW-RS-GH-6229-LEVELS", "column outer.list.item.c, row group 1: 21 values on its pages, 1 in the footer"),
    ("PARQUET-1481", "its footer names physical type -7, which does not exist"),
    ("datapage_v1-corrupt-checksum", "column a, row group 1: the checksum of a page at byte 32 is wrong"),
]


@pytest.mark.parametrize(("name", "message"), PARQUET_REFUSED, ids=[case[0] for case in PARQUET_REFUSED])
def test_damaged_parquet_is_refused(name: str, message: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataRefused) as refused:
        rows(f"{name}.parquet")
    assert str(refused.value).startswith(f"{name}.parquet: the Parquet file is damaged: {message}\n")
    assert not capfd.readouterr().err


def test_encrypted_parquet_is_refused() -> None:
    with pytest.raises(DataRefused, match=r"encrypted\.parquet: the Parquet file is encrypted, and that is not supported"):
        rows("encrypted.parquet")


@pytest.mark.parametrize(
    ("name", "height"), [("datapage_v2.snappy", 5), ("repeated_no_annotation", 6), ("geospatial-with-nan", 3)]
)
def test_unusual_parquet_is_read(name: str, height: int) -> None:
    """Indices of no width that are fine; rows that the footer does not count; a type that Polars does not know."""
    assert len(rows(f"{name}.parquet")) == height


def test_a_byte_changed_anywhere_in_a_page_header_is_noticed_or_harmless(tmp_path: Path) -> None:
    whole = pl.DataFrame({"a": range(100), "b": [str(n % 7) for n in range(100)]})
    path = tmp_path / "x.parquet"
    whole.write_parquet(path)
    content = path.read_bytes()
    for at in range(4, 24):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x40]) + content[at + 1 :])
        try:
            read = pl.concat([chunk.frame for chunk in chunks(path, rows=1000)])
        except DataRefused:
            continue
        assert read.height == 100


def test_a_workbook_as_people_make_them() -> None:
    made = rows("dirty_data.xlsx")
    assert len(made) == 12
    assert made[0] == {
        "First Name": "Jason", "Last Name": "Bourne", "Employee Status": "Teacher", "Subject": "PE", "Hire Date": "39690",
        "% Allocated": 0.75, "Full time?": "Yes", "do not edit! --->": None, "Certification": "Physical ed",
        "Certification_2": "Theater", "Active?": "YES",
    }  # fmt: skip
    assert made[1]["Hire Date"] == "2019-01-14"
    assert faults("dirty_data.xlsx") == [
        "1:warning:skipped-preamble::Data most recently refreshed on: | Dec-27 2020", "2:warning:duplicate-header::",
        "10:info:blank-row::", "6:error:error-cell:Subject:#REF!", "13:error:error-cell:% Allocated:#N/A",
        "14:error:error-cell:% Allocated:#N/A",
    ]  # fmt: skip
    assert [line for chunk in chunks("dirty_data.xlsx") for line in chunk.lines] == [3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15]


def test_cells_of_a_workbook_keep_their_types(tmp_path: Path) -> None:
    import xlsxwriter

    path = tmp_path / "x.xlsx"
    book = xlsxwriter.Workbook(str(path))
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    book.add_worksheet("notes").write(0, 0, "nothing here")
    sheet = book.add_worksheet("data")
    sheet.write_row(2, 1, ["id", "share", "day", "yes", "mixed"])
    for n in range(3):
        sheet.write_row(3 + n, 1, [n, n / 10])
        sheet.write_datetime(3 + n, 3, datetime.datetime(2026, 1, 1 + n), day)
        sheet.write_boolean(3 + n, 4, n == 1)
        sheet.write(3 + n, 5, "a" if n else 1.5)
    book.close()
    made = rows(path, sheet="data")
    assert made[1] == {"id": 1, "share": 0.1, "day": datetime.date(2026, 1, 2), "yes": True, "mixed": "a"}
    assert made[0]["mixed"] == "1.5"
    assert rows(path, sheet=2) == made
    assert [line for chunk in chunks(path, sheet="data") for line in chunk.lines] == [4, 5, 6]
    assert faults(path, sheet="notes", header=False) == []
    with pytest.raises(DataRefused, match=r"there is no sheet 'dada'\n  sheets: notes, data"):
        rows(path, sheet="dada")


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "x.arrows", "x.feather"])
def test_types_are_kept(tmp_path: Path, name: str) -> None:
    whole = pl.DataFrame({"i": [1, None], "d": [datetime.date(2026, 1, 1), None], "l": [[1], []], "s": [{"a": "x"}, None]})
    path = tmp_path / name
    writer = (
        whole.write_parquet if name.endswith("parquet") else whole.write_ipc_stream if name.endswith("s") else whole.write_ipc
    )
    writer(path)
    assert pl.concat([chunk.frame for chunk in chunks(path)]).equals(whole)


def test_a_line_that_is_no_json_can_be_read_in_a_csv_quarantine(tmp_path: Path) -> None:
    spec = """
    version: 1
    sources:
      feed: {path: feed.ndjson, schema: {a: int}}
    outputs:
      clean: {path: out/clean.csv}
      quarantine: {path: out/bad.csv}
    """
    project = Project(tmp_path, spec, {"feed.ndjson": '{"a": 1}\n{"a": 2, "b"\nno, "JSON"\n{"a": "x"}\n'})
    project.run()
    assert pl.read_csv(tmp_path / "out" / "bad.csv").select("_file", "_line", "_reasons").rows() == [
        ("feed.ndjson", 2, 'contract: not JSON at column 13: expecting \':\' delimiter, in: {"a": 2, "b"'),
        ("feed.ndjson", 3, 'contract: not JSON at column 1: expecting value, in: no, "JSON"'),
        ("feed.ndjson", 4, "contract(a): a is x, expected int"),
    ]
    told = [(found["column"], found["line"], found["value"]) for found in project.samples()]
    assert told == [("", 2, '{"a": 2, "b"'), ("", 3, 'no, "JSON"'), ("a", 4, "x")]
