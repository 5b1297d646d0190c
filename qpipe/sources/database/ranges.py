"""One table read by several connections: each takes every n-th range of the key, and rows come in the key's order.

What must stay true: ranges follow one another without gap or overlap, so that rows and their order are those of one connection.
A connection is at most two batches ahead of what is taken from it.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from qpipe.core.errors import DataRefused
from qpipe.core.sql import Column, Pooled
from qpipe.sources.database.query import Query, mark, ordered, selected, text_of, value_of

if TYPE_CHECKING:
    import polars as pl

_AHEAD = 2  # batches
_SPARSE = 4  # numbers of which fewer than one in so many are there are not cut evenly


def side_by_side(db: Pooled, query: Query, column: Column, rows: int, connections: int) -> Iterator[pl.DataFrame]:
    """The query's rows by several connections, which see one state of the database where the server offers that."""
    with db.snapshot() as seen:
        every = _ranges(db, query, column, rows)
        lanes = [_Lane(db, seen, every[n::connections], rows) for n in range(min(connections, len(every)))]
        try:
            for n in range(len(every)):
                yield from lanes[n % len(lanes)].range()
        finally:
            for lane in lanes:
                lane.stop()


def _ranges(db: Pooled, query: Query, column: Column, rows: int) -> list[Query]:
    """The query cut by a column into pieces of about so many rows."""
    key = ordered(column, db)
    bounds = _bounds(db, query, column, key, rows)
    values = {f"_r{n}": value_of(bound, column) for n, bound in enumerate(bounds)}
    marks = [None, *(mark(name, column) for name in values), None]
    pieces = []
    for n, (low, high) in enumerate(pairwise(marks)):
        conditions = [f"{key} >= {low}"] if low else []
        conditions += [f"{key} < {high}"] if high else []
        needed: Mapping[str, Any] = {f"_r{m}": values[f"_r{m}"] for m in (n - 1, n) if f"_r{m}" in values}
        pieces.append(query.also(conditions, needed))
    return pieces


def _bounds(db: Pooled, query: Query, column: Column, key: str, rows: int) -> list[Any]:
    """Values of the column, ascending, each the first of a range."""
    number = column.type.kind == "integer"
    ends = f", min({key}) as a, max({key}) as b" if number else ""
    asked = f"select count(*) as n, count({key}) as k{ends} from {query.rows}"
    told = [int(value or 0) for value in next(db.batches(asked, query.parameters, 1)).row(0)]
    if told[0] != told[1]:
        raise DataRefused(f"{told[0] - told[1]} rows have no {column.name}, by which they are read",
                          hint="name other columns as key: they must tell every row")  # fmt: skip
    if told[0] <= rows:
        return []
    if number and told[3] - told[2] < told[0] * _SPARSE:
        width = max(1, (told[3] - told[2] + 1) * rows // told[0])
        return list(range(told[2] + width, told[3] + 1, width))
    every = f"select {column.select} as {db.quoted(column.name)}, row_number() over (order by {key}) as _n from {query.rows}"
    name = selected([column], db) if column.select == db.quoted(column.name) else db.quoted(column.name)
    cut = f"select {name} from ({every}) as _c where mod(_n, {rows}) = 0 order by _n"
    found = [text_of(row[0]) for frame in db.batches(cut, query.parameters, rows) for row in frame.rows()]
    return list(dict.fromkeys(found))


class _Lane:
    """A thread with a connection of its own, that reads some ranges one after the other."""

    def __init__(self, db: Pooled, seen: Any, queries: Sequence[Query], rows: int) -> None:
        self._channel: queue.Queue[pl.DataFrame | BaseException | None] = queue.Queue(_AHEAD)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, args=(db, seen, queries, rows), name="qpipe-range", daemon=True)
        self._thread.start()

    def range(self) -> Iterator[pl.DataFrame]:
        """The frames of the next range."""
        while (given := self._channel.get()) is not None:
            if isinstance(given, BaseException):
                raise given
            yield given

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)

    def _work(self, db: Pooled, seen: Any, queries: Sequence[Query], rows: int) -> None:
        try:
            with db.reader(seen) as read:
                for query in queries:
                    for frame in read(query.text, query.parameters, rows):
                        if not self._put(frame):
                            return
                    self._put(None)
        except BaseException as error:
            self._put(error)

    def _put(self, item: pl.DataFrame | BaseException | None) -> bool:
        while not self._stopped.is_set():
            try:
                self._channel.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False
