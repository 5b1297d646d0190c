"""sample"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import np, pl
from qpipe.core.params import Columns, param
from qpipe.modules._share import share_of

if TYPE_CHECKING:
    import polars as pl

_GRAIN = 1 << 32


class Sample(Transform):
    """A share of the rows stays, chosen by chance, the same ones every time; the others are dropped and counted.

    Chance is a hash of the row's number and the `seed`, or of the values of `by`: then all rows that agree in them stay or
    go together, in every run and every file, as long as those values are the same. The share is met on average. Nulls in
    `by` are values like any other.

    Examples:
        ```yaml
        module:
          sample: {share: "100%"}
        rows: [{n: 1}, {n: 2}]
        gives: [{n: 1}, {n: 2}]
        ```
        ```yaml
        module:
          sample: {share: 0.5, by: customer, seed: 3}
        rows: [{customer: a}, {customer: b}, {customer: a}, {customer: c}]
        dropped: [3]
        ```
    """

    like = ("sample", "tablesample", "random sample", "subsample", "df.sample", "hash sampling")

    share: float | str = param(help="how many stay: 0.1, 10%", short=True)
    by: Columns | None = param(None, help="rows that agree in these columns stay or go together")
    seed: int = param(0, help="another number, another choice")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        try:
            if not 0 <= self._part <= 1:
                yield "share", "a share is from 0 to 1, or from 0% to 100%"
        except ValueError:
            yield "share", f"'{self.share}' is no share: write 0.1 or 10%"

    def keeps(self, context: Context) -> pl.Expr:
        stays = partial(_stays, seed=self.seed, limit=int(self._part * _GRAIN))
        return self._number().map_batches(stays, return_dtype=pl.Boolean(), is_elementwise=True)

    @property
    def _part(self) -> float:
        return share_of(self.share)

    def _number(self) -> pl.Expr:
        """A number that is the same for what stays or goes together."""
        if not self.by:
            return pl.col(ROW)
        from qpipe.modules._stable import stable_hash

        return stable_hash(self.by)


def _stays(numbers: pl.Series, seed: int, limit: int) -> pl.Series:
    """Whether what is made of each number, evenly from 0 to 2**32, is below the limit.

    Made by multiplication and folding, twice (after Knuth, TAOCP 3, 6.4), in 32 bits, which wrap around.
    """
    wide = numbers.to_numpy().view(np.uint64)
    mixed = (wide ^ (wide >> np.uint64(32))).astype(np.uint32)
    for factor in (2654435761, 2246822519):
        mixed += np.uint32((seed + 1) % _GRAIN)
        mixed *= np.uint32(factor)
        mixed ^= mixed >> np.uint32(15)
    return pl.Series(numbers.name, mixed <= np.uint32(limit - 1) if limit else np.zeros(mixed.size, dtype=bool))
