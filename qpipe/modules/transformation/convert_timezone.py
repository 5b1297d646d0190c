"""convert_timezone"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Context, Rule, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl


class ConvertTimezone(Transform):
    """Moments are shown in another time zone; times without a zone get one.

    A column with a zone keeps its instants. A column without one is wall-clock time in `from`, and must say so; a time that
    the clock skips in spring is an error and becomes null; one that it has twice in autumn is the first of them, the last,
    or an error (`ambiguous`). Null stays null.

    Examples:
        ```yaml
        module:
          convert_timezone: {column: at, from: Europe/Berlin, to: UTC}
        schema: {at: datetime}
        rows: [{at: "2026-07-01T12:00:00"}, {at: "2026-03-29T02:30:00"}, {at: null}]
        failed: [1]
        gives: [{at: "2026-07-01T10:00:00+00:00"}, {at: null}, {at: null}]
        ```
    """

    like = ("convert_timezone", "at time zone", "tz_convert", "tz_localize", "to_utc_timestamp", "timezone")

    columns: Columns = param(help="the columns of moments", alias="column")
    to: str = param(help="the zone they are shown in: UTC, Europe/Berlin")
    from_: str | None = param(None, help="of times without a zone: where their clock hung")
    ambiguous: Literal["earliest", "latest", "quarantine"] = param("earliest", help="a time that the clock had twice")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        from zoneinfo import available_timezones

        for name in ("to", "from"):
            zone = self.to if name == "to" else self.from_
            if zone is not None and zone not in available_timezones():
                yield name, f"'{zone}' is no time zone; they are named like Europe/Berlin"
        for column in self.columns if types else ():
            type_ = types[column] if types and column in types else None
            if type_ is not None and type_.kind not in ("datetime", "any"):
                yield "columns", f"{column} is {type_.kind}, not a moment: parse_date first"
            if type_ is not None and type_.kind == "datetime" and not type_.zone and self.from_ is None:
                yield "from", f"{column} has no zone: say where its clock hung"

    def output_types(self, types: Types) -> Types:
        return {**types, **{column: DataType.parse(f"datetime({self.to})") for column in self.columns}}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(
            self._placed(column, context).dt.convert_time_zone(self.to).dt.cast_time_unit("us") for column in self.columns
        )

    def rules(self, context: Context) -> tuple[Rule, ...]:
        return tuple(
            Rule(pl.col(c).is_not_null() & self._placed(c, context).is_null(), (c,), f"a time that {self.from_} has once")
            for c in self.columns
            if not context.types[c].zone
        )

    def _placed(self, column: str, context: Context) -> pl.Expr:
        cell = pl.col(column)
        if context.types[column].zone:
            return cell
        ambiguous: Literal["earliest", "latest", "null"] = "null" if self.ambiguous == "quarantine" else self.ambiguous
        return cell.dt.replace_time_zone(self.from_, ambiguous=ambiguous, non_existent="null")
