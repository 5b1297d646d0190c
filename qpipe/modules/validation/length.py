"""length"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Check, Context, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl


class Length(Check):
    """Every text, list or binary value is as long as it should be.

    Counted in characters (Unicode code points), bytes (UTF-8), words (runs without blanks), or items of a list. Null passes;
    an empty text has length 0. Zero rows, or a column of nulls only: not evaluated.

    Examples:
        ```yaml
        module:
          length: {column: code, equals: 3}
        rows: [{code: ABC}, {code: AB}, {code: ""}, {code: null}]
        failed: [1, 2]
        ```
        ```yaml
        module:
          length: {column: title, min: 2, unit: words}
        rows: [{title: Moby Dick}, {title: Ulysses}]
        failed: [1]
        ```
        ```yaml
        module:
          length: {column: tags, max: 2}
        rows: [{tags: [a, b]}, {tags: [a, b, c]}]
        failed: [1]
        ```
    """

    dimension = "validity"
    accepts = ("string", "list", "binary")
    like = (
        "expect_column_value_lengths_to_be_between", "expect_column_value_lengths_to_equal", "value_lengths", "valid_length",
        "valid_min_length", "valid_max_length", "min_length", "max_length", "str_length", "hasMinLength", "hasMaxLength",
        "col_vals_str_len", "string_length_between", "avg_length", "minLength", "maxLength", "word-count", "is_list_length",
        "string_length_between_audit", "string_length_equal_audit",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column")
    min: int | None = param(None, help="the least length allowed", minimum=0)
    max: int | None = param(None, help="the greatest length allowed", minimum=0)
    equals: int | None = param(None, help="the only length allowed", minimum=0)
    unit: Literal["chars", "bytes", "words", "items"] | None = param(
        None, help="what is counted; unset: characters of a text, bytes of a binary value, items of a list"
    )

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        if self.min is None and self.max is None and self.equals is None:
            yield "min", "a length needs min, max or equals"
        if self.equals is not None and (self.min is not None or self.max is not None):
            yield "equals", "equals goes without min and max"
        if self.min is not None and self.max is not None and self.min > self.max:
            yield "min", f"no length is {self.expected('')}: min is above max"
        for column in self.columns if types else ():
            kind = types[column].kind if types and column in types else None
            if kind in _UNITS and self.unit is not None and self.unit not in _UNITS[kind]:
                yield "unit", f"{column} is {kind}: its length is in {' or '.join(_UNITS[kind])}"

    def bad(self, column: str, context: Context) -> pl.Expr:
        length = self._count(pl.col(column), context.types[column].kind)
        if self.equals is not None:
            return length != self.equals
        tests = []
        if self.min is not None:
            tests.append(length < self.min)
        if self.max is not None:
            tests.append(length > self.max)
        return pl.any_horizontal(tests) if len(tests) > 1 else tests[0]

    def expected(self, column: str) -> str:
        if self.equals is not None:
            size = str(self.equals)
        elif self.min is not None and self.max is not None:
            size = f"{self.min} to {self.max}"
        else:
            size = f"at least {self.min}" if self.max is None else f"at most {self.max}"
        return f"{size} {'characters' if self.unit == 'chars' else self.unit}" if self.unit else f"a length of {size}"

    def _count(self, cell: pl.Expr, kind: str) -> pl.Expr:
        if kind == "list":
            return cell.list.len()
        if kind == "binary":
            return cell.bin.size()
        if self.unit == "words":
            return cell.str.count_matches(r"\S+")
        return cell.str.len_bytes() if self.unit == "bytes" else cell.str.len_chars()


_UNITS = {"string": ("chars", "bytes", "words"), "list": ("items",), "binary": ("bytes",)}
