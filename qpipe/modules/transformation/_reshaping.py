"""Steps that put other rows in the place of all rows: a query over the whole data set, out of core."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational
from qpipe.core.gather import Table
from qpipe.core.lazy import pl
from qpipe.modules._result import as_declared, keep

if TYPE_CHECKING:
    import polars as pl

_ROWS = 100_000  # of a part of the result
# the data with the place of each row in its order: rows of one origin share _row
IN_PLACE = "(select *, row_number() over () as __place from data)"


class Reshaping(Relational):
    """Write ``query``: a select over ``data``, which has all columns and ``_row``. It must name its order."""

    effect = "replace"
    same_rows: ClassVar[bool] = False  # the query selects _row: its rows are rows of before

    def query(self, context: Context) -> str:
        raise NotImplementedError

    def tables(self, collected: Table, context: Context) -> dict[str, pl.DataFrame]:
        """What else the query selects from."""
        return {}

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {column: pl.col(column) for column in context.types}

    def replace(self, collected: Any, context: Context) -> Path:
        assert isinstance(collected, Table)
        folder, part = collected.directory / "result", collected.directory / "result.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        wanted = dict(self.output_types(context.types))
        connection = collected.connect(self.tables(collected, context))
        try:
            if not collected.has_rows:
                schema = {ROW: pl.Int64(), **{name: type.polars() for name, type in context.types.items()}}
                connection.register("data", pl.DataFrame(schema=schema))
            reader = connection.sql(self._in_order(context)).to_arrow_reader(_ROWS)
            frames = (pl.DataFrame(pl.from_arrow(batch)) for batch in reader)
            empty = pl.DataFrame(pl.from_arrow(reader.schema.empty_table()))
            for number, frame in enumerate((empty, *frames)):
                keep(as_declared(frame, wanted), part / f"part-{number:06d}.parquet")
        finally:
            connection.close()
        shutil.rmtree(folder, ignore_errors=True)
        part.rename(folder)
        return folder

    def _in_order(self, context: Context) -> str:
        return f"select * from ({self.query(context)}) order by {ROW}" if self.same_rows else self.query(context)


def name(column: str) -> str:
    """A column's name in SQL."""
    return '"' + column.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"
