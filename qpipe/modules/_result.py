"""What comes back from queries and from users' code: in the types that were promised, exactly, and kept on disk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qpipe.core.batch import ROW
from qpipe.core.convert import convert, exactly, possible
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl

_MEND = "declare another type, or cast it in the query"


def as_declared(
    frame: pl.DataFrame, wanted: Mapping[str, DataType], of: str = "the result's column", hint: str = _MEND
) -> pl.DataFrame:
    """The columns as declared, after ``_row`` where it is there. Raises QpipeError where a value of one does not fit."""
    kept = [frame[ROW].cast(pl.Int64)] if ROW in frame.columns else []
    return pl.DataFrame([*kept, *(_typed(frame[name], type_, of, hint) for name, type_ in wanted.items())])


def keep(frame: pl.DataFrame, path: Path) -> None:
    """Durable before anything relies on it."""
    with path.open("wb") as file:
        frame.write_parquet(file, compression="lz4", statistics=False)
        file.flush()
        os.fsync(file.fileno())


def _typed(column: pl.Series, wanted: DataType, of: str, hint: str) -> pl.Series:
    if column.dtype == wanted.polars():
        return column
    given = DataType.of(column.dtype)
    if possible(given, wanted):
        rounded = given.kind == "float" and wanted.kind == "decimal"  # as is meant
        made = pl.select((convert if rounded else exactly)(pl.lit(column), given, wanted)).to_series().alias(column.name)
        if made.null_count() == column.null_count():
            return made
    raise QpipeError(f"{of} '{column.name}' is {given.describe()}, and not all of it fits {wanted.describe()}", hint=hint)
