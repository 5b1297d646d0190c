"""The journal: what every run did, in SQLite; the one place where a run's truth is kept.

Invariants. A run has one writer (``writer.py``), which belongs to its owner (``owner.py``): who claims a run takes it over only
from a dead one. Readers never block the writer (WAL). Answers are compare-and-set: the first wins, and the second is told who
was first.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import secrets
import sqlite3
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from qpipe.core.component import Earlier
from qpipe.core.effects import effect
from qpipe.core.errors import CannotCreate, TryLater, UsageError
from qpipe.core.events import Event
from qpipe.orchestrator.owner import Owner
from qpipe.orchestrator.writer import Writer, roll_back


def home_of(spec: Path) -> Path:
    """Where the state lives: $QPIPE_HOME, or .qpipe beside the spec."""
    named = os.environ.get("QPIPE_HOME")
    return Path(named) if named else spec.resolve().parent / ".qpipe"


class _Connection(sqlite3.Connection):
    """To the journal; can be referred to weakly."""


_connections: weakref.WeakSet[_Connection] = weakref.WeakSet()


@atexit.register
def _close() -> None:
    """When the process ends, what was written is in the one file."""
    for connection in list(_connections):
        connection.close()


class Journal:
    """Reads the journal, answers questions, begins and claims runs."""

    def __init__(self, home: Path, *, create: bool = True) -> None:
        self.home = home
        if not create and not (home / "journal.db").exists():
            raise UsageError(f"there is no journal in {home}", hint="run a spec first, or name its folder with --home")
        try:
            home.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(home / "journal.db", timeout=30, isolation_level=None, check_same_thread=False,
                                      factory=_Connection)  # fmt: skip
            _connections.add(self.db)
            self.db.row_factory = sqlite3.Row
            self.db.execute("pragma journal_mode=wal")
            self.db.execute("pragma synchronous=full")
            schema = resources.files("qpipe.orchestrator").joinpath("schema.sql").read_text()
            new = self.db.execute("pragma schema_version").fetchone()[0] == 0
            # all tables by one commit: each by its own would wait for the disk
            self.db.executescript(f"begin immediate;\n{schema}\n;commit" if new else schema)
        except (OSError, sqlite3.Error) as error:
            raise CannotCreate(f"the journal in {home} cannot be opened: {error}",
                               hint="free some space, mend the permission, or set QPIPE_HOME") from error  # fmt: skip

    def close(self) -> None:
        self.db.close()

    def directory(self, run: str) -> Path:
        """The run's spool."""
        return self.home / "runs" / run

    # ── reading ──

    def rows(self, query: str, *args: Any) -> list[dict[str, Any]]:
        """A query's rows; columns named *_json come decoded, without the suffix."""
        return [_decoded(row) for row in self.db.execute(query, args)]

    def runs(self, limit: int = 1000) -> list[dict[str, Any]]:
        return self.rows("select * from run order by started desc, id desc limit ?", limit)

    def run(self, reference: str = "latest") -> dict[str, Any]:
        """One run, by id, by the beginning or end of an id, or "latest"."""
        if reference == "latest":
            found = self.runs(1)
        else:
            found = self.rows("select * from run where id = ?", reference) or self.rows(
                "select * from run where id like ? or id like ? order by started desc", f"{reference}%", f"%{reference}"
            )
        if len(found) == 1 or (found and reference == "latest"):
            return found[0]
        if not found:
            known = ", ".join(r["id"] for r in self.runs(3)) or "none yet"
            raise UsageError(f"no run is called '{reference}'", hint=f"the latest runs: {known}")
        raise UsageError(f"'{reference}' fits {len(found)} runs", hint=", ".join(r["id"] for r in found[:5]))

    def events(self, run: str, after: int = 0) -> list[Event]:
        found = self.rows("select * from event where run = ? and id > ? order by id", run, after)
        return [Event(e["name"], run, e["data"] or {}, e["parent"], e["at"], e["id"]) for e in found]

    def questions(self, run: str | None = None, state: str | None = None) -> list[dict[str, Any]]:
        return _worded(self.rows(
            "select * from question where (?1 is null or run = ?1) and (?2 is null or state = ?2) "
            "order by opened_at, rows desc, id",
            run, state,
        ))  # fmt: skip

    def history(self, name: str, before: str, check: str, measure: str, limit: int = 100) -> list[float]:
        """What a gate observed in earlier runs of a spec that were done, the latest last."""
        return [each.value for each in self.earlier(name, before, check, measure, limit)]

    def earlier(self, name: str, before: str, check: str, measure: str, limit: int = 500) -> list[Earlier]:
        """The same with times and outcomes. Runs that are marked as incidents do not count."""
        found = self.rows(
            "select event.run, event.data_json, run.started from event join run on run.id = event.run where run.name = ? "
            "and run.id <> ? and run.state = 'done' and event.name = 'gate.judged' and "
            "json_extract(event.data_json, '$.gate') = ? and event.id = (select max(id) from event e where e.run = event.run "
            "and e.name = 'gate.judged' and json_extract(e.data_json, '$.gate') = ?) order by run.started desc limit ?",
            name, before, check, check, limit,
        )  # fmt: skip
        incidents = set(self.incidents(name))
        observed = [(row, (row["data"].get("observed") or {}).get(measure)) for row in reversed(found)]
        return [
            Earlier(row["started"], float(value), row["data"].get("outcome") or "")
            for row, value in observed
            if value is not None and row["run"] not in incidents
        ]

    def incidents(self, name: str) -> dict[str, str]:
        """Runs of a spec that a person has marked as incidents, and why."""
        marks = self.rows(
            "select event.run, event.data_json from event join run on run.id = event.run "
            "where run.name = ? and event.name = 'run.marked' order by event.id", name,
        )  # fmt: skip
        last = {mark["run"]: mark["data"] or {} for mark in marks}
        return {run: str(data.get("reason") or "") for run, data in last.items() if data.get("incident")}

    def mark(self, run: str, *, incident: bool, reason: str = "", by: str = "") -> None:
        """Say that a run's figures are no example for later ones, or take it back."""
        with self._atomic():
            self.db.execute("insert into event (run, at, name, data_json) values (?, ?, 'run.marked', ?)",
                            (run, time.time(), json.dumps({"incident": incident, "reason": reason, "by": by})))  # fmt: skip

    def question(self, reference: str) -> dict[str, Any]:
        """One question, by its id or any part of it. Open ones come first: an answered one never hides them."""
        found = _worded(self.rows("select * from question where id = ?", reference))
        if not found:
            fitting = _worded(self.rows("select * from question where instr(id, ?) order by opened_at desc, id", reference))
            found = [q for q in fitting if q["state"] == "open"] or fitting
        if len(found) == 1:
            return found[0]
        if not found:
            raise UsageError(f"no question is called '{reference}'", hint="`qpipe decisions` lists the open ones")
        raise UsageError(f"'{reference}' fits {len(found)} questions", hint=", ".join(q["id"] for q in found[:5]))

    def answer(
        self, question: str, choice: str, *, by: str, via: str, remember: bool = False, reason: str = "",
        now: float | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Give an answer. The first wins; UsageError tells the second who was first.

        An answer before the time-out wins even when nobody has applied the time-out yet; one after it comes too late.
        """
        now = time.time() if now is None else now
        self.expire(now)
        asked = self.question(question)
        if not _allowed(asked, choice):
            known = ", ".join([*(c for c in asked["choices"] if c != "*"), *(asked["candidates"] or ())])
            raise UsageError(f"'{choice}' is not a choice of {asked['id']}", hint=f"choose {known}")
        effect("journal.answer")
        with self._atomic():
            landed = self.db.execute(
                "update question set state='answered', choice=?, answered_by=?, answered_via=?, answered_at=?, remember=?, "
                "reason=? where id=? and state='open'",
                (choice, by, via, now, int(remember), reason, asked["id"]),
            ).rowcount
            if landed:
                self._tell_answered(asked["run"], now, question=asked["id"], choice=choice, by=by, via=via)
        answered = self.question(asked["id"])
        if not landed:
            raise UsageError(_who_was_first(answered), hint="the first answer stands")
        return answered

    def expire(self, now: float | None = None) -> int:
        """Let time-outs answer with their default. The clock is the question's own: a restart does not restart it."""
        now = time.time() if now is None else now
        due = "state='open' and due_at is not null and due_at <= ? and \"default\" is not null"
        if not self.rows(f"select 1 from question where {due} limit 1", now):
            return 0  # readers come here, too: no lock is taken when nothing is due
        with self._atomic():
            expired = self.rows(f'select id, run, due_at, "default" as choice from question where {due}', now)
            for question in expired:
                self.db.execute(
                    "update question set state='answered', choice=\"default\", answered_by='time-out', "
                    "answered_via='timeout', answered_at=due_at where id=?",
                    (question["id"],),
                )
                self._tell_answered(question["run"], question["due_at"], question=question["id"], choice=question["choice"],
                                    by="time-out", via="timeout")  # fmt: skip
        return len(expired)

    def _tell_answered(self, run: str, at: float, **data: Any) -> None:
        self.db.execute("insert into event (run, at, name, data_json) values (?, ?, 'question.answered', ?)",
                        (run, at, json.dumps(data)))  # fmt: skip

    @contextmanager
    def _atomic(self) -> Iterator[None]:
        """All of it or nothing; inside of a transaction, part of that one."""
        if self.db.in_transaction:
            yield
            return
        try:
            self.db.execute("begin immediate")
            yield
            self.db.execute("commit")
        except sqlite3.OperationalError as error:
            roll_back(self.db)
            raise TryLater(f"the journal cannot be written now: {error}", hint="try again") from error
        except BaseException:
            roll_back(self.db)
            raise

    # ── beginning, claiming, forgetting ──

    def begin(
        self, *, name: str, spec_file: str, spec_text: str, fingerprint: str, vars: Mapping[str, str], argv: Sequence[str],
        versions: Mapping[str, str], parent: str | None = None, now: float | None = None,
    ) -> str:  # fmt: skip
        """A new run; returns its id."""
        now = time.time() if now is None else now
        slug = "".join(c if c.isalnum() or c in "-_" else "-" for c in name)[:40] or "run"
        run = f"{slug}-{time.strftime('%Y%m%d-%H%M%S', time.localtime(now))}-{secrets.token_hex(2)}"
        effect("journal.begin")
        self.db.execute(
            "insert into run (id, name, spec_file, spec_text, fingerprint, vars_json, argv_json, versions_json, parent, "
            "state, started) values (?, ?, ?, ?, ?, ?, ?, ?, ?, 'interrupted', ?)",
            (run, name, spec_file, spec_text, fingerprint, json.dumps(dict(vars)), json.dumps(list(argv)),
             json.dumps(dict(versions)), parent, now),
        )  # fmt: skip
        return run

    def claim(self, run: str) -> Writer:
        """Become the run's one writer. TryLater when its owner lives; a dead owner is taken over."""
        me = Owner.me()
        self.db.execute("begin immediate")
        try:
            found = self.rows("select * from run where id = ?", run)[0]
            owner = Owner(found["host"], found["pid"], found["pid_start"], found["boot_id"])
            if found["state"] == "running" and owner != me and owner.lives(found["heartbeat_at"] or 0):
                raise TryLater(f"the run {run} is alive on {owner.host}, process {owner.pid}",
                               hint="watch it with `qpipe watch`, or wait until it ends")  # fmt: skip
            attempt = found["attempt"] + 1
            now = time.time()
            self.db.execute(
                "update run set state='running', attempt=?, host=?, pid=?, pid_start=?, boot_id=?, heartbeat_at=?, "
                "progress_at=?, ended=null, exit_code=null, error=null where id=?",
                (attempt, me.host, me.pid, me.pid_start, me.boot_id, now, now, run),
            )
            self.db.execute("commit")
        except BaseException:
            self.db.execute("rollback")
            raise
        return Writer(self, run, attempt)

    def forget(self, run: str) -> None:
        """Remove a run that has ended from the journal, and its spool."""
        import shutil

        self.db.execute("begin immediate")
        for table in ("source", "pass", "batch", "tally", "source_tally", "stake", "sample", "figure", "part", "publication",
                      "held", "question", "event", "metric"):  # fmt: skip
            self.db.execute(f"delete from {table} where run = ?", (run,))
        self.db.execute("delete from run where id = ?", (run,))
        self.db.execute("commit")
        shutil.rmtree(self.directory(run), ignore_errors=True)

    def alive(self, run: Mapping[str, Any]) -> bool:
        """Whether a run that says it is running has a living owner."""
        owner = Owner(run["host"], run["pid"], run["pid_start"], run["boot_id"])
        return run["state"] == "running" and owner.lives(run["heartbeat_at"] or 0)


def _decoded(row: sqlite3.Row) -> dict[str, Any]:
    return {
        key.removesuffix("_json"): json.loads(row[key]) if key.endswith("_json") and row[key] else row[key]
        for key in row.keys()  # noqa: SIM118 - iterating a Row gives its values
    }


def _worded(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Texts are kept as templates, because the number of rows grows while a run goes on."""
    signs = {"{{": "{", "}}": "}"}
    for q in questions:
        signs["{rows}"] = f"{q['rows']:,}"
        q["text"] = re.sub(r"\{\{|\}\}|\{rows\}", lambda found: signs[found[0]], q["text"])
    return questions


def _allowed(question: Mapping[str, Any], choice: str) -> bool:
    """A choice, a candidate, or, where the question takes other answers ("*"), any text. "=text" is always a text."""
    if question["scope"] != "value":
        return choice in question["choices"]
    known = {*question["choices"], *(question["candidates"] or ())}
    return choice in known or choice.removeprefix("=") in known or "*" in known


def _who_was_first(question: Mapping[str, Any]) -> str:
    if question["state"] != "answered":
        return f"{question['id']} is {question['state']}"
    return (f"{question['id']} has its answer already: '{question['choice']}' by {question['answered_by']} "
            f"({question['answered_via']}) at {_clock(question['answered_at'])}")  # fmt: skip


def _clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
