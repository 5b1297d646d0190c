"""detect_typos"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qpipe.core.component import Context, Relational, RowVerdict
from qpipe.core.lazy import pl
from qpipe.core.look_through import counted, rows_with
from qpipe.core.params import Columns, param
from qpipe.modules.transformation._text import not_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from qpipe.core.component import Types


class DetectTypos(Relational):
    """Rare values that are nearly a frequent one of the same column: probably misspelt.

    One edit away for short texts, two for long ones, swaps counted as one (optimal string alignment); the value that was
    meant is at least four times as frequent, ten times where two edits away. Texts that differ in digits only, or in a word of
    one capital (E Pittsburgh), are different things. At most 4,000 different values are compared, the most frequent with the
    rarest. Nulls are left out. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          detect_typos: city
        rows: [{city: Berlin}, {city: Berlin}, {city: Berlin}, {city: Berlin}, {city: Berlni}, {city: Bonn}, {city: null}]
        failed: [4]
        ```
        ```yaml
        module:
          detect_typos: {column: address, words: true}
        rows: [
          {address: 1 North Station Road}, {address: 2 South Station Road}, {address: 3 Old Station Road},
          {address: 4 New Station Road}, {address: 5 West Station Road}, {address: 6 East Station Road},
          {address: 7 High Station Road}, {address: 8 Low Station Road}, {address: 9 Mill Station Road},
          {address: 10 Hill Station Road}, {address: 11 Long Sttaion Road}]
        failed: [10]
        ```
    """

    dimension = "accuracy"
    like = ("typo", "misspelling", "near duplicate values", "fuzzy", "cluster and edit", "levenshtein", "spelling")

    columns: Columns = param(help="the columns of texts", short=True, alias="column")
    words: bool = param(False, help="also misspelt words within the texts")
    confidence: float = param(0.6, help="how sure it must be, from 0 to 1", minimum=0, maximum=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text(self.columns, types)

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        return {f"v{n}": pl.col(column).cast(pl.String) for n, column in enumerate(self.columns)}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        cells = [f"v{n}" for n in range(len(self.columns))]
        found = [rows_with(collected, pl.DataFrame({v: self._misspelt(collected, v)}, {v: pl.String})) for v in cells]
        words = "no near miss of a frequent value"
        return tuple(RowVerdict(rows, (column,), words) for rows, column in zip(found, self.columns, strict=True))

    def _misspelt(self, collected: Any, cell: str) -> list[str]:
        from qpipe.analysis.typos import typos
        from qpipe.analysis.words import with_misspelt_words

        if not collected.has_rows:
            return []
        counts = counted(collected, [cell])
        if counts is None:
            most = f"select {cell}, count(*) as n from data where {cell} is not null group by 1 order by 2 desc, 1 limit 100000"
            connection = collected.connect()
            try:
                counts = connection.sql(most).pl()
            finally:
                connection.close()
        counts = counts.rename({cell: "value", "n": "count"}).sort("count", "value", descending=[True, False])
        found = [typo.value for typo in typos(counts) if typo.confidence >= self.confidence]
        return [*found, *with_misspelt_words(counts.filter(~pl.col("value").is_in(found)))] if self.words else found
