"""Databases behind one small interface: what a query gives, its rows in batches, and a transaction that loads frames.

A dialect is one file. It gives texts, or values that are exactly the database's; what a column is, it says as a ``DataType``.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from qpipe.core.errors import Unavailable
from qpipe.core.secrets import Redactor, reveal, without_user

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.component import Types
    from qpipe.core.types import DataType

DIALECTS = {
    "postgresql": "postgresql", "postgres": "postgresql", "mysql": "mysql", "mariadb": "mysql",
    "sqlite": "sqlite", "duckdb": "duckdb",
}  # fmt: skip
POOLED = ("postgresql", "mysql")  # dialects that several connections may read at once
EARLY = ("postgresql",)  # dialects whose transaction may stay open for long with rows in it, and is in nobody's way
NO_KEY = "upsert needs one: make these columns the primary key, or a unique one"
NO_GRANT = "grant it to this user, also for the table _qpipe_commit, where runs leave their marks"
EXTRAS = {"postgresql": "postgres", "mysql": "mysql"}


@dataclass(frozen=True)
class Column:
    """A column of a query, and how to select it."""

    name: str
    type: DataType
    select: str  # an expression over the query's columns, by which rows are ordered and compared
    cast: str = ""  # what makes such a value of a text, which stands for {}; unset: a value is compared as it is
    read: str = ""  # how to select it so that its value arrives exactly, where that is another expression


class Session(Protocol):
    """One transaction. It is committed when the context ends well, and rolled back otherwise."""

    def claim(self, token: str) -> bool:
        """Write the token to the ledger. False: it is there already, so everything of it is."""

    def columns(self, table: str) -> list[str] | None:
        """The table's columns; None when there is no table."""

    def create(self, table: str, types: Types, key: Sequence[str]) -> None: ...

    def clear(self, table: str) -> None:
        """Take all rows out. Readers see them until the transaction ends."""

    def load(self, table: str, frame: pl.DataFrame, key: Sequence[str]) -> None:
        """Add the rows; with a key, in the place of those that have the same one."""


class EarlySession(Session, Protocol):
    """A transaction that is open while a run goes on."""

    def begin(self, table: str, types: Types, replace: bool) -> str | None:
        """The table that ``load`` may fill from now on; None where another transaction of this kind fills it.

        A table that is not there is made under another name, since names keep others waiting.
        """

    def end(self, table: str, filled: str, key: Sequence[str]) -> None:
        """What was filled is the table."""


class Database(Protocol):
    """A place that answers SQL."""

    def describe(self, query: str, parameters: Mapping[str, Any]) -> list[Column]: ...

    def key_of(self, table: str) -> list[str]:
        """The columns of a table's primary key."""

    def batches(self, query: str, parameters: Mapping[str, Any], rows: int) -> Iterator[pl.DataFrame]:
        """The rows, at most so many at a time, without holding them all."""

    def quoted(self, name: str) -> str: ...

    def count(self, table: str) -> int | None:
        """About how many rows a table has, where that is cheap to know."""

    def session(self) -> AbstractContextManager[Session]: ...


class Pooled(Database, Protocol):
    """A database that several connections may read at once."""

    def snapshot(self) -> AbstractContextManager[str]:
        """What readers need to see one state of the database, as long as the context lasts."""

    def reader(self, snapshot: str) -> AbstractContextManager[Reader]:
        """A connection for several queries: each gives its rows as ``batches`` does."""


Reader = Callable[[str, Mapping[str, Any], int], Iterator["pl.DataFrame"]]


_PART = r"""(?:"(?:[^"]|"")+"|`[^`]+`|[^."`]+)"""


def parts_of(table: str) -> list[str]:
    """A table's name, and that of its schema before it, each as it is kept: ``Orders``, ``sales.Orders``, ``"with.dot"``."""
    if not re.fullmatch(rf"{_PART}(?:\.{_PART})*", table):
        return [table]
    found = re.findall(_PART, table)
    return [part[1:-1].replace('""', '"') if part[0] in '"`' else part for part in found]


def placed(table: str, quoted: Callable[[str], str]) -> str:
    """A table as SQL names it."""
    return ".".join(map(quoted, parts_of(table)))


def of_length(frames: Iterator[pl.DataFrame], rows: int) -> Iterator[pl.DataFrame]:
    """The same rows, in frames of which every one but the last has exactly so many."""
    import polars as pl

    waiting: list[pl.DataFrame] = []
    height = 0
    for frame in frames:
        waiting.append(frame)
        height += frame.height
        while height >= rows:
            whole = pl.concat(waiting)
            yield whole.head(rows)
            waiting, height = [whole.slice(rows)], height - rows
    if height:
        yield pl.concat(waiting)


def scheme_of(url: str) -> str:
    return reveal(url).partition(":")[0].partition("+")[0].lower()


def database(url: str, directory: Any, timeout: float = 10.0, statement_timeout: float | None = None) -> Database:
    """The database a URL names. Unavailable: no dialect speaks it."""
    name = DIALECTS.get(scheme_of(url))
    if name is None:
        raise Unavailable(f"no database is known by {scheme_of(url)}://", hint=f"there are {', '.join(DIALECTS)}")
    module = importlib.import_module(f"qpipe.core.sql.{name}")
    made: Database = module.connect(reveal(url), directory, timeout, statement_timeout)
    return made


def shown(url: str) -> str:
    """A URL as it may be shown: without user, password and options."""
    parts = urlsplit(without_user(reveal(url)))
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def masked(url: str, text: str) -> str:
    """A driver's words without what the URL keeps secret."""
    return Redactor([reveal(url)])(text).strip().partition("\n")[0]


_NAMED = re.compile(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|::)|:([A-Za-z_]\w*)|(%)", re.DOTALL)


def bound(query: str, style: str) -> str:
    """``:name`` in a query, as a driver wants it: %(name)s, $name, or null where only the shape matters.

    Texts, comments and ``::`` stay as they are.
    """

    def put(found: re.Match[str]) -> str:
        if found[1] is not None:
            return found[1].replace("%", "%%") if style == "pyformat" else found[1]
        if found[3] is not None:
            return "%%" if style == "pyformat" else "%"
        return {"pyformat": f"%({found[2]})s", "dollar": f"${found[2]}", "null": "null"}[style]

    return _NAMED.sub(put, query)


def names_in(query: str) -> list[str]:
    """The parameters that a query names."""
    return list(dict.fromkeys(found[2] for found in _NAMED.finditer(query) if found[2]))
