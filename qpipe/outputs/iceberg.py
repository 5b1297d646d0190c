"""iceberg"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import Json
from qpipe.core.component import Context, Output, Part, Types
from qpipe.core.effects import effect
from qpipe.core.iceberg import EXTRA, catalog_of, table_of, telling
from qpipe.core.params import Columns, param
from qpipe.outputs._lakehouse import StagedRows, mode_problems, staged

if TYPE_CHECKING:
    import polars as pl

_TOKEN = "qpipe.token"


class Iceberg(Output):
    """An Iceberg table of a catalog: exactly once, whatever is killed when.

    All rows of a run are one commit of the table, whose snapshots carry the run's token; a repeat finds the token among them
    and changes nothing. (Who expires snapshots should keep those of runs that are not finished.) A table and a namespace that
    are not there are made. With `replace` the new rows take the place of all rows. With `upsert` a row takes the place of the
    one with the same key; of several, the last wins, and the rows of the run are held in memory. Types that Iceberg does not
    have (durations, unsigned numbers) become text or the next wider number; times of day become text, times with a zone are
    kept in UTC.
    """

    extra = EXTRA
    packages = ("pyiceberg",)
    like = ("iceberg", "pyiceberg", "apache iceberg", "lakehouse")

    catalog: str | dict[str, Any] = param(help="{type: sql, uri: …, warehouse: …}, or the name of one set up for pyiceberg")
    table: str = param(help="namespace.table; made if it is not there", pattern=r"^[^.]+(\.[^.]+)+$")
    mode: Literal["append", "replace", "upsert"] = param("append", help="what becomes of the rows that are there")
    key: Columns | None = param(None, help="the columns that tell every row: for upsert")
    partition_by: Columns | None = param(None, help="the columns by whose values a new table is partitioned")
    new_columns: Literal["refuse", "add"] = param("refuse", help="columns that the table does not have")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from mode_problems(self.mode, types, key=self.key, partition_by=self.partition_by)

    def prepare(self, context: Context) -> None:
        """Can it be reached?"""
        table_of(catalog_of(self.catalog, context.directory), self.table)

    def stage(self, frame: pl.DataFrame, seq: int, directory: Path, context: Context) -> Part:
        return staged(frame, seq, directory)

    def publish(self, parts: Sequence[Part], types: Types, token: str, context: Context) -> Json:
        catalog = catalog_of(self.catalog, context.directory)
        table = table_of(catalog, self.table)
        effect("output.iceberg.look")
        rows = StagedRows(parts, types)
        if table is None:
            table = self._made(catalog, rows)
            effect("output.iceberg.made")
        if not _has(table, token):
            rows.agree(_schema(table), self.table, self.new_columns)
            effect("output.iceberg.write")
            with rows.fitting(self.table), telling(self.table, "writing the table"):
                self._commit(table, rows, {_TOKEN: token})
            effect("output.iceberg.committed")
        snapshot = table.current_snapshot()
        told = {"snapshot": snapshot.snapshot_id} if snapshot else {}
        return {"place": self.table, "rows": sum(part.rows for part in parts), **told}

    def discard(self, parts: Sequence[Part], context: Context) -> None:
        for part in parts:
            Path(part.path).unlink(missing_ok=True)

    def _made(self, catalog: Any, rows: StagedRows) -> Any:
        with telling(self.table, "making the table"):
            catalog.create_namespace_if_not_exists(self.table.rpartition(".")[0])
            with catalog.create_table_transaction(self.table, schema=rows.schema) as making, making.update_spec() as spec:
                for column in self.partition_by or ():
                    spec.add_identity(column)
            return catalog.load_table(self.table)

    def _commit(self, table: Any, rows: StagedRows, mark: dict[str, str]) -> None:
        with table.transaction() as commit:
            if set(rows.schema.names) - set(_schema(table).names):
                with commit.update_schema() as change:
                    change.union_by_name(rows.schema)
            if self.mode == "upsert":
                latest = rows.latest(self.key or ())
                commit.upsert(latest, join_cols=list(self.key or ()), snapshot_properties=mark)
                if not latest.num_rows:
                    commit.append(latest, snapshot_properties=mark)
                return
            batches = [rows.reader()] if table.spec().is_unpartitioned() else rows.tables()  # a stream cannot be partitioned
            for n, batch in enumerate(batches):
                if self.mode == "replace" and n == 0:
                    commit.overwrite(batch, snapshot_properties=mark)
                else:
                    commit.append(batch, snapshot_properties=mark)


def _has(table: Any, token: str) -> bool:
    return any(s.summary is not None and s.summary.additional_properties.get(_TOKEN) == token for s in table.snapshots())


def _schema(table: Any) -> Any:
    return table.schema().as_arrow()
