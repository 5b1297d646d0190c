"""text_is"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param

if TYPE_CHECKING:
    import polars as pl

_CASES = {"lower": r"\p{Lu}|\p{Lt}", "upper": r"\p{Ll}|\p{Lt}"}
_TITLE = r"(?:^|[^\p{L}\p{M}'\x{2019}])\p{Ll}|[\p{L}'\x{2019}]\p{Lu}"


class TextIs(Check):
    """Texts are written as they should be: their case, no blanks around or doubled, only ASCII, no control characters, no cut.

    Each claim that is made is a finding of its own. `case: title` wants every word to begin with a capital and to go on in
    small letters. `cut_at: 50` refuses texts of exactly that length or more, as a field of that width cuts them off. Null
    passes; an empty text passes. Zero rows, or a column of nulls only: not evaluated.

    Examples:
        ```yaml
        module:
          text_is: {column: code, case: upper, trimmed: true, ascii: true}
        rows: [{code: AB-1}, {code: Ab-1}, {code: " AB"}, {code: ÄB}, {code: null}]
        failed: [1, 2, 3]
        ```
        ```yaml
        module:
          text_is: {column: name, case: title, single_spaced: true, printable: true}
        rows: [{name: Moby Dick}, {name: moby Dick}, {name: "Moby  Dick"}, {name: "Moby\\tDick"}]
        failed: [1, 2, 3]
        ```
    """

    dimension = "validity"
    accepts = ("string",)
    like = (
        "has_valid_string_case", "values_to_have_consistent_casing", "ascii-value", "truncated-value", "text-case",
        "has_no_leading_trailing_whitespace", "text_surrounded_by_whitespace", "is_ascii", "str_isupper", "str_islower",
        "whitespace", "expect_column_values_to_not_contain_special_characters",
        "expect_column_values_to_have_consistent_casing", "consistent_casing",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column")
    case: Literal["lower", "upper", "title"] | None = param(None, help="how letters are written")
    trimmed: bool = param(False, help="no blanks at either end")
    single_spaced: bool = param(False, help="no two blanks in a row")
    ascii: bool = param(False, help="only ASCII characters")
    printable: bool = param(False, help="no control characters, line ends and tabs among them")
    cut_at: int | None = param(None, help="the width of the field that the text may have been cut to", minimum=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        if not self._claims():
            yield "case", "claim something: case, trimmed, single_spaced, ascii, printable, cut_at"

    def rules(self, context: Context) -> tuple[Rule, ...]:
        return tuple(
            Rule(bad(pl.col(column)), (column,), words, pl.col(column).is_not_null())
            for column in self.columns
            for words, bad in self._claims()
        )

    def _claims(self) -> list[tuple[str, _Bad]]:
        claims: list[tuple[str, _Bad]] = []
        if self.case is not None:
            pattern = _TITLE if self.case == "title" else _CASES[self.case]
            claims.append((f"{self.case} case", lambda cell: cell.str.contains(pattern)))
        if self.trimmed:
            claims.append(("no blanks at its ends", lambda cell: cell.str.contains(r"^\s|\s$")))
        if self.single_spaced:
            claims.append(("single blanks", lambda cell: cell.str.contains(r"\s\s")))
        if self.ascii:
            claims.append(("only ASCII", lambda cell: cell.str.len_bytes() != cell.str.len_chars()))
        if self.printable:
            claims.append(("no control characters", lambda cell: cell.str.contains(r"\p{Cc}")))
        if self.cut_at is not None:
            width = self.cut_at
            claims.append((f"shorter than {width} characters", lambda cell: cell.str.len_chars() >= width))
        return claims


if TYPE_CHECKING:
    from collections.abc import Callable

    _Bad = Callable[[pl.Expr], pl.Expr]
