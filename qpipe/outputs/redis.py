"""redis"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from qpipe.core.batch import Json
from qpipe.core.component import Context, Types
from qpipe.core.params import Duration, SecretText, param
from qpipe.core.sql import shown
from qpipe.core.streams import ID_HEADER
from qpipe.core.streams.redis import client, problems, told
from qpipe.outputs._messages import Messages, Row

_WEEK = 7 * 24 * 3600
_AT_ONCE = 500  # entries of one transaction


class Redis(Messages):
    """A stream of Redis: each row an entry, with its JSON in `field` and its id in `qpipe-id`.

    At least once: a run that is stopped while it publishes sends its entries again, with the same ids. What the server has
    taken within a week it knows by a mark set in the same transaction, and does not add again.
    """

    extra = "redis"

    url: SecretText = param(help="redis://:password@host:6379/0, or rediss:// with TLS")
    stream: str = param(help="the stream's key; made if it is not there")
    field: str | None = param("data", help="the field that holds the row as a JSON object; null: each column is a field")
    max_length: int | None = param(None, help="how many entries are kept, about; older ones are thrown away", minimum=1)
    timeout: Duration = param(10.0, help="how long to wait for a connection and an answer")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from problems(self.url)
        yield from super().problems(types)

    @contextmanager
    def _sender(self, context: Context) -> Iterator[Callable[[Sequence[Row]], None]]:
        server = client(self.url, self.timeout)
        with told(self.url, self.stream):
            server.ping()
        try:
            yield lambda rows: self._send(server, rows)
        finally:
            server.close()

    def _send(self, server: Any, rows: Sequence[Row]) -> None:
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            mark = f"qpipe:{{{self.stream}}}:{some[0].id}"  # braces: on the same node of a cluster as the stream
            with told(self.url, self.stream), server.pipeline(transaction=True) as entries:
                if server.exists(mark):
                    continue
                entries.set(mark, len(some), ex=_WEEK)
                for row in some:
                    entries.xadd(self.stream, self._fields(row), maxlen=self.max_length)
                entries.execute()

    def _fields(self, row: Row) -> dict[Any, Any]:
        """Nulls are left out where columns are fields."""
        keyed = {"key": row.key} if row.key is not None else {}
        if self.field is not None:
            return {self.field: row.value, **keyed, ID_HEADER: row.id}
        cells = json.loads(row.value, parse_int=str, parse_float=str).items()
        plain = {n: c if isinstance(c, str) else json.dumps(c, ensure_ascii=False) for n, c in cells if c is not None}
        return {**keyed, **plain, ID_HEADER: row.id}

    def _place(self) -> Json:
        return {"place": shown(self.url), "stream": self.stream}
