"""A user's own connectors: the published suites over them, where they appear, what they may get wrong."""

from __future__ import annotations

import json
import sqlite3
import textwrap
from pathlib import Path
from typing import Any

import pytest
from commands import qpipe

from qpipe.core.registry import Registry
from qpipe.testing.outputs import OutputSuite, Place
from qpipe.testing.sources import Given, Rows, SourceSuite

PLUGIN = str(Path(__file__).parent / "data/own_connectors.py")


class Own(SourceSuite):
    plugins = (PLUGIN,)
    empty_has_columns = False
    kind = ""

    @pytest.fixture
    def given(self, tmp_path: Path) -> Given:
        def make(rows: Rows) -> dict[str, Any]:
            (tmp_path / "ledger.txt").write_text("".join(json.dumps(row) + "\n" for row in rows))
            return {"type": self.kind, "file": str(tmp_path / "ledger.txt")}

        return make


class TestLedger(Own):
    kind = "ledger"


class TestSeekingLedger(Own):
    kind = "seeking_ledger"


class TestGenerous(Own):
    kind = "generous"


class OwnOut(OutputSuite):
    plugins = (PLUGIN,)
    kind = ""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Place:
        path = tmp_path / "book.db"

        def seen() -> Rows:
            if not path.exists():
                return []
            db = sqlite3.connect(path)
            found = [json.loads(line) for (line,) in db.execute("select line from rows")]
            db.close()
            return found

        return Place({"type": self.kind, "file": str(path)}, seen)


class TestBook(OwnOut):
    kind = "book"


class TestHeap(OwnOut):
    kind = "heap"


def test_guarantees_follow_from_what_is_written() -> None:
    registry = Registry((PLUGIN,))
    told = {name: registry.get("output", name).guarantee for name in ("book", "heap")}  # type: ignore[attr-defined]
    assert told == {"book": "exactly once", "heap": "at least once"}


def test_they_stand_in_schema_and_listing(tmp_path: Path) -> None:
    registry = Registry((PLUGIN,))
    assert "ledger" in registry.names("source") and "book" in registry.names("output")


def test_a_type_that_changes_between_batches_is_told(tmp_path: Path) -> None:
    from qpipe.core.component import Context
    from qpipe.core.errors import DataRefused

    rows = [{"id": 1}] * 100 + [{"id": "x"}]
    (tmp_path / "l.txt").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ledger = Registry((PLUGIN,)).get("source", "ledger")(file="l.txt")  # type: ignore[call-arg]
    with pytest.raises(DataRefused, match="the column id was Int64"):
        list(ledger.read(Context(directory=tmp_path), None, 100))  # type: ignore[attr-defined]


PACKAGE = {
    "shop_checks.py": '''
        from __future__ import annotations

        import polars as pl

        from qpipe.core.component import Check, Context
        from qpipe.core.params import Columns, param


        class Even(Check):
            """Numbers are even. Null passes."""

            name = "even"
            columns: Columns = param(help="the columns", short=True)

            def bad(self, column: str, context: Context) -> pl.Expr:
                return pl.col(column) % 2 != 0
        ''',
    "shop_checks-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: shop-checks\nVersion: 1.0\n",
    "shop_checks-1.0.dist-info/entry_points.txt": "[qpipe.modules]\neven = shop_checks:Even\n",
}


def test_an_installed_package_brings_modules_without_being_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "even" not in Registry().names("module")
    for name, text in PACKAGE.items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(tmp_path / "site")
    (tmp_path / "spec.yaml").write_text(
        "sources: {s: {path: s.csv, schema: {n: int}}}\nmodules: [even: n]\n"
        "outputs: {clean: {path: clean.csv}, quarantine: {path: bad.csv}}\n"
    )
    (tmp_path / "s.csv").write_text("n\n1\n2\n")
    qpipe(tmp_path, "run", "spec.yaml", "-q")
    assert (tmp_path / "clean.csv").read_text() == "n\n2\n"
    assert "even" in qpipe(tmp_path, "modules").stdout
