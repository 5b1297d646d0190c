"""Arrow's batches, as a database's driver gives them, as frames of a wanted length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

_DAY = 86_400_000_000  # microseconds
_FIRST, _LAST = -719_162, 2_932_896  # days since 1970 of the first of year 1 and the last of year 9999
_2000 = 10_957  # PostgreSQL counts from that day on: its driver adds it, so that both infinities overflow
_INFINITIES = {4: (_2000 - (1 << 31), _2000 - (1 << 31) - 1), 8: (_2000 * _DAY - (1 << 63), _2000 * _DAY - (1 << 63) - 1)}


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


def with_days_told(frame: pl.DataFrame, infinities: Mapping[int, tuple[int, int]]) -> pl.DataFrame:
    """Days that no date here can be become texts. ``infinities``: bytes of a number → the numbers of -infinity and infinity."""
    dates = [series for series in frame if series.dtype in (pl.Date, pl.Datetime)]
    return frame.with_columns(_told(series, infinities) for series in dates if not _good(series).all())


def _unit(series: pl.Series) -> int:
    """Of a day."""
    if series.dtype == pl.Date:
        return 1
    return {"ms": _DAY // 1000, "us": _DAY, "ns": _DAY * 1000}[series.dtype.time_unit]  # type: ignore[attr-defined]


def _good(series: pl.Series) -> pl.Series:
    """Whether the days are ones that dates here can be: those of years 1 to 9999."""
    unit, most = _unit(series), (1 << 63) - 1
    return series.to_physical().is_between(max(_FIRST * unit, -most), min((_LAST + 1) * unit - 1, most - 1))


def _told(series: pl.Series, infinities: Mapping[int, tuple[int, int]]) -> pl.Series:
    """As texts, of which those beyond these years are no dates."""
    good = _good(series)
    lowest, highest = infinities[4 if series.dtype == pl.Date else 8]
    numbers = pl.lit(series.to_physical())
    beyond = pl.when(numbers == highest).then(pl.lit("infinity")).when(numbers == lowest).then(pl.lit("-infinity"))
    texts = pl.lit(series.to_frame().select(pl.when(good).then(pl.col(series.name))).to_series().cast(pl.String))
    told = pl.when(pl.lit(good)).then(texts).otherwise(beyond.otherwise(pl.lit("a day before year 1 or after 9999")))
    return pl.select(pl.when(numbers.is_not_null()).then(told)).to_series().alias(series.name)
