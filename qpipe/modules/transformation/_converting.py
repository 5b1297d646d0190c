"""The base of steps that turn columns into values of another type: what becomes of cells that cannot be turned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from qpipe.core.batch import Severity
from qpipe.core.component import Ask, Context, Rule, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import param
from qpipe.modules._prepared import prepared
from qpipe.modules.transformation._text import Answers, answers_for, is_answered, text

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

OnError = Literal["quarantine", "null", "question"]


@dataclass(frozen=True)
class Conversion:
    """One column: its values in the new type, null where a cell cannot be turned, and what was expected of it."""

    column: str
    values: pl.Expr
    expected: str
    misfit: pl.Expr | None = None  # cells that cannot be turned; unset: those that have a value before and none after
    doubtful: pl.Expr | None = None  # cells that could mean two things
    doubt: str = ""  # and what was expected of those


class Converting(Transform):
    """Null stays null. A cell that cannot be turned becomes null, and a finding, or a question."""

    on_error: OnError = param(
        "quarantine",
        help="a cell that cannot be turned: a finding that is an error; null with a finding that is a warning; or ask a person",
    )

    @property
    def severity(self) -> Severity:
        """Of its findings."""
        return "warning" if self.on_error == "null" else "error"

    def conversions(self, context: Context, answers: Answers) -> Iterator[Conversion]:
        """What to do, column by column."""
        raise NotImplementedError

    def new_types(self, types: Types) -> dict[str, DataType]:
        """The columns that change."""
        raise NotImplementedError

    def output_types(self, types: Types) -> Types:
        new = self.new_types(types)
        return {name: new.get(name, type_) for name, type_ in types.items()}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns([c.values.alias(c.column) for c in self._conversions(context)])

    def rules(self, context: Context) -> tuple[Rule, ...]:
        """Those that cannot be turned. Where people are asked, wrong answers and rejected values are left."""
        conversions = self._conversions(context)
        if self.on_error != "question":
            return tuple(rule for c in conversions for rule in _rules(c))
        said = tuple((value, said) for value, said in answers_for(self, context) if said)  # an empty answer is a right one
        if not said:
            return ()
        return tuple(replace(r, bad=r.bad & is_answered(text(c.column), said)) for c in conversions for r in _rules(c))

    def asks(self, context: Context) -> tuple[Ask, ...]:
        if self.on_error != "question":
            return ()
        answers, asked = answers_for(self, context), []
        for c in self._conversions(context):
            unknown = pl.any_horizontal([rule.bad for rule in _rules(c)]) & ~is_answered(text(c.column), answers)
            asked.append(
                Ask(unknown, c.column, f"what is the {c.column} '{{value}}'? (expected: {c.expected})", _no_candidates)
            )
        return tuple(asked)

    def _conversions(self, context: Context) -> list[Conversion]:
        return prepared(self, context, self._made)

    def _made(self, context: Context) -> list[Conversion]:
        return list(self.conversions(context, answers_for(self, context)))


def _rules(conversion: Conversion) -> Iterator[Rule]:
    """Each speaks of other cells, so that every cell with a value counts once."""
    column, doubtful = conversion.column, conversion.doubtful
    given = pl.col(column).is_not_null()
    misfit = given & conversion.values.is_null() if conversion.misfit is None else conversion.misfit
    yield Rule(misfit, (column,), conversion.expected, given if doubtful is None else given & ~doubtful.fill_null(False))
    if doubtful is not None:
        yield Rule(doubtful, (column,), conversion.doubt, doubtful)


def _no_candidates(values: Sequence[str]) -> dict[str, list[str]]:
    return {value: [] for value in values}
