"""APIs of a test's own over HTTP, and what the source ``rest`` reads of them."""

from __future__ import annotations

from typing import Any

from qpipe.core.component import Context
from qpipe.core.params import build
from qpipe.sources.rest import Rest
from tests.servers.api import Api, Request


def rows(api: Api, path: str = "/items", size: int = 1000, **values: Any) -> list[dict[str, Any]]:
    source = build(Rest, {"url": api.url + path, **values})
    return [row for chunk in source.read(Context(), None, size) for row in chunk.frame.to_dicts()]


ITEMS = [{"id": n, "price": 1.10, "tags": ["a", n], "on": n % 2 == 0, "note": None} for n in range(1, 26)]


def page_of(request: Request, size: int = 10) -> list[dict[str, Any]]:
    start = (int(request.params.get("page", 1)) - 1) * size
    return ITEMS[start : start + size]
