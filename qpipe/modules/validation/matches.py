"""matches"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.component import Check, Context, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, Regex, param
from qpipe.modules.validation._values import listed

if TYPE_CHECKING:
    import polars as pl


class Matches(Check):
    r"""Every text matches a pattern.

    `regex` is searched anywhere in the text, as SQL's regexp_like does: write `^` and `$`, or `whole: true`, for the whole
    text. `like` is SQL's LIKE over the whole text: `%` is any run of characters, `_` is one, `\` takes their meaning away.
    Of several patterns one must match (`match: any`) or each (`match: all`). Regular expressions have no look-around and no
    back-references, and so take linear time. Null passes; an empty or blank text is matched like any other. Zero rows, or a
    column of nulls only: not evaluated.

    Examples:
        ```yaml
        module:
          matches: {column: tail, regex: "^N[1-9]"}
        rows: [{tail: N12345}, {tail: D-ABCD}, {tail: ""}, {tail: null}]
        failed: [1, 2]
        ```
        ```yaml
        module:
          matches: {column: file, like: ["%.csv", "%.tsv"], ignore_case: true}
        rows: [{file: a.CSV}, {file: a.csv.gz}]
        failed: [1]
        ```
        ```yaml
        module:
          matches: {column: note, regex: "(?i)test", negate: true}
        rows: [{note: a real order}, {note: Test order}]
        failed: [1]
        ```
    """

    dimension = "validity"
    accepts = ("string",)
    like = (
        "expect_column_values_to_match_regex", "expect_column_values_to_not_match_regex", "regex_match", "hasPattern",
        "has_pattern", "expect_column_values_to_match_regex_list", "expect_column_values_to_match_like_pattern",
        "str_matches", "str_contains", "str_startswith", "str_endswith", "col_vals_regex", "valid_regex", "valid_format",
        "rex", "pattern", "match_like_pattern", "expect_column_values_to_not_match_like_pattern_list",
        "expect_column_values_to_not_match_regex_list", "match_regex_pattern_list", "not_match_regex_pattern_list", "rexpy",
        "is_legit", "invalid_count",
    )  # fmt: skip

    columns: Columns = param(help="the columns to check", alias="column")
    regex: Regex | tuple[str, ...] | None = param(None, help="a regular expression, or several")
    like_: str | tuple[str, ...] | None = param(None, help="an SQL LIKE pattern, or several")
    match: Literal["any", "all"] = param("any", help="of several patterns: one must match, or each")
    whole: bool = param(False, help="a regular expression must match the whole text")
    negate: bool = param(False, help="the text must not match")
    ignore_case: bool = param(False, help="upper and lower case are the same")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from super().problems(types)
        from qpipe.core.expression import check_regex

        if (self.regex is None) == (self.like_ is None):
            yield "regex", "give regex or like, one of them"
        elif not (_each(self.regex) or _each(self.like_)):
            yield "regex", "there is no pattern"
        if self.like_ is not None and self.whole:
            yield "whole", "a LIKE pattern is about the whole text anyway"
        for pattern in _each(self.regex):
            if wrong := check_regex(pattern):
                yield "regex", f"'{pattern}' is no regular expression: {wrong}"

    def bad(self, column: str, context: Context) -> pl.Expr:
        cell = pl.col(column)
        found = [self._search(cell, p) for p in _each(self.regex)] + [self._fits(cell, p) for p in _each(self.like_)]
        matched = found[0] if len(found) == 1 else pl.any_horizontal(found) if self.match == "any" else pl.all_horizontal(found)
        return matched if self.negate else ~matched

    def expected(self, column: str) -> str:
        patterns = [*_each(self.regex), *(f"like {p}" for p in _each(self.like_))]
        several = f"{self.match} of " if len(patterns) > 1 else ""
        return f"{'not matching' if self.negate else 'matching'} {several}{listed(patterns)}"

    def _search(self, cell: pl.Expr, pattern: str) -> pl.Expr:
        pattern = f"^(?:{pattern})$" if self.whole else pattern
        return cell.str.contains(f"(?i){pattern}" if self.ignore_case else pattern)

    def _fits(self, cell: pl.Expr, pattern: str) -> pl.Expr:
        plain = pattern.strip("%")
        if not self.ignore_case and plain and not re.search(r"[%_\\]", plain):  # the usual ones without a regex engine
            open_start, open_end = pattern.startswith("%"), pattern.endswith("%")
            if open_start and open_end:
                return cell.str.contains(plain, literal=True)
            return cell.str.ends_with(plain) if open_start else cell.str.starts_with(plain) if open_end else cell == plain
        return cell.str.contains(("(?is)" if self.ignore_case else "(?s)") + like_to_regex(pattern))


def like_to_regex(pattern: str) -> str:
    r"""SQL LIKE as a regular expression: % any run, _ one character, \ escapes."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    words = {"%": ".*", "_": "."}
    return f"^{''.join(words.get(part) or re.escape(part[-1]) for part in parts)}$"


def _each(patterns: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (patterns,) if isinstance(patterns, str) else patterns or ()
