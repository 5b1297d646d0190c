"""delta"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Chunk, Json
from qpipe.core.component import Context, Input, Source, Types
from qpipe.core.delta import EXTRA, place_of, table_at, telling
from qpipe.core.errors import DataRefused, Unavailable
from qpipe.core.lazy import pl
from qpipe.core.params import param
from qpipe.core.storage import shown

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

_ADDS = {"CREATE TABLE", "CREATE OR REPLACE TABLE", "ADD COLUMN", "SET TBLPROPERTIES", "VACUUM START", "VACUUM END", "FSCK"}


class Delta(Source):
    """A Delta table, as it is when the run begins, or as it was at a version or a time.

    A run reads one version from beginning to end, also after a stop, whatever is written meanwhile. Rows come file by file in
    the order in which the files were added. With `incremental` a run reads the files that were added after the version that an
    earlier run has published; where rows were changed or removed meanwhile (delete, update, merge, overwrite, optimize), it is
    refused, since what was read before is no longer what is there.

    Tables with features that the library does not read (deletion vectors, column mapping) are refused.
    """

    extra = EXTRA
    packages = ("deltalake",)
    columnar = True
    like = ("deltalake", "delta lake", "databricks table", "read_delta", "lakehouse", "time travel")

    path: str = param(help="the table's folder, or an address: s3://bucket/table")
    version: int | None = param(None, help="the version to read", minimum=0)
    at: str | None = param(None, help="the version that there was at this time: 2026-01-31T12:00:00Z")
    incremental: bool = param(False, help="only what was added since the last run")
    storage: dict[str, Any] = param(None, help="options of the store: key, secret, endpoint_url, region, profile")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.version is not None and self.at is not None:
            yield "at", "say a version or a time"
        if self.incremental and (self.version is not None or self.at is not None):
            yield "incremental", "a run that goes on from the last one reads up to the newest version"

    def columns(self, context: Context) -> dict[str, DataType]:
        from qpipe.core.types import DataType

        return {
            name: DataType.of(dtype)
            for name, dtype in self._empty(self._dataset(context, self._pinned(context))).schema.items()
        }

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        version = (position or {}).get("version", self._pinned(context))
        number, skip = (position or {}).get("file", 0), (position or {}).get("row", 0)
        dataset, files = self._dataset(context, version), self._files(context, version)
        fragments = {fragment.path: fragment for fragment in dataset.get_fragments()}
        for at in range(number, len(files)):
            row = skip if at == number else 0
            for frame in self._frames(dataset, fragments[files[at]], rows, columns, row):
                row += frame.height
                yield Chunk(frame, {"version": version, "file": at, "row": row}, file=self.path)
        yield Chunk(self._empty(dataset, columns), {"version": version, "file": len(files), "row": 0}, file=self.path)

    def identity(self, context: Context) -> Json:
        return {"place": shown(self.path), "version": self.version if self.version is not None else self.at}

    def size(self, context: Context) -> tuple[int | None, int | None]:
        if context.cursor is not None:
            return None, None
        added = self._added(self._table(context, self._pinned(context)))
        return sum(rows or 0 for _, _, rows, _ in added), sum(size for *_, size in added)

    def inputs(self, context: Context) -> Sequence[Input]:
        return [Input(shown(self.path), place_of(shown(self.path), context.directory))]

    def cursor(self, position: Json | None, context: Context) -> Json | None:
        if not self.incremental:
            return None
        return {"version": position["version"]} if position else context.cursor or {"version": self._pinned(context)}

    def pending(self, context: Context) -> bool:
        return context.cursor is None or self._pinned(context) > context.cursor["version"]

    # ── one version ──

    def _pinned(self, context: Context) -> int:
        """The version that this run reads: kept beside the run, so that all its passes and attempts read the same."""
        kept = context.work / f"version-{hashlib.sha256(self.path.encode()).hexdigest()[:12]}.txt" if context.work else None
        if kept is not None and kept.exists():
            return int(kept.read_text())
        version = int(self._table(context, self.at if self.at is not None else self.version).version())
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(str(version))
        return version

    def _table(self, context: Context, version: int | str | None) -> Any:
        table = table_at(self.path, self.storage, context.directory, version)
        if table is None:
            raise Unavailable(
                "there is no Delta table", file=shown(self.path), hint="look at the path: it has a folder _delta_log"
            )
        return table

    def _dataset(self, context: Context, version: int) -> Any:
        with telling(self.path, "reading the table"):
            return self._table(context, version).to_pyarrow_dataset()

    def _added(self, table: Any) -> list[tuple[int, str, int | None, int]]:
        """(time, path, rows, bytes) of the files of a version, in the order they were added."""
        with telling(self.path, "reading the table"):
            found = pl.DataFrame(table.get_add_actions(flatten=True))
        wanted = ("modification_time", "path", "num_records", "size_bytes")
        return sorted(tuple(row[name] for name in wanted) for row in found.select(wanted).to_dicts())

    def _files(self, context: Context, version: int) -> list[str]:
        table = self._table(context, version)
        names = [path for _, path, _, _ in self._added(table)]
        since = (context.cursor or {}).get("version") if self.incremental else None
        if since is None or since >= version:
            return names if since is None else []
        self._only_added(table, since)
        before = {path for _, path, _, _ in self._added(self._table(context, since))}
        return [name for name in names if name not in before]

    def _only_added(self, table: Any, since: int) -> None:
        for commit in table.history():
            number, operation = commit.get("version", since), commit.get("operation", "")
            appended = operation == "WRITE" and (commit.get("operationParameters") or {}).get("mode") == "Append"
            if number > since and not appended and operation not in _ADDS:
                raise DataRefused(
                    f"version {number} is a {operation}: rows that were read up to version {since} may be others now",
                    file=shown(self.path), hint="read it whole: leave incremental out, or give the source another id",
                )  # fmt: skip

    def _frames(
        self, dataset: Any, fragment: Any, rows: int, columns: Sequence[str] | None, skip: int
    ) -> Iterator[pl.DataFrame]:
        with telling(self.path, "reading the table"):
            wanted = list(columns) if columns is not None else dataset.schema.names
            for batch in fragment.to_batches(schema=dataset.schema, columns=wanted, batch_size=rows):
                left = min(skip, batch.num_rows)
                skip -= left
                if left < batch.num_rows:
                    yield pl.DataFrame(pl.from_arrow(batch.slice(left)))

    def _empty(self, dataset: Any, columns: Sequence[str] | None = None) -> pl.DataFrame:
        frame = pl.DataFrame(pl.from_arrow(dataset.schema.empty_table()))
        return frame if columns is None else frame.select(columns)
