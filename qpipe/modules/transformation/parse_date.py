"""parse_date"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, TypeWord, param
from qpipe.core.types import DataType
from qpipe.modules.transformation._converting import Conversion, Converting
from qpipe.modules.transformation._date_formats import Order, agreeing_first, default_formats, rivals_among, wrong_format
from qpipe.modules.transformation._dates import doubtful_dates, read_dates
from qpipe.modules.transformation._text import Answers, answered, not_text, text, text_columns

if TYPE_CHECKING:
    import polars as pl


class ParseDate(Converting):
    """Text becomes dates, or dates with a time, whatever way they are written.

    `formats` are tried in order, in the letters of strftime: %d %m %Y, %b or %B for English month names, %H:%M:%S, %.f for a
    fraction, %z for an offset. Without them: 2026-01-31, 2026/01/31, 2026.01.31, 20260131, 31.01.2026, 31 Jan 2026,
    31-Jan-2026, Jan 31, 2026, and 31/01/2026, 31-01-2026 and 01/31/2026, 01-31-2026; of type datetime each may be followed by
    a time. Leading zeros may be missing, blanks around do not matter, a year has four digits.

    01/02/2026 is two dates. Where two formats read a cell as two dates, it becomes null and a finding, unless `order` says
    which comes first, day or month. Years of two digits are read when `two_digit_year` says which century they mean (68: 68 is
    2068 and 69 is 1969), or a format has %y. A datetime with an offset needs a type with a zone: datetime(UTC).

    Null stays null. An empty text is no date. A cell that cannot be read is null afterwards and, by `on_error`, an error
    (`quarantine`), a warning (`null`) or a question to a person.

    Examples:
        ```yaml
        module:
          parse_date: {column: day}
        rows: [{day: 2026-01-31x}, {day: 31/01/2026}, {day: 01/02/2026}, {day: " 5 March 2026"}, {day: 01/01/2026}, {day: null}]
        schema: {day: string}
        failed: [0, 2]
        gives: [{day: null}, {day: 2026-01-31}, {day: null}, {day: 2026-03-05}, {day: 2026-01-01}, {day: null}]
        ```
        ```yaml
        module:
          parse_date: {column: day, formats: ["%d/%m/%y", "%d/%m/%Y"], two_digit_year: 30}
        rows: [{day: 01/02/30}, {day: 01/02/31}, {day: 01/02/2031}]
        gives: [{day: 2030-02-01}, {day: 1931-02-01}, {day: 2031-02-01}]
        ```
        ```yaml
        module:
          parse_date: {column: at, type: datetime, order: mdy}
        schema: {at: string}
        rows: [{at: "1/2/2026 17:30"}, {at: "2026-01-02T17:30:05.5"}, {at: 20260102}]
        gives: [{at: 2026-01-02 17:30:00}, {at: 2026-01-02 17:30:05.500000}, {at: 2026-01-02 00:00:00}]
        ```
    """

    like = (
        "to_date", "strptime", "value.toDate()", "date parse", "dateutil", "match_strftime_format", "parse_datetime",
    )  # fmt: skip

    columns: Columns = param(help="the text columns to read", short=True, alias="column")
    formats: tuple[str, ...] | None = param(None, help="how dates are written: strftime, tried in order", minItems=1)
    type: TypeWord = param("date", help="date, datetime, or datetime(UTC) and the like")
    order: Order | None = param(None, help="what 01/02/2026 means: day or month first")
    two_digit_year: int | None = param(None, help="the last year of two digits that is 20xx: 68", minimum=0, maximum=99)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text(self.columns, types)
        try:
            wanted = DataType.parse(self.type)
        except ValueError as error:
            yield "type", str(error)
            return
        if wanted.kind not in ("date", "datetime"):
            yield "type", f"{self.type} is neither a date nor a datetime"
            return
        for format in self.formats or ():
            if wrong := wrong_format(format, wanted):
                yield "formats", f"'{format}' {wrong}"

    def new_types(self, types: Types) -> dict[str, DataType]:
        return dict.fromkeys(text_columns(self.columns, types), DataType.parse(self.type))

    def conversions(self, context: Context, answers: Answers) -> Iterator[Conversion]:
        wanted = DataType.parse(self.type)
        formats = self.formats or default_formats(wanted, self.order, self.two_digit_year is not None)
        pivot = 68 if self.two_digit_year is None else self.two_digit_year
        expected = f"{self.type} written {' or '.join(self.formats)}" if self.formats else f"a {self.type}"
        rivals = () if self.order else rivals_among(formats)
        for name in text_columns(self.columns, context.types):
            values, doubtful = _read(name, agreeing_first(formats, self.order), rivals, wanted, pivot, answers)
            yield Conversion(name, values, expected, doubtful, "one date: say with order whether the day or the month is first")


@functools.lru_cache(maxsize=256)
def _read(
    column: str, formats: tuple[str, ...], rivals: tuple[tuple[str, str], ...], wanted: DataType, pivot: int, answers: Answers
) -> tuple[pl.Expr, pl.Expr | None]:
    cell = answered(text(column), answers)
    read = functools.partial(read_dates, formats=formats, wanted=wanted, pivot=pivot)
    values = cell.map_batches(read, return_dtype=wanted.polars(), is_elementwise=True)
    if not rivals:
        return values, None
    doubt = functools.partial(doubtful_dates, rivals=rivals, wanted=wanted, pivot=pivot)
    doubtful = cell.map_batches(doubt, return_dtype=pl.Boolean(), is_elementwise=True)
    return pl.when(~doubtful).then(values), doubtful
