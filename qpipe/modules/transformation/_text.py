"""What the steps that work on text share: which columns they take, and answers that stand in for values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Module, Types
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

Answers = tuple[tuple[str, str], ...]  # (value, what a person said it should be), sorted


def text_columns(columns: Sequence[str] | None, types: Types) -> tuple[str, ...]:
    """Those of the named columns that hold text; all text columns where none is named. Others are left alone."""
    return tuple(name for name in (types if columns is None else columns) if name in types and types[name].kind == "string")


def not_text(columns: Sequence[str] | None, types: Types | None) -> Iterator[tuple[str, str]]:
    """A problem for every named column that is known to hold something else."""
    for name in columns or ():
        if types is not None and name in types and types[name].kind not in ("string", "any"):
            yield (
                "columns",
                f"'{name}' is {types[name].describe()}, not text: this step would leave it alone",
            )


def text(column: str) -> pl.Expr:
    """The cells as text: categories are text, too. Costs nothing where they are."""
    return pl.col(column).cast(pl.String)


def answers_for(step: Module, context: Context) -> Answers:
    """What people said of the values that this step asked about."""
    id = step.id or step.name
    return tuple(sorted((value, said) for (asked_by, value), said in context.answers.items() if asked_by == id))


def answered(cell: pl.Expr, answers: Answers) -> pl.Expr:
    """The text, with values replaced by what a person said. An empty answer means: no value."""
    if not answers:
        return cell
    said = [said or None for _, said in answers]
    return cell.replace_strict([value for value, _ in answers], said, default=cell, return_dtype=pl.String)


def is_answered(cell: pl.Expr, answers: Answers) -> pl.Expr:
    return cell.is_in([value for value, _ in answers]) if answers else pl.lit(False)
