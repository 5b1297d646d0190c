"""From one page to the next. A state is JSON: with it the same page is asked for again."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from qpipe.core.batch import Chunk, Json
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.paths import path_problem, search

if TYPE_CHECKING:
    import polars as pl

_COUNTED = ("param", "start", "size", "size_param", "total", "in")
_SIZED = ("size", "size_param", "in")
KINDS = {  # what each may say, what it must
    "none": ((), ()), "page": (_COUNTED, ()), "offset": (_COUNTED, ()),
    "cursor": (("path", "param", "more", *_SIZED), ("path",)), "next_url": (("path", *_SIZED), ("path",)),
    "link_header": (_SIZED, ()), "header": (("header", "param", "more", *_SIZED), ("header",)),
}  # fmt: skip
_WORDS = {"style": "type", "cursor": "path", "next": "path", "page_size": "size"}  # other words for the same


@dataclass(frozen=True)
class Page:
    """An answer, as pagination sees it."""

    url: str  # it came from
    data: Any
    headers: Mapping[str, str]
    links: Mapping[Any, Mapping[str, str]]
    records: int


class Pages:
    """How an API names its next page: the spec's ``pagination``."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._s = {_WORDS.get(name, name): value for name, value in settings.items()}
        self.kind = self._s.get("type", "none")
        self.in_body = self._s.get("in") == "body"  # of a POST

    @property
    def paths(self) -> list[str]:
        """Where it looks into an answer, beyond the number of its records."""
        return [self._s[name] for name in ("path", "more", "total") if name in self._s]

    def problem(self) -> str | None:
        if self.kind not in KINDS:
            return f"pagination has no type {self.kind}: say {', '.join(KINDS)}"
        allowed, needed = KINDS[self.kind]
        if unknown := [name for name in self._s if name not in ("type", *allowed)]:
            return f"pagination by {self.kind} has no {unknown[0]}: it has {', '.join(allowed) or 'nothing'}"
        if "path" in needed and "path" not in self._s:
            return f"pagination by {self.kind} needs path: where the next one stands in the answer"
        if "header" in needed and "header" not in self._s:
            return "pagination by header needs header: which one holds the next token"
        if wrong := next((n for n in ("start", "size") if not isinstance(self._s.get(n, 0), int)), None):
            return f"{wrong} is a whole number, not {self._s[wrong]!r}"
        if self._s.get("in", "query") not in ("query", "body"):
            return "parameters of pages stand in: query, or in: body"
        return next(filter(None, (path_problem(self._s[n]) for n in ("path", "more", "total") if n in self._s)), None)

    def first(self) -> Json:
        """The state of the first page."""
        if self.kind == "page":
            return {"page": int(self._s.get("start", 1))}
        return {"offset": int(self._s.get("start", 0))} if self.kind == "offset" else {}

    def request(self, state: Json) -> tuple[str | None, dict[str, Any]]:
        """(another URL, parameters) that ask for the page of a state."""
        size = (
            {self._s.get("size_param", "per_page" if self.kind == "page" else "limit"): self._s["size"]}
            if "size" in self._s
            else {}
        )
        if self.kind == "page":
            return None, {self._s.get("param", "page"): state["page"], **size}
        if self.kind == "offset":
            return None, {self._s.get("param", "offset"): state["offset"], **size}
        if self.kind in ("cursor", "header") and "url" not in state:
            return None, {**({self._s.get("param", "cursor"): state["token"]} if "token" in state else {}), **size}
        return state.get("url"), ({} if "url" in state else size)

    def next(self, state: Json, page: Page) -> Json | None:
        """The state of the page after this one; None when this was the last."""
        if self.kind == "link_header":
            found = page.links.get("next", {}).get("url")
            return {"url": urljoin(page.url, found)} if found else None
        if self.kind == "next_url":
            found = search(self._s["path"], page.data)
            return {"url": urljoin(page.url, str(found))} if found else None
        if self.kind in ("cursor", "header"):
            token = search(self._s["path"], page.data) if self.kind == "cursor" else page.headers.get(self._s["header"].lower())
            more = search(self._s["more"], page.data) if "more" in self._s else True
            if token and more and str(token).startswith(("http://", "https://")):
                return {"url": str(token)}
            return {"token": str(token)} if token and more else None
        if self.kind == "none" or not page.records or self._is_short(page) or self._reached(state, page):
            return None
        if self.kind == "page":
            return {"page": state["page"] + 1}
        return {"offset": state["offset"] + page.records}

    def guess(self, state: Json) -> Json | None:
        """The state of the page after this one, before this one is there; None where only its answer tells."""
        if self.kind == "page":
            return {"page": state["page"] + 1}
        return {"offset": state["offset"] + int(self._s["size"])} if self.kind == "offset" and "size" in self._s else None

    def _is_short(self, page: Page) -> bool:
        return "size" in self._s and page.records < int(self._s["size"])

    def _reached(self, state: Json, page: Page) -> bool:
        total = search(self._s["total"], page.data) if "total" in self._s else None
        if total is None:
            return False
        if self.kind == "offset":
            return bool(state["offset"] + page.records >= int(total))
        return "size" in self._s and bool(state["page"] - int(self._s.get("start", 1)) + 1) * int(self._s["size"]) >= int(total)


@dataclass(frozen=True)
class Part:
    """Rows of a page; with the text that they were decoded from, where it is not proven yet that they are right."""

    chunk: Chunk
    text: str | None = None
    exactly: Callable[[], pl.DataFrame] | None = None  # the rows without any doubt


Proof = Callable[[Sequence[str]], Sequence[bool]]  # which of these texts were decoded right


def gathered(parts: Iterator[Part], rows: int, patience: float, proven: Proof) -> Iterator[Chunk]:
    """Chunks put together, at most so many rows, none waiting longer; those before a failure are given before it is raised."""
    waiting: list[Part] = []
    height, since = 0, 0.0
    try:
        for part in parts:
            more = part.chunk.frame.height
            if waiting and height + more > rows:
                yield _together(_settled(waiting, proven))
                waiting, height = [], 0
            since = since if waiting else time.monotonic()
            waiting.append(part)
            height += more
            if height >= rows or time.monotonic() - since > patience:
                yield _together(_settled(waiting, proven))
                waiting, height = [], 0
    except QpipeError:
        if waiting:
            yield _together(_settled(waiting, proven))
        raise
    if waiting:
        yield _together(_settled(waiting, proven))


def _settled(parts: Sequence[Part], proven: Proof) -> list[Chunk]:
    """Proven together: that costs a fraction of one by one."""
    texts = list(dict.fromkeys(part.text for part in parts if part.text is not None))
    wrong = {text for text, right in zip(texts, proven(texts), strict=True) if not right} if texts else ()
    return [replace(part.chunk, frame=part.exactly()) if part.exactly and part.text in wrong else part.chunk for part in parts]


def _together(chunks: Sequence[Chunk]) -> Chunk:
    if len(chunks) == 1:
        return chunks[0]
    held = [chunk for chunk in chunks if chunk.frame.height] or [chunks[-1]]
    faults = tuple(fault for chunk in chunks for fault in chunk.faults)
    frames, schemas = [chunk.frame for chunk in held], [chunk.frame.schema for chunk in held]
    alike = all(schema == schemas[0] for schema in schemas)
    if not alike and any(
        a.get(n, d) != d for a, b in itertools.pairwise(schemas) for n, d in b.items()
    ):  # a page has texts there
        frames = [chunk.as_it_came(pl.int_range(chunk.frame.height, eager=True)) for chunk in held]
    typed = not all(dtype == pl.String for frame in (frames[:1] if alike else frames) for dtype in frame.dtypes)
    original = partial(_written, held) if typed else None
    same = alike or all(frame.columns == frames[0].columns for frame in frames)
    frame = pl.concat(frames, how="vertical" if same else "diagonal")
    return replace(chunks[-1], frame=frame, faults=faults, original=original)


def _written(chunks: Sequence[Chunk], offsets: pl.Series) -> pl.DataFrame:
    """Rows of chunks put together, as they are written."""
    order, start, found = offsets.arg_sort(), 0, []
    for chunk in chunks:
        rows = (offsets - start).gather(order)
        inside = rows.filter((rows >= 0) & (rows < chunk.frame.height))
        if inside.len():
            found.append(chunk.as_it_came(inside))
        start += chunk.frame.height
    return pl.concat(found, how="diagonal")[order.arg_sort()] if found else chunks[0].as_it_came(offsets)


def without(url: str, names: set[str], values: set[str]) -> str:
    """A URL without parameters that are secret, by name or by value."""
    from urllib.parse import urlencode, urlunsplit

    parts = urlsplit(url)
    kept = [(name, value) for name, value in parse_qsl(parts.query, True) if name not in names and value not in values]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(kept), parts.fragment))
