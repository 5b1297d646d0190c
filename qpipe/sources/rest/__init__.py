"""rest"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import Chunk, Fault, Json
from qpipe.core.component import Context, Input, Source, Types
from qpipe.core.errors import DataRefused, Unavailable
from qpipe.core.http import Client, Settings, address_problems, auth_problem, limiter, shown
from qpipe.core.params import Duration, param
from qpipe.core.secrets import Secret
from qpipe.sources.rest.pages import Page, Pages, gathered, search, without

if TYPE_CHECKING:
    from qpipe.core.types import DataType

_PAGES = 1_000_000
_PATIENCE = 1.0  # seconds that rows wait for those of the next pages
_Answer = tuple[list[dict[str, Any]], Page, list[Fault]]


class Rest(Source):
    """Records of an HTTP API, page by page; authorised, within its rate limit, and exactly where it was after a stop.

    Every cell is the text that the API wrote, nested values are JSON text; the contract says what it means. A request that
    fails for a passing reason (429, 5xx, time-outs, broken connections) is sent again, as `Retry-After` says or ever later.
    With `incremental` a run asks for what lies after the greatest value of a field that an earlier run has published.
    """

    url: str = param(help="the address", short=True)
    method: Literal["GET", "POST"] = param("GET", help="how it is asked")
    params: dict[str, Any] = param(None, help="parameters of the query")
    headers: dict[str, Any] = param(None, help="headers of every request")
    body: dict[str, Any] | None = param(None, help="of a POST: sent as JSON")
    auth: dict[str, Any] | None = param(
        None, help="{type: basic, username, password}, {type: bearer, token}, {type: api_key, value, name, in}, "
        "{type: oauth2, token_url, client_id, client_secret, grant, scope, refresh_token, username, password}"
    )  # fmt: skip
    pagination: dict[str, Any] | None = param(
        None, help="{type: page, param, start, size, size_param, total}, {type: offset, …}, {type: cursor, path, param, more}, "
        "{type: next_url, path}, {type: link_header}, {type: header, header, param}"
    )  # fmt: skip
    records: str | None = param(None, help="where the records are: a JMESPath such as data.items")
    format: Literal["json", "ndjson", "csv", "xml"] | None = param(
        None, help="of the answers; unset: as their content type says"
    )
    incremental: dict[str, Any] | None = param(None, help="{field, param, start}: only what the last run has not seen")
    concurrency: int = param(
        1, help="pages asked for at a time, by page number, or by offset with a size; rows stay in order", minimum=1, maximum=64
    )
    rate_limit: str | int | None = param(None, help="requests at most: 10 (a second), 10/s, 1000/min")
    retries: int = param(5, help="how often a request is sent again", minimum=0)
    timeout: Duration = param(30.0, help="how long to wait for a connection, and for the next bytes")
    max_pages: int | None = param(None, help="stop after so many pages", minimum=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from address_problems(self.url)
        if wrong := auth_problem(self.auth):
            yield "auth", wrong
        if wrong := Pages(self.pagination or {}).problem():
            yield "pagination", wrong
        if self.incremental is not None and not {"field", "param"} <= set(self.incremental):
            yield "incremental", "say {field, param}: which field grows, and which parameter asks for greater values"
        if self.concurrency > 1 and Pages(self.pagination or {}).guess({"page": 1, "offset": 0}) is None:
            yield (
                "concurrency",
                "pages come side by side by page number, or by offset with a size; else each tells the next",
            )
        try:
            limiter(self.rate_limit)
        except ValueError as error:
            yield "rate_limit", str(error)

    def columns(self, context: Context) -> dict[str, DataType]:
        """Those of the first page that has records, and of the contract."""
        from qpipe.core.types import DataType
        from qpipe.sources.rest.records import frame_of

        with self._client() as client:
            for records, _, _, _ in self._pages(client, context, None):
                if records:
                    return {name: DataType.parse("string") for name in frame_of(records, ()).columns}
        return {name: DataType.parse("string") for name in self.schema or {}}

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        """Pages are put together until they are enough, or take long: a batch costs more than a page."""
        yield from gathered(self._read(context, position, rows, columns), rows, _PATIENCE)

    def _read(
        self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None
    ) -> Iterator[Chunk]:
        """A page, or a part of one, at a time."""
        from qpipe.sources.rest.records import frame_of

        skip, last = (position or {}).get("skip", 0), (position or {}).get("last")
        if position and position.get("ended"):
            return
        with self._client() as client:
            known: list[str] = []
            for records, state, after, faults in self._pages(client, context, position and position["page"]):
                frame = frame_of(records, known)
                known = known or frame.columns
                for start in range(skip, max(len(records), skip + 1), rows):
                    part = frame.slice(start, rows)
                    done = start + rows >= len(records)
                    last = self._greatest(records[start : start + rows], last)
                    place: Json = {"page": after, "skip": 0} if done else {"page": state, "skip": start + rows}
                    place |= {"ended": True} if done and after is None else {}
                    place |= {"last": last} if last is not None else {}
                    chosen = part if columns is None else part.select([c for c in columns if c in part.columns])
                    yield Chunk(chosen, place, faults=tuple(faults), file=shown(self.url))
                    faults = []
                skip = 0

    def identity(self, context: Context) -> Json:
        return {"url": shown(self.url), "method": self.method}

    def inputs(self, context: Context) -> Sequence[Input]:
        return [Input(shown(self.url), shown(self.url))]

    def cursor(self, position: Json | None, context: Context) -> Json | None:
        if self.incremental is None:
            return None
        last = (position or {}).get("last")
        return {"after": last} if last is not None else context.cursor

    def _client(self) -> Client:
        return Client(Settings(self.auth or {}, self.headers or {}, self.timeout, self.retries, self.rate_limit))

    def _pages(
        self, client: Client, context: Context, state: Json | None
    ) -> Iterator[tuple[list[dict[str, Any]], Json, Json | None, list[Fault]]]:
        """(records, the page's state, the next page's state, what is to be told), page by page."""
        pages = Pages(self.pagination or {})
        first = state if state is not None else pages.first()
        seen: set[str] = set()
        for state, after, (records, page, faults) in self._asked(client, context, pages, first):
            if after is not None and str(after) in seen:
                raise DataRefused(f"{shown(page.url)}: its next page is one that was read before", hint="check `pagination`")
            seen.add(str(after))
            yield records, state, after, faults
            if after is None:
                return

    def _asked(
        self, client: Client, context: Context, pages: Pages, state: Json
    ) -> Iterator[tuple[Json, Json | None, _Answer]]:
        """Pages in their order, the next ones on their way meanwhile. What was asked for beyond the end is not looked at."""
        ask = partial(self._page, client, context, pages)
        with ThreadPoolExecutor(self.concurrency) as pool:
            waiting: deque[tuple[Json, Future[_Answer]]] = deque()
            try:
                for number in range(self.max_pages or _PAGES):
                    guess: Json | None = waiting[-1][0] if waiting else None
                    most = min(self.concurrency, (self.max_pages or _PAGES) - number)
                    while len(waiting) < most and (guess := state if guess is None else pages.guess(guess)) is not None:
                        waiting.append((guess, pool.submit(ask, guess)))
                    asked, future = waiting.popleft()
                    answer = future.result()
                    after = pages.next(asked, answer[1])
                    if after and "url" in after:
                        after = {"url": without(after["url"], client.secret_params, client.secret_values)}
                    yield asked, after, answer
                    if after is None:
                        return
                    if waiting and waiting[0][0] != after:  # a page of another size than was asked for
                        waiting.clear()
                    state = after
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _page(self, client: Client, context: Context, pages: Pages, state: Json) -> _Answer:
        from qpipe.sources.rest.records import NotReadable, decoded, records_of

        url, params = pages.request(state)
        if url:  # what a server repeats in its next address is not kept where it is secret
            params |= {name: value for name, value in (self.params or {}).items() if isinstance(value, Secret)}
        given: dict[str, Any] = {"params": params if url else {**(self.params or {}), **self._since(context), **params}}
        given["params"] = given["params"] or None
        if self.body is not None:
            given["json"] = self.body
        wrong = ""
        for _ in range(3):  # an answer cut off in the middle is asked for again
            response = client.send(self.method, url or self.url, **{k: v for k, v in given.items() if v is not None})
            try:
                data = decoded(response.text, self.format or _format(response.headers.get("content-type", "")))
                records = records_of(data, self.records)
                break
            except NotReadable as error:
                wrong = str(error)
        else:
            place = client.shown(str(response.url))
            raise Unavailable(f"{place}: {client.masked(wrong)}", hint="is `format` right? then `qpipe resume`")
        faults = [Fault(None, 1, "moved", f"{response.history[0].status_code}: {client.shown(url or self.url)} is now "
                        f"{client.shown(str(response.url))}", severity="warning")] if response.history else []  # fmt: skip
        page = Page(
            str(response.url), data, {k.lower(): v for k, v in response.headers.items()}, dict(response.links), len(records)
        )
        return records, page, faults

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


def _format(content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/jsonl", "application/ndjson"):
        return "ndjson"
    if kind in ("text/csv", "application/csv"):
        return "csv"
    return "xml" if kind.endswith("xml") else "json"
