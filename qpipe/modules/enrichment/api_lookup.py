"""api_lookup"""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from qpipe.core.aside import Crew, waited
from qpipe.core.component import Context, Rule, Transform, Types
from qpipe.core.errors import NotPermitted, Unavailable
from qpipe.core.http import Client, Refused, Settings, request_problems
from qpipe.core.lazy import pl
from qpipe.core.params import Duration, NewTypes, param
from qpipe.core.parse import parse_text
from qpipe.core.paths import path_problem, search
from qpipe.core.secrets import Secret
from qpipe.core.types import DataType
from qpipe.modules._prepared import prepared

if TYPE_CHECKING:
    import polars as pl

_PROBLEM = "_problem"
_HOLE = re.compile(r"\{(\w+)\}")
_ABSENT = ("404", "410")


class ApiLookup(Transform):
    """Columns are added from an API that is asked about every row, equal requests once.

    `{column}` in `url`, `params` and `body` stands for the row's value. Every row stays in its place, however many requests
    are on their way at a time. Answers are kept with the run before they are used, refusals too, so that a resumed run sees
    the same; with `cache`, later runs take them from that file for as long as `ttl` says. A look-up that fails is an error of
    its row, which gets null; with `on_failure: stop` it ends the run, which can be resumed. Refused authorisation always does.
    A row with a null in a column that is asked about is not looked up: it gets null, and is no error. What the API does not
    know (404, 410) is an error, too, unless `unknown: "null"`.

    Examples:
        ```yaml
        module:
          api_lookup: {url: "http://127.0.0.1:9/rates/{currency}", take: {rate: data.rate}, types: {rate: float}, retries: 0}
        rows: [{id: 1, currency: null}, {id: 2, currency: USD}]
        failed: [1]
        gives: [{id: 1, currency: null, rate: null}, {id: 2, currency: USD, rate: null}]
        ```
    """

    like = ("http lookup", "rest enrichment", "geocode", "call api", "http transform", "enrich from api", "external lookup")

    url: str = param(help="the address; {column} stands for the row's value", short=True)
    take: dict[str, str] = param(help="{new column: JMESPath or JSONPath in the answer}")
    types: NewTypes | None = param(None, help="{new column: type}; text where nothing is said")
    method: Literal["GET", "POST"] = param("GET", help="how it is asked")
    params: dict[str, Any] = param(None, help="parameters of the query")
    body: dict[str, Any] | None = param(None, help="of a POST: sent as JSON")
    headers: dict[str, Any] = param(None, help="headers of every request")
    auth: dict[str, Any] | None = param(None, help="as of the source `rest`: basic, bearer, api_key, oauth2")
    unknown: Literal["error", "null"] = param("error", help="what the API does not know (404, 410)")
    on_failure: Literal["error", "stop"] = param("error", help="a request that fails: an error of its rows, or the run stops")
    concurrency: int = param(4, help="requests at a time", minimum=1, maximum=64)
    rate_limit: str | int | None = param(None, help="requests at most: 10 (a second), 10/s, 1000/min")
    retries: int = param(5, help="how often a request is sent again", minimum=0)
    retry: dict[str, Any] | None = param(
        None, alias="retry_config", help="the same with its waits: {max_retries, backoff, initial_delay, max_delay}"
    )
    timeout: Duration = param(30.0, help="how long to wait for a connection, and for the next bytes")
    cache: str | None = param(None, help="a file beside the spec that keeps answers for later runs")
    ttl: Duration | None = param(None, help="how long an answer of an earlier run is good; unset: for ever")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from request_problems(self)
        if not self._columns:
            yield "url", "name a column in url, params or body, such as {id}: else every row asks the same"
        for name in self._columns:
            if types is not None and name not in types:
                yield "url", f"there is no column '{name}'"
        for path in self.take.values():
            if wrong := path_problem(path):
                yield "take", wrong
        for new in self.types or ():
            if new not in self.take:
                yield "types", f"'{new}' is none of the columns that are added: {', '.join(self.take)}"
        for new in self.take:
            if types is not None and new in types:
                yield "take", f"there is a column '{new}' already"
        if self.ttl is not None and self.cache is None:
            yield "ttl", "answers of earlier runs are kept where cache says"

    def reads(self) -> Iterator[tuple[str, str]]:
        return (("url", name) for name in self._columns)

    def output_types(self, types: Types) -> Types:
        return {**types, **self._added}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        answers = prepared(self, context, self._answers)
        return frame.with_columns(answers.struct.field(name) for name in self.take)

    def rules(self, context: Context) -> tuple[Rule, ...]:
        answers = prepared(self, context, self._answers)
        given = pl.all_horizontal([pl.col(name).is_not_null() for name in self._columns])
        return (Rule(answers.struct.field(_PROBLEM).is_not_null(), tuple(self._columns), "an answer of the API", given),)

    @property
    def _columns(self) -> list[str]:
        """The columns that a request is made of."""
        return list(dict.fromkeys(_HOLE.findall(self.url + json.dumps([self.params, self.body], default=str))))

    @property
    def _added(self) -> dict[str, DataType]:
        return {name: DataType.parse((self.types or {}).get(name, "string")) for name in self.take}

    def _answers(self, context: Context) -> pl.Expr:
        """A struct of the new columns, and what went wrong."""
        store = _Store(self._kept(context), self._cache(context), context.started, self.ttl)
        desk = _Desk(self, store, context.check_stop)
        fields = {name: type.polars() for name, type in self._added.items()} | {_PROBLEM: pl.String()}
        asked = pl.struct(pl.col(name).cast(pl.String) for name in self._columns)
        look = partial(_look, desk=desk, types=self._added)
        return asked.map_batches(look, return_dtype=pl.Struct(fields), is_elementwise=True)

    def _kept(self, context: Context) -> Path | None:
        """Where the run keeps its answers: steps that ask the same share them."""
        return None if context.work is None else context.work / "api_lookup.db"

    def _cache(self, context: Context) -> Path | None:
        return None if self.cache is None else context.directory / self.cache


def _look(asked: pl.Series, desk: _Desk, types: Mapping[str, DataType]) -> pl.Series:
    """The answers to a batch, row by row."""
    rows = [tuple(row) for row in asked.struct.unnest().rows()]
    known = desk.ask(rows)
    answers = [known.get(row, _NOTHING) for row in rows]
    problem = pl.Series(_PROBLEM, [answer.problem for answer in answers], dtype=pl.String)
    columns = []
    for name, type in types.items():
        texts = pl.Series(name, [(answer.values or {}).get(name) for answer in answers], dtype=pl.String)
        values = pl.select(parse_text(pl.lit(texts), type).alias(name)).to_series()
        wrong = texts.is_not_null() & values.is_null()
        said = pl.when(problem.is_null() & wrong).then(pl.lit(f"{name} is no {type.describe()}")).otherwise(problem)
        problem = pl.select(said.alias(_PROBLEM)).to_series()
        columns.append(values)
    return pl.DataFrame([*columns, problem]).to_struct(asked.name)


@dataclass(frozen=True)
class _Answer:
    values: Mapping[str, str | None] | None = None
    problem: str | None = None


_NOTHING = _Answer()


class _Desk:
    """Asks what is not known yet, several at a time; equal requests once."""

    def __init__(self, step: ApiLookup, store: _Store, check_stop: Callable[[], None]) -> None:
        self._step, self._store, self._check_stop, self._busy = step, store, check_stop, threading.Lock()
        self._known: dict[tuple[Any, ...], _Answer] = {}
        self._client: Client | None = None

    def ask(self, rows: Sequence[tuple[Any, ...]]) -> Mapping[tuple[Any, ...], _Answer]:
        wanted = [row for row in dict.fromkeys(rows) if None not in row]
        with self._busy:
            missing = [row for row in wanted if row not in self._known]
            if missing:
                self._fetch(missing)
        return self._known

    def _fetch(self, missing: Sequence[tuple[Any, ...]]) -> None:
        requests = {row: self._request(row) for row in missing}
        keys = {row: json.dumps([requests[row], self._step.take], sort_keys=True, default=str) for row in missing}
        found = self._store.find(keys.values())
        self._known |= {row: found[keys[row]] for row in missing if keys[row] in found}
        open_ = [row for row in missing if keys[row] not in found]
        if not open_:
            return
        if self._client is None:
            step = self._step
            self._client = Client(Settings.of(step), self._check_stop)
        with Crew(self._step.concurrency, "qpipe-lookup") as crew:
            for start in range(0, len(open_), 100):  # answers are kept as they come, so that a stop loses few
                begun = {row: crew.begin(partial(self._answer, requests[row])) for row in open_[start : start + 100]}
                answers = {row: waited(future, self._check_stop) for row, future in begun.items()}
                self._store.keep({keys[row]: answer for row, answer in answers.items()})
                self._known |= answers

    def _request(self, row: tuple[Any, ...]) -> dict[str, Any]:
        """What is asked about a row: method, address, parameters, body. No secret is in it."""
        values, step = dict(zip(self._step._columns, row, strict=True)), self._step
        url = _HOLE.sub(lambda hole: quote(values[hole[1]], safe=""), step.url)
        return {"method": step.method, "url": url, "params": _filled(step.params, values), "json": _filled(step.body, values)}

    def _answer(self, request: dict[str, Any]) -> _Answer:
        assert self._client is not None
        given = {name: request[name] for name in ("params", "json") if request[name]}
        try:
            response = self._client.send(request["method"], request["url"], **given)
            data = json.loads(response.text, parse_float=Decimal)
        except NotPermitted:
            raise
        except Refused as error:
            if any(f": {code} " in str(error) for code in _ABSENT):
                return _NOTHING if self._step.unknown == "null" else _Answer(None, str(error))
            return self._failed(error)
        except (Unavailable, ValueError) as error:
            return self._failed(error)
        return _Answer({name: _text(search(path, data)) for name, path in self._step.take.items()})

    def _failed(self, error: Exception) -> _Answer:
        if self._step.on_failure == "stop":
            raise error if isinstance(error, Unavailable) else Unavailable(
                f"{self._step.url}: the answer is no JSON", hint="check the address")  # fmt: skip
        return _Answer(None, str(error))


class _Store:
    """Answers on disk: those of the run, and those that later runs may use."""

    def __init__(self, kept: Path | None, cache: Path | None, now: float, ttl: float | None) -> None:
        self._now, self._oldest = now, now - ttl if ttl is not None else 0.0
        self._run, self._cache = _table(kept), None if cache is None else _table(cache)

    def find(self, keys: Any) -> dict[str, _Answer]:
        found = {}
        for key in keys:
            row = self._run.execute("select answer from answers where request = ?", [key]).fetchone()
            if row is None and self._cache is not None:
                row = self._cache.execute("select answer from answers where request = ? and at between ? and ?",
                                          [key, self._oldest, self._now]).fetchone()  # fmt: skip
                if row is not None:
                    self._run.execute("insert or replace into answers values (?, ?, ?)", [key, self._now, row[0]])
            if row is not None:
                found[key] = _Answer(*json.loads(row[0]))
        self._run.commit()
        return found

    def keep(self, answers: Mapping[str, _Answer]) -> None:
        """Durable when it returns. Refusals are kept for this run only."""
        lines = {key: json.dumps([answer.values, answer.problem]) for key, answer in answers.items()}
        for db in (self._run, self._cache):
            if db is not None:
                db.executemany("insert or replace into answers values (?, ?, ?)",
                               [(key, self._now, line) for key, line in lines.items()
                                if db is self._run or answers[key].values is not None])  # fmt: skip
                db.commit()


def _table(path: Path | None) -> sqlite3.Connection:
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path or ":memory:", check_same_thread=False, timeout=30)
    db.execute("create table if not exists answers (request text primary key, at real, answer text)")
    db.commit()
    return db


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """Holes filled with the row's values, anywhere in lists and mappings."""
    if isinstance(value, Mapping):
        return {name: _filled(each, values) for name, each in value.items()}
    if isinstance(value, list):
        return [_filled(each, values) for each in value]
    if isinstance(value, Secret) or not isinstance(value, str):
        return value
    return _HOLE.sub(lambda hole: values.get(hole[1], hole[0]), value)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (dict, list, bool)):
        return json.dumps(value, ensure_ascii=False, default=float)
    return str(value)
