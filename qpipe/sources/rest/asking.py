"""What is asked of an API: its pages in their order, each requested once, the next ones on their way meanwhile."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from qpipe.core.aside import Crew
from qpipe.core.batch import Fault, Json
from qpipe.core.errors import DataRefused, Unavailable
from qpipe.core.http import Client, shown
from qpipe.core.secrets import Secret
from qpipe.sources._json_typed import decoded_list
from qpipe.sources.rest.envelope import is_apart, is_plain, parted
from qpipe.sources.rest.pages import Page, Pages, without
from qpipe.sources.rest.records import Answer, NotReadable

if TYPE_CHECKING:
    import httpx2
    import polars as pl

    from qpipe.core.types import DataType

_PAGES = 1_000_000
_TRIES = 3  # an answer cut off in the middle is asked for again

Kept = MutableMapping[str, "httpx2.Response"]  # answers by request: what was asked for already is taken from here


@dataclass
class Reading:
    """Of a reader whose pages are of one kind: how they are decoded, and what is known of them."""

    exact: bool  # floats must be kept as they are written
    contract: Mapping[str, DataType] = field(default_factory=dict)
    known: Sequence[str] = ()  # the columns of the first page
    whole: bool = False  # their lists of records may be decoded at once


@dataclass(frozen=True)
class Got:
    """A page: what came, what pagination sees of it, what is to be told; its records, or the frame they were decoded into."""

    answer: Answer
    page: Page
    faults: list[Fault]
    records: list[dict[str, Any]]
    frame: pl.DataFrame | None = None
    text: str = ""  # that the frame was decoded from


@dataclass(frozen=True)
class Request:
    """What is the same for all pages."""

    method: str
    url: str
    params: Mapping[str, Any]
    body: Mapping[str, Any] | None
    pages: Pages
    since: Mapping[str, Any]  # parameters that ask for what is newer
    format: str | None
    path: str | None  # where the records are
    concurrency: int = 1
    most: int | None = None

    @property
    def may_be_decoded_at_once(self) -> bool:
        """Whether nothing but the number of its records matters in an answer, or what does stands apart from them."""
        if self.path is None:
            return not self.pages.paths
        return is_plain(self.path) and all(is_apart(path, self.path) for path in self.pages.paths)

    def of(self, state: Json) -> tuple[str, dict[str, Any]]:
        """The address and all that is sent for the page of a state."""
        url, params = self.pages.request(state)
        if url:  # what a server repeats in its next address is not kept where it is secret
            params |= {name: value for name, value in self.params.items() if isinstance(value, Secret)}
        fixed = {**self.params, **self.since}
        if self.pages.in_body:
            given: dict[str, Any] = {"params": fixed, "json": {**(self.body or {}), **params}}
        else:
            given = {"params": params if url else {**fixed, **params}, "json": self.body}
        given["params"] = given["params"] or None
        return url or self.url, {name: value for name, value in given.items() if value is not None}


class Asking:
    """The pages of one request."""

    def __init__(self, client: Client, request: Request, reading: Reading, kept: Kept, *, keep: bool = False) -> None:
        self._client, self._request, self._reading, self._kept, self._keep = client, request, reading, kept, keep

    def pages(self, state: Json | None) -> Iterator[tuple[Got, Json, Json | None]]:
        """(a page, its state, the next page's state), page by page."""
        first = state if state is not None else self._request.pages.first()
        seen: set[str] = set()
        for state, after, got in self._asked(first):
            if after is not None and str(after) in seen:
                raise DataRefused(
                    f"{shown(got.page.url)}: its next page is one that was read before", hint="check `pagination`"
                )
            seen.add(str(after))
            yield got, state, after
            if after is None:
                return

    def _asked(self, state: Json) -> Iterator[tuple[Json, Json | None, Got]]:
        """Pages in their order. What was asked for beyond the end is not looked at."""
        pages, concurrency, number_of = self._request.pages, self._request.concurrency, self._request.most or _PAGES
        waiting: deque[tuple[Json, Future[Got]]] = deque()
        with Crew(concurrency if concurrency > 1 else 0, "qpipe-page") as crew:
            for number in range(number_of):
                guess: Json | None = waiting[-1][0] if waiting else None
                most = min(concurrency, number_of - number)
                while len(waiting) < most and (guess := state if guess is None else pages.guess(guess)) is not None:
                    waiting.append((guess, crew.begin(partial(self._page, guess))))
                asked, future = waiting.popleft()
                answer = future.result()
                after = pages.next(asked, answer.page)
                if after and "url" in after:
                    after = {"url": without(after["url"], self._client.secret_params, self._client.secret_values)}
                yield asked, after, answer
                if after is None:
                    return
                if waiting and waiting[0][0] != after:  # a page of another size than was asked for
                    waiting.clear()
                state = after

    def _page(self, state: Json) -> Got:
        client, (url, given) = self._client, self._request.of(state)
        wrong = ""
        for _ in range(_TRIES):
            response = self._answered(url, given)
            headers = {k.lower(): v for k, v in response.headers.items()}
            answer = Answer(response.text, self._request.format or _format(headers.get("content-type", "")), self._request.path)
            try:
                if (at_once := self._at_once(answer)) is not None:
                    frame, data, text = at_once
                    records, height = list[dict[str, Any]](), frame.height
                else:
                    frame, text = None, ""
                    data, records = answer.decoded(self._reading.exact)
                    height = len(records)
                break
            except NotReadable as error:
                wrong = str(error)
        else:
            raise Unavailable(f"{client.shown(str(response.url))}: {client.masked(wrong)}", hint="is `format` right?")
        faults = [Fault(None, 1, "moved", f"{response.history[0].status_code}: {client.shown(url)} is now "
                        f"{client.shown(str(response.url))}", severity="warning")] if response.history else []  # fmt: skip
        return Got(answer, Page(str(response.url), data, headers, dict(response.links), height), faults, records, frame, text)

    def _answered(self, url: str, given: dict[str, Any]) -> httpx2.Response:
        """The answer that is kept, once; else the API's, which is kept where it is wanted again."""
        key = json.dumps([url, given], sort_keys=True, default=str)
        self._client.remember(given)
        if (kept := self._kept.pop(key, None)) is not None:
            return kept
        response = self._client.send(self._request.method, url, **given)
        if self._keep:
            self._kept[key] = response
        return response

    def _at_once(self, answer: Answer) -> tuple[pl.DataFrame, Any, str] | None:
        """All records of a page in the contract's types, what stands around them, and their text.

        They are right if a later proof says so of that text. When it says no, or a page cannot be decoded so, no more are
        tried: they are of one kind.
        """
        reading = self._reading
        if not reading.whole or not reading.known or answer.format != "json":
            return None
        found = (None, answer.text) if answer.path is None else parted(answer.text, answer.path)
        frame = decoded_list(found[1], reading.known, reading.contract) if found else None
        reading.whole &= frame is not None
        return None if frame is None or found is None else (frame, *found)


def _format(content_type: str) -> str:
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("application/x-ndjson", "application/jsonl", "application/ndjson"):
        return "ndjson"
    if kind in ("text/csv", "application/csv"):
        return "csv"
    return "xml" if kind.endswith("xml") else "json"
