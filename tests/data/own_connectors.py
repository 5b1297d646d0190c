"""Connectors of a user's own, as docs/writing-a-connector.md has them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import polars as pl

from qpipe import BaseOutput, BaseSource, param


class Ledger(BaseSource):
    """Lines of a ledger, each a JSON object."""

    name = "ledger"

    file: str = param(help="the ledger's file")

    def connect(self) -> None:
        self.lines = (self.context.directory / self.file).open("rb")

    def read_batch(self, rows: int) -> list[dict[str, object]]:
        return [json.loads(line) for _, line in zip(range(rows), self.lines, strict=False)]

    def close(self) -> None:
        self.lines.close()


class SeekingLedger(Ledger):
    """The same, going straight to where it stopped."""

    name = "seeking_ledger"

    def read_batch(self, rows: int) -> list[dict[str, object]]:
        found = []
        while len(found) < rows and (line := self.lines.readline()):
            found.append(json.loads(line))
        return found

    def position(self) -> dict[str, int]:
        return {"byte": self.lines.tell()}

    def seek(self, position: dict[str, int]) -> None:
        self.lines.seek(position["byte"])


class Generous(SeekingLedger):
    """Gives more rows than it is asked for."""

    name = "generous"

    def read_batch(self, rows: int) -> list[dict[str, object]]:
        return super().read_batch(7)


class Book(BaseOutput):
    """Rows in a book of SQLite, with the token in the same transaction."""

    name = "book"

    file: str = param(help="the book's file")

    def connect(self) -> None:
        self.db = sqlite3.connect(Path(self.context.directory) / self.file)
        self.db.execute("create table if not exists rows (line text)")
        self.db.execute("create table if not exists tokens (token text primary key)")

    def committed(self, token: str) -> bool:
        return self.db.execute("select 1 from tokens where token = ?", [token]).fetchone() is not None

    def write_batch(self, data: pl.DataFrame) -> None:
        self.db.executemany("insert into rows values (?)", [[json.dumps(row)] for row in data.to_dicts()])

    def commit(self, token: str) -> None:
        self.db.execute("insert into tokens values (?)", [token])
        self.db.commit()

    def close(self) -> None:
        self.db.close()


class Heap(Book):
    """The same without looking at tokens: at least once."""

    name = "heap"
    guarantee = "at least once"

    def committed(self, token: str) -> bool:
        return False

    def commit(self, token: str) -> None:
        self.db.commit()
