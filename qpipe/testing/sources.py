"""What holds for every source, as a suite of pytest to derive from.

class TestLedger(SourceSuite):
    secrets = ("s3cret",)

    @pytest.fixture
    def given(self, tmp_path):
        def make(rows):  # a list of mappings; their order is the order in which they must be read
            (tmp_path / "ledger.txt").write_text(...)
            return {"type": "ledger", "path": str(tmp_path / "ledger.txt")}  # as it stands in a spec
        return make
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from qpipe.core.component import Context, Source
from qpipe.testing.stops import runs_of, stops

Rows = list[dict[str, Any]]
Given = Callable[[Rows], dict[str, Any]]

ODD = [
    "Zoë", "日本語", "عربي", "e\u0301", "👩\u200d👩\u200d👧", 'say "no"', "a,b;c\td", "it's", "\\N", "null", "NaN", " x ",
    "%s {y} $z",
]  # fmt: skip


class SourceSuite:
    """Order, exact restart, emptiness, drift, unicode, nulls, width, stops, secrets: derive, and write ``given``."""

    plugins: tuple[str, ...] = ()  # as under ``plugins:``
    secrets: tuple[str, ...] = ()  # what must be found nowhere
    tells_null: bool = True  # it can hold a null
    tells_empty: bool = True  # it tells an empty text from a null
    tells_lines: bool = True  # a text may hold line breaks
    empty_has_columns: bool = True  # with no rows it still knows its columns
    width: int = 200  # columns of a wide row

    @pytest.fixture
    def given(self) -> Given:
        """A function that puts rows where the source reads them, and gives the source as it stands in a spec."""
        raise NotImplementedError("a suite needs a fixture `given`")

    @pytest.fixture
    def source(self, given: Given, tmp_path: Path) -> Callable[[Rows], Opened]:
        def opened(rows: Rows) -> Opened:
            return Opened(given(rows), tmp_path, self.plugins)

        return opened

    def test_rows_come_in_their_order(self, source: Any) -> None:
        assert source(numbered(23)).rows(5) == as_texts(numbered(23))

    def test_any_chunk_size_gives_the_same_rows(self, source: Any) -> None:
        opened = source(numbered(23))
        for size in (1, 7, 23, 1000):
            assert opened.rows(size) == as_texts(numbered(23)), f"chunks of {size}"

    def test_chunks_are_no_longer_than_asked(self, source: Any) -> None:
        opened = source(numbered(23))
        for size in (1, 7, 23):
            assert all(chunk.frame.height <= size for chunk in opened.chunks(size)), f"chunks of {size}"

    def test_every_position_restarts_exactly(self, source: Any) -> None:
        opened, expected = source(numbered(13)), as_texts(numbered(13))
        for size in (1, 4, 13):
            seen = 0
            for chunk in opened.chunks(size):
                seen += chunk.frame.height
                position = json.loads(json.dumps(chunk.position))
                assert position == chunk.position, "a position is JSON, and is the same after it was written"
                assert opened.rows(6, position) == expected[seen:], f"after row {seen}, in chunks of {size}"

    def test_reading_can_be_broken_off(self, source: Any) -> None:
        opened = source(numbered(23))
        chunks = opened.read(4)
        next(chunks)
        chunks.close()
        assert opened.rows(5) == as_texts(numbered(23))

    def test_two_readers_do_not_disturb_each_other(self, source: Any) -> None:
        opened = source(numbered(12))
        found = [(one.frame["id"].to_list(), other.frame["id"].to_list())
                 for one, other in zip(opened.read(5), opened.read(5), strict=True)]  # fmt: skip
        assert all(one == other for one, other in found)

    def test_the_columns_are_those_told(self, source: Any) -> None:
        opened = source(numbered(3))
        told = list(opened.source.columns(opened.context))
        assert [c for c in told if c in ("id", "name")] == ["id", "name"]
        assert all(set(chunk.frame.columns) == set(told) for chunk in opened.chunks(2))

    def test_some_columns_only(self, source: Any) -> None:
        opened = source(numbered(9))
        found = [v for chunk in opened.read(4, columns=["name"]) for v in chunk.frame["name"].to_list()]
        assert found == [row["name"] for row in numbered(9)]

    def test_no_rows(self, source: Any) -> None:
        opened = source([])
        assert opened.rows(5) == []
        if self.empty_has_columns:
            assert {"id", "name"} <= set(opened.source.columns(opened.context))
        for chunk in opened.chunks(5):
            assert opened.rows(5, chunk.position) == []

    def test_unicode(self, source: Any) -> None:
        texts = [*ODD, *(["two\nlines", "dos\r\nlines"] if self.tells_lines else [])]
        rows = [{"id": n + 1, "name": text} for n, text in enumerate(texts)]
        assert source(rows).rows(4) == as_texts(rows)

    def test_nulls(self, source: Any) -> None:
        if not self.tells_null:
            pytest.skip("it holds no nulls")
        names = ["a", None, "b", None, None, "c"] + ([""] if self.tells_empty else [])
        rows = [{"id": n + 1, "name": name} for n, name in enumerate(names)]
        for size in (1, 2, 10):
            assert source(rows).rows(size) == as_texts(rows), f"chunks of {size}"

    def test_wide_rows(self, source: Any) -> None:
        rows = [{"id": n, "name": "x"} | {f"c{c}": n * c for c in range(self.width)} for n in range(1, 8)]
        opened = source(rows)
        found = [row for chunk in opened.chunks(3) for row in chunk.frame.select(list(rows[0])).to_dicts()]
        assert [{k: str(v) for k, v in row.items()} for row in found] == [{k: str(v) for k, v in row.items()} for row in rows]

    def test_a_column_more_is_delivered(self, source: Any) -> None:
        opened = source(numbered(3))
        opened.rows(5)
        changed = source([{**row, "extra": "new"} for row in numbered(3)])
        assert "extra" in changed.source.columns(changed.context)
        assert [v for chunk in changed.chunks(2) for v in chunk.frame["extra"].to_list()] == ["new"] * 3

    def test_what_it_tells_of_itself_is_json_and_stays(self, source: Any) -> None:
        opened = source(numbered(4))
        before = json.dumps(opened.source.identity(opened.context), sort_keys=True)
        opened.rows(2)
        assert json.dumps(opened.source.identity(opened.context), sort_keys=True) == before
        rows, size = opened.source.size(opened.context)
        assert all(n is None or n >= 0 for n in (rows, size))
        json.dumps(opened.source.cursor(opened.chunks(9)[-1].position, opened.context))

    def test_a_run_stopped_anywhere_resumes_to_the_same_rows(self, given: Given, tmp_path: Path) -> None:
        """Through the engine: stopped at its effects as if killed, then resumed."""
        spec = {"sources": {"rows": given(numbered(23))}, "outputs": {"out": {"path": "out.ndjson"}}}
        whole = runs_of(tmp_path / "whole", spec, self.plugins)
        expected = whole.finish().folder.joinpath("out.ndjson").read_bytes()
        assert len(expected.splitlines()) == 23
        for number in stops(whole.effects):
            run = runs_of(tmp_path / f"stopped-{number}", spec, self.plugins)
            run.stop_at(number)
            found = run.finish().folder.joinpath("out.ndjson").read_bytes()
            assert found == expected, f"stopped at {whole.effects[number]}"

    def test_secrets_are_nowhere(self, given: Given, tmp_path: Path) -> None:
        opened = Opened(given(numbered(5)), tmp_path, self.plugins)
        told = [repr(opened.source), opened.source.identity(opened.context), opened.source.inputs(opened.context)]
        told += [chunk.position for chunk in opened.chunks(2)] + [chunk.file for chunk in opened.chunks(2)]
        run = runs_of(
            tmp_path / "told", {"sources": {"rows": opened.written}, "outputs": {"out": {"path": "o.csv"}}}, self.plugins
        )
        run.finish()
        for secret in self.secrets:
            assert secret not in repr(told)
            assert run.holding(secret) == []


class Opened:
    """A source as a spec makes it, and its rows as texts."""

    def __init__(self, written: dict[str, Any], folder: Path, plugins: Sequence[str]) -> None:
        plan = runs_of(folder / "opened", {"sources": {"rows": written}, "outputs": {"out": {"path": "o.csv"}}}, plugins).plan()
        self.written = written
        self.source: Source = plan.sources[0].source
        self.context = Context(directory=plan.directory, types=plan.sources[0].types or {})

    def read(self, size: int, position: Any = None, columns: Sequence[str] | None = None) -> Any:
        return self.source.read(self.context, position, size, columns)

    def chunks(self, size: int, position: Any = None) -> list[Any]:
        return list(self.read(size, position))

    def rows(self, size: int, position: Any = None) -> list[tuple[str, str | None]]:
        found = []
        for chunk in self.read(size, position):
            if chunk.frame.height:
                ids, names = (chunk.frame[c].to_list() if c in chunk.frame.columns else [None] * chunk.frame.height
                              for c in ("id", "name"))  # fmt: skip
                found += list(zip(map(str, ids), names, strict=True))
        return found


def numbered(rows: int) -> Rows:
    return [{"id": n, "name": f"name {n}"} for n in range(1, rows + 1)]


def as_texts(rows: Rows) -> list[tuple[str, str | None]]:
    return [(str(row["id"]), row["name"]) for row in rows]
