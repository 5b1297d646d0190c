"""Text → words, numbers, strings and signs, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from qpipe.core.expression.errors import ExpressionError

_TOKEN = re.compile(
    r"""(?P<space>\s+)
    | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<string>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<name>[^\W\d]\w*)
    | (?P<sign>::|\|\||//|<>|!=|==|<=|>=|!~\*|!~|~\*|~|[-+*/%()<>=,.])
    """,
    re.X,
)
_REFUSED = [
    ("--", "comments have no place in an expression", "Write - -x for a double minus."),
    ("/*", "comments have no place in an expression", ""),
    (";", "an expression is one value, not a statement", ""),
    ("&&", "'&&' is no operator here", "Write and."),
    ("&", "'&' is no operator here", "Write and."),
    ("=~", "'=~' is no operator here", "Write ~ for a regular expression."),
    ("**", "'**' is no operator here", "Write power(a, b)."),
    ("^", "'^' is no operator here", "Write power(a, b)."),
    ("!", "'!' is no operator here", "Write not."),
    ("'", "the text that starts here has no end", "Close it with '. A ' inside is written ''."),
    ('"', "the name that starts here has no end", 'Close it with ". A " inside is written "".'),
    ("`", "'`' is no quote here", "Write a name in \"double quotes\", a text in 'single quotes'."),
    ("$", "'$' means nothing here", "${var.name} is filled in where the spec is read."),
    ("[", "'[' means nothing here", "A list of values stands in parentheses: status in ('a', 'b')."),
    ("{", "'{' means nothing here", "A decision's text may use {column}; an expression writes column."),
]


@dataclass(frozen=True)
class Token:
    kind: Literal["number", "string", "quoted", "name", "sign", "end"]
    text: str  # as written
    start: int
    end: int

    @property
    def value(self) -> str:
        """What quotes hold, a name or sign in lower case."""
        if self.kind in ("string", "quoted"):
            return self.text[1:-1].replace(self.text[0] * 2, self.text[0])
        return self.text.lower()


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a text, and one of kind ``end``. ExpressionError where none fits."""
    at = 0
    while at < len(text):
        for written, message, hint in _REFUSED:
            if text.startswith(written, at) and (written not in ("'", '"', "!") or not _TOKEN.match(text, at)):
                raise ExpressionError(
                    message, at, len(written), hint, "not-allowed" if written in ("--", "/*", ";") else "bad-syntax"
                )
        found = _TOKEN.match(text, at)
        if not found:
            raise ExpressionError(f"{text[at]!r} means nothing here", at)
        if found.lastgroup == "number" and re.match(r"\w", text[found.end() : found.end() + 1]):
            whole = re.compile(r"[\w.]+").match(text, at)
            assert whole
            raise ExpressionError(f"'{whole[0]}' is neither a number nor a name", at, len(whole[0]),
                                  f'A column of this name is written in double quotes: "{whole[0]}".')  # fmt: skip
        if found.lastgroup != "space":
            yield Token(found.lastgroup, found[0], at, found.end())  # type: ignore[arg-type]
        at = found.end()
    yield Token("end", "", len(text), len(text))
