"""rest"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import Chunk, Json
from qpipe.core.component import Context, Input, Source, Types
from qpipe.core.http import Client, Settings, request_problems, shown
from qpipe.core.lazy import pl
from qpipe.core.params import Duration, param
from qpipe.core.paths import path_problem, search
from qpipe.sources.rest.asking import Asking, Got, Kept, Reading, Request
from qpipe.sources.rest.pages import Pages, Part, gathered

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

_PATIENCE = 1.0  # seconds that rows wait for those of the next pages


class Rest(Source):
    """Records of an HTTP API, page by page; authorised, within its rate limit, and exactly where it was after a stop.

    Every cell is the text that the API wrote, nested values are JSON text; the contract says what it means. A request that
    fails for a passing reason (429, 5xx, time-outs, broken connections) is sent again, as `Retry-After` says or ever later.
    With `incremental` a run asks for what lies after the greatest value of a field that an earlier run has published.
    """

    like = ("http", "https", "api")
    url: str = param(help="the address", short=True)
    method: Literal["GET", "POST"] = param("GET", help="how it is asked")
    params: dict[str, Any] = param(None, help="parameters of the query")
    headers: dict[str, Any] = param(None, help="headers of every request")
    body: dict[str, Any] | None = param(None, help="of a POST: sent as JSON")
    auth: dict[str, Any] | None = param(
        None, help="{type: basic, username, password}, {type: bearer, token}, {type: api_key, value, name, in}, "
        "{type: oauth2, token_url, client_id, client_secret, grant, scope, refresh_token, username, password, refresh}"
    )  # fmt: skip
    pagination: dict[str, Any] | None = param(
        None,
        alias="paginate",
        help="{type: page, param, start, size, size_param, total}, {type: offset, …}, {type: cursor, path, param, more}, "
        "{type: next_url, path}, {type: link_header}, {type: header, header, param}; in: body, of a POST",
    )  # fmt: skip
    records: str | None = param(
        None, help="where the records are: a JMESPath such as data.items, or a JSONPath such as $.data.items"
    )
    format: Literal["json", "ndjson", "csv", "xml"] | None = param(
        None, help="of the answers; unset: as their content type says"
    )
    incremental: dict[str, Any] | None = param(None, help="{field, param, start}: only what the last run has not seen")
    concurrency: int = param(
        1, help="pages asked for at a time, by page number, or by offset with a size; rows stay in order", minimum=1, maximum=64
    )
    rate_limit: str | int | None = param(None, help="requests at most: 10 (a second), 10/s, 1000/min")
    retries: int = param(5, help="how often a request is sent again", minimum=0)
    retry: dict[str, Any] | None = param(
        None, alias="retry_config", help="the same with its waits: {max_retries, backoff, initial_delay, max_delay}"
    )
    timeout: Duration = param(30.0, help="how long to wait for a connection, and for the next bytes")
    max_pages: int | None = param(None, help="stop after so many pages", minimum=1)

    @property
    def reads_json(self) -> bool:  # type: ignore[override]
        return self.format in (None, "json", "ndjson")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from request_problems(self)
        if wrong := Pages(self.pagination or {}).problem():
            yield "pagination", wrong
        if self.body is not None and self.method == "GET":
            yield "body", "a GET has no body: say method: POST"
        if Pages(self.pagination or {}).in_body and self.method == "GET":
            yield "pagination", "a GET has no body: say method: POST"
        if self.records is not None and (wrong := path_problem(self.records)):
            yield "records", wrong
        if self.incremental is not None:
            yield from self._incremental_problems(self.incremental)
        if self.concurrency > 1 and Pages(self.pagination or {}).guess({"page": 1, "offset": 0}) is None:
            yield (
                "concurrency",
                "pages come side by side by page number, or by offset with a size; else each tells the next",
            )

    def _incremental_problems(self, given: dict[str, Any]) -> Iterator[tuple[str, str]]:
        if not {"field", "param"} <= set(given) or given.keys() - {"field", "param", "start"}:
            yield "incremental", "say {field, param, start}: which field grows, and which parameter asks for greater values"
        elif wrong := path_problem(str(given["field"])):
            yield "incremental", wrong

    def columns(self, context: Context) -> dict[str, DataType]:
        """Those of the first page that has records, and of the contract. A run does not ask again for what came here."""
        from qpipe.core.types import DataType
        from qpipe.sources.rest.records import texts_of

        kept: Kept = {}
        with self._client(context) as client:
            for got, _, _ in Asking(
                client, replace(self._request(context), concurrency=1), Reading(True), kept, keep=True
            ).pages(None):
                if got.records:
                    if context.run:
                        self._learnt[context.run] = kept
                    return {name: DataType.parse("string") for name in texts_of(got.records, ()).columns}
        return {name: DataType.parse("string") for name in self.schema or {}}

    @cached_property
    def _learnt(self) -> dict[str, Kept]:
        """By run: the answers that its columns were learnt from, until they are read."""
        return {}

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Pages are put together until they are enough, or take long: a batch costs more than a page."""
        from qpipe.sources._json_typed import proven_lists

        contract = context.contract or {}
        floats = any(kind.kind == "float" for kind in contract.values())
        whole = self.incremental is None and self._request(context).may_be_decoded_at_once
        reading = Reading(not floats or self.incremental is not None, contract, whole=whole)

        def proven(texts: Sequence[str]) -> list[bool]:
            right = proven_lists(texts, reading.known, contract)
            reading.whole &= all(right)
            return right

        yield from gathered(self._read(context, position, rows, columns, reading), rows, _PATIENCE, proven)

    def _read(
        self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None, reading: Reading
    ) -> Iterator[Part]:
        """A page, or a part of one, at a time."""
        skip, last = (position or {}).get("skip", 0), (position or {}).get("last")
        if position and position.get("ended"):
            return
        address, kept = shown(self.url), self._learnt.pop(context.run, {})
        with self._client(context) as client:
            for got, state, after in Asking(client, self._request(context), reading, kept).pages(position and position["page"]):
                frame = self._frame(got, context, reading) if got.frame is None else got.frame
                reading.known, height, faults = reading.known or frame.columns, got.page.records, got.faults
                typed = not all(dtype == pl.String for dtype in frame.dtypes)
                for start in range(skip, max(height, skip + 1), rows):
                    done = start + rows >= height
                    last = self._greatest(got.records[start : start + rows], last)
                    place: Json = {"page": after, "skip": 0} if done else {"page": state, "skip": start + rows}
                    place |= {"ended": True} if done and after is None else {}
                    place |= {"last": last} if last is not None else {}
                    part = _some(frame, start, rows, columns)
                    written = got.answer.rows(start, start + rows, frame.columns) if typed else None
                    chunk = Chunk(part, place, faults=tuple(faults), file=address, original=written)
                    if got.frame is None:
                        yield Part(chunk)
                    else:
                        yield Part(chunk, got.text, partial(self._again, got, context, reading, start, rows, columns))
                    faults = []
                skip = 0

    def _again(
        self, got: Got, context: Context, reading: Reading, start: int, rows: int, columns: Sequence[str] | None
    ) -> pl.DataFrame:
        """Rows of a page that was decoded at once, record by record."""
        exact = replace(got, records=got.answer.decoded(reading.exact)[1])
        return _some(self._frame(exact, context, reading), start, rows, columns)

    def _frame(self, got: Got, context: Context, reading: Reading) -> pl.DataFrame:
        from qpipe.sources.rest.records import frame_of

        frame = frame_of(got.records, reading.known, context.contract)
        if frame is None:
            reading.exact = True
            frame = frame_of(got.answer.decoded(True)[1], reading.known, context.contract)
        assert frame is not None
        return frame

    def identity(self, context: Context) -> Json:
        return {"url": shown(self.url), "method": self.method}

    def inputs(self, context: Context) -> Sequence[Input]:
        return [Input(shown(self.url), shown(self.url))]

    def cursor(self, position: Json | None, context: Context) -> Json | None:
        if self.incremental is None:
            return None
        last = (position or {}).get("last")
        return {"after": last} if last is not None else context.cursor

    def _client(self, context: Context) -> Client:
        return Client(Settings.of(self), context.check_stop)

    def _request(self, context: Context) -> Request:
        return Request(
            self.method, self.url, self.params or {}, self.body, Pages(self.pagination or {}), self._since(context),
            self.format, self.records, self.concurrency, self.max_pages,
        )  # fmt: skip

    def _since(self, context: Context) -> dict[str, Any]:
        if self.incremental is None:
            return {}
        after = (context.cursor or {}).get("after", self.incremental.get("start"))
        return {self.incremental["param"]: after} if after is not None else {}

    def _greatest(self, records: Sequence[dict[str, Any]], last: Any) -> Any:
        """The greatest value of the field that grows: as numbers where all are numbers."""
        if self.incremental is None:
            return None
        from qpipe.core.json_written import Number

        values = [v for r in records if (v := search(self.incremental["field"], r)) is not None] + (
            [last] if last is not None else []
        )
        if not values:
            return None
        numeric = all(isinstance(v, (Number, int, float)) or str(v).lstrip("-").isdigit() for v in values)
        return str(max(values, key=float if numeric else str))


def _some(frame: pl.DataFrame, start: int, rows: int, columns: Sequence[str] | None) -> pl.DataFrame:
    part = frame if start == 0 and rows >= frame.height else frame.slice(start, rows)
    return part if columns is None else part.select([name for name in columns if name in part.columns])
