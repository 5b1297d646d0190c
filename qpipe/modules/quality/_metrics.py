"""A figure of the data as a whole, for gates that compare it with earlier runs: rows, a column's statistic, its age."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from qpipe.core.component import Context, Measure, Types
from qpipe.core.lazy import pl
from qpipe.modules.validation._statistics import STATISTICS

Metric = Literal[
    "row_count", "null_share", "null_count", "mean", "sum", "min", "max", "median", "stddev", "count", "count_distinct",
    "true_share", "zero_share", "age",
]  # fmt: skip
SHARES = ("null_share", "true_share", "zero_share")


def problems(metric: str, column: str | None, by: Any, types: Types | None) -> Iterator[tuple[str, str]]:
    if (metric == "row_count") == (column is not None):
        yield "column", "rows are counted without a column" if column else f"{metric} is of a column: name it"
    if by:
        yield "by", "earlier runs are kept for the whole, not for each group: leave out by"
    kind = types[column].kind if types and column and column in types else "any"
    accepts = ("date", "datetime") if metric == "age" else STATISTICS[metric].accepts if metric in STATISTICS else ()
    numbers = ("integer", "float", "decimal")
    if metric in ("min", "max", "median"):
        accepts = numbers
    if column and kind not in (*accepts, "any"):
        yield "metric", f"{column} is {kind}: it has no {metric}"


def measures(metric: str, column: str | None, context: Context) -> dict[str, Measure]:
    if column is None:
        return {}  # rows are counted for every gate
    if metric == "age":
        return {"newest": Measure(_utc(pl.col(column), context.types[column].zone).max(), "max")}
    return STATISTICS[metric].measures(pl.col(column), context.types[column])


def value(metric: str, column: str | None, values: Mapping[str, Any], context: Context) -> float | None:
    """None where there is nothing to judge."""
    if column is None:
        return float(values["rows"])
    if not values["rows"]:
        return None
    if metric == "age":
        newest = values["newest"]
        return None if newest is None else (context.started - newest.timestamp()) / 3600
    found = STATISTICS[metric].value(values, context.types[column])
    return None if found is None else float(found)


def named(metric: str, column: str | None) -> str:
    return "row_count" if column is None else f"age of {column} in hours" if metric == "age" else f"{metric}({column})"


def _utc(at: Any, zone: str | None) -> Any:
    at = at.dt.convert_time_zone("UTC") if zone else at.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return at.cast(pl.Datetime("us", "UTC"))
