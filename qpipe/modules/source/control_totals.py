"""control_totals"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Path, param


class ControlTotals(Gate):
    """The rows and sums are those that the sender wrote down, in a control file or in the spec.

    `file` is JSON, or lines of `name=value` or `name,value`; `rows` and `sums` then say under which names the totals stand.
    Without a file they are the totals themselves. Nulls add nothing. `within` is how far a sum may be off. Zero rows are judged
    like any other number.

    Examples:
        ```yaml
        module:
          control_totals: {rows: 2, sums: {amount: 30}}
        schema: {amount: int}
        rows: [{amount: 10}, {amount: 20}]
        outcome: pass
        ```
        ```yaml
        module:
          control_totals: {sums: {amount: 31}}
        schema: {amount: int}
        rows: [{amount: 10}, {amount: 20}]
        outcome: fail
        ```
    """

    dimension = "integrity"
    like = ("control_totals", "row_count_match", "RowCountMatch", "AggregateMatch", "row-count", "trailer_record")

    file: Path | None = param(None, help="the control file")
    rows: int | str | None = param(None, help="how many rows; with a file, the name of that total")
    sums: dict[str, Any] = param(None, help="column → its sum; with a file, the name of that total")
    within: float = param(0.0, help="how far a sum may be off", minimum=0)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.rows is None and not self.sums:
            yield "rows", "say which totals: rows, sums or both"
        for column in self.sums or ():
            kind = types[column].kind if types and column in types else "any"
            if types and column not in types:
                yield "sums", f"there is no column {column}"
            elif kind not in ("integer", "float", "decimal", "any"):
                yield "sums", f"{column} is {kind}: only numbers have a sum"

    def reads(self) -> Iterator[tuple[str, str]]:
        for column in self.sums or ():
            yield "sums", column

    def measures(self, context: Context) -> dict[str, Measure]:
        return {
            f"sum {column}": Measure(pl.col(column).cast(pl.Decimal(38, 9), strict=False).sum()) for column in self.sums or ()
        }

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        try:
            totals = _read((context.directory / self.file).read_text()) if self.file else None
            wanted = {"rows": self.rows} if self.rows is not None else {}
            wanted |= {f"sum {column}": name for column, name in (self.sums or {}).items()}
            expected = {what: Decimal(str(totals[str(name)] if totals is not None else name)) for what, name in wanted.items()}
        except KeyError as error:
            return Verdict("error", message=f"{self.file} has no total named {error}")
        except (OSError, ValueError, ArithmeticError) as error:
            return Verdict("error", message=f"the control totals cannot be read: {error}")
        observed = {what: values.get(what) or 0 for what in expected}
        wrong = [
            f"{what} is {observed[what]:,}, the control total is {total:,}"
            for what, total in expected.items()
            if abs(Decimal(str(observed[what])) - total) > (0 if what == "rows" else Decimal(str(self.within)))
        ]
        return Verdict("fail", observed, message="; ".join(wrong)) if wrong else Verdict("pass", observed)


def _read(text: str) -> dict[str, Any]:
    """The totals by name."""
    if text.lstrip().startswith("{"):
        found = json.loads(text, parse_float=Decimal)
        return {str(name): value for name, value in found.items()}
    totals = {}
    for line in text.splitlines():
        name, sign, value = line.partition("=") if "=" in line else line.partition(",")
        if sign:
            totals[name.strip()] = value.strip().strip('"')
    return totals
