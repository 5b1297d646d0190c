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
from qpipe.modules.transformation._dates import DOUBTFUL, How, read_dates, read_numbered
from qpipe.modules.transformation._text import Answers, answered, not_text, text, text_columns

if TYPE_CHECKING:
    import polars as pl


class ParseDate(Converting):
    """Text becomes dates, or dates with a time, whatever way they are written.

    `formats` are tried in order, in the letters of strftime: %d %m %Y, %b or %B for English month names, %H:%M:%S, %.f for a
    fraction, %z for an offset. Without them: 2026-01-31, 2026/01/31, 2026.01.31, 20260131, 31.01.2026, 31 Jan 2026,
    31-Jan-2026, Jan 31, 2026 or without the comma, and 31/01/2026, 31-01-2026 and 01/31/2026, 01-31-2026; of type datetime
    each may be followed by a time. Leading zeros may be missing, blanks around do not matter, a year has four digits.

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
        expected = f"{self.type} written {' or '.join(self.formats)}" if self.formats else f"a {self.type}"
        how = self._how(wanted)
        for name in text_columns(self.columns, context.types):
            cell = answered(text(name), answers)
            if not how.rivals:
                read = functools.partial(read_dates, how=how)
                yield Conversion(name, cell.map_batches(read, return_dtype=wanted.polars(), is_elementwise=True), expected)
                continue
            found = cell.map_batches(functools.partial(read_numbered, how=how), return_dtype=pl.Int64(), is_elementwise=True)
            values = pl.when(found != DOUBTFUL).then(found).cast(wanted.polars())
            misfit = pl.col(name).is_not_null() & found.is_null()
            yield Conversion(name, values, expected, misfit, found == DOUBTFUL, _DOUBT)

    def _how(self, wanted: DataType) -> How:
        formats = self.formats or default_formats(wanted, self.order, self.two_digit_year is not None)
        rivals = () if self.order else rivals_among(formats)
        pivot = 68 if self.two_digit_year is None else self.two_digit_year
        return How(agreeing_first(formats, self.order), wanted, pivot, rivals, exclusive=self.formats is None)


_DOUBT = "one date: say with order whether the day or the month is first"
