"""What is wrong with an expression, and where in its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from qpipe.core.errors import QpipeError

Code = Literal[
    "bad-syntax", "not-allowed", "unknown-column", "unknown-function", "bad-call", "bad-types", "bad-value", "bad-regex"
]


class ExpressionError(QpipeError):
    """One mistake: the ``length`` letters from ``offset`` on. ``errors`` holds all that were found, here just this one."""

    exit_code: ClassVar[int] = 78

    def __init__(self, message: str, offset: int, length: int = 1, hint: str = "", code: Code = "bad-syntax") -> None:
        super().__init__(message, hint=hint)
        self.offset, self.length, self.code = offset, max(length, 1), code

    @property
    def errors(self) -> tuple[ExpressionError, ...]:
        return (self,)


class ExpressionErrors(ExpressionError):
    """Every mistake found by checking, in the order of the text. Looks like the first of them to whoever wants only one."""

    def __init__(self, errors: Sequence[ExpressionError]) -> None:
        unique = {(e.offset, e.length, e.message): e for e in errors}
        self._errors = tuple(sorted(unique.values(), key=lambda e: (e.offset, e.length)))
        first = self._errors[0]
        super().__init__(first.message, first.offset, first.length, first.hint, first.code)

    @property
    def errors(self) -> tuple[ExpressionError, ...]:
        return self._errors

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self._errors)
