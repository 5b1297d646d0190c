"""What becomes of a batch when a user's own code breaks on it: tried again, then halved until the rows that break it are alone.

Those rows go on as they were, without the step's work, with a finding that says what the code said; all others are done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Step, Types
from qpipe.core.errors import CodeFailed
from qpipe.core.lazy import pl
from qpipe.spec.plan import OnError

MOST = 1000  # broken rows of a batch; beyond it, the code is broken rather than the data


def process(step: Step, frame: pl.DataFrame, context: Context, on_error: OnError, flag: str, said: str) -> pl.DataFrame:
    """The step's result, with two more columns where rows may be set aside: ``flag`` is true of rows that broke it, ``said``
    is what it said of them.

    Raises CodeFailed where rows are not to be set aside, or too many break it.
    """
    for _ in range(on_error.retry if step.repeatable else 0):
        with suppress(CodeFailed):
            return _marked(step.trial(frame, context), on_error, flag, said)
    if on_error.then == "fail" or not step.repeatable:
        return _marked(step.process(frame, context), on_error, flag, said)
    broken = 0
    parts = []
    for made, message in _parts(step, frame, context):
        parts.append(_done(made, flag, said) if message is None else _broken(made, step, context, message, flag, said))
        broken += message is not None
        if broken > MOST:
            return _done(step.process(frame, context), flag, said)
    return pl.concat(parts)


def _parts(step: Step, frame: pl.DataFrame, context: Context) -> Iterator[tuple[pl.DataFrame, str | None]]:
    """(what was made, None) of stretches that can be done, (a row as it was, what was said) of rows that cannot."""
    try:
        yield step.trial(frame, context), None
    except CodeFailed as error:
        if frame.height == 1:
            yield frame, error.message
            return
        half = frame.height // 2
        yield from _parts(step, frame.head(half), context)
        yield from _parts(step, frame.slice(half), context)


def _marked(made: pl.DataFrame, on_error: OnError, flag: str, said: str) -> pl.DataFrame:
    return made if on_error.then == "fail" else _done(made, flag, said)


def _done(made: pl.DataFrame, flag: str, said: str) -> pl.DataFrame:
    return made.with_columns(pl.lit(False).alias(flag), pl.lit(None, pl.String).alias(said))


def _broken(row: pl.DataFrame, step: Step, context: Context, message: str, flag: str, said: str) -> pl.DataFrame:
    """A row as the step would give it, but for what the step adds or changes."""
    wanted: Types = step.output_types(context.types)
    same = {name for name, type in wanted.items() if name in row.columns and row.schema[name] == type.polars()}
    cells = [pl.col(n) if n in same else pl.lit(None, dtype=t.polars()).alias(n) for n, t in wanted.items()]
    return row.select(ROW, *cells, pl.lit(True).alias(flag), pl.lit(message).alias(said))
