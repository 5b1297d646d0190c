"""The file output: every format, replaced and appended, stopped before any effect and published again."""

from __future__ import annotations

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from running import Project

from qpipe.core.component import Context, Part
from qpipe.core.effects import listening
from qpipe.core.errors import CannotCreate, NotPermitted, QpipeError
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.core.types import DataType

File = Registry().get("output", "file")

ROWS = pl.DataFrame(
    {"id": range(10), "name": ["ä", "", None, "a,b", 'q"', "l\nf", "c\rr", " s ", "#x", "NA"], "x": [0.5, None] * 5}
)

# path, parameters: one file and directories, in every format
FORMS: list[tuple[str, dict[str, Any]]] = [
    ("o.csv", {}),
    ("o.csv.gz", {}),
    ("o.tsv", {"null": "NA"}),
    ("o.csv.zst", {"encoding": "utf-16"}),
    ("o.ndjson", {}),
    ("o.json", {}),
    ("o.parquet", {}),
    ("o.arrow", {}),
    ("o.xlsx", {}),
    ("o/", {}),
    ("o/", {"format": "csv"}),
    ("o/", {"format": "ndjson", "compression": "gzip"}),
    ("o/", {"format": "arrow", "max_rows_per_file": 2}),
    ("o/", {"format": "json"}),
    ("o/", {"partition_by": "id"}),
    ("o/", {"partition_by": "id", "format": "csv"}),
]


def made(path: str, folder: Path, **params: Any) -> tuple[Any, Context]:
    return build(File, {"path": path, **params}), Context(directory=folder, work=folder / "work")


def types_of(frame: pl.DataFrame) -> dict[str, DataType]:
    return {name: DataType.of(dtype) for name, dtype in frame.schema.items()}


def deliver(output: Any, context: Context, frame: pl.DataFrame, run: str = "r1", batch: int = 4) -> list[Part]:
    """Prepare, stage, publish, discard: what a run does."""
    output.prepare(context)
    staging = output.staging(run, context) or context.directory / "spool"
    parts = [output.stage(rows, seq, staging, context) for seq, rows in enumerate(frame.iter_slices(batch)) if rows.height]
    output.publish(parts, types_of(frame), "token" + run, context)
    output.discard(parts, context)
    return parts


def content(folder: Path) -> dict[str, bytes]:
    """Everything below a folder that is not a run's scratch space."""
    return {
        f.relative_to(folder).as_posix(): f.read_bytes()
        for f in sorted(folder.rglob("*"))
        if f.is_file() and f.relative_to(folder).parts[0] not in ("work", "spool")
    }


def visible(folder: Path) -> list[Path]:
    """What a reader finds there."""
    return [folder / name for name in content(folder) if not name.startswith(".") and "/." not in name]


@pytest.mark.parametrize(
    ("path", "params", "mode"),
    [(*form, mode) for form in FORMS for mode in ("replace", "append") if (form[0], mode) != ("o.xlsx", "append")],
    ids=lambda v: str(v),
)
def test_stopped_before_any_effect_and_published_again_it_is_the_same(
    tmp_path: Path, path: str, params: Any, mode: str
) -> None:
    def run(folder: Path, stop: int | None) -> int:
        folder.mkdir()
        old, context = made(path, folder, **params)
        deliver(old, context, ROWS.head(5), "r0")
        output = build(File, {"path": path, **params, "mode": mode})
        output.prepare(context)
        staging = output.staging("r1", context)
        parts = [output.stage(rows, seq, staging, context) for seq, rows in enumerate(ROWS.iter_slices(4))]
        count = 0

        def listener(name: str) -> None:
            nonlocal count
            count += 1
            if count == stop:
                raise KeyboardInterrupt(name)

        before = content(folder)
        try:
            with listening(listener):
                output.publish(parts, types_of(ROWS), "tokenr1", context)
        except KeyboardInterrupt:
            whole_or_nothing(folder, before, path)
            output.publish(parts, types_of(ROWS), "tokenr1", context)
        once = {k: v for k, v in content(folder).items() if ".qpipe" not in k}
        output.publish(parts, types_of(ROWS), "tokenr1", context)
        assert {k: v for k, v in content(folder).items() if ".qpipe" not in k} == {
            k: v for k, v in once.items() if ".qpipe" not in k
        }
        output.discard(parts, context)
        return count

    effects = run(tmp_path / "whole", None)
    assert effects >= 3
    expected = content(tmp_path / "whole")
    for stop in range(1, effects + 1):
        run(tmp_path / str(stop), stop)
        assert content(tmp_path / str(stop)) == expected, f"stopped before effect {stop}"
    assert not [name for name in expected if ".qpipe" in name or name.endswith(".tmp")]


def whole_or_nothing(folder: Path, before: dict[str, bytes], path: str) -> None:
    """A single file is the old or the new one; every part in a directory that the manifest names is there, whole."""
    if path.endswith("/"):
        manifest = json.loads((folder / ".o.manifest.json").read_bytes())
        for file in manifest["files"]:
            assert (folder / "o" / file["name"]).stat().st_size == file["bytes"]
    else:
        assert set(visible(folder)) == {folder / path}


def rows_in(folder: Path, path: str) -> pl.DataFrame:
    """What other tools read."""
    target = folder / path
    if path == "o/":
        return pl.read_parquet(target)
    return {
        ".csv": lambda: pl.read_csv(target, infer_schema=False),
        ".parquet": lambda: pl.read_parquet(target),
        ".arrow": lambda: pl.read_ipc(target),
        ".ndjson": lambda: pl.read_ndjson(target),
        ".json": lambda: pl.read_json(target),
        ".xlsx": lambda: pl.read_excel(target),
    }[target.suffix]()


@pytest.mark.parametrize("path", ["o.csv", "o.ndjson", "o.json", "o.parquet", "o.arrow", "o/"])
def test_appended_rows_follow_the_others(tmp_path: Path, path: str) -> None:
    for run in ("r1", "r2"):
        output, context = made(path, tmp_path, mode="append")
        deliver(output, context, ROWS, run)
    ids = rows_in(tmp_path, path)["id"].cast(pl.Int64).to_list()
    assert sorted(ids) == sorted([*range(10)] * 2)
    assert path == "o/" or ids == [*range(10)] * 2


@pytest.mark.parametrize("path", ["o.csv", "o.ndjson", "o.json", "o.parquet", "o.arrow", "o.xlsx", "o/"])
def test_equal_rows_in_other_batches_give_an_equal_file(tmp_path: Path, path: str) -> None:
    seen = []
    for n, batch in enumerate((1, 3, 10)):
        output, context = made(path, tmp_path / str(n))
        (tmp_path / str(n)).mkdir()
        deliver(output, context, ROWS, batch=batch)
        seen.append(rows_in(tmp_path / str(n), path) if path == "o/" else (tmp_path / str(n) / path).read_bytes())
    assert all(each.equals(seen[0]) if path == "o/" else each == seen[0] for each in seen)


@pytest.mark.parametrize(("path", "params"), FORMS, ids=lambda v: str(v))
def test_zero_rows_are_a_result_with_columns(tmp_path: Path, path: str, params: Any) -> None:
    output, context = made(path, tmp_path, **params)
    deliver(output, context, ROWS)
    deliver(output, context, ROWS.clear(), "r2")
    assert len(visible(tmp_path)) == 1
    if path.endswith((".csv", ".parquet", ".arrow", ".xlsx")):
        assert rows_in(tmp_path, path).columns == ROWS.columns
        assert rows_in(tmp_path, path).height == 0


def test_csv_as_written(tmp_path: Path) -> None:
    output, context = made("o.csv", tmp_path)
    deliver(output, context, ROWS)
    assert (tmp_path / "o.csv").read_bytes().decode() == (
        'id,name,x\n0,ä,0.5\n1,"",\n2,,0.5\n3,"a,b",\n4,"q""",0.5\n5,"l\nf",\n6,"c\rr",0.5\n7, s ,\n8,#x,0.5\n9,NA,\n'
    )


def test_no_line_of_csv_is_blank(tmp_path: Path) -> None:
    output, context = made("o.csv", tmp_path)
    deliver(output, context, pl.DataFrame({"n": [1, None, 3]}))
    assert (tmp_path / "o.csv").read_text() == 'n\n1\n""\n3\n'


def test_values_as_text(tmp_path: Path) -> None:
    said = "amount is -3, expected between 0 and 10"
    reasons = [
        {"check": "between", "column": "amount", "severity": "error", "message": said, "value": "-3"},
        {"check": "python", "column": "", "severity": "error", "message": "odd", "value": None},
    ]
    zoned = pl.Series([datetime.datetime(2026, 1, 1, 23, tzinfo=datetime.UTC)]).dt.convert_time_zone("Europe/Berlin")
    rows = pl.DataFrame({
        "t": [datetime.datetime(2026, 1, 2, 3, 4, 5)], "z": zoned, "d": [Decimal("1.10")], "l": [["a", None]], "s": [{"k": 1}],
        "b": [b"\xff"], "p": [datetime.timedelta(seconds=90)], "_reasons": [reasons],
    })  # fmt: skip
    output, context = made("o.csv", tmp_path)
    deliver(output, context, rows)
    cells = pl.read_csv(tmp_path / "o.csv", infer_schema=False).row(0, named=True)
    assert cells == {
        "t": "2026-01-02T03:04:05", "z": "2026-01-02T00:00:00+01:00", "d": "1.10", "l": '["a",null]', "s": '{"k":1}',
        "b": "/w==", "p": "PT1M30S", "_reasons": "between(amount): amount is -3, expected between 0 and 10; python: odd",
    }  # fmt: skip
    output, context = made("o.json", tmp_path)
    deliver(output, context, rows)
    kept = json.loads((tmp_path / "o.json").read_text())[0]
    assert kept["_reasons"] == reasons and kept["l"] == ["a", None] and kept["t"] == "2026-01-02T03:04:05"


def test_partitions_cannot_leave_their_directory(tmp_path: Path) -> None:
    keys = ["a/b", "..", ".", "", None, "x=y", "50%", "ü ", "nul\0", "__HIVE_DEFAULT_PARTITION__"]
    output, context = made("o/", tmp_path, partition_by=["k"])
    deliver(output, context, pl.DataFrame({"k": keys, "n": range(len(keys))}))
    assert all(f.parent.parent == tmp_path / "o" for f in visible(tmp_path))
    read = pl.scan_parquet(tmp_path / "o/", hive_partitioning=True).collect()
    assert read.height == len(keys)


def test_a_second_run_replaces_only_what_runs_wrote(tmp_path: Path) -> None:
    output, context = made("o/", tmp_path, format="csv")
    deliver(output, context, ROWS)
    (tmp_path / "o" / "README.md").write_text("mine")
    deliver(output, context, ROWS.head(1), "r2")
    assert [f.name for f in visible(tmp_path)] == ["README.md", "part-000000-tokenr2.csv"]
    (tmp_path / "o" / "mine.csv").write_text("a\n")
    with pytest.raises(CannotCreate, match=r"files that no run wrote: mine\.csv"):
        output.prepare(context)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"path": "o.txt"}, "'o.txt' does not tell the format"),
    ({"path": "o.csv", "partition_by": "id"}, "this needs a directory: end the path in /"),
    ({"path": "o.xlsx", "mode": "append"}, "nothing can be appended to a workbook"),
    ({"path": "o.csv", "compression": "snappy"}, "csv cannot be packed with snappy; it can with gzip, zstd, bz2, xz"),
    ({"path": "o.parquet", "compression": "bz2"}, "parquet cannot be packed with bz2"),
    ({"path": "o/", "format": "excel", "partition_by": "id"}, "this is possible in parquet, arrow, csv, tsv, ndjson"),
    ({"path": "o/", "partition_by": "nope"}, "there is no column nope"),
    ({"path": "o.csv", "encoding": "utf-9"}, "no encoding is named 'utf-9'"),
    ({"path": "o.csv", "null": '"'}, "quotes and line ends cannot stand for nothing"),
]


@pytest.mark.parametrize(("params", "message"), REFUSED, ids=lambda v: str(v))
def test_parameters_that_cannot_be(params: dict[str, Any], message: str) -> None:
    assert any(message in told for _, told in build(File, params).problems(types_of(ROWS)))


def test_places_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "dir.csv").mkdir()
    (tmp_path / "file").write_text("")
    for path, message in [
        ("dir.csv", "there is a directory of this name"),
        ("file/", "this is a file, no directory"),
        ("file/below.csv", "this is a file, no directory"),
        ("x" * 300 + ".csv", "File name too long"),
    ]:
        output, context = made(path, tmp_path)
        with pytest.raises(QpipeError, match=message) as refused:
            deliver(output, context, ROWS)
        assert refused.value.exit_code == 73 and str(tmp_path) in str(refused.value) and refused.value.hint


@pytest.mark.parametrize("path", ["o.csv", "o.parquet", "o.xlsx", "o/"])
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, path: str) -> None:
    output, context = made(path, tmp_path)
    deliver(output, context, ROWS)
    before = content(tmp_path)
    staging = output.staging("r2", context)
    parts = [output.stage(ROWS, 0, staging, context)]

    def full(name: str) -> None:
        if name in ("output.publish.build", "output.publish.rename"):
            raise OSError(28, "No space left on device")

    with listening(full), pytest.raises(CannotCreate, match="the disk is full"):
        output.publish(parts, types_of(ROWS), "t2", context)
    output.discard(parts, context)
    assert content(tmp_path) == before


def test_rights_are_told(tmp_path: Path) -> None:
    output, context = made("o.csv", tmp_path)

    def forbidden(name: str) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path / "o.csv"))

    with listening(forbidden), pytest.raises(NotPermitted, match="give this user the right"):
        deliver(output, context, ROWS)


def test_other_columns_are_not_appended(tmp_path: Path) -> None:
    for path in ("o.csv", "o.parquet", "o.csv.gz", "o.arrow"):
        output, context = made(path, tmp_path, mode="append")
        deliver(output, context, ROWS)
        before = content(tmp_path)
        with pytest.raises(CannotCreate, match=r"columns|header"):
            deliver(output, context, ROWS.rename({"x": "y"}), "r2")
        assert content(tmp_path)[path] == before[path]


def test_what_the_encoding_lacks_is_named(tmp_path: Path) -> None:
    output, context = made("o.csv", tmp_path, encoding="ascii")
    with pytest.raises(CannotCreate, match="'ä' cannot be written in ascii: it stands in name"):
        deliver(output, context, ROWS)


@pytest.mark.parametrize(("path", "params"), [("o.csv", {}), ("o.parquet", {"mode": "append"}), ("o/", {"partition_by": "id"})])
def test_a_remote_store(tmp_path: Path, path: str, params: Any) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.store.clear()
    output, context = made(f"memory://bucket/{path}", tmp_path, **params)
    deliver(output, context, ROWS)
    found = [name for name in memory.find("/bucket") if "manifest" not in name]
    assert len(found) == (10 if path == "o/" else 1)
    if path == "o.csv":
        assert memory.cat_file("/bucket/o.csv").startswith(b"id,name,x\n0,")


def test_a_map_whose_keys_are_numbers_is_pairs_in_json(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"m": pa.array([[(1, 2)], None], pa.map_(pa.int32(), pa.int32()))}), tmp_path / "m.parquet")
    project = Project(tmp_path, "name: m\nsources: {m: {path: m.parquet}}\noutputs: {clean: {path: out/m.ndjson}}\n")
    assert project.run().state == "done"
    assert [json.loads(line)["m"] for line in (tmp_path / "out/m.ndjson").open()] == [[{"key": 1, "value": 2}], None]


def deep() -> tuple[Any, dict[str, Any]]:
    """A table of nested values, and what its first row is in JSON."""
    import pyarrow as pa

    noon, day = datetime.time(12, 0, 0, 500000), datetime.datetime(2024, 1, 2, 3, 4, 5)
    span = datetime.timedelta(hours=1, minutes=30)
    text, time, ts, dur = pa.string(), pa.time64("us"), pa.timestamp("us"), pa.duration("us")
    columns = {
        "always": ([1, 2], pa.list_(pa.int64()), [1, 2]),
        "maps": ([("a", [("x", 1)])], pa.map_(text, pa.map_(text, pa.int64())), {"a": {"x": 1}}),
        "times": ([("a", day), ("b", None)], pa.map_(text, ts), {"a": "2024-01-02T03:04:05", "b": None}),
        "numbers": ([(1, [noon])], pa.map_(pa.int64(), pa.list_(time)), [{"key": 1, "value": ["12:00:00.500"]}]),
        "bytes": ([[(b"\x01", span)], None], pa.list_(pa.map_(pa.binary(), dur)),
                  [[{"key": "AQ==", "value": "PT1H30M"}], None]),
        "structs": ([{"d": span, "l": [[day]]}, None], pa.list_(pa.struct([("d", dur), ("l", pa.list_(pa.list_(ts)))])),
                    [{"d": "PT1H30M", "l": [["2024-01-02T03:04:05"]]}, None]),
        "struct": ({"m": [("k", {"t": noon})]}, pa.struct([("m", pa.map_(text, pa.struct([("t", time)])))]),
                   {"m": {"k": {"t": "12:00:00.500"}}}),
        "fixed": ([noon, None], pa.list_(time, 2), ["12:00:00.500", None]),
    }  # fmt: skip
    table = pa.table(
        {name: pa.array([value, value if name == "always" else None], type_) for name, (value, type_, _) in columns.items()}
    )
    return table, {name: expected for name, (_, _, expected) in columns.items()}


@pytest.mark.parametrize("name", ["o.json", "o.ndjson", "o.csv", "o.xlsx", "o/part.json"])
def test_nested_values_are_written_in_one_notation(name: str, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table, expected = deep()
    pq.write_table(table, tmp_path / "in.parquet")
    path = "out/o/, format: json" if "/" in name else f"out/{name}"
    project = Project(tmp_path, f"sources: {{m: {{path: in.parquet}}}}\noutputs: {{clean: {{path: {path}}}}}\n")
    assert project.run().state == "done"
    (written,) = [f for f in (tmp_path / "out").rglob("*.*") if f.is_file() and not f.name.startswith(".")]
    if written.suffix == ".json":
        rows = json.loads(written.read_text())
    elif written.suffix == ".ndjson":
        rows = [json.loads(line) for line in written.open()]
    else:
        frame = pl.read_csv(written) if written.suffix == ".csv" else pl.read_excel(written)
        rows = [{key: None if text is None else json.loads(text) for key, text in row.items()} for row in frame.to_dicts()]
    assert rows == [expected, {**dict.fromkeys(expected), "always": [1, 2]}]
