"""An expression of a spec as the checker sees it: its type, and its flaws with their offsets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from qpipe.core.batch import SEVERITIES
from qpipe.core.component import Types
from qpipe.spec.nearest import did_you_mean, nearest

_CODES = {
    "bad-syntax": "bad-expression", "not-allowed": "bad-expression", "bad-call": "bad-expression",
    "bad-types": "expression-type", "bad-value": "expression-type",
}  # fmt: skip


@dataclass(frozen=True)
class ExpressionFlaw:
    offset: int  # into the text of the expression
    code: str
    message: str
    hint: str = ""
    name: str = ""  # the text it is about


@dataclass(frozen=True)
class Findable:
    """What a route's condition may ask for: ``failed('check')``, ``failed('column')``."""

    checks: Collection[str]
    columns: Collection[str] | None  # None: not known

    def unknown(self, word: str) -> str | None:
        """What is wrong with a word of ``failed(…)``."""
        if word in SEVERITIES or word in self.checks or word in (self.columns or ()):
            return None
        known = [*SEVERITIES, *self.checks, *(self.columns or ())]
        if self.columns is None and nearest(word, known) is None:
            return None  # a column, perhaps
        what = "severity, check or column" if self.columns is not None else "severity or check"
        return f"no {what} is named '{word}'"


def check_expression(
    text: str, types: Types | None, *, boolean: bool = False, findable: Findable | None = None
) -> tuple[Any, list[ExpressionFlaw]]:
    """(type or None, flaws). ``findable``: given for a route, whose condition sees findings and confidence as well."""
    from qpipe.core.expression import Expression, ExpressionError

    extra = _context(findable) if findable else None
    if findable and types is not None:
        types = {"confidence": _type("float"), "source_reliability": _type("float")} | dict(types)
    try:
        found = Expression.parse(text).check(types, extra, expect="bool" if boolean else None)
        return (None if types is None else found), []
    except ExpressionError as error:
        return None, [_flaw(each, text, findable) for each in error.errors]
    except RecursionError:
        return None, [ExpressionFlaw(0, "bad-expression", "this is nested too deep.", "Split it up with derive.")]


def _context(findable: Findable) -> dict[str, Any]:
    """The functions that only a route has."""
    from qpipe.core.expression import ContextFunction

    def wrong(*words: str) -> str | None:
        return next((said for word in words if (said := findable.unknown(word))), None)

    def nothing(*words: str) -> str | None:
        return "batch_rows takes nothing in parentheses" if words else None

    return {
        "failed": ContextFunction(_never, _type("bool"), wrong),
        "batch_share": ContextFunction(_never, _type("float"), wrong),
        "batch_rows": ContextFunction(_never, _type("int"), nothing),
    }


def _never(*words: str) -> Any:
    raise AssertionError("checked, never compiled")


def _type(word: str) -> Any:
    from qpipe.core.types import DataType

    return DataType.parse(word)


def _flaw(error: Any, text: str, findable: Findable | None) -> ExpressionFlaw:
    from qpipe.spec.read import sentence

    message = sentence(error.message)
    if findable and error.code == "bad-call" and message.startswith("no severity"):
        word = message.rpartition("named '")[2].removesuffix("'.")
        known = [*findable.checks, *(findable.columns or ()), *SEVERITIES]
        return ExpressionFlaw(error.offset, "unknown-check", message, did_you_mean(word, known))
    name = text[error.offset : error.offset + error.length]
    return ExpressionFlaw(error.offset, _CODES.get(error.code, error.code), message, sentence(error.hint), name)
