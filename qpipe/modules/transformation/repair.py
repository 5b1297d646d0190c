"""repair"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Severity
from qpipe.core.component import Context, Transform, Types
from qpipe.core.errors import DataRefused, QpipeError
from qpipe.core.params import Columns, SourceRef, Tolerance, param
from qpipe.modules._settling import _Told, leave, left
from qpipe.modules.transformation._reshaping import Reshaping, name

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.gather import Table

_SHOWN = 200  # different changes that are told by themselves; the rest is told by column


class Repair(Reshaping):
    """Cells become what the other rows with the same determinant say, or what a reference says; every change is told.

    Among rows with the same determinant the dependent cell becomes the value that at least `majority` of those with a value
    have, and at least two of them; where no value has so many, nothing changes. With `from`, it becomes what the reference has
    for that determinant, whose rows must be unique in it. A null is filled, too, unless `fill: false`; rows with a null in
    their determinant stay as they are. Each changed cell is a finding of the given severity (info, unless said otherwise: it
    sends no row away) that says what stood there. When more than `max_change` of the cells would change, the run is refused:
    then the rule is wrong, not the data. To find such cells without changing them, use depends_on.

    Examples:
        ```yaml
        module:
          repair: {determinant: zip, dependent: [city]}
        rows:
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Born}
          - {zip: "53111", city: null}
          - {zip: "50667", city: Koeln}
          - {zip: null, city: Bern}
        gives:
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Bonn}
          - {zip: "53111", city: Bonn}
          - {zip: "50667", city: Koeln}
          - {zip: null, city: Bern}
        failed: [2, 3]
        ```
        ```yaml
        module:
          repair: {determinant: code, dependent: country, from: countries, fill: false}
        tables: {countries: [{code: DE, country: Germany}, {code: FR, country: France}]}
        rows: [{code: DE, country: Germny}, {code: FR, country: null}, {code: XX, country: Utopia}]
        gives: [{code: DE, country: Germany}, {code: FR, country: null}, {code: XX, country: Utopia}]
        failed: [0]
        ```
    """

    same_rows = True
    dimension = "consistency"
    like = ("functional dependency repair", "majority vote", "impute from group", "baran", "holoclean", "data repair")

    determinant: Columns = param(help="the columns that tell the others")
    dependent: Columns = param(help="the columns that are repaired, each on its own")
    source: SourceRef | None = param(None, alias="from", help="a reference source that has these columns and knows better")
    majority: float = param(0.6, help="the share of the rows with a value that must agree", minimum=0.5, maximum=1)
    fill: bool = param(True, help="nulls are repaired, too")
    max_change: Tolerance | None = param(None, help="the share (5%) or count of cells of a column that may change at most")
    severity: Severity = param("info", help="of the finding that tells a change")

    def references(self) -> tuple[str, ...]:
        return (self.source,) if self.source else ()

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if both := sorted({*self.determinant} & {*self.dependent}):
            yield "dependent", f"{both[0]} cannot tell itself"
        if self.where is not None:
            yield "where", "this step is for all rows: filter or route the others before"

    def tables(self, collected: Table, context: Context) -> dict[str, pl.DataFrame]:
        """What each determinant tells, for each dependent column; the changes are left beside the result."""
        told = {f"_told{n}": self._told(collected, column, context) for n, column in enumerate(self.dependent)}
        changes: list[Any] = []
        for n, column in enumerate(self.dependent):
            changes += self._changes(collected, n, column, told[f"_told{n}"])
        leave(collected.directory, changes)
        return told

    def query(self, context: Context) -> str:
        cells = [
            f"case when {self._wrong(self.dependent.index(c), c)} then _told{self.dependent.index(c)}.should"
            f" else data.{name(c)} end as {name(c)}"
            if c in self.dependent
            else f"data.{name(c)}"
            for c in context.types
        ]
        return f"select data._row, {', '.join(cells)} from data {' '.join(self._joins())}"

    def settle(self, folder: Path, context: Context) -> Transform | None:
        changes = left(folder)
        if not changes:
            return None
        return _Told(id=self.id or self.name, rows=tuple(map(tuple, changes)), severity=self.severity)

    def _joins(self) -> list[str]:
        met = " and ".join(f"_told{{n}}.k{at} = data.{name(c)}" for at, c in enumerate(self.determinant))
        return [f"left join _told{n} on {met.format(n=n)}" for n in range(len(self.dependent))]

    def _wrong(self, n: int, column: str) -> str:
        differs = f"_told{n}.should is not null and data.{name(column)} is distinct from _told{n}.should"
        return differs if self.fill else f"{differs} and data.{name(column)} is not null"

    def _told(self, collected: Table, column: str, context: Context) -> pl.DataFrame:
        if self.source:
            return self._reference(column, context)
        keys = ", ".join(f"{name(c)} as k{at}" for at, c in enumerate(self.determinant))
        names = ", ".join(f"k{at}" for at in range(len(self.determinant)))
        full = " and ".join(f"{name(c)} is not null" for c in (*self.determinant, column))
        query = f"""
            with each_ as (select {keys}, {name(column)} as v, count(*) as n, min(_row) as first_ from data where {full}
                           group by all)
            select {names}, arg_max(v, (n, -first_)) as should from each_ group by {names}
            having max(n) >= {self.majority} * sum(n) and max(n) > 1"""
        if not collected.has_rows:
            query = f"select {', '.join(f'null as k{at}' for at in range(len(self.determinant)))}, null as should limit 0"
        return _asked(collected, query)

    def _reference(self, column: str, context: Context) -> pl.DataFrame:
        assert self.source
        table = context.tables[self.source]
        for wanted in (*self.determinant, column):
            if wanted not in table.columns:
                raise QpipeError(f"{self.source} has no column '{wanted}'; it has {', '.join(table.columns)}")
        told = table.select(**{f"k{at}": c for at, c in enumerate(self.determinant)}, should=column).drop_nulls().unique()
        keys = [c for c in told.columns if c != "should"]
        if (twice := told.filter(told.select(keys).is_duplicated())).height:
            shown = "; ".join(", ".join(map(str, row)) for row in sorted(twice.rows(), key=str)[:4])
            raise DataRefused(f"{self.source} says two things of the same {', '.join(self.determinant)}: {shown}",
                              hint="mend the reference, or take more columns as the determinant")  # fmt: skip
        return told

    def _changes(self, collected: Table, n: int, column: str, told: pl.DataFrame) -> list[Any]:
        """[column, what was expected, rows] for each kind of change, the most frequent first."""
        if not collected.has_rows:
            return []
        query = (
            f"select data.{name(column)}::varchar as was, _told{n}.should::varchar as should,"
            f" list(_row order by _row) as rows_, count(*) as n"
            f" from data {self._joins()[n]} where {self._wrong(n, column)} group by 1, 2"
            " order by n desc, 2, 1 nulls last"
        )
        found = _asked(collected, query, {f"_told{n}": told})
        changed, rows = int(found["n"].sum() or 0), int(_asked(collected, "select count(*) from data").item())
        allowed = self.max_change
        if allowed is not None and changed > (allowed * rows if allowed < 1 else allowed):
            raise DataRefused(
                f"{self.id or self.name} would change {changed} of {rows} cells of {column}, more than max_change allows",
                hint="look at them with depends_on, and mend the rule, or allow more",
            )
        by = ", ".join(self.determinant)
        words = "what {} says of this {}: '{}'; it was {}"
        said = self.source or "most rows"
        made = [
            [column, words.format("the reference" if self.source else said, by, new, "empty" if was is None else f"'{was}'"), r]
            for was, new, r in found.head(_SHOWN).select("was", "should", "rows_").rows()
        ]
        rest = found[_SHOWN:]["rows_"].explode().to_list() if found.height > _SHOWN else []
        return [*made, [column, f"what {said} says of this {by}", rest]] if rest else made


def _asked(collected: Table, query: str, tables: dict[str, pl.DataFrame] | None = None) -> pl.DataFrame:
    connection = collected.connect(tables)
    try:
        made: pl.DataFrame = connection.sql(query).pl()
    finally:
        connection.close()
    return made
