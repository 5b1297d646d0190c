"""Arrow's batches, as a database's driver gives them, as frames of a wanted length."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

_DAY = 86_400_000_000  # microseconds
_FIRST, _LAST = -719_162, 2_932_896  # days since 1970 of the first of year 1 and the last of year 9999
_2000 = 10_957  # PostgreSQL counts from that day on: its driver adds it, so that both infinities overflow


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
    dates = [series for series in frame if series.dtype in (pl.Date, pl.Datetime)]
    return frame.with_columns(_told(series) for series in dates if not _good(series).all())


def _good(series: pl.Series) -> pl.Series:
    """Whether the days are ones that dates here can be: those of years 1 to 9999."""
    unit = 1 if series.dtype == pl.Date else _DAY
    return series.to_physical().is_between(_FIRST * unit, (_LAST + 1) * unit - 1)


def _told(series: pl.Series) -> pl.Series:
    """As texts, of which those beyond these years are no dates."""
    good = _good(series)
    unit = 1 if series.dtype == pl.Date else _DAY
    lowest = -(1 << 31 if unit == 1 else 1 << 63) + _2000 * unit
    numbers = pl.lit(series.to_physical())
    beyond = pl.when(numbers == lowest - 1).then(pl.lit("infinity")).when(numbers == lowest).then(pl.lit("-infinity"))
    texts = pl.lit(series.to_frame().select(pl.when(good).then(pl.col(series.name))).to_series().cast(pl.String))
    told = pl.when(pl.lit(good)).then(texts).otherwise(beyond.otherwise(pl.lit("a day before year 1 or after 9999")))
    return pl.select(pl.when(numbers.is_not_null()).then(told)).to_series().alias(series.name)
