"""delta"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import Json
from qpipe.core.component import Context, Output, Part, Types
from qpipe.core.delta import EXTRA, options_of, place_of, table_at, telling
from qpipe.core.effects import effect
from qpipe.core.extras import needed
from qpipe.core.params import Columns, param
from qpipe.core.storage import shown
from qpipe.outputs._lakehouse import StagedRows, mode_problems, staged

if TYPE_CHECKING:
    import polars as pl


class Delta(Output):
    """A Delta table, here or in a store: exactly once, whatever is killed when.

    All rows of a run are one commit of the table, which carries the run's token as an application transaction; a repeat finds
    the token and changes nothing. Readers see the version before or the one after. A table that is not there is made, with
    `partition_by`. With `replace` the new rows take the place of all rows, and the old version can still be read by its number.
    With `upsert` a row takes the place of the one with the same key; of several, the last wins. Types that Delta does not have
    (times of day, durations, unsigned numbers) become text or the next wider number; times with a zone are kept in UTC.
    """

    extra = EXTRA
    packages = ("deltalake",)
    like = ("deltalake", "delta lake", "databricks table", "write_deltalake", "lakehouse")

    path: str = param(help="the table's folder, or an address: s3://bucket/table")
    mode: Literal["append", "replace", "upsert"] = param("append", help="what becomes of the rows that are there")
    key: Columns | None = param(None, help="the columns that tell every row: for upsert")
    partition_by: Columns | None = param(None, help="the columns that make the folders of a new table")
    new_columns: Literal["refuse", "add"] = param("refuse", help="columns that the table does not have")
    storage: dict[str, Any] = param(None, help="options of the store: key, secret, endpoint_url, region, profile")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from mode_problems(self.mode, types, key=self.key, partition_by=self.partition_by)

    def prepare(self, context: Context) -> None:
        """Can it be reached?"""
        self._table(context)

    def stage(self, frame: pl.DataFrame, seq: int, directory: Path, context: Context) -> Part:
        return staged(frame, seq, directory)

    def publish(self, parts: Sequence[Part], types: Types, token: str, context: Context) -> Json:
        table = self._table(context)
        effect("output.delta.look")
        if table is None or table.transaction_version(_application(token)) is None:
            rows = StagedRows(parts, types)
            if table is not None:
                rows.agree(table.to_pyarrow_dataset().schema, shown(self.path), self.new_columns)
            effect("output.delta.write")
            with rows.fitting(shown(self.path)), telling(self.path, "writing the table"):
                self._commit(table, rows, token, context)
            effect("output.delta.committed")
            table = self._table(context)
        return {"place": shown(self.path), "rows": sum(part.rows for part in parts), "version": table.version()}

    def discard(self, parts: Sequence[Part], context: Context) -> None:
        for part in parts:
            Path(part.path).unlink(missing_ok=True)

    def _table(self, context: Context) -> Any:
        return table_at(self.path, self.storage, context.directory)

    def _commit(self, table: Any, rows: StagedRows, token: str, context: Context) -> None:
        deltalake = needed("deltalake", "write Delta tables", EXTRA)
        mark = deltalake.CommitProperties(app_transactions=[deltalake.Transaction(_application(token), 1)])
        if table is not None and self.mode == "upsert":
            same = " and ".join(f"there.{_name(c)} = new.{_name(c)}" for c in self.key or ())
            merge = table.merge(rows.latest(self.key or ()), same, source_alias="new", target_alias="there",
                                merge_schema=self.new_columns == "add", commit_properties=mark)  # fmt: skip
            merge.when_matched_update_all().when_not_matched_insert_all().execute()
            return
        place = place_of(self.path, context.directory)
        deltalake.write_deltalake(
            table if table is not None else place,
            rows.latest(self.key or ()) if self.mode == "upsert" else rows.reader(),
            mode="overwrite" if self.mode == "replace" else "append",
            schema_mode="merge" if self.new_columns == "add" and table is not None else None,
            partition_by=list(self.partition_by or ()) if table is None else None,
            storage_options=options_of(place, self.storage),
            commit_properties=mark,
        )


def _application(token: str) -> str:
    return f"qpipe-{token}"


def _name(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'
