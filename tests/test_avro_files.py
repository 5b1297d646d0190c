"""Avro's container files: exact types, every packing, what is refused."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path
from typing import Any

import fastavro
import polars as pl
import pytest

from qpipe.core.component import Context
from qpipe.core.errors import DataRefused
from qpipe.core.params import build
from qpipe.sources.file import File

SCHEMA = {
    "type": "record", "name": "order", "fields": [
        {"name": "id", "type": "long"},
        {"name": "amount", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}]},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "state", "type": {"type": "enum", "name": "state", "symbols": ["new", "paid"]}},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "either", "type": ["null", "string", "long"]},
    ],
}  # fmt: skip
WHEN = datetime.datetime(2026, 11, 29, 12, 30, tzinfo=datetime.UTC)


def record(n: int) -> dict[str, Any]:
    return {"id": n, "amount": decimal.Decimal(n) / 4 if n % 3 else None, "at": WHEN, "day": WHEN.date(),
            "state": "paid", "tags": ["a", str(n)], "either": n if n % 2 else "x"}  # fmt: skip


def write(path: Path, rows: int, **given: Any) -> File:
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, map(record, range(rows)), **given)
    source: File = build(File, {"path": str(path)})
    return source


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_values_are_exact_whatever_the_packing(tmp_path: Path, codec: str) -> None:
    (chunk,) = write(tmp_path / "orders.avro", 2, codec=codec).read(Context(), None, 10)
    assert dict(chunk.frame.schema) == {
        "id": pl.Int64, "amount": pl.Decimal(12, 2), "at": pl.Datetime("ms", "UTC"), "day": pl.Date, "state": pl.String,
        "tags": pl.String, "either": pl.String,
    }  # fmt: skip
    assert chunk.frame.rows() == [
        (0, None, WHEN, WHEN.date(), "paid", '["a", "0"]', "x"),
        (1, decimal.Decimal("0.25"), WHEN, WHEN.date(), "paid", '["a", "1"]', "1"),
    ]


def test_it_is_known_by_its_bytes(tmp_path: Path) -> None:
    write(tmp_path / "orders.csv", 3)
    (chunk,) = build(File, {"path": str(tmp_path / "orders.csv")}).read(Context(), None, 10)
    assert chunk.frame["id"].to_list() == [0, 1, 2] and chunk.faults[0].code == "wrong-extension"


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_every_position_restarts_exactly(tmp_path: Path, size: int) -> None:
    source = write(tmp_path / "orders.avro", 100, sync_interval=500)
    chunks = list(source.read(Context(), None, size, ["id"]))
    assert [n for chunk in chunks for n in chunk.frame["id"]] == list(range(100))
    for n, chunk in enumerate(chunks):
        rest = [n for later in source.read(Context(), chunk.position, 9, ["id"]) for n in later.frame["id"]]
        assert rest == list(range(min(100, (n + 1) * size), 100))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "orders.avro"
    source = write(path, 100, sync_interval=500)
    whole = path.read_bytes()
    for cut in (10, 40, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataRefused, match=r"orders\.avro: the Avro file is damaged"):
            list(source.read(Context(), None, 10))
    path.write_bytes(whole[: len(whole) // 2] + b"\xff" * 40 + whole[len(whole) // 2 + 40 :])
    with pytest.raises(DataRefused, match="damaged"):
        list(source.read(Context(), None, 10))


def test_a_schema_that_is_no_record_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "n.avro").open("wb") as file:
        fastavro.writer(file, {"type": "array", "items": "long"}, [[1, 2]])
    with pytest.raises(DataRefused, match="its schema is none of a record"):
        build(File, {"path": str(tmp_path / "n.avro")}).columns(Context())
