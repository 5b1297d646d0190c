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
from qpipe.modules._result import as_declared
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
    If it has a method `get_decisions()`, this is called after each batch and gives pairs of a row's `_row` and what is to be
    asked about it. The words go into the column that `asks` names, null elsewhere; a route that looks at it lets people decide:
    `{when: doubt is not null, ask: what-now}`. Without `asks` a question would be asked of nobody, so it is refused.

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
    asks: str | None = param(None, help="the column for what get_decisions() asks about a row", pattern="^[^_]")
    side_effects: bool = param(False, help="it does more than compute: it is never run twice on the same rows")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        place, colon, name = self.target.partition(":")
        if not (place and colon and name):
            yield "class", f"'{self.target}' names no class: write rules.py:Loyalty or package.module:Loyalty"
        if self.asks and self.asks in {**(types or {}), **(self.output or {})}:
            yield "asks", f"there is a column '{self.asks}' already: questions get one of their own"
        for column, word in (self.output or {}).items():
            try:
                DataType.parse(word)
            except ValueError as error:
                yield "output", f"'{column}': {error}"

    def output_types(self, types: Types) -> Types:
        asked = {self.asks: DataType.parse("string")} if self.asks else {}
        return {**types, **{name: DataType.parse(word) for name, word in (self.output or {}).items()}, **asked}

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
            made, asked = user.run(frame, context), user.asked()
        if asked and not self.asks:
            raise QpipeError(f"{self.target}: get_decisions() asks '{next(iter(asked.values()))}', and no column keeps it",
                             hint="say asks: doubt, and let a route ask: {when: doubt is not null, ask: what-now}")  # fmt: skip
        wanted = {name: type_ for name, type_ in self.output_types(context.types).items() if name != self.asks}
        checked = self._checked(made, frame, wanted)
        return self._asking(checked, asked) if self.asks else checked

    def _asking(self, made: pl.DataFrame, asked: Mapping[int, str]) -> pl.DataFrame:
        """The frame with the column of what is asked about each row."""
        rows = pl.Series(list(asked), dtype=pl.Int64)
        if not rows.is_in(made[ROW].implode()).all():
            raise QpipeError(f"{self.target}: get_decisions() asks about a row that is not in the batch",
                             hint=f"name rows by the column {ROW} of what process() gave back")  # fmt: skip
        words = made[ROW].replace_strict(rows, pl.Series(list(asked.values()), dtype=pl.String), default=None)
        return made.with_columns(words.cast(pl.String).alias(self.asks or ""))

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
        hint = "declare another type under output, or cast it"
        return as_declared(made, wanted, f"{self.target}: the column", hint)

    def _numbered(self, made: pl.DataFrame, given: pl.DataFrame) -> pl.DataFrame:
        if ROW not in made.columns:
            if made.height != given.height:
                raise QpipeError(f"{self.target} gave {made.height} rows back for {given.height}, without {ROW}",
                                 hint=f"keep the column {ROW} when rows are dropped, repeated or reordered")  # fmt: skip
            return made.with_columns(given[ROW])
        rows = made[ROW]
        if rows.equals(given[ROW], check_dtypes=True):
            return made
        if rows.null_count() or not rows.dtype.is_integer() or not rows.is_in(given[ROW].implode()).all():
            raise QpipeError(
                f"{self.target} gave rows back that never went in: {ROW} was changed", hint=f"leave {ROW} as it is"
            )
        return made.with_columns(rows.cast(pl.Int64))


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

    def asked(self) -> dict[int, str]:
        """What ``get_decisions()`` asks about rows of the batch just done."""
        method = getattr(self.made, "get_decisions", None)
        found = list(self.code.call("get_decisions", method) or ()) if method else []
        try:
            return {int(row): str(words) for row, words in found}
        except (TypeError, ValueError):
            raise QpipeError(f"{self.code.target}: get_decisions() gave {found[0]!r}",
                             hint=f"give pairs: a row's {ROW}, and what is asked about it in words") from None  # fmt: skip

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
