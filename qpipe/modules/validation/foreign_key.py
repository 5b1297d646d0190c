"""foreign_key"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.lazy import pl
from qpipe.core.params import ColumnRef, Columns, param
from qpipe.modules.validation._keyset import absent, reference_keys, their_columns, written

if TYPE_CHECKING:
    import polars as pl


class ForeignKey(Check):
    """Every key occurs in a reference table.

    The table is a source with `role: reference`. Several columns make one key: name as many columns of the table, in the
    same order. A key with a null passes, as in SQL; NaN equals NaN; an empty text is a value like any other. With `negate:
    true` the key must not occur: a list of blocked ones. One row for each key at most (1-1) is said by `unique` on the same
    columns beside it, one at least by `covers`. Zero rows, or null keys only: not evaluated.

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
        "relationships", "relationships_where", "ReferentialIntegrity", "valid_reference_data", "values must exist in",
        "col_vals_in_table", "foreign-key", "references", "relationship", "require_relationship_one_to_at_least_one",
        "require_relationship_one_to_one",
        "is_in_table", "reference", "invalid reference",
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
        missing = absent(self.columns, reference_keys(self.columns, self.references()[0], self._their_columns(), context))
        full = pl.all_horizontal(pl.col(column).is_not_null() for column in self.columns)
        bad = full & ~missing if self.negate else missing
        return (Rule(bad, self.columns, f"{'not ' if self.negate else ''}in {', '.join(self._written())}", full),)

    def _written(self) -> tuple[str, ...]:
        return written(self.references_)

    def _their_columns(self) -> tuple[str, ...]:
        return their_columns(self.references_, self.columns)
