"""database"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import Json
from qpipe.core.component import Context, Loading, Output, Part, Types
from qpipe.core.effects import effect
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.core.mapped import mapped
from qpipe.core.params import Columns, Duration, SecretText, param
from qpipe.core.secrets import reveal
from qpipe.core.sql import DIALECTS, EARLY, EXTRAS, database, scheme_of, shown

if TYPE_CHECKING:
    import polars as pl

_DRIVERS = {"postgresql": "psycopg", "mysql": "pymysql"}


class Database(Output):
    """A table of PostgreSQL, MySQL, MariaDB, SQLite or DuckDB: exactly once, whatever is killed when.

    All rows of a run and its token in the ledger `_qpipe_commit` are one transaction; a repeat finds the token and changes
    nothing. A table that is not there is made, with `key` as its primary key. With `replace`, readers see the old rows until
    the new ones are all there. With `upsert`, a row takes the place of the one with the same key; of several, the last wins.
    Nested values and reasons are kept as JSON.
    """

    like = ("postgresql", "postgres", "mysql", "mariadb", "sqlite", "duckdb", "sql", "jdbc")

    url: SecretText = param(help="postgresql://user:password@host/name, mysql://…, mariadb://…, sqlite:///file, duckdb:///file")
    table: str = param(help="the table; made if it is not there")
    mode: Literal["append", "replace", "upsert"] = param("append", help="what becomes of the rows that are there")
    key: Columns | None = param(None, help="the columns that tell every row: for upsert, and the primary key of a new table")
    early: bool = param(
        True,
        help="PostgreSQL: load rows while later ones are still read, in a transaction that stays open until the run is through",
    )
    timeout: Duration = param(10.0, help="how long to wait for a connection")
    statement_timeout: Duration | None = param(None, help="how long the server may work on a statement")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        plain = reveal(self.url)
        dialect = DIALECTS.get(scheme_of(self.url))
        if "://" not in plain:
            yield "url", "this is no URL of a database, such as postgresql://user:password@host/name"
        elif dialect is None:
            yield "url", f"no database is known by {scheme_of(self.url)}://; there are {', '.join(DIALECTS)}"
        elif dialect in _DRIVERS and importlib.util.find_spec(_DRIVERS[dialect]) is None:
            extra = EXTRAS[dialect]
            yield "url", f"to write {scheme_of(self.url)}, qpipe[{extra}] is needed: pip install 'qpipe[{extra}]'"
        if self.mode == "upsert" and not self.key:
            yield "key", "upsert needs a key"
        for column in self.key or () if types else ():
            if types and column not in types:
                yield "key", f"there is no column {column}"

    def prepare(self, context: Context) -> None:
        """Can it be reached? Raises what the server says."""
        with self._database(context).session() as session:
            session.columns(self.table)

    def stage(self, frame: pl.DataFrame, seq: int, directory: Path, context: Context) -> Part:
        from qpipe.outputs.file.places import write_durably

        file, rows = directory / f"part-{seq:06d}.arrow", frame.with_columns(_in_json(frame.schema))
        write_durably(file, partial(rows.write_ipc, compression="uncompressed"))  # so that loading maps it and copies nothing
        return Part(seq, str(file), frame.height, file.stat().st_size)

    def publish(self, parts: Sequence[Part], types: Types, token: str, context: Context) -> Json:
        told = self.told(parts)
        with self._database(context).session() as session:
            effect("output.sql.claim")
            if not session.claim(token):
                return told
            known = session.columns(self.table)
            if known is None:
                session.create(self.table, types, self.key or ())
            elif missing := [name for name in types if name not in known]:
                raise DataRefused(f"the table {self.table} has no column {missing[0]}", file=shown(self.url),
                                  hint=f"it has {', '.join(known)}: add it, or select other columns")  # fmt: skip
            if self.mode == "replace":
                session.clear(self.table)
            for part in sorted(parts, key=lambda p: p.seq):
                effect("output.sql.load")
                session.load(self.table, mapped(part.path), (self.key or ()) if self.mode == "upsert" else ())
            effect("output.sql.commit")
        effect("output.sql.committed")
        return told

    def told(self, parts: Sequence[Part]) -> dict[str, Any]:
        """What is said of a publication."""
        return {"table": self.table, "place": shown(self.url), "rows": sum(part.rows for part in parts)}

    def loading(self, types: Types, context: Context) -> Loading | None:
        if not self.early or self.mode == "upsert" or DIALECTS[scheme_of(self.url)] not in EARLY:
            return None
        from qpipe.outputs.database.early import Early

        return Early(self, self._database(context), types, context)

    def discard(self, parts: Sequence[Part], context: Context) -> None:
        for part in parts:
            Path(part.path).unlink(missing_ok=True)

    def _database(self, context: Context) -> Any:
        return database(self.url, context.directory, self.timeout, self.statement_timeout)


def _in_json(schema: pl.Schema) -> list[pl.Expr]:
    """Nested values as JSON text."""
    from qpipe.outputs.file.texts import json_text

    texts = (pl.Null, pl.Categorical, pl.Enum)
    nested = [json_text(name, dtype) for name, dtype in schema.items() if dtype.is_nested()]
    return nested + [pl.col(name).cast(pl.String) for name, dtype in schema.items() if dtype in texts]
