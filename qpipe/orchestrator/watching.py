"""Batches that arrive: when there is something new, the next run may begin. Each is a run of its own, child of the last."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from qpipe.core.component import Context, Source
from qpipe.core.errors import QpipeError, Unavailable, UsageError
from qpipe.orchestrator.cursors import Cursors
from qpipe.orchestrator.journal import Journal
from qpipe.spec.plan import Plan, SourceNode

PATIENCE = 60.0  # seconds between two looks at most, when a source cannot be reached


def arrivals(plan: Plan, journal: Journal, every: float, stopped: Callable[[], bool]) -> Iterator[str]:
    """The id of the last run ("" before the first) whenever a stream has something new; ends when ``stopped`` says so.

    A source that cannot be reached is tried again, ever more slowly. UsageError when no stream keeps a cursor: it would be
    read again and again.
    """
    watched = [node for node in plan.streams if _keeps(node, plan)]
    if not watched:
        raise UsageError("nothing to watch: no source of this spec goes on where the last run ended",
                         hint="say only_new: true of files, incremental of a table or an API, or watch a stream")  # fmt: skip
    wait = every
    while not stopped():
        cursors = Cursors(journal, plan.name, "")
        try:
            new = any(node.source.pending(cursors.given(node.id, Context(directory=plan.directory))) for node in watched)
            wait = every
        except Unavailable:
            new, wait = False, min(wait * 2, PATIENCE)
        if new:
            found = journal.rows("select id from run where name = ? order by started desc, rowid desc limit 1", plan.name)
            yield found[0]["id"] if found else ""
        _sleep(wait, stopped)


def watched(plan: Plan, every: float) -> Plan:
    """The plan whose streams are looked at so often."""
    return replace(plan, sources=tuple(replace(node, source=node.source.watched(every)) for node in plan.sources))


def _keeps(node: SourceNode, plan: Plan) -> bool:
    """Whether a source keeps a cursor: it says so of a run that has read nothing yet, or has a method for it."""
    if type(node.source).cursor is Source.cursor:
        return False
    try:
        return node.source.cursor(None, Context(directory=plan.directory, cursor={})) is not None
    except (QpipeError, KeyError, TypeError):
        return True


def _sleep(seconds: float, stopped: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not stopped() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, 0.1))
