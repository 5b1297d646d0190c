"""Rows that are loaded while later ones are still read: one transaction that stays open, in a thread of its own.

What must stay true: nothing here is needed. Whatever goes wrong, the transaction is rolled back, and the output's own
``publish`` does everything again and says what is wrong. So an open transaction never waits for another for long, and one
that gets no rows for a while is given up rather than left lying about the server.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qpipe.core.aside import begun, waited
from qpipe.core.batch import Json
from qpipe.core.component import Context, Part, Types
from qpipe.core.effects import effect
from qpipe.core.mapped import mapped

if TYPE_CHECKING:
    from qpipe.core.sql import EarlySession
    from qpipe.outputs.database import Database

_IDLE = 60.0  # seconds without rows after which it is given up
_LEAVE = 10.0  # seconds that are waited for a thread which has been told to leave


class _GivenUp(Exception):
    """The transaction is to be rolled back."""


@dataclass(frozen=True)
class _End:
    """These parts are to be seen, and no others."""

    parts: Sequence[Part]
    token: str


class Early:
    """Parts in the order they are given, from their files: as many wait as there are, and they take no memory."""

    def __init__(self, output: Database, database: Any, types: Types, context: Context) -> None:
        self._output, self._database, self._types, self._context = output, database, types, context
        self._given: queue.SimpleQueue[Part | _End | None] = queue.SimpleQueue()
        self._left = False
        self._future: Future[Json | None] = begun(self._work, "qpipe-load")

    def add(self, part: Part) -> None:
        self._given.put(part)

    def publish(self, parts: Sequence[Part], token: str) -> Json | None:
        self._given.put(_End(sorted(parts, key=lambda p: p.seq), token))
        return waited(self._future, self._context.check_stop)

    def close(self) -> None:
        self._left = True
        self._given.put(None)
        wait([self._future], _LEAVE)

    def _work(self) -> Json | None:
        try:
            with self._database.session() as session:
                parts = self._load(session)
                effect("output.sql.commit")
        except Exception:  # what it is, the output's own ``publish`` will find and say
            return None
        effect("output.sql.committed")
        return self._output.told(parts)

    def _load(self, session: EarlySession) -> Sequence[Part]:
        output = self._output
        filled = session.begin(output.table, self._types, output.mode == "replace")
        if filled is None:
            raise _GivenUp
        loaded: list[Part] = []
        while isinstance(given := self._next(), Part):
            effect("output.sql.early")
            session.load(filled, mapped(given.path), ())
            loaded.append(given)
        effect("output.sql.claim")
        if given is None or list(given.parts[: len(loaded)]) != loaded or not session.claim(given.token):
            raise _GivenUp
        for part in given.parts[len(loaded) :]:
            effect("output.sql.load")
            session.load(filled, mapped(part.path), ())
        session.end(output.table, filled, output.key or ())
        return given.parts

    def _next(self) -> Part | _End | None:
        if self._left:
            return None
        return self._given.get(timeout=_IDLE)
