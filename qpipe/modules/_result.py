"""Results of queries as the folder of Parquet parts that takes the place of the data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from qpipe.core.batch import ROW
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl

_MEND = "declare another type, or cast it in the query"


def as_declared(frame: pl.DataFrame, wanted: Mapping[str, DataType], of: str = "result", hint: str = _MEND) -> pl.DataFrame:
    """The columns as declared, after ``_row`` where it is there. Raises QpipeError where the values of one do not fit."""
    kept = [frame[ROW].cast(pl.Int64)] if ROW in frame.columns else []
    return frame.select(*kept, *(_typed(frame[name], type_, of, hint) for name, type_ in wanted.items()))


def keep(frame: pl.DataFrame, path: Path) -> None:
    """Durable before anything relies on it."""
    with path.open("wb") as file:
        frame.write_parquet(file, compression="lz4", statistics=False)
        file.flush()
        os.fsync(file.fileno())


def _typed(column: pl.Series, wanted: DataType, of: str, hint: str) -> pl.Series:
    try:
        return column.cast(wanted.polars())
    except pl.exceptions.PolarsError as error:
        given = DataType.of(column.dtype).describe()
        raise QpipeError(
            f"the {of}'s column '{column.name}' is {given}, and not all of it fits {wanted.describe()}",
            hint=hint,
        ) from error
