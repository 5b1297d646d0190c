"""iceberg"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Chunk, Json
from qpipe.core.component import Context, Input, Source, Types
from qpipe.core.errors import DataRefused, Unavailable
from qpipe.core.iceberg import EXTRA, catalog_of, table_of, telling
from qpipe.core.lazy import pl
from qpipe.core.params import param

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType


class Iceberg(Source):
    """An Iceberg table of a catalog, as it is when the run begins, or as it was at a snapshot or a time.

    A run reads one snapshot from beginning to end, also after a stop, whatever is written meanwhile; rows that were deleted are
    left out. Rows come file by file, in the order of the files' names. With `incremental` a run reads what was appended after
    the snapshot that an earlier run has published; where rows were changed or removed meanwhile, it is refused, since what was
    read before is no longer what is there.
    """

    extra = EXTRA
    packages = ("pyiceberg",)
    columnar = True
    like = ("iceberg", "pyiceberg", "apache iceberg", "lakehouse", "time travel")

    catalog: str | dict[str, Any] = param(help="{type: sql, uri: …, warehouse: …}, or the name of one set up for pyiceberg")
    table: str = param(help="namespace.table", pattern=r"^[^.]+(\.[^.]+)+$")
    snapshot: int | None = param(None, help="the snapshot to read")
    at: str | None = param(None, help="the snapshot that there was at this time: 2026-01-31T12:00:00Z")
    incremental: bool = param(False, help="only what was appended since the last run")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.snapshot is not None and self.at is not None:
            yield "at", "say a snapshot or a time"
        if self.incremental and (self.snapshot is not None or self.at is not None):
            yield "incremental", "a run that goes on from the last one reads up to the newest snapshot"
        if self.at is not None:
            try:
                dt.datetime.fromisoformat(self.at)
            except ValueError:
                yield "at", f"{self.at} is no time: write 2026-01-31T12:00:00Z"

    def columns(self, context: Context) -> dict[str, DataType]:
        from qpipe.core.types import DataType

        table = self._table(context)
        return {
            name: DataType.of(dtype) for name, dtype in _empty(self._scan(table, self._pinned(context, table))).schema.items()
        }

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        table = self._table(context)
        snapshot = (position or {}).get("snapshot", self._pinned(context, table))
        number, skip = (position or {}).get("file", 0), (position or {}).get("row", 0)
        scan = self._scan(table, snapshot, columns)
        tasks = self._tasks(context, table, snapshot, scan)
        for at in range(number, len(tasks)):
            row = skip if at == number else 0
            for frame in self._frames(table, scan, tasks[at], rows, row):
                row += frame.height
                yield Chunk(frame, {"snapshot": snapshot, "file": at, "row": row}, file=self.table)
        yield Chunk(_empty(scan), {"snapshot": snapshot, "file": len(tasks), "row": 0}, file=self.table)

    def identity(self, context: Context) -> Json:
        return {"table": self.table, "snapshot": self.snapshot if self.snapshot is not None else self.at}

    def inputs(self, context: Context) -> Sequence[Input]:
        return [Input(self.table, self.table)]

    def cursor(self, position: Json | None, context: Context) -> Json | None:
        if not self.incremental:
            return None
        if position is None and context.cursor is not None:
            return context.cursor
        return {"snapshot": position["snapshot"] if position else self._pinned(context, self._table(context))}

    def pending(self, context: Context) -> bool:
        table = self._table(context)
        return context.cursor is None or self._pinned(context, table) != context.cursor["snapshot"]

    # ── one snapshot ──

    def _table(self, context: Context) -> Any:
        table = table_of(catalog_of(self.catalog, context.directory), self.table)
        if table is None:
            raise Unavailable(
                "there is no such Iceberg table", file=self.table, hint="look at the catalog and the table's name"
            )
        return table

    def _pinned(self, context: Context, table: Any) -> int | None:
        """The snapshot that this run reads (None: the table has none yet), kept beside the run for its passes and attempts."""
        mark = hashlib.sha256(self.table.encode()).hexdigest()[:12]
        kept = context.work / f"snapshot-{mark}.txt" if context.work else None
        if kept is not None and kept.exists():
            return int(kept.read_text()) if kept.read_text() else None
        found = self._found(table)
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text("" if found is None else str(found))
        return found

    def _found(self, table: Any) -> int | None:
        if self.snapshot is not None:
            if table.snapshot_by_id(self.snapshot) is None:
                raise DataRefused(
                    f"there is no snapshot {self.snapshot}", file=self.table, hint="old snapshots are expired in time"
                )
            return self.snapshot
        if self.at is not None:
            when = dt.datetime.fromisoformat(self.at)
            when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
            then = table.snapshot_as_of_timestamp(int(when.timestamp() * 1000))
            if then is None:
                raise DataRefused(f"there was no snapshot at {self.at}", file=self.table, hint="the table is younger")
            return int(then.snapshot_id)
        now = table.current_snapshot()
        return None if now is None else int(now.snapshot_id)

    def _scan(self, table: Any, snapshot: int | None, columns: Sequence[str] | None = None) -> Any:
        return table.scan(snapshot_id=snapshot, selected_fields=tuple(columns) if columns is not None else ("*",))

    def _tasks(self, context: Context, table: Any, snapshot: int | None, scan: Any) -> list[Any]:
        since = (context.cursor or {}).get("snapshot") if self.incremental else None
        if snapshot is None or (context.cursor is not None and self.incremental and since == snapshot):
            return []
        with telling(self.table, "reading the table"):
            if since is not None:
                self._only_appended(table, since, snapshot)
                scan = table.incremental_append_scan(from_snapshot_id_exclusive=since, to_snapshot_id_inclusive=snapshot)
            return sorted(scan.plan_files(), key=lambda task: task.file.file_path)

    def _only_appended(self, table: Any, since: int, until: int) -> None:
        each = table.snapshot_by_id(until)
        while each is not None and each.snapshot_id != since:
            operation = each.summary.operation.value if each.summary else "change"
            if operation != "append":
                raise DataRefused(
                    f"snapshot {each.snapshot_id} is of the kind {operation}: rows that were read before may be others now",
                    file=self.table, hint="read it whole: leave incremental out, or give the source another id",
                )  # fmt: skip
            each = table.snapshot_by_id(each.parent_snapshot_id) if each.parent_snapshot_id else None
        if each is None:
            raise DataRefused(f"snapshot {since}, up to which the last run read, is no longer there", file=self.table,
                              hint="read it whole: leave incremental out, or give the source another id")  # fmt: skip

    def _frames(self, table: Any, scan: Any, task: Any, rows: int, skip: int) -> Iterator[pl.DataFrame]:
        from pyiceberg.io.pyarrow import ArrowScan

        with telling(self.table, "reading the table"):
            reading = ArrowScan(table.metadata, table.io, scan.projection(), scan.row_filter)
            for batch in reading.to_record_batches([task]):
                left = min(skip, batch.num_rows)
                skip -= left
                frame = pl.DataFrame(pl.from_arrow(batch.slice(left)))
                for start in range(0, frame.height, rows):
                    yield frame.slice(start, rows)


def _empty(scan: Any) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(scan.projection().as_arrow().empty_table()))
