"""detect_anomalies"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict, Types
from qpipe.core.expression import Expression
from qpipe.core.lazy import np, pl
from qpipe.core.params import Column, Columns, Condition, param, read_duration
from qpipe.core.rowset import RowSet

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from qpipe.analysis.series import Anomaly

NOTES = 1_000  # rows of which is told what would have been usual there
_ROWS = 1_000_000  # fetched at once


class DetectAnomalies(Relational):
    """Points of a time series that are not as those before them, the season reckoned with.

    Looked at are the value, its step from the point before, and the mean of the last eight points, less the season's profile:
    the median at this time of the day or week, or of a period that the autocorrelation shows, if that foretells the series
    better than none. A point is judged by those before it (at most 5,000, or three weeks), as it would have been on its day;
    only the first ones, 15 % and at least `min_points`, are judged by those after them. Limits
    come from the history's own tail, not from a normal curve (Siffer et al., KDD 2017); what was found is never learnt from,
    unless it lasts: a change of level is told once and is the new usual. Points for which `exclude` is true, such as known
    incidents, are neither learnt from nor told. An anomaly is told at its first point, and again
    where it grows fivefold; `tell: all` tells every point of it.
    Each finding says what would have been usual, and by which season. Rows may stand in any order. Nulls, NaN, infinities and
    rows without a time are left out. Fewer than `min_points` and a few, or zero rows: nothing is found.

    Examples:
        ```yaml
        module:
          detect_anomalies: {column: orders, time: day, min_points: 12}
        schema: {day: date, orders: int}
        rows:
          - {day: "2026-01-01", orders: 100}
          - {day: "2026-01-02", orders: 104}
          - {day: "2026-01-03", orders: 98}
          - {day: "2026-01-04", orders: 101}
          - {day: "2026-01-05", orders: 97}
          - {day: "2026-01-06", orders: 103}
          - {day: "2026-01-07", orders: 99}
          - {day: "2026-01-08", orders: 102}
          - {day: "2026-01-09", orders: 100}
          - {day: "2026-01-10", orders: 96}
          - {day: "2026-01-11", orders: 101}
          - {day: "2026-01-12", orders: 103}
          - {day: "2026-01-13", orders: 99}
          - {day: "2026-01-14", orders: 7}
          - {day: "2026-01-15", orders: 102}
          - {day: "2026-01-16", orders: null}
        failed: [13]
        ```
    """

    dimension = "accuracy"
    like = (
        "anomaly detection", "time series anomaly", "expect_column_values_to_be_within_n_moving_stdevs", "column_anomalies",
        "has_no_anomalies", "AnomalyDetection", "HoltWinters", "RelativeRateOfChangeStrategy", "SPOT", "prophet", "STL",
        "seasonal_decompose", "dimension_anomalies",
    )  # fmt: skip

    column: Column = param(help="the column of numbers")
    time: Column = param(help="the column of dates, times or numbers in whose order the points come")
    by: Columns | None = param(None, help="each group is a series of its own")
    chance: float = param(0.0003, help="how probable a usual figure may be at most to be found", maximum=0.1)
    season: str | float = param("auto", help="auto, none, or how long it is: 1d, 12h; a number where times are numbers")
    exclude: Condition | None = param(None, help="points that are not learnt from and not told: known incidents")
    min_points: int = param(30, help="fewer points before it say nothing of a point", minimum=10)
    quiet: int | None = param(None, help="how many points after its first belong to an anomaly; unset: 2 %", minimum=1)
    tell: Literal["first", "all"] = param("first", help="the first point of an anomaly, or all of them")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        kinds = {name: types[name].kind if types and name in types else "any" for name in (self.column, self.time)}
        numbers = ("integer", "float", "decimal", "any")
        if kinds[self.column] not in numbers:
            yield "column", f"{self.column} is {kinds[self.column]}, not a number"
        if kinds[self.time] not in (*numbers, "date", "datetime"):
            yield "time", f"{self.time} is {kinds[self.time]}; parse_date makes dates of texts"
        if self.chance <= 0:
            yield "chance", "chance is above 0"
        try:
            self._period()
        except ValueError as error:
            yield "season", f"{error}, auto or none"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        value, kind = pl.col(self.column).cast(pl.Float64), context.types[self.time].kind
        time = pl.col(self.time)
        if kind in ("date", "datetime"):
            time = time.dt.epoch("ms").cast(pl.Float64) / 1000
        made = {"value": pl.when(value.is_finite()).then(value), "time": time.cast(pl.Float64), "known": pl.lit(False)}
        if self.exclude:
            made["known"] = Expression.parse(self.exclude).compile(context.types).fill_null(False)
        return made | {f"k{n}": pl.col(column) for n, column in enumerate(self.by or ())}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        from qpipe.analysis.series import anomalies

        calendar, found = context.types[self.time].kind in ("date", "datetime"), RowSet()
        notes: dict[int, str] = {}
        for rows, times, values, known in self._series(collected):
            told = anomalies(times, values, known=known, chance=self.chance, min_points=self.min_points, season=self._period(),
                             calendar=calendar, quiet=self.quiet)  # fmt: skip
            chosen: list[Anomaly] = [each for each in told if each.first or self.tell == "all"]
            found.add(rows[[each.at for each in chosen]])
            for each in chosen[: NOTES - len(notes)]:
                notes[int(rows[each.at])] = each.words(points=not calendar)
        return (RowVerdict(found, (self.column, self.time, *(self.by or ())), "a point as those before it", notes),)

    def _series(self, collected: Any) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
        """(rows, times, values, known incidents) of each group, in the order of time."""
        if not collected.has_rows:
            return
        keys = ", ".join(f"k{n}" for n in range(len(self.by or ())))
        group = f"dense_rank() over (order by {keys})" if keys else "1"
        query = f"""select {group} as part, {ROW}, time, value, known from data where value is not null and time is not null
                    order by part, time, {ROW}"""
        connection = collected.connect()
        try:
            kept: list[pl.DataFrame] = []
            for batch in connection.sql(query).to_arrow_reader(_ROWS):
                parts = pl.DataFrame(pl.from_arrow(batch)).partition_by("part", maintain_order=True)
                for frame in parts:
                    if kept and kept[0]["part"][0] != frame["part"][0]:
                        yield _arrays(kept)
                        kept = []
                    kept.append(frame)
            if kept:
                yield _arrays(kept)
        finally:
            connection.close()

    def _period(self) -> Any:
        if self.season in ("auto", "none"):
            return "auto" if self.season == "auto" else None
        return read_duration(self.season)


def _arrays(frames: list[pl.DataFrame]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    whole = pl.concat(frames)
    return tuple(whole[name].to_numpy() for name in (ROW, "time", "value", "known"))  # type: ignore[return-value]
