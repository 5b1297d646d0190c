"""APIs over HTTP: pages, records, exact restart; and conversations recorded from a real one."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from apis import ITEMS, page_of, rows
from running import Project

from qpipe.core.component import Context
from qpipe.core.errors import QpipeError
from qpipe.core.params import build
from qpipe.core.texts import reader
from qpipe.core.types import DataType
from qpipe.sources.rest import Rest
from tests.servers.api import Api, Request

pytestmark = pytest.mark.usefixtures("quick")

RECORDED = json.loads((Path(__file__).parent / "data/api/octokit.json").read_text())


def replay(name: str, api: Api) -> None:
    """Answer as it was recorded."""
    known = {(e["method"].upper(), e["path"]): e for e in RECORDED[name]}

    def answer(request: Request) -> Any:
        entry = known.get((request.method, request.target.replace("%2C", ",")))
        if entry is None:
            return 404, {}, {"message": f"not recorded: {request.target}"}
        headers = {k: v.replace("https://api.github.com", api.url) for k, v in entry["headers"].items()}
        return entry["status"], headers, entry["response"]

    api.answer = answer


# ── recorded conversations ──


def test_all_thirteen_issues_over_five_pages(api: Api) -> None:
    replay("paginate-issues", api)
    found = rows(
        api, "/repos/octokit-fixture-org/paginate-issues/issues", params={"per_page": 3}, pagination={"type": "link_header"}
    )
    assert len(found) == 13 and len(api.asked) == 5
    assert [int(row["number"]) for row in found] == sorted(range(1, 14), reverse=True)


def test_a_renamed_repository_is_followed_and_told(api: Api) -> None:
    replay("rename-repository", api)
    source = build(Rest, {"url": f"{api.url}/repos/octokit-fixture-org/rename-repository"})
    (chunk,) = source.read(Context(), None, 10)
    assert chunk.frame["name"].to_list() == ["rename-repository-newname"]
    assert chunk.faults[0].code == "moved" and "/repositories/1000" in chunk.faults[0].message


def test_errors_are_told_in_the_api_s_words(api: Api) -> None:
    replay("errors", api)
    entry = next(e for e in RECORDED["errors"] if e["status"] >= 400)
    api.answer = lambda request: (entry["status"], {}, entry["response"])
    with pytest.raises(QpipeError) as refused:
        rows(api)
    assert entry["response"]["message"] in str(refused.value) and len(api.asked) == 1, "what is refused is not asked again"


# ── pages ──


def _cursor(request: Request) -> Any:
    start = int(request.params.get("cursor", 0))
    return 200, {}, {"data": ITEMS[start : start + 10], "next": str(start + 10) if start + 10 < len(ITEMS) else None}


def _next_url(request: Request) -> Any:
    page = int(request.params.get("page", 1))
    return 200, {}, {"data": page_of(request), "next": f"/items?page={page + 1}" if page < 3 else None}


def _next_address(request: Request) -> Any:
    status, headers, data = _next_url(request)
    host = f"http://{request.headers['host']}"
    return status, headers, {**data, "next": data["next"] and host + data["next"]}


def _posted(request: Request) -> Any:
    asked = json.loads(request.body)
    assert asked["filter"] == "all" and asked["per_page"] == 10
    return 200, {}, {"data": ITEMS[(asked["page"] - 1) * 10 : asked["page"] * 10]}


def _offset(request: Request) -> Any:
    start, size = int(request.params.get("offset", 0)), int(request.params.get("limit", 10))
    return 200, {}, {"data": ITEMS[start : start + size], "total": len(ITEMS)}


def _header(request: Request) -> Any:
    start = int(request.params.get("token", 0))
    return 200, ({"X-Next": start + 10} if start + 10 < 25 else {}), {"data": ITEMS[start : start + 10]}


PAGED = {
    "page": ({"type": "page"}, lambda request: (200, {}, {"data": page_of(request)}), 4),
    "page of a size": ({"type": "page", "size": 10}, lambda request: (200, {}, {"data": page_of(request)}), 3),
    "offset": ({"type": "offset", "size": 10, "total": "total"}, _offset, 3),
    "cursor": ({"type": "cursor", "path": "next"}, _cursor, 3),
    "next_url": ({"type": "next_url", "path": "next"}, _next_url, 3),
    "cursor as the mission says it": ({"style": "cursor", "cursor": "$.next"}, _cursor, 3),
    "cursor that is an address": ({"type": "cursor", "path": "next"}, _next_address, 3),
    "page in the body": ({"type": "page", "size": 10, "in": "body"}, _posted, 3),
    "header": ({"type": "header", "header": "X-Next", "param": "token"}, _header, 3),
}


@pytest.mark.parametrize("name", PAGED)
def test_every_page_once_and_every_position_restarts(api: Api, name: str) -> None:
    pagination, api.answer, requests = PAGED[name]
    asked = {"records": "data", "pagination": pagination}
    asked |= {"method": "POST", "body": {"filter": "all"}} if "in" in pagination else {}
    assert [int(row["id"]) for row in rows(api, **asked)] == list(range(1, 26))
    assert len(api.asked) == requests
    source = build(Rest, {"url": api.url + "/items", **asked})
    assert list(source.problems(None)) == []
    whole = list(source.read(Context(), None, 4))
    for n, chunk in enumerate(whole):
        seen = sum(c.frame.height for c in whole[: n + 1])
        rest = [int(r["id"]) for c in source.read(Context(), chunk.position, 7) for r in c.frame.to_dicts()]
        assert rest == list(range(seen + 1, 26)), (name, n)


@pytest.mark.parametrize("pagination", [{"type": "page"}, {"type": "page", "size": 10}, {"type": "offset", "size": 10}])
def test_pages_side_by_side_stay_in_order(api: Api, pagination: dict[str, Any]) -> None:
    """The first pages are the slowest; what is asked for beyond the end may fail; every position restarts."""
    inside, most, lock = [0], [0], threading.Lock()

    def answer(request: Request) -> Any:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        number = int(request.params.get("page", 0)) or int(request.params["offset"]) // 10 + 1
        time.sleep(0.02 * max(0, 4 - number))
        with lock:
            inside[0] -= 1
        return (404, {}, {}) if number > 4 else (200, {}, {"data": ITEMS[(number - 1) * 10 : number * 10]})

    api.answer = answer
    source = build(Rest, {"url": api.url + "/items", "records": "data", "pagination": pagination, "concurrency": 3})
    whole = list(source.read(Context(), None, 4))
    assert [int(row["id"]) for chunk in whole for row in chunk.frame.to_dicts()] == list(range(1, 26))
    assert 2 <= most[0] <= 3
    for n, chunk in enumerate(whole):
        seen = sum(c.frame.height for c in whole[: n + 1])
        rest = [int(r["id"]) for c in source.read(Context(), chunk.position, 7) for r in c.frame.to_dicts()]
        assert rest == list(range(seen + 1, 26)), n


def test_pages_of_another_size_than_asked_for_come_once(api: Api) -> None:
    """A server that gives more than the size: offsets follow what came."""
    api.answer = lambda r: (200, {}, {"data": ITEMS[int(r.params["offset"]) :][:10], "total": 25})
    pagination = {"type": "offset", "size": 7, "total": "total"}
    assert [int(r["id"]) for r in rows(api, records="data", pagination=pagination, concurrency=4)] == list(range(1, 26))


def test_side_by_side_needs_pages_that_can_be_guessed() -> None:
    source = build(Rest, {"url": "https://example.com", "pagination": {"type": "cursor", "path": "next"}, "concurrency": 2})
    assert [name for name, _ in source.problems(None)] == ["concurrency"]


WRONG = {  # each is told before anything is sent
    "records": ({"records": "data["}, {"records": "$..data"}, {"records": "$.data[?(@.x)]"}),
    "pagination": ({"pagination": {"type": "pages"}}, {"pagination": {"type": "page", "sise": 10}},
                   {"pagination": {"type": "cursor"}}, {"pagination": {"type": "cursor", "path": "a["}},
                   {"pagination": {"type": "page", "size": "10"}}, {"pagination": {"type": "page", "in": "body"}}),
    "auth": ({"auth": {"type": "bearer"}}, {"auth": {"token": "x"}}, {"auth": {"type": "bearer", "token": "x", "tokn": "x"}},
             {"auth": {"type": "oauth2", "token_url": "http://x"}}, {"auth": {"type": "api_key", "value": "x", "in": "body"}},
             {"auth": {"type": "oauth2", "token_url": "http://x", "grant": "implicit"}}),
    "retry": ({"retry": {"times": 3}}, {"retry": {"backoff": "never"}}, {"retry": {"initial_delay": "soon"}}),
    "rate_limit": ({"rate_limit": "10 per day"},),
    "incremental": ({"incremental": {"field": "id"}}, {"incremental": {"field": "a[", "param": "p"}}),
    "body": ({"body": {"a": 1}},),
}  # fmt: skip


@pytest.mark.parametrize("name, given", [(name, given) for name, wrong in WRONG.items() for given in wrong], ids=str)
def test_what_is_wrong_is_told_before_anything_is_sent(name: str, given: dict[str, Any]) -> None:
    assert [at for at, _ in build(Rest, {"url": "https://example.com", **given}).problems(None)] == [name]


@pytest.mark.parametrize(
    "path", ["data.items", "$.data.items", "$.data.items[*]", "$['data'][\"items\"]", "$.data.items[0:99]"]
)
def test_records_by_jmespath_or_jsonpath(api: Api, path: str) -> None:
    api.answer = lambda request: (200, {}, {"data": {"items": ITEMS[:3]}})
    assert [row["id"] for row in rows(api, records=path)] == ["1", "2", "3"]


def test_the_mission_s_words(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: Request) -> Any:
        if request.path == "/token":
            return 200, {}, {"access_token": "t", "token_type": "Bearer", "expires_in": 3600}
        return _cursor(request) if request.number > 3 else (503, {}, {})

    api.answer = answer
    monkeypatch.setenv("RATES", "r4tes-s3cret")
    rates = Project(tmp_path, f"""
        name: rates
        sources:
          rates:
            type: rest
            url: {api.url}/rates
            auth:
              {{method: oauth2, token_url: {api.url}/token, client_id: me, client_secret: "${{env:RATES}}", refresh: true}}
            rate_limit: 1000
            retry_config: {{max_retries: 3, backoff: exponential, initial_delay: 10ms}}
            paginate: {{style: cursor, cursor: $.next}}
            records: $.data
            schema: {{id: int}}
        outputs: {{clean: {{path: out.csv}}}}
        settings: {{retry: {{max_retries: 0}}}}
    """)  # fmt: skip
    assert rates.run().state == "done" and (tmp_path / "out.csv").read_text().count("\n") == 26


def test_pages_that_go_in_circles_are_noticed(api: Api) -> None:
    api.answer = lambda request: (200, {}, {"data": ITEMS[:1], "next": "/items?page=1"})
    with pytest.raises(QpipeError, match="read before"):
        rows(api, records="data", pagination={"type": "next_url", "path": "next"})


def test_values_are_as_they_were_written(api: Api) -> None:
    api.answer = lambda request: (
        200,
        {},
        b'[{"a": 1.10, "b": [1.0, {"c": null}], "d": true, "e": "x"}, {"f": 12345678901234567890}]',
    )
    assert rows(api) == [{"a": "1.10", "b": '[1.0,{"c":null}]', "d": "true", "e": "x", "f": None},
                         {"a": None, "b": None, "d": None, "e": None, "f": "12345678901234567890"}]  # fmt: skip


PAGES = [  # each with something that a page before it has not
    '[{"n": 1, "x": 1.10, "on": true, "s": "a"}, {"n": 2, "x": 3, "on": null, "s": null}]',
    '[{"n": -0, "x": -0, "on": false, "s": "b"}, {"n": 1.0, "x": 1e3, "on": "true", "s": 2.50}]',
    '[{"n": 12345678901234567890, "x": 1e999}, {"n": null, "x": NaN, "s": [1.10, {"b": 2.0}]}]',
    '[{"n": 7, "x": 123456789012345678901234567890.5, "on": 1, "s": "c", "more": 0.10}]',
]


PLAIN = [  # each could be decoded at once
    '[{"n": 1, "x": 1.10, "on": true, "s": "a"}, {"n": 2, "x": 3, "on": null, "s": null}]',
    '[{"n":-3,"x":1e3,"on":false,"s":"ü"},\n {}, {"s": ""}]\n',
    '[{"x": -0.0, "on": true}]',
]
ODD = [  # each alone among plain ones must not be
    '{"n": 5}', '[{"s": "a", "n": 5}]', '[{"n": 5, "n": 6}]', '[{"n": true}]', '[{"n": 12.5}]', '[{"s": 2.50}]', '[{"on": 1}]',
    '[{"s": "\\u00fc \\" , \\n"}]', '[{"more": 1, "n": 5}]', '[1.10, {"n": 5}]', '[null, {"n": 5}]', '[{"s": {"n": 5}}]',
    " [] ", '[{"n": 99999999999999999999}]', '[[{"n": 5}]]',
]  # fmt: skip


AROUND = {  # an answer, and where its records are
    "nothing": ("PAGE", None),
    "an envelope": ('{"data": {"n": 1, "items": PAGE}, "total": 999}', "data.items"),
    "brackets": ('{"said": "\\"items\\": [1]", "items": [], "data": {"items":PAGE, "other": ["}]", []]}}', "$.data.items"),
    "the same name": ('{"items": {"items": PAGE, "n": 2.50}, "more": {"items": [7]}}', "items.items"),
}


@pytest.mark.parametrize("pages", [PAGES, PLAIN, *([*PLAIN, odd, *PLAIN] for odd in ODD)])
@pytest.mark.parametrize("around", AROUND)
def test_numbers_read_at_once_are_what_their_texts_say(api: Api, pages: list[str], around: str) -> None:
    """And a row asked for again is as the API wrote it, however many rows are asked for together."""
    whole, path = AROUND[around]
    api.answer = lambda request: (
        200,
        {},
        whole.replace("PAGE", [*pages, *["[]"] * 4][int(request.params["page"]) - 1]).encode(),
    )
    source = build(Rest, {"url": api.url + "/items", "pagination": {"type": "page"}, "concurrency": 2, "records": path})
    contract = {name: DataType.parse(word) for name, word in {"n": "int", "x": "float", "on": "bool", "s": "string"}.items()}

    def read(context: Context, size: int) -> tuple[list[dict[str, Any]], pl.DataFrame]:
        chunks = list(source.read(context, None, size))
        rows = [row for chunk in chunks for row in chunk.as_it_came(pl.int_range(chunk.frame.height, eager=True)).to_dicts()]
        typed = [chunk.frame.select(reader(kind)(chunk.frame[name]) if kind.name != "string" else chunk.frame[name]
                                    for name, kind in contract.items()) for chunk in chunks]  # fmt: skip
        return [{name: row.get(name) for name in (*contract, "more")} for row in rows], pl.concat(typed)

    texts, slow = read(Context(), 2)
    assert len(texts) >= 6
    for size in (1, 2, 1000):
        again, fast = read(Context(contract=contract), size)
        assert texts == again and fast.equals(slow, null_equal=True), size


def test_a_cursor_that_stands_beside_or_inside_the_records(api: Api) -> None:
    """Pages that could be decoded at once, and the token as it is written."""
    tokens = ["1.10", "1.20", None]

    def answer(request: Request) -> Any:
        at = [None, "1.10", "1.20"].index(request.params.get("cursor"))
        items = ", ".join(f'{{"id": {n}, "token": {tokens[at] or "null"}}}' for n in range(10 * at, 10 * at + 10))
        return 200, {}, f'{{"data": [{items}], "next": {tokens[at] or "null"}}}'.encode()

    api.answer = answer
    contract = {"id": DataType.parse("int"), "token": DataType.parse("string")}
    for path in ("next", "data[-1].token"):
        asked = {"url": api.url, "records": "data", "pagination": {"type": "cursor", "path": path}}
        chunks = list(build(Rest, asked).read(Context(contract=contract), None, 7))
        assert [int(row["id"]) for chunk in chunks for row in chunk.frame.to_dicts()] == list(range(30))


ONCE = {
    "pages": "pagination: {type: page, size: 10}",
    "pages side by side": "{pagination: {type: page, size: 10}, concurrency: 3}",
    "of a POST": "{method: POST, body: {filter: all}, pagination: {type: page, size: 10, in: body}}",
    "only what is newer": "{pagination: {type: page, size: 10}, incremental: {field: id, param: since, start: 0}}",
}


@pytest.mark.parametrize("kind", ONCE)
def test_a_run_asks_for_each_page_once(api: Api, tmp_path: Path, kind: str) -> None:
    def page_of(request: Request) -> int:
        return int((json.loads(request.body) if request.method == "POST" else request.params)["page"])

    def answer(request: Request) -> Any:
        page = page_of(request)
        return 200, {}, {"data": ITEMS[(page - 1) * 10 : page * 10]}

    api.answer = answer
    more = ONCE[kind].removeprefix("{").removesuffix("}") if ONCE[kind][0] == "{" else ONCE[kind]
    project = Project(tmp_path, f"""
        name: items
        sources: {{items: {{type: rest, url: "{api.url}/items", records: data, {more}}}}}
        outputs: {{good: {{path: good.csv}}}}
    """)  # fmt: skip
    assert project.run().state == "done" and len((tmp_path / "good.csv").read_text().splitlines()) == 26
    pages = sorted(map(page_of, api.asked))
    assert pages[:3] == [1, 2, 3] and len(set(pages)) == len(pages)  # side by side: perhaps beyond the end, too


def test_quarantine_holds_rows_as_the_api_wrote_them(api: Api, tmp_path: Path) -> None:
    api.answer = lambda request: (200, {}, [*PAGES, "[]"][int(request.params["page"]) - 1].encode())
    texts = rows(api, pagination={"type": "page"})
    assert [row["x"] for row in texts[:4]] == ["1.10", "3", "-0", "1e3"] and texts[5]["s"] == '[1.10,{"b":2.0}]'
    done = Project(tmp_path, f"""
        name: items
        sources:
          items:
            type: rest
            url: "{api.url}/items"
            pagination: {{type: page}}
            schema: {{n: int, x: float, on: bool, s: string}}
        modules: [{{between: {{column: x, min: 2}}}}]
        routes: [{{when: failed(error), to: quarantine}}, {{to: good}}]
        outputs: {{good: {{path: good.csv}}, quarantine: {{path: bad.csv}}}}
    """).run()  # fmt: skip
    assert done.state == "done" and "1,1.10,true,a" in (tmp_path / "bad.csv").read_text()


@pytest.mark.parametrize("kind, body", [
    ("application/x-ndjson", b'{"id": 1}\n{"id": 2}\n'), ("text/csv", b"id\n1\n2\n"),
    ("application/xml", b"<r><item><id>1</id></item><item><id>2</id></item></r>"),
])  # fmt: skip
def test_other_formats(api: Api, kind: str, body: bytes) -> None:
    api.answer = lambda request: (200, {"content-type": kind}, body)
    assert [row["id"] for row in rows(api, records="r.item" if "xml" in kind else None)] == ["1", "2"]
