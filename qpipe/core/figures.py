"""Figures: what gates measure of rows, as frames, so that many groups and many batches add up in a few queries.

A frame of figures has a row for each group: the columns of its key, named so that no measure is called like them, and a column
for each measure. Without groups there is one row, whose key is an empty text.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Measure
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

Values = dict[str, Any]  # measure → value, as a verdict gets it
_LISTS = ("union", "counts")


def measured(rows: pl.LazyFrame, measures: Mapping[str, Measure], by: Sequence[str] = ()) -> pl.DataFrame:
    """The figures of some rows."""
    values = [measure.value.alias(name) for name, measure in measures.items()]
    keys = [pl.col(name).alias(_key(n)) for n, name in enumerate(by)]
    made = rows.group_by(keys).agg(values) if keys else rows.select(pl.lit("").alias(_key(0)), *values)
    return made.collect(engine="in-memory")


def merged(frames: Sequence[pl.DataFrame], measures: Mapping[str, Measure]) -> pl.DataFrame:
    """The figures of several sets of rows as those of all of them; a figure that is null counts for nothing."""
    alike: dict[Any, list[pl.DataFrame]] = {}
    for frame in frames:
        alike.setdefault(tuple(frame.schema.values()), []).append(frame)
    parts = [pl.concat(each) for each in alike.values()]  # what batches gave, and what was merged before
    keys = [name for name in frames[0].columns if name not in measures]
    lists = {name: measure for name, measure in measures.items() if measure.merge in _LISTS}
    single = {name: measure.merge for name, measure in measures.items() if name not in lists}
    every = pl.concat([part[[*keys, *single]] for part in parts], how="vertical_relaxed")
    added = [_added(name, how, every.schema[name]) for name, how in single.items()]
    made = every.lazy().group_by(keys, maintain_order=True).agg(added)
    for name, measure in lists.items():
        items = pl.concat([_items(part, keys, name) for part in parts], how="vertical_relaxed")
        merge = _union if measure.merge == "union" else _counts
        found = merge(items, keys, measure).rename({"value": name})
        made = made.join(found, on=keys, how="left", nulls_equal=True, maintain_order="left")
    return made.collect(engine="in-memory")


def by_group(frame: pl.DataFrame, measures: Mapping[str, Measure]) -> dict[tuple[Any, ...], Values]:
    """Group → what a verdict is given; ``frame`` is ``merged``. Lists are sorted, counts a mapping of value → count."""
    keys = [frame[name].to_list() for name in frame.columns if name not in measures]
    columns = [_given(frame[name], measure) for name, measure in measures.items()]
    rows = zip(zip(*keys, strict=True), zip(*columns, strict=True), strict=True)
    return {key: dict(zip(measures, row, strict=True)) for key, row in rows}


def written(frame: pl.DataFrame) -> bytes:
    """As the journal keeps it: an Arrow stream."""
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compression="lz4" if frame.height > 1 else "uncompressed")
    return buffer.getvalue()


def read(kept: bytes) -> pl.DataFrame:
    return pl.read_ipc_stream(io.BytesIO(kept))


def _key(n: int) -> str:
    return f"\0by {n}"


def _added(name: str, how: str, kind: pl.DataType) -> pl.Expr:
    wider = pl.Int128 if kind.is_integer() else pl.Float64 if kind.is_float() else None  # than the sum of a batch
    return pl.col(name).cast(wider).sum() if how == "sum" and wider is not None else getattr(pl.col(name), how)()


def _items(frame: pl.DataFrame, keys: Sequence[str], name: str) -> pl.LazyFrame:
    """A row for each item of each group's list: ``value``, and for counts ``count``."""
    items = frame.lazy().select(*keys, value=name).filter(pl.col("value").list.len() > 0).explode("value")
    item = frame.schema[name].inner  # type: ignore[attr-defined]
    if not isinstance(item, pl.Struct):
        return items.drop_nulls("value")
    items = items.unnest("value")
    whole = item.to_schema()["count"].is_integer()
    return items.with_columns(pl.col("count").cast(pl.Int128)) if whole else items


def _union(items: pl.LazyFrame, keys: Sequence[str], measure: Measure) -> pl.LazyFrame:
    least = pl.col("value").unique().sort()
    return items.group_by(keys).agg(least if measure.keep is None else least.head(measure.keep))


def _counts(items: pl.LazyFrame, keys: Sequence[str], measure: Measure) -> pl.LazyFrame:
    added = items.group_by(*keys, "value").agg(pl.col("count").sum())
    return added.group_by(keys).agg(pl.struct("value", "count").alias("value"))


def _given(column: pl.Series, measure: Measure) -> list[Any]:
    if measure.merge == "union":
        return [items if items is not None else [] for items in column.to_list()]
    if measure.merge != "counts":
        return column.to_list()
    values, counts = (column.list.eval(pl.element().struct.field(field)).to_list() for field in ("value", "count"))
    return [dict(zip(v or (), c or (), strict=True)) for v, c in zip(values, counts, strict=True)]
