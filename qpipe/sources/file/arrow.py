"""Arrow IPC, as a file (Feather) or a stream: typed columns, a position is a row offset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Chunk, Json
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file.reading import Asked

columnar = True


def columns(asked: Asked) -> dict[str, pl.DataType]:
    import pyarrow

    with _Opened(asked) as opened:
        frame = pl.from_arrow(pyarrow.Table.from_batches([], opened.schema))
        assert isinstance(frame, pl.DataFrame)
        return dict(frame.schema)


def read(asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    import pyarrow

    offset = skip = (position or {}).get("row", 0)
    with _Opened(asked) as opened:
        for batch in opened.batches():
            left = batch.num_rows - min(skip, batch.num_rows)
            skip -= batch.num_rows - left
            if not left:
                continue
            frame = pl.from_arrow(pyarrow.Table.from_batches([batch[batch.num_rows - left :]]))
            assert isinstance(frame, pl.DataFrame)
            for some in (frame if columns is None else frame.select(columns)).iter_slices(rows):
                offset += some.height
                yield Chunk(some, {"row": offset})


def size(asked: Asked) -> int | None:
    return None


class _Opened:
    """A reader of either kind. Its errors, and what a damaged batch makes, come as DataRefused."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked

    def __enter__(self) -> _Opened:
        import pyarrow

        self._errors = (pyarrow.ArrowException, OSError)
        if self._asked.input.head(4) == b"FEA1":
            raise DataRefused("Feather version 1 is not supported", file=self._asked.name, hint="write it as Arrow IPC")
        path = self._asked.local()
        self._file: Any = pyarrow.memory_map(str(path)) if path.stat().st_size else pyarrow.BufferReader(b"")
        try:
            self._is_file = path.stat().st_size > 6 and self._file.read(6) == b"ARROW1"
            self._file.seek(0)
            self._reader = pyarrow.ipc.open_file(self._file) if self._is_file else pyarrow.ipc.open_stream(self._file)
            self.schema = self._reader.schema
        except self._errors as error:
            self._file.close()
            raise self._refused(error) from error
        return self

    def batches(self) -> Iterator[Any]:
        try:
            if not self._is_file:
                for batch in self._reader:
                    batch.validate(full=True)
                    yield batch
                return
            for number in range(self._reader.num_record_batches):
                batch = self._reader.get_batch(number)
                batch.validate(full=True)
                yield batch
        except self._errors as error:
            raise self._refused(error) from error

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _refused(self, error: BaseException) -> DataRefused:
        told = (str(error).splitlines() or ["it ends too early"])[0]
        return DataRefused(
            f"the Arrow file is damaged: {told}", file=self._asked.name, hint="write it anew, or take the original"
        )
