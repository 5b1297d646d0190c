"""rest"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.aside import Crew
from qpipe.core.batch import Chunk, Fault, Json
from qpipe.core.component import Context, Input, Source, Types
from qpipe.core.errors import DataRefused, Unavailable
from qpipe.core.http import Client, Settings, request_problems, shown
from qpipe.core.lazy import pl
from qpipe.core.params import Duration, param
from qpipe.core.paths import path_problem, search
from qpipe.core.secrets import Secret
from qpipe.sources.rest.pages import Page, Pages, Part, gathered, without

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType
    from qpipe.sources.rest.records import Answer

_PAGES = 1_000_000
_PATIENCE = 1.0  # seconds that rows wait for those of the next pages


@dataclass
class _Reading:
    """Of a reader whose pages are of one kind: whether floats must be kept as they are written, and what is known of them."""

    exact: bool
    known: Sequence[str] = ()  # the columns of the first page
    whole: bool = False  # pages are lists that may be decoded at once


@dataclass(frozen=True)
class _Got:
    """A page: what came, what pagination sees of it, what is to be told; its records, or the frame they were decoded into."""

    answer: Answer
    page: Page
    faults: list[Fault]
    records: list[dict[str, Any]]
    frame: pl.DataFrame | None = None


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
        """Those of the first page that has records, and of the contract."""
        from qpipe.core.types import DataType
        from qpipe.sources.rest.records import texts_of

        with self._client(context) as client:
            for got, _, _ in self._pages(client, context, None, _Reading(True)):
                if got.records:
                    return {name: DataType.parse("string") for name in texts_of(got.records, ()).columns}
        return {name: DataType.parse("string") for name in self.schema or {}}

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Pages are put together until they are enough, or take long: a batch costs more than a page."""
        from qpipe.sources._json_typed import proven_lists

        floats = any(kind.kind == "float" for kind in (context.contract or {}).values())
        whole = self.incremental is None and self.records is None and not Pages(self.pagination or {}).looks_inside
        reading = _Reading(not floats or self.incremental is not None, whole=whole)

        def proven(texts: Sequence[str]) -> list[bool]:
            right = proven_lists(texts, reading.known, context.contract or {})
            reading.whole &= all(right)
            return right

        yield from gathered(self._read(context, position, rows, columns, reading), rows, _PATIENCE, proven)

    def _read(
        self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None, reading: _Reading
    ) -> Iterator[Part]:
        """A page, or a part of one, at a time."""
        skip, last = (position or {}).get("skip", 0), (position or {}).get("last")
        if position and position.get("ended"):
            return
        address = shown(self.url)
        with self._client(context) as client:
            for got, state, after in self._pages(client, context, position and position["page"], reading):
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
                        yield Part(chunk, got.answer.text, partial(self._again, got, context, reading, start, rows, columns))
                    faults = []
                skip = 0

    def _again(
        self, got: _Got, context: Context, reading: _Reading, start: int, rows: int, columns: Sequence[str] | None
    ) -> pl.DataFrame:
        """Rows of a page that was decoded at once, record by record."""
        exact = replace(got, records=got.answer.decoded(reading.exact)[1])
        return _some(self._frame(exact, context, reading), start, rows, columns)

    def _frame(self, got: _Got, context: Context, reading: _Reading) -> pl.DataFrame:
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

    def _pages(
        self, client: Client, context: Context, state: Json | None, reading: _Reading
    ) -> Iterator[tuple[_Got, Json, Json | None]]:
        """(a page, its state, the next page's state), page by page."""
        pages = Pages(self.pagination or {})
        first = state if state is not None else pages.first()
        seen: set[str] = set()
        for state, after, got in self._asked(client, context, pages, first, reading):
            if after is not None and str(after) in seen:
                raise DataRefused(
                    f"{shown(got.page.url)}: its next page is one that was read before", hint="check `pagination`"
                )
            seen.add(str(after))
            yield got, state, after
            if after is None:
                return

    def _asked(
        self, client: Client, context: Context, pages: Pages, state: Json, reading: _Reading
    ) -> Iterator[tuple[Json, Json | None, _Got]]:
        """Pages in their order, the next ones on their way meanwhile. What was asked for beyond the end is not looked at."""
        ask = partial(self._page, client, context, pages, reading)
        waiting: deque[tuple[Json, Future[_Got]]] = deque()
        with Crew(self.concurrency if self.concurrency > 1 else 0, "qpipe-page") as crew:
            for number in range(self.max_pages or _PAGES):
                guess: Json | None = waiting[-1][0] if waiting else None
                most = min(self.concurrency, (self.max_pages or _PAGES) - number)
                while len(waiting) < most and (guess := state if guess is None else pages.guess(guess)) is not None:
                    waiting.append((guess, crew.begin(partial(ask, guess))))
                asked, future = waiting.popleft()
                answer = future.result()
                after = pages.next(asked, answer.page)
                if after and "url" in after:
                    after = {"url": without(after["url"], client.secret_params, client.secret_values)}
                yield asked, after, answer
                if after is None:
                    return
                if waiting and waiting[0][0] != after:  # a page of another size than was asked for
                    waiting.clear()
                state = after

    def _page(self, client: Client, context: Context, pages: Pages, reading: _Reading, state: Json) -> _Got:
        from qpipe.sources.rest.records import Answer, NotReadable

        url, params = pages.request(state)
        if url:  # what a server repeats in its next address is not kept where it is secret
            params |= {name: value for name, value in (self.params or {}).items() if isinstance(value, Secret)}
        given: dict[str, Any] = {"params": params if url else {**(self.params or {}), **self._since(context), **params}}
        if pages.in_body:
            given = {"params": {**(self.params or {}), **self._since(context)}, "json": {**(self.body or {}), **params}}
        elif self.body is not None:
            given["json"] = self.body
        given["params"] = given["params"] or None
        wrong = ""
        for _ in range(3):  # an answer cut off in the middle is asked for again
            response = client.send(self.method, url or self.url, **{k: v for k, v in given.items() if v is not None})
            try:
                format = self.format or _format(response.headers.get("content-type", ""))
                answer = Answer(response.text, format, self.records)
                frame = self._at_once(answer, reading, context)
                data, records = answer.decoded(reading.exact) if frame is None else (None, [])
                break
            except NotReadable as error:
                wrong = str(error)
        else:
            place = client.shown(str(response.url))
            raise Unavailable(f"{place}: {client.masked(wrong)}", hint="is `format` right?")
        faults = [Fault(None, 1, "moved", f"{response.history[0].status_code}: {client.shown(url or self.url)} is now "
                        f"{client.shown(str(response.url))}", severity="warning")] if response.history else []  # fmt: skip
        height = len(records) if frame is None else frame.height
        headers = {k.lower(): v for k, v in response.headers.items()}
        return _Got(answer, Page(str(response.url), data, headers, dict(response.links), height), faults, records, frame)

    def _at_once(self, answer: Answer, reading: _Reading, context: Context) -> pl.DataFrame | None:
        """All records of a page in the contract's types, right if a later proof says so.

        When it says no, or a page cannot be decoded so, no more are tried: they are of one kind.
        """
        from qpipe.sources._json_typed import decoded_list

        if not reading.whole or not reading.known or answer.format != "json":
            return None
        frame = decoded_list(answer.text, reading.known, context.contract or {})
        reading.whole &= frame is not None
        return frame

    def _since(self, context: Context) -> dict[str, Any]:
        if self.incremental is None:
            return {}
        after = (context.cursor or {}).get("after", self.incremental.get("start"))
        return {self.incremental["param"]: after} if after is not None else {}

    def _greatest(self, records: Sequence[dict[str, Any]], last: Any) -> Any:
        """The greatest value of the field that grows: as numbers where all are numbers."""
        if self.incremental is None:
            return None
        from qpipe.sources.rest.records import Number

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


def _format(content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/jsonl", "application/ndjson"):
        return "ndjson"
    if kind in ("text/csv", "application/csv"):
        return "csv"
    return "xml" if kind.endswith("xml") else "json"
