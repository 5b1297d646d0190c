"""The one writer of a run's journal.

Invariants. Every commit is fenced by the attempt number, so a sleeper that wakes after a take-over changes nothing. What a
batch changed is one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Part
from qpipe.core.effects import effect
from qpipe.core.errors import CannotCreate, QpipeError, TryLater
from qpipe.core.events import Event

if TYPE_CHECKING:
    from qpipe.orchestrator.journal import Journal

QUESTION_SAMPLE = 5  # rows shown with a question


class Writer:
    """Writes one run's journal. Every change goes through ``commit``, which is fenced by the attempt."""

    def __init__(self, journal: Journal, run: str, attempt: int) -> None:
        self.journal, self.run, self.attempt = journal, run, attempt
        self.directory = journal.directory(run)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._listeners: list[Any] = []
        self.mask: Callable[[str], str] = str  # takes secrets out of what others wrote

    def listen(self, listener: Any) -> None:
        """Call ``listener(event)`` for every event, after its commit."""
        self._listeners.append(listener)

    @contextmanager
    def commit(self, name: str) -> Iterator[Transaction]:
        """One transaction. Events in it reach the listeners when it has landed."""
        db = self.journal.db
        effect(f"journal.commit.{name}.before")
        db.execute("begin immediate")
        try:
            mine = db.execute("update run set progress_at=?, heartbeat_at=? where id=? and attempt=?",
                              (time.time(), time.time(), self.run, self.attempt)).rowcount  # fmt: skip
            if not mine:
                raise TryLater(f"the run {self.run} has been taken over by another process")
            transaction = Transaction(db, self.run, self.mask)
            yield transaction
            db.execute("commit")
        except sqlite3.OperationalError as error:
            roll_back(db)
            raise CannotCreate(f"the journal cannot be written: {error}",
                               hint="free some space") from error  # fmt: skip
        except BaseException:
            roll_back(db)
            raise
        effect(f"journal.commit.{name}.after")
        for event in transaction.events:
            self.tell(event)

    def tell(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)

    def heartbeat(self) -> None:
        self.journal.db.execute("update run set heartbeat_at=? where id=? and attempt=?", (time.time(), self.run, self.attempt))


class Transaction:
    """What can be written of a run. Everything in one transaction lands, or nothing does."""

    def __init__(self, db: sqlite3.Connection, run: str, mask: Callable[[str], str] = str) -> None:
        self._db, self._run, self._mask = db, run, mask
        self.events: list[Event] = []

    def event(self, name: str, parent: int | None = None, **data: Any) -> int:
        now = time.time()
        data |= {key: self._mask(data[key]) for key in ("message", "hint") if isinstance(data.get(key), str)}
        id = self._db.execute("insert into event (run, parent, at, name, data_json) values (?, ?, ?, ?, ?)",
                              (self._run, parent, now, name, json.dumps(data, default=str))).lastrowid or 0  # fmt: skip
        self.events.append(Event(name, self._run, data, parent, now, id))
        return id

    def put(self, table: str, **values: Any) -> None:
        """Insert or replace a row of this run; dicts and lists become JSON in the column with the suffix _json."""
        encoded = {k: json.dumps(v, default=str) if k.endswith("_json") else v for k, v in values.items()}
        columns = ", ".join(f'"{k}"' for k in ("run", *encoded))
        marks = ", ".join("?" * (len(encoded) + 1))
        self._db.execute(f"insert or replace into {table} ({columns}) values ({marks})", (self._run, *encoded.values()))

    def drop(self, table: str, **key: Any) -> None:
        """Delete the rows of this run that have these values."""
        wanted = " and ".join(f'"{k}"=?' for k in ("run", *key))
        self._db.execute(f"delete from {table} where {wanted}", (self._run, *key.values()))

    def update_run(self, **values: Any) -> None:
        encoded = {k: json.dumps(v, default=str) if k.endswith("_json") else v for k, v in values.items()}
        changes = ", ".join(f"{k}=?" for k in encoded)
        self._db.execute(f"update run set {changes} where id=?", (*encoded.values(), self._run))

    def tally(self, counts: Sequence[tuple[str, str, int, int, str | None]]) -> None:
        """Add (check, column, evaluated, failed, source) to what was counted before; the source where there are several."""
        more = "on conflict do update set evaluated = evaluated + excluded.evaluated, failed = failed + excluded.failed"
        self._db.executemany(
            f'insert into tally (run, "check", "column", evaluated, failed) values (?, ?, ?, ?, ?) {more}',
            [(self._run, *c[:4]) for c in counts],
        )
        self._db.executemany(
            f'insert into source_tally (run, "check", "column", evaluated, failed, source) values (?, ?, ?, ?, ?, ?) {more}',
            [(self._run, *c) for c in counts if c[4] is not None],
        )

    def stakes(self, counts: Iterable[tuple[str, str, str, int, int, float]]) -> None:
        """The same by group, with what is at stake."""
        self._db.executemany(
            'insert into stake (run, "check", "column", "group", evaluated, failed, impact) values (?, ?, ?, ?, ?, ?, ?) '
            "on conflict do update set evaluated = evaluated + excluded.evaluated, failed = failed + excluded.failed, "
            "impact = impact + excluded.impact",
            [(self._run, *c) for c in counts],
        )

    def question(self, **values: Any) -> bool:
        """Open a question, or add rows to it; true when it is new. Of all sample rows the lowest stay, whatever the batches."""
        found = self._db.execute('select run, "group", sample_json from question where id = ?', (values["id"],)).fetchone()
        if found is None:
            encoded = {k: json.dumps(v, default=str) if k.endswith("_json") else v for k, v in values.items()}
            columns = ", ".join(f'"{k}"' for k in ("run", *encoded))
            marks = ", ".join("?" * (len(encoded) + 1))
            self._db.execute(f"insert into question ({columns}) values ({marks})", (self._run, *encoded.values()))
            return True
        if (found["run"], found["group"]) != (self._run, values.get("group", "")):
            raise QpipeError(f"two questions are called {values['id']}", hint="rename the decision, and tell us: this is rare")
        sample = [*json.loads(found["sample_json"] or "[]"), *(values.get("sample_json") or ())]
        kept = sorted(sample, key=lambda row: row.get("row") or 0)[:QUESTION_SAMPLE]
        self._db.execute("update question set rows = rows + ?, sample_json = ? where id = ?",
                         (values.get("rows", 0), json.dumps(kept, default=str), values["id"]))  # fmt: skip
        return False

    def execute(self, query: str, *args: Any) -> int:
        return self._db.execute(query, args).rowcount

    def part(self, output: str, part: Part) -> None:
        self.put("part", output=output, seq=part.seq, path=part.path, rows=part.rows, bytes=part.bytes, digest=part.digest)


def roll_back(db: sqlite3.Connection) -> None:
    if db.in_transaction:
        db.execute("rollback")
