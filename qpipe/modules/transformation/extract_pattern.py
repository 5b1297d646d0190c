"""extract_pattern"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Rule, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Column, Regex, param
from qpipe.core.types import DataType
from qpipe.modules.transformation._text import not_text, text

if TYPE_CHECKING:
    import polars as pl


class ExtractPattern(Transform):
    r"""What the groups of a pattern match becomes new columns.

    `into` names a column for each group in order; without it, the names of named groups, `(?P<year>\d+)`, are taken. The
    first match in a text counts. A text without a match gives nulls; with `unmatched: quarantine` it is an error besides. A
    group that took no part in the match gives null. Null gives nulls. All new columns are text.

    Examples:
        ```yaml
        module:
          extract_pattern: {column: sku, pattern: '^(?P<maker>[A-Z]+)-(?P<number>\d+)', unmatched: quarantine}
        rows: [{sku: ACME-12}, {sku: "12"}, {sku: null}]
        failed: [1]
        gives:
          - {sku: ACME-12, maker: ACME, number: "12"}
          - {sku: "12", maker: null, number: null}
          - {sku: null, maker: null, number: null}
        ```
        ```yaml
        module:
          extract_pattern: {column: at, pattern: '(\d{4})-(\d\d)', into: [year, month]}
        rows: [{at: "on 2026-01-31"}]
        gives: [{at: "on 2026-01-31", year: "2026", month: "01"}]
        ```
    """

    like = (
        "regexp_extract", "str.extract", "extract", "regex groups", "field_extract", "value.match()", "capture groups",
    )  # fmt: skip

    column: Column = param(help="the text column to look into")
    pattern: Regex = param(help="a regular expression with groups", minLength=1)
    into: tuple[str, ...] = param((), help="new columns, one for each group in order")
    unmatched: str = param("null", help="a text without a match: null, or an error", enum=["null", "quarantine"])

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text((self.column,), types)
        groups, names = _groups(self.pattern)
        if not groups:
            yield "pattern", "the pattern has no group: put what is wanted in brackets"
        elif self.into and len(self.into) != groups:
            yield "into", f"the pattern has {groups} groups, into names {len(self.into)}"
        elif not self.into and len(names) != groups:
            yield "into", "name a column for each group: into: […]"

    def output_types(self, types: Types) -> Types:
        return {**types, **{name: DataType.parse("string") for name in self._names}}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        cell = text(self.column)
        return frame.with_columns(cell.str.extract(self.pattern, n + 1).alias(name) for n, name in enumerate(self._names))

    def rules(self, context: Context) -> tuple[Rule, ...]:
        if self.unmatched == "null":
            return ()
        cell = text(self.column)
        return (Rule(~cell.str.contains(self.pattern), (self.column,), f"a match of {self.pattern}", cell.is_not_null()),)

    @property
    def _names(self) -> list[str]:
        return list(self.into) or _groups(self.pattern)[1]


def _groups(pattern: str) -> tuple[int, list[str]]:
    """The number of groups that keep what they match, and the names of those that have one."""
    import re

    plain = re.sub(r"\\.|\[(?:\\.|[^\]])*\]", "", pattern)
    return len(re.findall(r"\((?!\?)|\(\?P?<\w", plain)), re.findall(r"\(\?P?<(\w+)>", plain)
