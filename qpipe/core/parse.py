"""The cast from text under a contract. It never rewrites a value: what does not fit exactly is null and becomes a finding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl


def parse_text(column: pl.Expr, type: DataType, format: str | None = None) -> pl.Expr:
    """A text column as values of a type; null where a text is not exactly one. Blanks around a value do not matter.

    integer   007  +5  -3, not 1.0, 1e3, 1,000 or 1_000          float     1.5  1e3  NaN  inf, not 1e999
    decimal   1.50  .5, all digits kept, no exponent             bool      true t yes y 1, false f no n 0, any case
    date      2026-01-31                                         datetime  2026-01-31T12:00:00  2026-01-31 12:00:00.5
    time      12:30  12:30:59.5                                  duration  36:00:00  PT36H  P1DT12H
    json      any valid JSON text, kept as it is                 binary    the bytes of the text, as UTF-8
    list, struct   JSON whose values, at any depth, are read as cells are: 1.10 is the text 1.10 in a list(string), and no int

    No figure of a second is cut off: datetime takes 6, datetime(ms) 3, datetime(ns) 9, which ends in 1677 and 2262.

    ``format`` says how dates and times are written, and ``base64`` that bytes are. A datetime with a zone takes ``Z`` or an
    offset and is converted; without either it is wall-clock time there. A datetime without a zone refuses both. Years are 1
    to 9999. Use one such expression as often as you like, Polars computes it once; two equal ones it computes twice.
    """
    if type.kind == "any" or type.name == "string":
        return column
    from qpipe.core.texts import reader  # only where a text is read: a module that might do so starts without it

    wanted = DataType(type.name, type.args, format or type.format, type.inner, type.fields)
    return column.map_batches(reader(wanted), return_dtype=wanted.polars(), is_elementwise=True)
