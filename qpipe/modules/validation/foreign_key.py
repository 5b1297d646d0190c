"""foreign_key"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.core.params import ColumnRef, Columns, param
from qpipe.modules.validation._keyset import absent

if TYPE_CHECKING:
    import polars as pl


class ForeignKey(Check):
    """Every key occurs in a reference table.

    The table is a source with `role: reference`. Several columns make one key: name as many columns of the table, in the same
    order. A key with a null passes, as in SQL; NaN equals NaN; an empty text is a value like any other. With `negate: true` the
    key must not occur: a list of blocked ones. Zero rows, or null keys only: not evaluated.

    Examples:
        ```yaml
        module:
          foreign_key: {column: customer, references: customers.id}
        tables: {customers: [{id: 1}, {id: 2}]}
        rows: [{customer: 2}, {customer: 3}, {customer: null}]
        failed: [1]
        ```
        ```yaml
        module:
          foreign_key: {columns: [country, city], references: [places.country, places.name]}
        tables: {places: [{country: DE, name: Bonn}, {country: FR, name: Metz}]}
        rows: [{country: DE, city: Bonn}, {country: FR, city: Bonn}, {country: null, city: Rome}]
        failed: [1]
        ```
    """

    dimension = "integrity"
    like = (
        "relationships", "relationships_where", "ReferentialIntegrity", "valid_reference_data",
        "values must exist in", "col_vals_in_table", "foreign-key", "references", "relationship",
        "require_relationship_one_to_at_least_one", "is_in_table", "reference", "invalid reference",
    )  # fmt: skip

    columns: Columns = param(help="the columns that make the key together", alias="column")
    references_: ColumnRef | tuple[str, ...] = param(help="source.column of a reference source, or a list of them")
    negate: bool = param(False, help="the key must not occur there")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        theirs = self._their_columns()
        if len(self.references()) > 1:
            yield "references", f"one table, not {len(self.references())}: {', '.join(self.references())}"
        if len(theirs) != len(self.columns):
            yield "references", f"{len(self.columns)} columns refer to {len(theirs)}"

    def references(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(reference.partition(".")[0] for reference in self._written()))

    def rules(self, context: Context) -> tuple[Rule, ...]:
        missing = absent(self.columns, self._keys(context))
        full = pl.all_horizontal(pl.col(column).is_not_null() for column in self.columns)
        bad = full & ~missing if self.negate else missing
        return (Rule(bad, self.columns, f"{'not ' if self.negate else ''}in {', '.join(self._written())}", full),)

    def _keys(self, context: Context) -> pl.DataFrame:
        """The table's keys as the columns' own types have them; keys that those types cannot hold never match."""
        source = self.references()[0]
        table = context.tables.get(source)
        if table is None:
            raise QpipeError(f"there is no reference table '{source}'", hint="give the source `role: reference`")
        chosen = {}
        for column, theirs in zip(self.columns, self._their_columns(), strict=True):
            if theirs not in table.columns:
                raise QpipeError(f"{source} has no column '{theirs}'", hint=f"it has {', '.join(table.columns)}")
            chosen[column] = _as(table[theirs], context.types[column].polars(), f"{source}.{theirs}", column)
        return pl.DataFrame(chosen)

    def _written(self) -> tuple[str, ...]:
        return (self.references_,) if isinstance(self.references_, str) else tuple(self.references_)

    def _their_columns(self) -> tuple[str, ...]:
        """The table's name alone stands for columns of the same names."""
        if isinstance(self.references_, str) and "." not in self.references_:
            return self.columns
        return tuple(reference.partition(".")[2] for reference in self._written())


def _as(theirs: pl.Series, wanted: pl.DataType, name: str, column: str) -> pl.Series:
    if theirs.dtype == wanted:
        return theirs
    texts = (pl.String, pl.Categorical, pl.Enum)
    if (theirs.dtype.base_type() in texts) != (wanted.base_type() in texts):
        raise QpipeError(f"{name} is {theirs.dtype}, but {column} is {wanted}", hint="cast one of them")
    try:
        cast = theirs.cast(wanted, strict=False)
        same = cast.cast(theirs.dtype, strict=False).eq_missing(theirs)
    except pl.exceptions.PolarsError as error:
        raise QpipeError(f"{name} is {theirs.dtype}, but {column} is {wanted}", hint="cast one of them") from error
    return cast.set(~same, None)  # 1.005 is not 1.00, 300 does not fit 8 bits
