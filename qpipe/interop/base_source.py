"""The class that a user's own source may derive from."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from qpipe.core.batch import Chunk, Json
from qpipe.core.component import Context, Source
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType


class BaseSource(Source):
    """Your own source: write ``connect`` and ``read_batch``; annotated attributes are its parameters.

    Every reader is an instance of its own, so that ``self`` may keep a connection and a place in it. A stopped run reads
    again from the start and leaves out the rows it had; a source that can do better writes ``position`` and ``seek``, too.
    Rows must come in the same order every time.
    """

    @property
    def context(self) -> Context:
        """What is known of the run: the spec's folder, the time it began."""
        found: Context = self.__dict__.get("_context") or Context()
        return found

    def connect(self) -> None:
        """Open it. Raise ``qpipe.QpipeError`` with words for the user where that fails."""

    def read_batch(self, rows: int) -> pl.DataFrame | Iterable[Mapping[str, Any]] | None:
        """The next rows, about so many: a Polars DataFrame, or mappings. None, or no rows: that was all."""
        raise NotImplementedError

    def close(self) -> None:
        """Called when reading ends, well or not."""

    def position(self) -> Json | None:
        """Where the next batch begins, as JSON; with it, ``seek`` comes back to the same row."""
        return None

    def seek(self, position: Json) -> None:
        """Called after ``connect``: the next batch begins there."""
        raise NotImplementedError(f"{type(self).__name__} tells positions, so it needs seek(position)")

    # ── what the engine asks for ──

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__setattr__ = object.__setattr__  # type: ignore[method-assign]
        cls.__delattr__ = object.__delattr__  # type: ignore[method-assign]

    def columns(self, context: Context) -> dict[str, DataType]:
        """Those of the first batch, and of the contract where there are no rows."""
        from qpipe.core.types import DataType

        with self._opened(context) as reader:
            first = _frame(reader.read_batch(100))
        if first is None:
            return {name: DataType.parse("string") for name in self.schema or {}}
        return {name: DataType.of(dtype) for name, dtype in first.schema.items()}

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        at, skip = (position or {}).get("at"), (position or {}).get("skip", 0)
        types = {name: type.polars() for name, type in self.columns(context).items()}
        with self._opened(context) as reader:
            if at is not None:
                reader.seek(at)
            given = 0  # rows since ``at``
            while (frame := _frame(reader.read_batch(rows))) is not None:
                frame, after = _as_told(frame, types), reader.position()
                for piece in frame.slice(max(0, skip - given)).iter_slices(rows) if given + frame.height > skip else ():
                    skip += piece.height
                    done = after is not None and skip == given + frame.height
                    place: Json = {"at": after, "skip": 0} if done else {"at": at, "skip": skip}
                    yield Chunk(piece if columns is None else piece.select([c for c in columns if c in piece.columns]), place)
                given += frame.height
                if after is not None:
                    at, skip, given = after, max(0, skip - given), 0

    @contextmanager
    def _opened(self, context: Context) -> Iterator[Self]:
        reader = dataclasses.replace(self)
        reader.__dict__["_context"] = context
        reader.connect()
        try:
            yield reader
        finally:
            reader.close()


def _frame(given: pl.DataFrame | Iterable[Mapping[str, Any]] | None) -> pl.DataFrame | None:
    """A batch as a frame; None when there are no more rows."""
    if given is None:
        return None
    frame = given if isinstance(given, pl.DataFrame) else pl.DataFrame(list(given), infer_schema_length=None)
    return frame if frame.height else None


def _as_told(frame: pl.DataFrame, types: Mapping[str, Any]) -> pl.DataFrame:
    """Later batches in the types of the first: an integer may be a float; a text is no number."""
    changed = [name for name, dtype in frame.schema.items() if name in types and dtype != types[name]]
    for name in changed:
        try:
            frame = frame.with_columns(pl.col(name).cast(types[name]))
        except pl.exceptions.PolarsError as error:
            raise DataRefused(f"the column {name} was {types[name]}, and is {frame.schema[name]} in a later batch",
                              hint="give frames with the same types in every batch, or texts") from error  # fmt: skip
    return frame
