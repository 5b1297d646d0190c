"""The one pass over all rows: exact figures, sketches and a sample for what would cost too much over everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qpipe.analysis.kinds import Reading, counted, infer, read
from qpipe.analysis.sketch import Counts, Distinct, Moments, RowSample, Unrepeated
from qpipe.core.component import Context, Source
from qpipe.core.lazy import np, pl
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl

ROWS = 250_000  # in a chunk
LOOKED = 20_000  # rows that tell the types
CELLS = 8_000_000  # kept in the sample
_FEW = 0.2  # of a chunk's values are distinct: frequent ones are counted


@dataclass
class ColumnScan:
    """What is gathered of one column."""

    name: str
    dtype: Any
    reading: Reading
    rows: int = 0
    nulls: int = 0
    blanks: int = 0
    unfit: int = 0
    least: Any = None
    greatest: Any = None
    shortest: int | None = None
    longest: int | None = None
    letters: int = 0
    moments: Moments = field(default_factory=Moments)
    distinct: Distinct = field(default_factory=Distinct)
    unrepeated: Unrepeated = field(default_factory=Unrepeated)
    counts: Counts = field(default_factory=Counts)

    @property
    def is_text(self) -> bool:
        return bool(self.dtype == pl.String)

    @property
    def is_number(self) -> bool:
        return self.reading.is_number

    @property
    def is_ordered(self) -> bool:
        return self.is_number or self.reading.kind in ("date", "datetime", "time")


@dataclass
class Scan:
    """A source, read once."""

    name: str
    columns: dict[str, ColumnScan]
    sample: RowSample
    rows: int = 0
    faults: int = 0


def scan(name: str, source: Source, context: Context, *, quick: bool = False) -> Scan:
    """Read all rows. Memory is bounded by the sample and the sketches, whatever there is to read."""
    types = source.columns(context)
    found = Scan(name, {}, RowSample(max(20_000, CELLS // max(1, len(types)))))
    if quick:
        found.sample = RowSample(LOOKED)
    for chunk in source.read(context, None, ROWS):
        frame = chunk.frame.select(c for c in chunk.frame.columns if c in types)
        found.faults += sum(fault.severity == "error" for fault in chunk.faults)
        _add(found, frame)
    if not found.columns:
        empty = pl.DataFrame(schema={c: t.polars() for c, t in types.items()})
        found.columns = {c: _first(c, empty[c]) for c in empty.columns}
    return found


def _add(found: Scan, frame: pl.DataFrame) -> None:
    for name in frame.columns:
        if name not in found.columns:
            found.columns[name] = _first(name, frame[name])
            found.columns[name].rows = found.columns[name].nulls = found.rows  # rows of files without this column
    columns = [found.columns[name] for name in frame.columns]
    told = frame.lazy().select([e for c in columns for e in _asked(c)]).collect(engine="in-memory").row(0, named=True)
    for column in columns:
        _take(column, told, frame.height)
        _gather(column, frame[column.name])
    found.rows += frame.height
    found.sample.add(frame)


def _first(name: str, cells: pl.Series) -> ColumnScan:
    """The type that the first rows have."""
    if cells.dtype == pl.String:
        return ColumnScan(name, cells.dtype, infer(counted(cells.head(LOOKED))))
    return ColumnScan(name, cells.dtype, Reading(str(DataType.of(cells.dtype)), None, 1.0, len(cells)))


def values_of(column: ColumnScan) -> pl.Expr:
    """The cells as values of the type."""
    cell = pl.col(column.name)
    return read(cell, column.reading) if column.is_text else cell


def _asked(c: ColumnScan) -> Iterator[pl.Expr]:
    cell, value = pl.col(c.name), values_of(c)
    yield cell.null_count().alias(f"{c.name}\0nulls")
    if c.is_text:
        length = cell.str.len_chars() if not c.is_ordered else cell.str.len_bytes()
        yield from (
            length.min().alias(f"{c.name}\0short"),
            length.max().alias(f"{c.name}\0long"),
            length.sum().alias(f"{c.name}\0all"),
        )
        yield (cell == "").sum().alias(f"{c.name}\0blank")
    if c.is_text and c.reading.type != "string":
        yield value.count().alias(f"{c.name}\0fit")
    if not c.dtype.is_nested() and c.dtype not in (pl.Binary, pl.Boolean) and c.reading.type != "bool":
        low, high = (value.filter(value.is_finite()) if c.dtype.is_float() else value,) * 2
        yield from (low.min().alias(f"{c.name}\0min"), high.max().alias(f"{c.name}\0max"))
    if c.is_number:
        number = value if c.is_text else value.cast(pl.Float64)
        if c.dtype.is_float():
            number = number.filter(number.is_finite())
        yield from (
            number.mean().alias(f"{c.name}\0mean"),
            number.var(0).alias(f"{c.name}\0var"),
            number.count().alias(f"{c.name}\0n"),
        )


def _take(c: ColumnScan, told: dict[str, Any], rows: int) -> None:
    def get(what: str) -> Any:
        return told.get(f"{c.name}\0{what}")

    c.rows += rows
    c.nulls += get("nulls")
    c.blanks += get("blank") or 0
    c.letters += get("all") or 0
    c.shortest, c.longest = _lesser(c.shortest, get("short")), _greater(c.longest, get("long"))
    c.least, c.greatest = _lesser(c.least, get("min")), _greater(c.greatest, get("max"))
    if get("fit") is not None:
        c.unfit += rows - get("nulls") - get("fit") - (get("blank") or 0)
    if c.is_number:
        c.moments.add(get("n") or 0, get("mean"), get("var"))


def _gather(c: ColumnScan, cells: pl.Series) -> None:
    present = cells.drop_nulls() if cells.null_count() else cells
    if not present.len() or present.dtype.is_nested() or present.dtype == pl.Binary:
        return
    if present.dtype.is_integer() and present.dtype not in (pl.Int64, pl.Int128, pl.UInt64, pl.UInt128):
        present = present.cast(pl.Int64)  # the same number has the same hash, however wide its column is
    hashes = present.hash(17).to_numpy()
    least = hashes
    if c.unrepeated.is_followed:
        c.unrepeated.add(np.array(hashes))
    c.distinct.add(least)
    if c.counts.is_followed:
        if c.rows > ROWS or c.distinct.count <= max(1_000, _FEW * present.len()):
            c.counts.add(present)
        else:
            c.counts.is_followed = False


def _lesser(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else min(a, b)


def _greater(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else max(a, b)
