"""replace_pattern"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.params import Columns, Regex, param
from qpipe.modules.transformation._text import not_text, text, text_columns

if TYPE_CHECKING:
    import polars as pl


class ReplacePattern(Transform):
    r"""Every match of a pattern in a text is replaced.

    `to` may use what the pattern's groups matched: `$1`, or `${1}` before a letter or digit, or `${name}` for `(?P<name>…)`;
    `$$` is a dollar sign. With `literal: true` both are plain text. A text without a match stays as it is; null stays null.
    Regular expressions have no look-around and no back-references, and so take linear time.

    Examples:
        ```yaml
        module:
          replace_pattern: {column: phone, pattern: '^00(\d{2})\s*', to: '+$1 '}
        rows: [{phone: "0049 30 1234"}, {phone: "+33 1 2345"}, {phone: null}]
        gives: [{phone: "+49 30 1234"}, {phone: "+33 1 2345"}, {phone: null}]
        ```
        ```yaml
        module:
          replace_pattern: {column: price, pattern: "$", literal: true}
        rows: [{price: "$12.50"}]
        gives: [{price: "12.50"}]
        ```
    """

    like = ("regexp_replace", "str.replace", "gsub", "replace_substring", "value.replace()", "sub")

    columns: Columns = param(help="the text columns to change", alias="column")
    pattern: Regex = param(help="a regular expression, or plain text with literal: true", minLength=1)
    to: str = param("", help="what each match becomes; $1 is the first group")
    literal: bool = param(False, help="pattern and to are plain text")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text(self.columns, types)
        if not self.pattern:
            yield "pattern", "the pattern is empty"
        elif not self.literal:
            yield from self._unknown_groups()

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        names = text_columns(self.columns, context.types)
        return frame.with_columns(text(name).str.replace_all(self.pattern, self.to, literal=self.literal) for name in names)

    def _unknown_groups(self) -> Iterator[tuple[str, str]]:
        """What ``to`` asks for and the pattern has not. (That the pattern is one, the spec's checker sees.)"""
        groups = 1 + len(re.findall(r"(?<!\\)\((?!\?)|\(\?P?<", re.sub(r"\[[^]]*\]", "", self.pattern)))
        named = set(re.findall(r"\(\?P?<(\w+)>", self.pattern))
        for braced, bare in re.findall(r"\$\{(\w+)\}|\$(\w+)", self.to.replace("$$", "")):
            name = braced or bare
            if (name.isdigit() and int(name) < groups) or name in named:
                continue
            number = re.match(r"\d+", name)
            if bare and number and int(number[0]) < groups:
                rest = name[number.end() :]
                yield "to", f"${name} means a group named '{name}', which there is not; write ${{{number[0]}}}{rest}"
            else:
                yield "to", f"${name}: the pattern has no such group; it has {groups - 1 or 'none'}. A dollar sign is $$"
