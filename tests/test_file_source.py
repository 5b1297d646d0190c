"""The file source: which files, in which order, from any position on, and what is told of them."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qpipe.core.batch import Chunk, Json
from qpipe.core.component import Context
from qpipe.core.errors import DataRefused, NotPermitted, QpipeError, Unavailable
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.core.types import DataType
from tests import servers

File = Registry().get("source", "file")
Output = Registry().get("output", "file")

WHOLE = pl.DataFrame({"id": range(11), "name": [f"n{i},é\n" if i % 3 else None for i in range(11)]})
FORMATS = ["csv", "tsv", "json", "ndjson", "parquet", "arrow", "xlsx"]


def source(folder: Path, path: Any, **params: Any) -> tuple[Any, Context]:
    return build(File, {"path": path, **params}), Context(directory=folder, work=folder / "work")


def read(folder: Path, path: Any, rows: int = 4, position: Json | None = None, **params: Any) -> list[Chunk]:
    made, context = source(folder, path, **params)
    return list(made.read(context, position, rows))


def cells(chunks: list[Chunk], column: str = "id") -> list[Any]:
    return [value for chunk in chunks for value in chunk.frame[column].to_list()]


def write(folder: Path, name: str, frame: pl.DataFrame = WHOLE, **params: Any) -> None:
    """By our own output: what it writes, the source reads."""
    output, context = build(Output, {"path": name, **params}), Context(directory=folder)
    output.prepare(context)
    staging = output.staging("r", context)
    parts = [output.stage(frame, 0, staging, context)] if frame.height else []
    output.publish(parts, {n: DataType.of(d) for n, d in frame.schema.items()}, "token", context)
    output.discard(parts, context)


@pytest.mark.parametrize("rows", [1, 4, 100])
@pytest.mark.parametrize("name", FORMATS)
def test_reading_goes_on_from_every_position(tmp_path: Path, name: str, rows: int) -> None:
    for n in range(3):
        write(tmp_path, f"in/{n}.{name}", WHOLE.with_columns(pl.col("id") + 100 * n))
    chunks = read(tmp_path, f"in/*.{name}", rows)
    expected = [str(100 * n + i) for n in range(3) for i in range(11)]
    assert [str(v) for v in cells(chunks)] == expected
    done: list[Any] = []
    for chunk in chunks:
        assert chunk.frame.height <= rows
        done += [str(v) for v in chunk.frame["id"].to_list()]
        rest = read(tmp_path, f"in/*.{name}", rows, chunk.position)
        assert done + [str(v) for v in cells(rest)] == expected
        assert chunk.position["name"] == chunk.file


@pytest.mark.parametrize("name", ["csv", "json", "ndjson", "xlsx", "fwf"])
def test_lines_and_faults_do_not_depend_on_the_chunks(tmp_path: Path, name: str) -> None:
    if name == "fwf":
        (tmp_path / "x.fwf").write_text("1 a\n\n2\n3 b c\n4 d\n")
    elif name == "ndjson":
        (tmp_path / "x.ndjson").write_text('{"a":1}\n\n{"a":\n{"a":[1]}\n\n{"a":1,"a":2}\n7\n')
    elif name == "csv":
        (tmp_path / "x.csv").write_text('a,b\n1,"x\ny"\n2\n3,x,z\n4,y\n')
    else:
        write(tmp_path, f"x.{name}")
    params = {"widths": {"a": 2, "b": 1}} if name == "fwf" else {}

    def told(rows: int) -> list[Any]:
        found, first = [], 0
        for chunk in read(tmp_path, f"x.{name}", rows, **params):
            lines = (
                chunk.lines.to_list()
                if chunk.lines is not None
                else [n + (chunk.first_line or 0) for n in range(chunk.frame.height)]
            )
            found += [(first + n, line) for n, line in enumerate(lines)]
            found += [(None if f.row is None else first + f.row, f.line, f.code, f.raw) for f in chunk.faults]
            first += chunk.frame.height
        return sorted(found, key=str)

    whole = told(100)
    assert len(whole) > 4
    for rows in (1, 2, 3):
        assert told(rows) == whole


@pytest.mark.parametrize("name", FORMATS)
def test_some_columns_only(tmp_path: Path, name: str) -> None:
    write(tmp_path, f"x.{name}")
    made, context = source(tmp_path, f"x.{name}")
    chunks = list(made.read(context, None, 4, ["name"]))
    assert all(chunk.frame.columns == ["name"] for chunk in chunks)
    assert cells(chunks, "name") == WHOLE["name"].to_list()
    assert made.columnar == (name in ("parquet", "arrow"))


def test_which_files(tmp_path: Path) -> None:
    for name in ("b.csv", "a.csv", "sub/c.csv", "_SUCCESS", ".hidden.csv", "sub/_x/d.csv"):
        (tmp_path / "d" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / name).write_text(f"id,x\n{name},1\n")
    cases: list[tuple[Any, list[str]]] = [
        ("d/a.csv", ["a.csv"]),
        ("d/*.csv", ["a.csv", "b.csv"]),
        ("d/**/*.csv", ["a.csv", "b.csv", "sub/c.csv"]),
        ("d", ["a.csv", "b.csv", "sub/c.csv"]),
        ("d/", ["a.csv", "b.csv", "sub/c.csv"]),
        (["d/b.csv", "d/*.csv"], ["a.csv", "b.csv"]),
        (str(tmp_path / "d/a.csv"), ["a.csv"]),
        ((tmp_path / "d/a.csv").as_uri(), ["a.csv"]),
    ]
    for path, names in cases:
        found = [name for name in cells(read(tmp_path, path)) if "_x" not in name]
        assert found == names, path


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("a\n")
    for path, message in [
        ("order.csv", "no file is there: order.csv\n  did you mean orders.csv?"),
        ("no/orders.csv", f"no file is there: no/orders.csv\n  there is no folder {tmp_path}/no"),
        ("*.parquet", "no file is there: *.parquet"),
        ("nosuch://x/y", "nosuch:// is no known kind of address"),
    ]:
        with pytest.raises(Unavailable) as told:
            read(tmp_path, path)
        assert str(told.value).startswith(message)


def test_rights_are_told() -> None:
    with servers.folder("rights") as place:
        (place / "x.csv").write_text("a\n")
        assert read(place, "x.csv")
        (place / "x.csv").chmod(0)
        with _without_all_rights(), pytest.raises(NotPermitted, match="reading is not allowed"):
            read(place, "x.csv")


@contextmanager
def _without_all_rights() -> Iterator[None]:
    """Root may read everything: it is nobody for a while."""
    if root := os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_columns_are_matched_by_name(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,a,b\n1,x,y\n2,x,y\n")
    (tmp_path / "2.csv").write_text("b,id,c\nv,3,w\n4,4,w\n")
    made, context = source(tmp_path, "*.csv")
    assert list(made.columns(context)) == ["id", "a", "b", "c"]
    first, second = made.read(context, None, 9)
    assert (first.frame.columns, second.frame.columns) == (["id", "a", "b"], ["b", "id", "c"])
    assert (first.file, second.file) == ("1.csv", "2.csv")
    some = list(made.read(context, None, 9, ["id", "c"]))
    assert [chunk.frame.columns for chunk in some] == [["id"], ["id", "c"]]


def test_types_of_several_files_are_made_one(tmp_path: Path) -> None:
    for n, values in enumerate(([1, 2], [1.5], ["x"], [None])):
        pl.DataFrame({"a": values, "b": [n] * len(values)}).write_parquet(tmp_path / f"{n}.parquet")
    made, context = source(tmp_path, ["0.parquet", "1.parquet"])
    dtype = made.columns(context)["a"].polars()
    assert dtype == pl.Float64 and all(chunk.frame.schema["a"] == dtype for chunk in made.read(context, None, 9))
    made, context = source(tmp_path, "*.parquet")
    assert cells(list(made.read(context, None, 9)), "a") == ["1", "2", "1.5", "x", None]


PACKERS: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.mark.parametrize("packing", ["gz", "bz2", "xz", "zst", "zip"])
@pytest.mark.parametrize("name", ["csv", "json", "ndjson", "parquet"])
def test_packed_files(tmp_path: Path, name: str, packing: str) -> None:
    write(tmp_path, f"x.{name}")
    content = (tmp_path / f"x.{name}").read_bytes()
    if packing == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(f"x.{name}", content)
        packed = buffer.getvalue()
    elif packing == "zst":
        import pyarrow

        stream = pyarrow.BufferOutputStream()
        with pyarrow.CompressedOutputStream(stream, "zstd") as out:
            out.write(content)
        packed = stream.getvalue().to_pybytes()
    else:
        packed = PACKERS[packing](content)
    (tmp_path / "p").mkdir()
    (tmp_path / f"p/x.{name}.{packing}").write_bytes(packed)
    chunks = read(tmp_path, f"p/x.{name}.{packing}")
    assert [int(v) for v in cells(chunks)] == list(range(11))
    rest = read(tmp_path, f"p/x.{name}.{packing}", position=chunks[0].position)
    assert [int(v) for v in cells(rest)] == list(range(chunks[0].frame.height, 11))


def test_a_wrong_name_is_told_and_the_content_read(tmp_path: Path) -> None:
    write(tmp_path, "x.parquet")
    write(tmp_path, "x.csv")
    write(tmp_path, "x.json")
    write(tmp_path, "x.xlsx")
    for pair in ("parquet y.csv", "csv y.parquet", "csv y.xlsx", "xlsx y.csv", "json y.csv", "csv y.json"):
        actual, name = pair.split()
        (tmp_path / name).write_bytes((tmp_path / f"x.{actual}").read_bytes())
        chunks = read(tmp_path, name)
        kind = {"xlsx": "excel"}.get(actual, actual)
        assert [f.message for f in chunks[0].faults if f.code == "wrong-extension"] == [
            f"the name says {'excel' if name.endswith('xlsx') else name[2:]}, the content is {kind}: read as {kind}"
        ]
        assert [int(v) for v in cells(chunks)] == list(range(11))
        (tmp_path / name).unlink()
    with pytest.raises(DataRefused, match=r"this is no parquet file: its first bytes are those of csv"):
        read(tmp_path, "x.csv", format="parquet")


@pytest.mark.parametrize("content", [b"<.>", b"\xe5", b"{", b"nothing of the kind\n"])
def test_what_is_neither_json_nor_a_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(DataRefused, match="JSON"):
        read(tmp_path, "x.json")


def test_names_without_a_format_are_looked_into(tmp_path: Path) -> None:
    for name in ("csv", "parquet", "json", "xlsx", "arrow"):
        write(tmp_path, f"x.{name}")
        (tmp_path / name).write_bytes((tmp_path / f"x.{name}").read_bytes())
        chunks = read(tmp_path, name)
        assert [int(v) for v in cells(chunks)] == list(range(11))
        assert not [f for chunk in chunks for f in chunk.faults if f.code == "wrong-extension"]


def test_standard_input_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(b"id,x\n1,a\n2,b\n")

    monkeypatch.setattr("sys.stdin", Stdin)
    made, context = source(tmp_path, "-")
    assert list(made.columns(context)) == ["id", "x"]
    first = made.identity(context)
    assert cells(list(made.read(context, None, 9))) == ["1", "2"]
    again, context = source(tmp_path, "-")  # as a resumed run does
    assert again.identity(context) == first
    assert cells(list(again.read(context, None, 9))) == ["1", "2"]


def test_a_store(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.store.clear()
    write(tmp_path, "x.parquet")
    memory.pipe("/in/1.csv", b"id,a\n1,x\n")
    memory.pipe("/in/2.csv", b"id,a\n2,x\n")
    memory.pipe("/x.parquet", (tmp_path / "x.parquet").read_bytes())
    assert cells(read(tmp_path, "memory://in/*.csv")) == ["1", "2"]
    assert cells(read(tmp_path, "memory://in")) == ["1", "2"]
    assert cells(read(tmp_path, "memory://x.parquet")) == list(range(11))
    made, context = source(tmp_path, "memory://in/*.csv")
    before = made.identity(context)
    assert [file["name"] for file in before["files"]] == ["memory:///in/1.csv", "memory:///in/2.csv"]
    memory.pipe("/in/2.csv", b"id,a\n3,x\n")
    assert made.identity(context) != before


def test_identity_changes_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("id,x\n1,a\n")
    made, context = source(tmp_path, "*.csv")
    seen = [made.identity(context)]
    assert made.identity(context) == seen[0]
    status = path.stat()
    path.write_text("id,x\n2,a\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # same size, same time: the content tells
    seen.append(made.identity(context))
    (tmp_path / "y.csv").write_text("id,x\n2,a\n")
    seen.append(made.identity(context))
    assert len({str(each) for each in seen}) == 3


def test_a_position_in_a_file_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,x\n1,a\n")
    (tmp_path / "2.csv").write_text("id,x\n2,a\n")
    position = read(tmp_path, "*.csv")[1].position
    (tmp_path / "1.csv").unlink()
    with pytest.raises(DataRefused, match=r"the files changed: 2\.csv was file 2"):
        read(tmp_path, "*.csv", position=position)


@pytest.mark.parametrize("format", ["parquet", "csv", "ndjson", "arrow"])
def test_partitions_come_back(tmp_path: Path, format: str) -> None:
    keys = ["a/b", "..", "", None, "x=y", "50%", "ü", "__HIVE_DEFAULT_PARTITION__"]
    frame = pl.DataFrame({"k": keys, "n": [str(n) for n in range(len(keys))], "m": ["x"] * len(keys)})
    write(tmp_path, "o/", frame, partition_by="k", format=format)
    chunks = read(tmp_path, "o/")
    back = pl.concat([chunk.frame for chunk in chunks]).select("k", "n", "m").sort("n")
    assert back.equals(frame)
    assert {chunk.frame.columns[0] for chunk in read(tmp_path, "o/")} == {"n"}


def test_size_is_told_where_it_is_cheap(tmp_path: Path) -> None:
    for name in ("csv", "parquet"):
        write(tmp_path, f"x.{name}")
        made, context = source(tmp_path, f"x.{name}")
        assert made.size(context) == (11 if name == "parquet" else None, (tmp_path / f"x.{name}").stat().st_size)


# a file that is mostly control characters is taken for no text
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12) | st.sampled_from(
    [
        "",
        '"',
        '""',
        ",",
        "\n",
        "\r\n",
        "\r",
        " x ",
        "#",
        "NA",
        "null",
        "'",
        "\\",
        '\\"',
        ";",
        "\t",
        "1.10",
        "a,b",
        '"a"',
        "\ufeff",
    ]
)


ROW = st.tuples(TEXT | st.none(), TEXT | st.none(), st.just("x"))


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=8), st.sampled_from([1, 3, 50]))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[tuple[Any, ...]], rows: int) -> None:
    """Quotes, line ends, empty text and nothing: what CSV and its kin are given, they give back."""
    folder = tmp_path_factory.mktemp("law")
    frame = pl.DataFrame(values, schema={"a": pl.String, "b": pl.String, "c": pl.String}, orient="row")
    for name, params in (("x.csv", {"delimiter": ","}), ("x.tsv", {}), ("x.ndjson", {}), ("x.json", {})):
        write(folder, name, frame)
        said = {"quote": '"', "header": True, **params} if name[2:] in ("csv", "tsv") else {}
        back = pl.concat([chunk.frame for chunk in read(folder, name, rows, **said)])
        assert back.rows() == frame.rows(), name


def test_every_refusal_is_ours(tmp_path: Path) -> None:
    """Bytes of no format, under the name of each."""
    png, torn = b"\x89PNG\r\n\x1a\n" + bytes(range(256)), b"PK\x03\x04" + b"\0" * 40
    for name in ("x.csv", "x.json", "x.ndjson", "x.parquet", "x.arrow", "x.xlsx", "x.fwf", "x"):
        for content in (
            b"",
            b"\0" * 100,
            b"%PDF-1.7\n",
            png,
            b"<html><body>",
            torn,
            b"PAR1",
            b"ARROW1",
            b"\x1f\x8b",
            b"[",
            b"{",
        ):
            (tmp_path / name).write_bytes(content)
            try:
                read(tmp_path, name)
                made, context = source(tmp_path, name)
                made.columns(context)
            except QpipeError as refused:
                assert name in str(refused)
