"""clean_text"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.modules.transformation._text import not_text, text, text_columns

if TYPE_CHECKING:
    import polars as pl

# control characters but tab and line ends; and characters that show nothing: soft hyphen, zero-width space, word joiner,
# byte order mark, marks of writing direction. Joiners (U+200C, U+200D) stay: Persian, Hindi and emoji are spelled with them.
_INVISIBLE = r"[\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x84\x86-\x9F\u00AD\u200B\u200E\u200F\u202A-\u202E\u2060\u2066-\u2069\uFEFF]+"
_BLANKS = r"\s{2,}|[\t-\r\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}]"


class CleanText(Transform):
    """Text is brought into one form: blanks, case, Unicode, invisible characters.

    Without `columns`, every text column is cleaned. The order is always: Unicode form, invisible characters, blanks inside,
    blanks around, case, empty to null. A blank is any Unicode white space, so no-break spaces and line ends are blanks, too.
    Null stays null; an empty text stays empty unless `null_if_empty: true`. In title case a word starts after anything that
    is no letter and no digit.

    Examples:
        ```yaml
        module:
          clean_text: {columns: [name, city], collapse: true, case: title}
        rows:
          - {name: "  ada   LOVELACE ", city: "london"}
          - {name: null, city: ""}
        gives:
          - {name: Ada Lovelace, city: London}
          - {name: null, city: ""}
        ```
        ```yaml
        module:
          clean_text: {unicode: NFKC, strip_control: true, null_if_empty: true}
        rows:
          - {id: 1, code: "\\uFF21\\uFF11\\u200b", note: " "}
        schema: {id: int, code: string, note: string}
        gives:
          - {id: 1, code: A1, note: null}
        ```
    """

    like = ("trim", "strip", "lower", "upper", "collapse whitespace", "text transform", "value.trim()", "normalize_unicode")

    columns: Columns | None = param(None, help="the columns to clean; unset: every text column", short=True, alias="column")
    trim: bool = param(True, help="take blanks away at both ends")
    collapse: bool = param(False, help="make every run of blanks, tabs and line ends one space")
    case: Literal["lower", "upper", "title"] | None = param(None, help="letters to lower, upper or title case")
    unicode: Literal["NFC", "NFD", "NFKC", "NFKD"] | None = param(
        None, help="one spelling for equal characters; NFKC also turns full-width and styled letters into plain ones"
    )
    strip_control: bool = param(False, help="take control characters and characters that show nothing away")
    null_if_empty: bool = param(False, help="a text that is empty afterwards becomes null")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if not (self.trim or self.collapse or self.case or self.unicode or self.strip_control or self.null_if_empty):
            yield "trim", "there is nothing to do: every option is off"
        yield from not_text(self.columns, types)

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns([self._clean(text(name)) for name in text_columns(self.columns, context.types)])

    def _clean(self, cell: pl.Expr) -> pl.Expr:
        if self.unicode:
            cell = cell.str.normalize(self.unicode)
        if self.strip_control:
            cell = cell.str.replace_all(_INVISIBLE, "")
        if self.collapse:
            cell = cell.str.replace_all(_BLANKS, " ")
        if self.trim:
            cell = cell.str.strip_chars()
        if self.case:
            cell = {"lower": cell.str.to_lowercase, "upper": cell.str.to_uppercase, "title": cell.str.to_titlecase}[self.case]()
        return pl.when(cell != "").then(cell) if self.null_if_empty else cell
