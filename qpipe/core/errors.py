"""Every error qpipe raises on purpose, and the exit code each one ends the process with.

    QpipeError                    1   something inside broke
    ├── UsageError                2   the command line was wrong
    ├── DataRefused              65   a gate, a contract or --strict refused the data; nothing was published
    │   └── ChangedInput         65   a resumed run found another input than it began with
    ├── Unavailable              69   a source or output stayed out of reach after its retries
    │   └── MissingExtra         69   an optional package is not installed
    ├── CannotCreate             73   an output, the spool or the journal cannot be written
    ├── TryLater                 75   the run waits for an answer, or lives in another process
    ├── NotPermitted             77   a permission or a secret is missing
    ├── SpecError                78   the spec was refused, with every problem found
    └── Interrupted         130/143   stopped by a signal; the run can be resumed

Foreign errors are translated where they arise (``raise … from``). A message says where, what, and what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Literal


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong in a spec: where, what, and what to do about it. Sorts by place."""

    file: str
    line: int  # 1-based; 0 where the place is unknown
    column: int  # 1-based
    path: str  # "modules[2].between.min"
    code: str  # stable, kebab-case, looked up by `qpipe explain-problem CODE`
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        hint = f" {self.hint}" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column} [{self.code}] {self.message}{hint}"

    def as_dict(self) -> dict[str, Any]:
        return dict(vars(self))


class QpipeError(Exception):
    """The root: a message, an optional place (file, line, column) and an optional hint that says what to do."""

    exit_code: ClassVar[int] = 1
    source: str | None = None  # the id of the one whose fault it is

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        file: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.hint = message, hint
        self.file, self.line, self.column = file, line, column

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text}\n  {self.hint}" if self.hint else text


@contextmanager
def of_source(id: str) -> Iterator[None]:
    """What goes wrong inside is this source's fault."""
    try:
        yield
    except QpipeError as error:
        error.source = error.source or id
        raise


class UsageError(QpipeError):
    exit_code = 2


class DataRefused(QpipeError):
    exit_code = 65


class ChangedInput(DataRefused):
    """A run cannot go on with another input than it began with; with the old one back, it can."""


class Unavailable(QpipeError):
    exit_code = 69


class MissingExtra(Unavailable):
    """An optional package is needed: ``MissingExtra("read a PostgreSQL table", extra="postgres")``."""

    def __init__(self, purpose: str, *, extra: str, **place: Any) -> None:
        super().__init__(f"to {purpose}, qpipe[{extra}] is needed", hint=f"pip install 'qpipe[{extra}]'", **place)
        self.extra = extra


class CodeFailed(QpipeError):
    """A user's own code raised something."""


class CannotCreate(QpipeError):
    exit_code = 73


class TryLater(QpipeError):
    exit_code = 75


class NotPermitted(QpipeError):
    exit_code = 77


class SpecError(QpipeError):
    """The spec was refused; ``problems`` holds every problem found, in the order of the text."""

    exit_code = 78

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(str(problem) for problem in self.problems))


class Interrupted(QpipeError):
    """A signal stopped the run; 130 for SIGINT, 143 for SIGTERM."""

    def __init__(self, message: str, *, signal_number: int = 2) -> None:
        super().__init__(message)
        self.signal_number = signal_number

    @property
    def code(self) -> int:
        return 128 + self.signal_number


def exit_code_of(error: BaseException) -> int:
    """The exit code that an error ends the process with."""
    return error.code if isinstance(error, Interrupted) else getattr(error, "exit_code", 1)
