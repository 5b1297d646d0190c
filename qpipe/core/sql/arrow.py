"""Arrow's batches, as a database's driver gives them, as frames of a wanted length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import pl
from qpipe.core.sql.days import DAY, with_days_told

if TYPE_CHECKING:
    import polars as pl

_2000 = 10_957  # PostgreSQL counts from that day on: its driver adds it, so that both infinities overflow
_INFINITIES = {4: (_2000 - (1 << 31), _2000 - (1 << 31) - 1), 8: (_2000 * DAY - (1 << 63), _2000 * DAY - (1 << 63) - 1)}


def frames(reader: Any, rows: int) -> Iterator[pl.DataFrame]:
    """Every frame but the last has exactly so many rows."""
    import pyarrow

    waiting: list[Any] = []
    count = 0
    for batch in reader:
        while count + batch.num_rows >= rows:
            waiting.append(batch[: rows - count])
            yield _frame(pyarrow.Table.from_batches(waiting))
            batch, count, waiting = batch[rows - count :], 0, []
        if batch.num_rows:
            waiting.append(batch)
            count += batch.num_rows
    if waiting:
        yield _frame(pyarrow.Table.from_batches(waiting))


def _frame(table: Any) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    return with_days_told(frame, _INFINITIES)
