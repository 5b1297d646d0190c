"""python"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Step, Types
from qpipe.core.errors import DataRefused, QpipeError
from qpipe.core.lazy import pl
from qpipe.core.params import NewTypes, param
from qpipe.core.types import DataType
from qpipe.modules.custom._user_code import UserCode, UserError

if TYPE_CHECKING:
    import polars as pl

_SEARCH = 10.0  # seconds that may go into finding the row that an error is about


class Python(Step):
    """Your own Python code, batch by batch.

    `class` names a function or a class: `rules.py:Loyalty` in a file beside the spec, or `package.module:Loyalty`. A function
    takes a Polars DataFrame and gives one back. A class is made once, with the values under `with`, and has a method
    `process(data, context)`, or can be called itself; deriving from `qpipe.BaseModule` is a convenience. If it has a method
    `validate(data)`, the problems that this returns refuse the data. Batches come one after the other, in order, of any size.
    Questions to people stand in the spec: mark rows in a column, and let a route ask about them. What a method
    `get_decisions()` returns would be asked of nobody, so it is refused.

    The frame has a column `_row`, by which rows are told: keep it when rows are dropped, repeated or reordered; without it, as
    many rows must come back as went in. `output` names the columns that are added or change their type; all others must stay.
    Null is null in Polars, too.

    An exception ends the run with your own line, and, unless `side_effects: true` says that the code does more than compute,
    with the first row it cannot do. The run can be resumed when the code is mended. `settings.on_error` can say otherwise: the
    rows that break the code are set aside, with what it said, and all others go on.

    Examples:
        ```yaml
        module:
          python: {class: "polars:DataFrame.with_row_index", with: {name: position}, output: {position: int}}
        rows: [{city: Bonn}, {city: Metz}]
        gives: [{city: Bonn, position: 0}, {city: Metz, position: 1}]
        ```
        ```yaml
        module:
          python: "polars:DataFrame.drop_nulls"
        rows: [{city: Bonn}, {city: null}]
        gives: [{city: Bonn}]
        dropped: [1]
        ```
    """

    like = (
        "udf", "custom function", "map_in_pandas", "apply", "python model", "transform function", "script", "BaseModule",
        "specially", "user-defined", "is_custom", "col_vals_custom",
    )  # fmt: skip

    target: str = param(
        alias="class", help="file.py:Class, or package.module:Class", short=True, pattern=r"^[^:]+:[A-Za-z_][\w.]*$"
    )
    options: dict[str, Any] = param({}, alias="with", help="what the class is made with, or the function called with")
    output: NewTypes | None = param(None, help="columns that are added or change their type, with their types")
    side_effects: bool = param(False, help="it does more than compute: it is never run twice on the same rows")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        place, colon, name = self.target.partition(":")
        if not (place and colon and name):
            yield "class", f"'{self.target}' names no class: write rules.py:Loyalty or package.module:Loyalty"
        for column, word in (self.output or {}).items():
            try:
                DataType.parse(word)
            except ValueError as error:
                yield "output", f"'{column}': {error}"

    def output_types(self, types: Types) -> Types:
        return {**types, **{name: DataType.parse(word) for name, word in (self.output or {}).items()}}

    def process(self, frame: pl.DataFrame, context: Context) -> pl.DataFrame:
        try:
            return self.trial(frame, context)
        except UserError as error:
            user = self._user(context)
            with user.turn:
                self._name_row(error, user, frame, context)
            raise

    def trial(self, frame: pl.DataFrame, context: Context) -> pl.DataFrame:
        user = self._user(context)
        with user.turn:
            made = user.run(frame, context)
            user.ask_nothing()
        return self._checked(made, frame, self.output_types(context.types))

    @property
    def repeatable(self) -> bool:
        return not self.side_effects

    def _user(self, context: Context) -> _User:
        with _MAKING:
            if "_made" not in self.__dict__:
                code = UserCode.load(self.target, context.directory)
                self.__dict__["_made"] = _User(code, code.make(self.options))
            return self.__dict__["_made"]

    def _name_row(self, error: UserError, user: _User, frame: pl.DataFrame, context: Context) -> None:
        """Add the first row that cannot be done, found by halving; the code runs again on parts of the batch for that."""
        if self.side_effects or frame.height < 2:
            position = 0 if frame.height == 1 else None
        else:
            position = _first_bad(user, frame, context, type(error.__cause__))
        if position is not None:
            error.message += f" (first at row {frame[ROW][position]})"
            error.args = (error.message,)

    def _checked(self, made: Any, given: pl.DataFrame, wanted: Mapping[str, DataType]) -> pl.DataFrame:
        """The frame that came back, with ``_row`` and exactly the columns that were promised."""
        if isinstance(made, pl.LazyFrame):
            made = made.collect(engine="in-memory")
        if not isinstance(made, pl.DataFrame):
            raise QpipeError(f"{self.target} gave {_kind(made)} back", hint="return a Polars DataFrame")
        made = self._numbered(made, given)
        if lacking := [name for name in wanted if name not in made.columns]:
            raise QpipeError(
                f"{self.target}: the column '{lacking[0]}' is gone", hint="keep it; a step select: after this drops it"
            )
        if more := [name for name in made.columns if name not in wanted and name != ROW]:
            raise QpipeError(f"{self.target} gave a column '{more[0]}' that output: does not name",
                             hint=f"output: {{{more[0]}: {DataType.of(made.schema[more[0]])}}}")  # fmt: skip
        return made.select(ROW, *(self._typed(made[name], type_) for name, type_ in wanted.items()))

    def _numbered(self, made: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
        if ROW not in made.columns:
            if made.height != given.height:
                raise QpipeError(f"{self.target} gave {made.height} rows back for {given.height}, without {ROW}",
                                 hint=f"keep the column {ROW} when rows are dropped, repeated or reordered")  # fmt: skip
            return made.with_columns(given[ROW])
        rows = made[ROW]
        if rows.null_count() or not rows.dtype.is_integer() or not rows.is_in(given[ROW].implode()).all():
            raise QpipeError(
                f"{self.target} gave rows back that never went in: {ROW} was changed", hint=f"leave {ROW} as it is"
            )
        return made.with_columns(rows.cast(pl.Int64))

    def _typed(self, column: pl.Series, wanted: DataType) -> pl.Series:
        if column.dtype == wanted.polars():
            return column
        try:
            return column.cast(wanted.polars())
        except pl.exceptions.PolarsError as error:
            raise QpipeError(f"{self.target}: '{column.name}' is {DataType.of(column.dtype)}, and not all of it fits {wanted}",
                             hint=f"output: {{{column.name}: {DataType.of(column.dtype)}}}, or cast it") from error  # fmt: skip


_MAKING = threading.Lock()


class _User:
    """The user's function or instance, and whose turn it is: batches come one after the other."""

    def __init__(self, code: UserCode, made: Any) -> None:
        self.code, self.made, self.turn = code, made, threading.Lock()

    def run(self, frame: pl.DataFrame, context: Context) -> Any:
        validate, process = getattr(self.made, "validate", None), getattr(self.made, "process", None)
        if validate is not None and process is not None:
            self._refuse(self.code.call("validate", validate, frame))
        if process is not None:
            return self.code.call("process", process, frame, context)
        if not callable(self.made):
            raise QpipeError(f"{self.code.target} has no method process(data, context), and cannot be called")
        with self.code.telling(self.code.target.rpartition(":")[2]):
            return self.made(frame)

    def ask_nothing(self) -> None:
        """What ``get_decisions()`` asks is asked of nobody from here: refused, so that no question is lost unseen."""
        asked = getattr(self.made, "get_decisions", None)
        if found := list(self.code.call("get_decisions", asked) or ()) if asked else []:
            raise QpipeError(f"{self.code.target}: get_decisions() asks {found[0]!r}, which only a spec can ask",
                             hint="mark rows in a column, and let a route ask: {when: doubtful, ask: what-now}")  # fmt: skip

    def _refuse(self, problems: Any) -> None:
        if problems is None or problems is True:
            return
        found = ["validate() is false"] if problems is False else [problems] if isinstance(problems, str) else list(problems)
        if found:
            raise DataRefused(f"{self.code.target} refuses the data: {'; '.join(map(str, found[:5]))}")


def _first_bad(user: _User, frame: pl.DataFrame, context: Context, kind: type | None) -> int | None:
    """Position of the first row without which the rows before it can be done; None when that cannot be told."""
    good, bad, ends = 0, frame.height, time.monotonic() + _SEARCH
    while bad - good > 1:
        middle = (good + bad) // 2
        if time.monotonic() > ends:
            return None
        if _fails(user, frame.head(middle), context, kind):
            bad = middle
        else:
            good = middle
    return bad - 1 if _fails(user, frame.slice(bad - 1, 1), context, kind) else None


def _fails(user: _User, frame: pl.DataFrame, context: Context, kind: type | None) -> bool:
    try:
        user.run(frame, context)
    except UserError as error:
        return type(error.__cause__) is kind
    except QpipeError:
        return False
    return False


def _kind(value: Any) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
