"""What relational steps gather: in memory while it is little, on disk when it is much, and the same either way."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational
from qpipe.core.gather import Keys, Table
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.modules.validation.hierarchy import Hierarchy
from qpipe.testing.alone import run_alone
from qpipe.testing.examples import examples_of, types_of

RELATIONAL: list[Any] = [module for module in Registry().all("module") if issubclass(module, Relational)]
MUCH, LITTLE = 256 << 20, 0


@pytest.mark.parametrize("module", RELATIONAL, ids=lambda module: module.name)
def test_the_same_on_disk_as_in_memory(module: Any) -> None:
    for example in examples_of(module):
        frame = example.frame()
        context = example.context(frame)
        held, kept = (run_alone(example.build(module), frame, context.but(memory_limit=room), 2) for room in (MUCH, LITTLE))
        assert held.frame.equals(kept.frame)
        assert (held.findings, held.dropped, held.verdict, held.asks) == (kept.findings, kept.dropped, kept.verdict, kept.asks)


@pytest.mark.parametrize("room", [MUCH, LITTLE, 5000], ids=["memory", "disk", "both"])
def test_what_was_gathered_before_a_checkpoint_is_there_again(tmp_path: Path, room: int) -> None:
    frames = [numbered(first) for first in range(0, 1000, 100)]
    table = gathered(tmp_path / "t", room, frames[:4])
    state = table.state()
    table.sync()
    for frame in frames[4:6]:
        table.add(frame)
    again = Table(tmp_path / "t", room)
    again.restore(state)
    for frame in frames[4:]:
        again.add(frame)
    assert seen(again) == seen(gathered(tmp_path / "u", room, frames)) == list(range(1000))


@pytest.mark.parametrize("keep", ["none", "first", "last"])
@pytest.mark.parametrize("kind", [pl.Int64, pl.String], ids=["number", "text"])
def test_keys_that_repeat_among_very_many(tmp_path: Path, kind: Any, keep: str) -> None:
    count, step = 1_200_000, 70_001  # more in each partition than are looked at in one go
    values = pl.int_range(count, eager=True)
    values = pl.select(pl.when(values % step == step - 1).then(7).otherwise(values)).to_series()
    keys = Keys(tmp_path)
    for first in range(0, count, 300_000):
        part = pl.DataFrame(
            {"key": values.slice(first, 300_000).cast(kind), ROW: pl.int_range(first, first + 300_000, eager=True)}
        )
        keys.add(keys.pack(part))
    alike = (values == 7).arg_true()
    expected = {"none": alike, "first": alike[1:], "last": alike[:-1]}[keep]
    assert keys.duplicates(keep).mask(0, count).arg_true().to_list() == expected.to_list()


def test_tables_of_a_pass_share_what_they_may_hold(tmp_path: Path) -> None:
    frame = numbered(0)
    room = 2 * 3 * frame.estimated_size()  # three frames, as half of it is for what is held
    one, other = gathered(tmp_path / "one", int(room), [frame] * 2), gathered(tmp_path / "other", int(room), [frame] * 2)
    assert not list((tmp_path / "one").glob("part-*")) and len(list((tmp_path / "other").glob("part-*"))) == 2
    assert len(seen(one)) == len(seen(other)) == 200


def test_rows_come_in_the_order_in_which_they_were_gathered(tmp_path: Path) -> None:
    frames = [numbered(first).with_columns(v=-pl.col(ROW)) for first in range(0, 20_000, 100)]
    for name, room in (("memory", MUCH), ("disk", LITTLE)):
        table = gathered(tmp_path / name, room, frames)
        above = table.rows(f"select {ROW} from (select {ROW}, v, lag(v) over () as p from data) where v = p - 1")
        assert len(above) == 19_999


def numbered(first: int) -> pl.DataFrame:
    return pl.DataFrame({ROW: range(first, first + 100), "t": [f"a text of some length, {n}" for n in range(100)]})


def gathered(folder: Path, room: int, frames: list[pl.DataFrame]) -> Table:
    table = Table(folder, room)
    for frame in frames:
        table.add(frame)
    return table


def seen(table: Table) -> list[int]:
    connection = table.connect()
    try:
        return [row for (row,) in connection.sql(f"select {ROW} from data").fetchall()]
    finally:
        connection.close()


def test_a_hierarchy_is_judged_as_one_by_one() -> None:
    chance = random.Random(3)
    for size in (1, 2, 7, 40, 40, 40, 200, 200):
        ids = [chance.choice([None, *range(size)]) if chance.random() < 0.3 else n for n in range(size)]
        above = [chance.choice([None, *range(size + 2)]) for _ in range(size)]
        frame = pl.DataFrame({"id": ids, "above": above}, schema={"id": pl.Int64, "above": pl.Int64})
        seen = run_alone(build(Hierarchy, {"key": "id", "parent": "above"}), frame, Context(types=types_of(frame)), 3)
        assert seen.failed == unheld(ids, above)


def unheld(ids: list[int | None], above: list[int | None]) -> list[int]:
    """Rows whose parent is no id, or that do not hang on a root or on such a row."""
    known, held = {id for id in ids if id is not None}, set[int]()
    while more := {i for i, p in zip(ids, above, strict=True) if i is not None and (p not in known or p in held)} - held:
        held |= more
    judged = enumerate(zip(ids, above, strict=True))
    return [row for row, (i, p) in judged if p is not None and (p not in known or not {i, p} - {None} <= held)]
