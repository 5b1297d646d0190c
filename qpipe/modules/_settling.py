"""What a step over all rows leaves to be settled row by row: values it is not sure of, and rows it has something to say of."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW, Severity
from qpipe.core.component import REJECTED, Ask, Context, Rule, Transform
from qpipe.core.lazy import pl
from qpipe.core.params import param
from qpipe.modules.transformation._text import answers_for, is_answered

if TYPE_CHECKING:
    import polars as pl

_FILE = "unsettled.json"


def leave(directory: Path, told: Any) -> None:
    """Keep what is not settled beside the result, durably."""
    part = directory / f"{_FILE}.part"
    with part.open("w", encoding="utf-8") as file:
        json.dump(told, file)
        file.flush()
        os.fsync(file.fileno())
    part.rename(directory / _FILE)


def left(folder: Path) -> Any:
    """What was left beside the result in this folder."""
    return json.loads((folder.parent / _FILE).read_text("utf-8"))


class _Doubts(Transform):
    """Values a person must judge: asked, or errors, or neither; what was said is put in their place."""

    doubts: dict[str, Any] = param(help="column → value → what it may mean")
    question: str = param(help="with {value}")
    unsure: str = param(help="keep, quarantine or question")
    severity: Severity = param("error", help="of a doubtful or a rejected value")

    def rules(self, context: Context) -> tuple[Rule, ...]:
        rejected = [value for value, said in answers_for(self, context) if said == REJECTED]
        made = []
        for column, values in self.doubts.items():
            doubtful = list(values) if self.unsure == "quarantine" else []
            if doubtful or rejected:
                expected = "a value that is sure, or one a person has accepted"
                made.append(Rule(pl.col(column).is_in([*doubtful, *rejected]), (column,), expected))
        return tuple(made)

    def asks(self, context: Context) -> tuple[Ask, ...]:
        if self.unsure != "question":
            return ()
        answers = answers_for(self, context)
        return tuple(
            Ask(
                pl.col(column).is_in(list(values)) & ~is_answered(pl.col(column), answers), column,
                self.question.replace("{column}", column), _candidates(values),
            )
            for column, values in self.doubts.items() if values
        )  # fmt: skip

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        answers = answers_for(self, context)
        if not answers:
            return frame
        olds = [value for value, _ in answers]
        news = pl.Series([None if said in ("", REJECTED) else said for _, said in answers], dtype=pl.String)
        cells = {column: pl.col(column) for column in self.doubts}
        return frame.with_columns(
            cell.replace_strict(olds, news, default=cell, return_dtype=pl.String).alias(column)
            for column, cell in cells.items()
        )


class _Told(Transform):
    """Rows that were changed: a finding each, with what stood there."""

    rows: tuple[Any, ...] = param(help="(column, expected, rows)")
    severity: Severity = param("info", help="of a finding")

    def rules(self, context: Context) -> tuple[Rule, ...]:
        return tuple(Rule(pl.col(ROW).is_in(list(rows)), (column,), words) for column, words, rows in self.rows)


def _candidates(values: Mapping[str, Sequence[str]]) -> Any:
    return lambda asked: {value: list(values.get(value, ())) for value in asked}
