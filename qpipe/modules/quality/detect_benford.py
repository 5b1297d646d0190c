"""detect_benford"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Column, param

if TYPE_CHECKING:
    import polars as pl

_EXPECTED = [math.log10(1 + 1 / digit) for digit in range(1, 10)]
_SLACK = 1e-12  # of a logarithm: 200 must not be just below 2


class DetectBenford(Gate):
    """The first digits of amounts are spread as Benford's law has it: invented numbers seldom are.

    Judged by the mean absolute deviation from the law (Nigrini 2012: up to 0.006 close, 0.012 acceptable, above 0.015 not).
    It holds for amounts, populations, invoice totals over several powers of ten; not for prices near a threshold, numbers
    that were given out, or human heights. Zeros, nulls, NaN and infinities are left out; signs do not count. Fewer than
    `min_rows` numbers: not evaluated.

    Examples:
        ```yaml
        module:
          detect_benford: {column: amount, min_rows: 9}
        rows: [{amount: 5}, {amount: 51}, {amount: 52}, {amount: 53}, {amount: 54}, {amount: 55}, {amount: 56}, {amount: 57},
               {amount: 58}]
        outcome: fail
        ```
    """

    dimension = "accuracy"
    like = ("benford", "first digit law", "newcomb benford", "fraud detection", "leading digit")

    column: Column = param(help="the column of amounts", short=True)
    max: float = param(0.015, help="the mean absolute deviation allowed", exclusiveMinimum=0)
    min_rows: int = param(500, help="fewer numbers say nothing", minimum=9)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if types and self.column in types and types[self.column].kind not in ("integer", "float", "decimal", "any"):
            yield "column", f"{self.column} is {types[self.column].kind}, not a number"

    def measures(self, context: Context) -> dict[str, Measure]:
        number = pl.col(self.column).cast(pl.Float64).abs()
        usable = pl.when(number.is_finite() & (number > 0)).then(number)
        place = usable.log10() + _SLACK
        place = place - place.floor()  # from 0 to 1, of what the digits are without the point: 1 to 10
        digits = {n: place.is_between(math.log10(n), math.log10(n + 1), closed="left") for n in range(1, 10)}
        return {f"{n}": Measure(digit.sum()) for n, digit in digits.items()}

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        counts = [int(values[f"{n}"] or 0) for n in range(1, 10)] if values["rows"] else [0] * 9
        total, words = sum(counts), f"first digits as Benford has them, within {self.max:g}"
        if total < self.min_rows:
            return Verdict("not evaluated", {}, words, f"fewer than {self.min_rows} numbers")
        off = [count / total - expected for count, expected in zip(counts, _EXPECTED, strict=True)]
        deviation = sum(map(abs, off)) / 9
        worst = max(range(9), key=lambda n: abs(off[n]))
        told = (
            f"{self.column}: the first digits are {deviation:.4f} off Benford's law on average; {worst + 1} leads "
            f"{counts[worst] / total:.1%} of the numbers, expected {_EXPECTED[worst]:.1%}"
        )
        return Verdict("pass" if deviation <= self.max else "fail", {"deviation": deviation}, words,
                       "" if deviation <= self.max else told)  # fmt: skip
