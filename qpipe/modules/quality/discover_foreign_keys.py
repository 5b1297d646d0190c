"""discover_foreign_keys"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.modules.validation._keyset import reference_keys

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.component import Types

NEARLY = 0.002  # of the reference's rows may repeat a key
SAMPLE = 100_000  # distinct values of a column that are looked at


@dataclass(frozen=True)
class _Found:
    column: str
    source: str
    key: str
    sure: float
    keys: pl.DataFrame  # as the column's type has them


class DiscoverForeignKeys(Relational):
    """Keys that are not in the table they belong to, though nobody wrote down that they refer to it.

    Each of the columns is compared with each column of the reference sources that tells their rows apart. A column refers to
    a key when its distinct values are nearly all there: 60 % where the names say so (`customer_id` and `customers.id`), 90 %
    where they do not and chance cannot explain it (whole numbers from 1 on are in every table). Of several keys the surest
    is taken. Bad are the rows whose value is not there. Null passes; an empty text is a value; types must agree. No foreign
    key found, or zero rows: not evaluated. Where the reference is known, `foreign_key` says it.

    Examples:
        ```yaml
        module:
          discover_foreign_keys: {columns: [customer_id, amount], references: [customers]}
        tables: {customers: [{id: 1, city: Bonn}, {id: 2, city: Bonn}, {id: 3, city: Ulm}]}
        rows:
          - {customer_id: 1, amount: 7}
          - {customer_id: 2, amount: 1}
          - {customer_id: 3, amount: 9}
          - {customer_id: 8, amount: 4}
          - {customer_id: null, amount: 4}
        failed: [3]
        ```
    """

    dimension = "integrity"
    like = (
        "discover_foreign_keys", "inclusion dependencies", "ind discovery", "foreign key discovery", "find relationships",
        "relationship suggestion",
    )  # fmt: skip

    columns: Columns = param(help="the columns that may refer to another table", short=True, alias="column")
    references_: tuple[str, ...] = param(help="the reference sources they may refer to")
    confidence: float = param(0.6, help="how sure a foreign key must be, from 0 to 1", minimum=0, maximum=1)

    def references(self) -> tuple[str, ...]:
        return tuple(self.references_)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if not self.references_:
            yield "references", "name a source with role: reference"

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {f"v{n}": pl.col(column) for n, column in enumerate(self.columns)}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        if not collected.has_rows:
            return ()
        found = []
        for n, column in enumerate(self.columns):
            best = self._best(column, self._values(collected, n), context)
            if best is not None:
                query = f"select {ROW} from data anti join keys_ on v{n} = keys_.key where v{n} is not null order by {ROW}"
                missing = collected.rows(query, {"keys_": best.keys})
                found.append(RowVerdict(missing, (column,), f"in {best.source}.{best.key}, as most are"))
        return tuple(found)

    def _values(self, collected: Any, n: int) -> pl.Series:
        """Distinct values of a column, or so many of them, chosen by their hash."""
        connection = collected.connect()
        try:
            some = f"select distinct v{n} as key from data where v{n} is not null order by hash(v{n}), v{n} limit {SAMPLE}"
            values: pl.Series = connection.sql(some).pl().to_series()
            return values
        finally:
            connection.close()

    def _best(self, column: str, values: pl.Series, context: Context) -> _Found | None:
        judged = [self._judged(column, values, source, key, context) for source in self.references_
                  for key in _keys(source, context)]  # fmt: skip
        sure = [each for each in judged if each is not None and each.sure >= max(self.confidence, 1e-9)]
        return max(sure, key=lambda each: each.sure) if sure else None

    def _judged(self, column: str, values: pl.Series, source: str, key: str, context: Context) -> _Found | None:
        from qpipe.analysis.inclusion import confidence

        try:
            keys = reference_keys([column], source, [key], context).rename({column: "key"}).drop_nulls().unique()
        except QpipeError:
            return None  # of another type
        if not values.len() or not keys.height:
            return None
        included = float(values.is_in(keys["key"].implode()).mean() or 0.0)  # type: ignore[arg-type]
        sides = _side("", column, values), _side(source, key, keys["key"])
        return _Found(column, source, key, confidence(*sides, included, values.len()), keys)


def _keys(source: str, context: Context) -> list[str]:
    """The columns of a reference source that tell its rows apart."""
    table = context.tables.get(source)
    if table is None:
        raise QpipeError(f"there is no reference table '{source}'", hint="give the source `role: reference`")
    plain = [c for c in table.columns if not table[c].dtype.is_nested() and not table[c].dtype.is_float()]
    return [c for c in plain if table[c].drop_nulls().n_unique() >= (1 - NEARLY) * table.height > 1]


def _side(table: str, column: str, values: pl.Series) -> Any:
    from qpipe.analysis.inclusion import Side

    text = values.dtype == pl.String
    length = float(values.str.len_chars().mean() or 0.0) if text else 0.0  # type: ignore[arg-type]
    digits = text and bool(values.head(5).str.contains(r"^\d+$").all())
    return Side(table, column, text, values.n_unique(), length, alphabet=10 if digits else 26)
