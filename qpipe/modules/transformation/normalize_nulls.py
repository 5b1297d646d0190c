"""normalize_nulls"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Scalar, param
from qpipe.modules.transformation._text import text

if TYPE_CHECKING:
    import polars as pl

PLACEHOLDERS = (
    "", "-", "--", "---", ".", "..", "?", "??", "n/a", "#n/a", "na", "n.a.", "<na>", "null", "#null!", "(null)", "\\n", "none",
    "nil", "nan", "#nan", "not available", "not applicable",
)  # fmt: skip
_NUMBERS = ("integer", "float", "decimal")


class NormalizeNulls(Transform):
    r"""Words that stand for a missing value become null.

    Texts are compared without blanks around them and whatever their case. Without `placeholders` these count as missing: the
    empty text, `-` `--` `---` `.` `..` `?` `??` N/A #N/A NA N.A. `<NA>` null #NULL! (null) `\N` none nil nan #NAN, and the
    words "not available" and "not applicable". Give your own list where one of them is a value: NA is Namibia. Numbers such as
    999 are values unless they are named; naming them also reaches number columns, and nan reaches NaN. Without `columns`,
    every text column is treated. Null stays null.

    Examples:
        ```yaml
        module:
          normalize_nulls: {columns: [city, tail]}
        rows:
          - {city: " n/a ", tail: N12345}
          - {city: Nara, tail: "-"}
        gives:
          - {city: null, tail: N12345}
          - {city: Nara, tail: null}
        ```
        ```yaml
        module:
          normalize_nulls: {columns: [age, note], placeholders: [999, -1, unknown]}
        rows:
          - {age: 999, note: "999"}
          - {age: 42, note: Unknown}
        gives:
          - {age: null, note: null}
          - {age: 42, note: null}
        ```
    """

    like = ("nullif", "missing_values", "na_values", "col_missing_coded", "missing_format", "null-placeholder-text", "fill_nan")

    columns: Columns | None = param(None, help="the columns to treat; unset: every text column", short=True, alias="column")
    placeholders: tuple[Scalar, ...] | None = param(None, help="what stands for a missing value", minItems=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.placeholders is not None and not self.placeholders:
            yield "placeholders", "the list is empty: nothing would become null"
        for name in self.columns or ():
            kind = types[name].kind if types is not None and name in types else "string"
            if kind not in ("string", "any", *_NUMBERS):
                yield "columns", f"'{name}' is {types[name].describe()}; only text and numbers have placeholders"  # type: ignore[index]
            elif kind in _NUMBERS and not self._numbers(kind):
                yield "columns", f"'{name}' holds numbers; name the number that stands for a missing value: placeholders: [999]"

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        known = context.types
        names = (
            [n for n in known if known[n].kind == "string"] if self.columns is None else [n for n in self.columns if n in known]
        )
        return frame.with_columns([self._without(name, known[name].kind) for name in names])

    def _without(self, column: str, kind: str) -> pl.Expr:
        if kind == "string":
            cell = text(column)
            return pl.when(~cell.str.strip_chars().str.to_lowercase().is_in(self._texts())).then(cell)
        cell = pl.col(column)
        missing = [cell.is_nan() if math.isnan(number) else cell == number for number in self._numbers(kind)]
        return pl.when(~pl.any_horizontal(missing)).then(cell) if missing else cell

    def _texts(self) -> list[str]:
        written = PLACEHOLDERS if self.placeholders is None else self.placeholders
        return [str(p).strip().lower() for p in written]

    def _numbers(self, kind: str) -> list[float]:
        """The placeholders that a column of numbers may hold; NaN only where it can occur."""
        found = []
        for placeholder in PLACEHOLDERS if self.placeholders is None else self.placeholders:
            try:
                number = placeholder if isinstance(placeholder, (int, float)) else float(placeholder)
            except ValueError:
                continue
            if kind == "float" or math.isfinite(number):
                found.append(number if kind == "float" or number != int(number) else int(number))
        return found
