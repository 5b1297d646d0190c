"""fix_encoding"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.extras import needed
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.modules._by_value import by_value
from qpipe.modules.transformation._text import not_text, text, text_columns

if TYPE_CHECKING:
    import polars as pl


class FixEncoding(Transform):
    """Text that was read in the wrong encoding is set right: MÃ¼nchen becomes München.

    What the library ftfy finds to be surely wrong is mended, other text stays as it is; HTML entities are resolved unless the
    text has tags. Each different text is looked at once. Null stays null.

    Examples:
        ```yaml
        module:
          fix_encoding: [city]
        rows: [{city: MÃ¼nchen}, {city: München}, {city: "caf&eacute;"}, {city: null}]
        gives: [{city: München}, {city: München}, {city: café}, {city: null}]
        ```
    """

    extra = "standards"
    packages = ("ftfy",)
    like = ("mojibake", "ftfy", "fix_text", "reinterpret", "encoding repair", "value.reinterpret()")

    columns: Columns | None = param(None, help="the text columns; unset: all", short=True, alias="column")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text(self.columns, types)

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        names = text_columns(self.columns, context.types)
        fix = partial(by_value, make=_fixed, dtype=pl.String())
        return frame.with_columns(text(name).map_batches(fix, return_dtype=pl.String(), is_elementwise=True) for name in names)


def _fixed(value: str) -> str:
    if value.isascii() and "&" not in value:
        return value
    ftfy = needed("ftfy", "mend texts of a wrong encoding", "standards")
    config = ftfy.TextFixerConfig(uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, normalization=None)
    return str(ftfy.fix_text(value, config))
