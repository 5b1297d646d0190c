"""control_totals"""

from __future__ import annotations

import glob
import json
import os
import pathlib
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.lazy import pl
from qpipe.core.params import Path, param

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

_END = 1 << 16  # bytes


class ControlTotals(Gate):
    """The rows and sums are those that the sender wrote down, in a control file or in the spec.

    `file` is JSON, or lines of `name=value` or `name,value`; `rows` and `sums` then say under which names the totals stand.
    Without a file they are the totals themselves. `record` finds them in a header or trailer record instead: a regular
    expression whose named groups are the totals, for one line among the first or last 64 kB of each file; those of several
    files are added. Such lines are no rows: name their beginning under `comment` of the source. Nulls add nothing. `within` is
    how far a sum may be off. Zero rows are judged like any other number.

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

    file: Path | None = param(None, help="the control file; with record, the data files: in/*.csv")
    record: str | None = param(None, help="a header or trailer record: T,(?P<count>[0-9]+),(?P<total>[0-9.]+)")
    rows: int | str | None = param(None, help="how many rows; with a file, the name of that total")
    sums: dict[str, Any] = param(None, help="column → its sum; with a file, the name of that total")
    within: float = param(0.0, help="how far a sum may be off", minimum=0)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.rows is None and not self.sums:
            yield "rows", "say which totals: rows, sums or both"
        if self.record is not None:
            if self.file is None:
                yield "record", "say under file where that record stands"
            try:
                known = re.compile(self.record).groupindex
            except re.error as error:
                yield "record", f"this is no regular expression: {error}"
            else:
                for name in [self.rows, *(self.sums or {}).values()]:
                    if name is not None and name not in known:
                        yield "record", f"it has no group named {name}: (?P<{name}>…)"
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
        return {f"sum {column}": Measure(_exact(column, context.types[column]).sum()) for column in self.sums or ()}

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        try:
            totals = self._totals(context) if self.file else None
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

    def _totals(self, context: Context) -> dict[str, Any]:
        if self.record is None:
            return _read((context.directory / str(self.file)).read_text())
        found: dict[str, Any] = {}
        for name in sorted(glob.glob(str(self.file), root_dir=context.directory)):
            lines = [hit for line in _ends(context.directory / name) if (hit := re.fullmatch(self.record, line))]
            if len(lines) != 1:
                raise ValueError(f"{os.path.basename(name)} has {len(lines) or 'no'} such records, not one")
            for total, value in lines[0].groupdict().items():
                found[total] = found.get(total, Decimal(0)) + Decimal(value)
        if not found:
            raise ValueError(f"there is no file {self.file}")
        return found


def _exact(column: str, type_: DataType) -> pl.Expr:
    return pl.col(column).cast(pl.Int128() if type_.kind == "integer" else pl.Decimal(38, 9), strict=False)


def _ends(name: pathlib.Path) -> list[str]:
    """The first and the last lines of a file."""
    with open(name, "rb") as file:
        head = file.read(2 * _END)
        file.seek(max(len(head), file.seek(0, os.SEEK_END) - _END))
        tail = file.read()
    whole = head if not tail else head[: head.rfind(b"\n") + 1] + tail[tail.find(b"\n") + 1 :]
    return [line.removesuffix("\r") for line in whole.decode("utf-8", "replace").split("\n")]


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
