"""What holds for every output, as a suite of pytest to derive from.

class TestLedger(OutputSuite):
    @pytest.fixture
    def place(self, tmp_path):
        path = tmp_path / "ledger.txt"
        return Place({"type": "ledger", "path": str(path)}, lambda: [...])  # what a reader sees, as mappings
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from qpipe.core import effects
from qpipe.core.component import Context, Loading, Output, Part
from qpipe.core.lazy import pl
from qpipe.core.types import DataType
from qpipe.testing.sources import ODD, Rows, as_texts, numbered
from qpipe.testing.stops import Run, Stopped, runs_of, stops


@dataclass(frozen=True)
class Place:
    """Where rows go: the output as it stands in a spec, and what a reader sees there (nothing yet: no rows)."""

    written: dict[str, Any]
    seen: Callable[[], Rows]


class OutputSuite:
    """Nothing before publishing, everything once after it, unicode, nulls, width, stops, secrets: derive, write ``place``."""

    plugins: tuple[str, ...] = ()  # as under ``plugins:``
    secrets: tuple[str, ...] = ()  # what must be found nowhere
    tells_null: bool = True  # it can hold a null
    tells_empty: bool = True  # it tells an empty text from a null
    keeps_order: bool = True  # a reader sees the rows in the order they came
    width: int = 200  # columns of a wide row

    @pytest.fixture
    def place(self) -> Place:
        raise NotImplementedError("a suite needs a fixture `place`")

    @pytest.fixture
    def opened(self, place: Place, tmp_path: Path) -> Opened:
        return Opened(place, tmp_path, self.plugins)

    def test_nothing_is_seen_before_it_is_published(self, opened: Opened) -> None:
        opened.output.prepare(opened.context)
        parts = opened.stage(numbered(9))
        assert opened.place.seen() == []
        opened.publish(parts)
        self.same(opened, numbered(9))

    def test_the_same_token_again_changes_nothing(self, opened: Opened) -> None:
        parts = opened.stage(numbered(9))
        opened.publish(parts)
        if opened.once:
            opened.publish(parts)
            self.same(opened, numbered(9))

    def test_a_batch_staged_again_takes_the_place_of_the_first(self, opened: Opened) -> None:
        opened.stage(numbered(9), size=4)
        opened.publish(opened.stage(numbered(7), size=4))
        self.same(opened, numbered(7))

    def test_parts_are_published_in_their_order(self, opened: Opened) -> None:
        opened.publish(opened.stage(numbered(20), size=3)[::-1])
        self.same(opened, numbered(20))

    def test_what_is_discarded_leaves_nothing(self, opened: Opened) -> None:
        opened.output.discard(opened.stage(numbered(9)), opened.context)
        assert opened.place.seen() == []
        assert [p for p in opened.directory.rglob("*") if p.is_file()] == []

    def test_rows_on_their_way_are_seen_when_they_are_published(self, opened: Opened) -> None:
        """Some of the parts are loaded ahead, the others when they are published: each row once, in order."""
        parts = opened.stage(numbered(20), size=3)
        loading = opened.loading(parts[:4])
        assert loading is None or isinstance(self, LoadingSuite), "it loads rows ahead: LoadingSuite is its suite"
        assert opened.place.seen() == []
        if loading and loading.publish(parts, "token-1") is None:
            loading.close()
            opened.publish(parts)
        elif loading is None:
            opened.publish(parts)
        if opened.once:
            opened.publish(parts)
        self.same(opened, numbered(20))

    def test_no_rows_are_a_result(self, opened: Opened) -> None:
        opened.publish([])
        assert opened.place.seen() == []

    def test_unicode(self, opened: Opened) -> None:
        rows = [{"id": n + 1, "name": text} for n, text in enumerate([*ODD, "two\nlines"])]
        opened.publish(opened.stage(rows))
        self.same(opened, rows)

    def test_nulls(self, opened: Opened) -> None:
        if not self.tells_null:
            pytest.skip("it holds no nulls")
        names = ["a", None, "b", None, None] + ([""] if self.tells_empty else [])
        rows = [{"id": n + 1, "name": name} for n, name in enumerate(names)]
        opened.publish(opened.stage(rows, size=2))
        self.same(opened, rows)

    def test_wide_rows(self, opened: Opened) -> None:
        rows = [{"id": n, "name": "x"} | {f"c{c}": n * c for c in range(self.width)} for n in range(1, 8)]
        opened.publish(opened.stage(rows))
        found = [{k: str(row[k]) for k in rows[0]} for row in opened.place.seen()]
        assert sorted(map(repr, found)) == sorted(repr({k: str(v) for k, v in row.items()}) for row in rows)

    def test_what_it_tells_is_json(self, opened: Opened) -> None:
        json.dumps(opened.publish(opened.stage(numbered(2))))

    def test_stopped_while_it_publishes_and_asked_again(self, opened: Opened) -> None:
        """At its first effects: a second call with the same token ends as if there had been no first."""
        parts = opened.stage(numbered(9))
        if opened.stopped(parts, 1):
            opened.publish(parts)
        self.same(opened, numbered(9), at_least=not opened.once)

    def test_a_run_stopped_anywhere_resumes_to_the_same_rows(self, place: Place, tmp_path: Path) -> None:
        """Through the engine: each row once, or at least once where the output says so."""
        names = self._run(place, tmp_path / "counted").finish().effects
        before = len(place.seen())
        for number in [n for n in stops(names) if names[n].startswith(("output", "journal"))][-6:]:
            run = self._run(place, tmp_path / f"stopped-{number}")
            run.stop_at(number)
            run.finish()
            found = [str(row["id"]) for row in place.seen()]
            added = len(found) - before
            assert set(found) == {str(n) for n in range(1, 14)}, f"stopped at {names[number]}"
            if self._output(run).guarantee == "exactly once":
                assert added in (0, 13), f"stopped at {names[number]}: {added} rows more"  # 0: it replaces
            before = len(found)

    def test_secrets_are_nowhere(self, opened: Opened, tmp_path: Path) -> None:
        told = [repr(opened.output), opened.publish(opened.stage(numbered(3)))]
        run = self._run(opened.place, tmp_path / "told").finish()
        for secret in self.secrets:
            assert secret not in repr(told)
            assert run.holding(secret) == []

    def same(self, opened: Opened, rows: Rows, at_least: bool = False) -> None:
        """A reader sees just these rows."""
        found = [(str(row["id"]), row["name"]) for row in opened.place.seen()]
        expected = as_texts(rows)
        if at_least:
            assert set(found) == set(expected)
        elif self.keeps_order:
            assert found == expected
        else:
            assert sorted(found, key=repr) == sorted(expected, key=repr)

    def _run(self, place: Place, folder: Path) -> Run:
        run = runs_of(folder, {"sources": {"rows": {"path": "rows.ndjson", "schema": {"id": "int", "name": "string"}}},
                               "outputs": {"out": place.written}}, self.plugins)  # fmt: skip
        (folder / "rows.ndjson").write_text("".join(json.dumps(row) + "\n" for row in numbered(13)))
        return run

    def _output(self, run: Run) -> Output:
        found: Output = run.plan().outputs["out"].output
        return found


class LoadingSuite(OutputSuite):
    """The same, and more, for an output that begins to load rows before all of them are through (``Output.loading``)."""

    def test_rows_on_their_way_that_are_not_published_leave_nothing(self, opened: Opened) -> None:
        loading = opened.loading(opened.stage(numbered(9)))
        assert loading, "it loads nothing ahead: OutputSuite is its suite"
        loading.close()
        assert loading.publish([], "token-1") is None
        assert opened.place.seen() == []
        opened.publish(opened.stage(numbered(7)))
        self.same(opened, numbered(7))

    def test_other_parts_than_those_on_their_way_are_published(self, opened: Opened) -> None:
        loading = opened.loading(opened.stage(numbered(9)))
        assert loading, "it loads nothing ahead: OutputSuite is its suite"
        parts = opened.stage(numbered(7))
        assert loading.publish(parts, "token-1") is None
        opened.publish(parts)
        self.same(opened, numbered(7))


class Opened:
    """An output as a spec makes it."""

    def __init__(self, place: Place, folder: Path, plugins: Sequence[str]) -> None:
        run = runs_of(
            folder / "opened", {"sources": {"rows": {"path": "none.csv"}}, "outputs": {"out": place.written}}, plugins
        )
        self.place, plan = place, run.plan()
        self.output: Output = plan.outputs["out"].output
        self.context = Context(directory=plan.directory, run="suite-1", work=folder)
        self.directory = self.output.staging("suite-1", self.context) or folder / "staged"
        self.directory.mkdir(parents=True, exist_ok=True)
        self.types: dict[str, DataType] = {"id": DataType.parse("int"), "name": DataType.parse("string")}

    @property
    def once(self) -> bool:
        return self.output.guarantee == "exactly once"

    def stage(self, rows: Rows, size: int = 4) -> list[Part]:
        frame = pl.DataFrame(rows, schema_overrides={"id": pl.Int64, "name": pl.String})
        self.types = {name: DataType.of(dtype) for name, dtype in frame.schema.items()}
        pieces = list(frame.iter_slices(size))
        return [self.output.stage(piece, n, self.directory, self.context) for n, piece in enumerate(pieces)]

    def publish(self, parts: Sequence[Part], token: str = "token-1") -> Any:
        return self.output.publish(parts, self.types, token, self.context)

    def loading(self, parts: Sequence[Part]) -> Loading | None:
        """These parts on their way, if the output begins before all is through."""
        loading = self.output.loading(self.types, self.context)
        if loading:
            for part in parts:
                loading.add(part)
        return loading

    def stopped(self, parts: Sequence[Part], number: int) -> bool:
        """Publish, but stop at the n-th effect. False: there were not so many."""
        seen: list[str] = []

        def listener(name: str) -> None:
            seen.append(name)
            if len(seen) > number:
                raise Stopped(name)

        try:
            with effects.listening(listener):
                self.publish(parts)
        except Stopped:
            return True
        return False
