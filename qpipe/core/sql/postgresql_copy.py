"""Rows as PostgreSQL's binary COPY takes them, made column by column: the server has half the work, since it parses nothing.

The format is that of the server's manual (COPY, "Binary Format"), of each type that of its receive function. A row is a count
of fields, a field its length and its bytes. What is of one length in all rows is laid out as one block, in NumPy; blocks, texts
and values that may be null are joined row by row, in Arrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    import pyarrow as pa

    Values = np.ndarray[Any, Any]

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
END = b"\xff\xff"
_EPOCH = 10_957  # days from 1970 to 2000, where the server begins to count
_BASE = 4  # decimal digits in one of the server's


@dataclass(frozen=True)
class Field:
    """How the cells of a column become bytes."""

    cell: pl.Expr  # integers, floats, texts or bytes
    form: Any = None  # NumPy's name of the bytes of a value; None: those of a text, as they are
    array: Callable[[Values], Values] = lambda values: values  # from integers or floats, where they are not yet the value


def fields(frame: pl.DataFrame, kinds: Mapping[str, str]) -> dict[str, Field] | None:
    """By column, given the server's name of the type of each.

    None: a column, or a value in it, has no form here that is exactly what the server would make of the text.
    """
    found = {}
    for column in frame:
        field = _field(column, kinds.get(column.name, ""))
        if field is None:
            return None
        found[column.name] = field
    return found


def packed(frame: pl.DataFrame, fields: Mapping[str, Field]) -> memoryview:
    """The rows, without what stands before the first and after the last."""
    import pyarrow as pa
    import pyarrow.compute as pc

    row = _Row(frame.height, len(fields))
    for cell, field in zip(frame.select(f.cell.alias(name) for name, f in fields.items()), fields.values(), strict=True):
        valid = cell.is_not_null().to_numpy() if cell.null_count() else None
        if field.form is None:
            row.text(cell, valid)
        else:
            row.value(field.array((cell if valid is None else cell.fill_null(0)).to_numpy()), field.form, valid)
    return memoryview(pc.binary_join_element_wise(*row.pieces(), pa.scalar(b"", pa.large_binary())).buffers()[2])


class _Row:
    """The pieces that are joined: blocks of fixed length, each up to the next value whose length differs by row."""

    def __init__(self, height: int, count: int) -> None:
        self._height, self._pieces = height, list[Any]()
        self._block: list[tuple[Any, Any]] = [(">i2", count)]  # form, and a value for all rows or one for each

    def value(self, values: Values, form: Any, valid: Values | None) -> None:
        import numpy as np

        form = np.dtype(form)
        if valid is None:
            self._block += [(">i4", form.itemsize), (form, values)]
            return
        self._block.append((">i4", np.where(valid, form.itemsize, -1)))
        ends = np.zeros(self._height + 1, np.int64)
        np.cumsum(valid, out=ends[1:])
        self._piece(ends * form.itemsize, values[valid].astype(form).view(np.uint8))

    def text(self, texts: pl.Series, valid: Values | None) -> None:
        import numpy as np
        import pyarrow as pa

        if valid is not None:
            texts = texts.fill_null("" if texts.dtype == pl.String else b"")
        array = texts.to_arrow(compat_level=pl.CompatLevel.oldest())
        _, ends, data = array.buffers()
        offsets = np.frombuffer(ends, np.int64)[array.offset : array.offset + self._height + 1]
        lengths = np.diff(offsets)
        self._block.append((">i4", lengths if valid is None else np.where(valid, lengths, -1)))
        self._piece(offsets, data or pa.py_buffer(b""))

    def pieces(self) -> Sequence[pa.LargeBinaryArray]:
        self._end_block()
        return self._pieces

    def _piece(self, offsets: Values, data: Any) -> None:
        self._end_block()
        self._pieces.append(_binary(offsets, data))

    def _end_block(self) -> None:
        import numpy as np

        if not self._block:
            return
        block = np.empty(self._height, [(f"f{n}", form) for n, (form, _) in enumerate(self._block)])
        for n, (_, values) in enumerate(self._block):
            block[f"f{n}"] = values
        size = block.dtype.itemsize
        self._block.clear()
        self._pieces.append(_binary(np.arange(self._height + 1, dtype=np.int64) * size, block.view(np.uint8)))


def _binary(offsets: Values, data: Any) -> pa.LargeBinaryArray:
    import pyarrow as pa

    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    )


def _field(column: pl.Series, kind: str) -> Field | None:
    dtype = column.dtype
    name = "integer" if dtype.is_integer() else type(dtype).__name__
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        name = "moment"
    make = _FIELDS.get((name, kind))
    return make(column, pl.col(column.name)) if make else None


def _integer(bits: int) -> Callable[[pl.Series, pl.Expr], Field | None]:
    end = 2 ** (bits - 1)
    return lambda column, cell: Field(cell, f">i{bits // 8}") if _within(column, -end, end - 1) else None


def _day(_: pl.Series, cell: pl.Expr) -> Field:
    return Field(cell.to_physical().cast(pl.Int64), ">i4", lambda days: _since_2000(days, _EPOCH, 2**31 - 1))


def _moment(column: pl.Series, cell: pl.Expr) -> Field:
    """In microseconds; what is finer is cut off."""
    assert isinstance(column.dtype, pl.Datetime)
    if column.dtype.time_unit == "ns":
        cell = cell.cast(pl.Datetime("us", column.dtype.time_zone))
    factor = 1000 if column.dtype.time_unit == "ms" else 1
    epoch, end = _EPOCH * 86_400_000_000 // factor, 2**63 // factor - 1
    return Field(cell.to_physical(), ">i8", lambda times: _since_2000(times, epoch, end) * factor)


def _since_2000(since_1970: Values, epoch: int, end: int) -> Values:
    """What lies beyond all that the server has stays so: it refuses it, but for its infinities, which are further out."""
    return since_1970.clip(epoch - end, min(epoch + end, 2**63 - 1)) - epoch


def _duration(column: pl.Series, cell: pl.Expr) -> Field | None:
    """Without days and months."""
    import numpy as np

    form = np.dtype([("time", ">i8"), ("days and months", ">i8")])

    def array(microseconds: Values) -> Values:
        made = np.zeros(len(microseconds), form)
        made["time"] = microseconds
        return made

    return Field(cell.dt.total_microseconds(), form, array)


def _number(column: pl.Series, cell: pl.Expr) -> Field | None:
    """Decimals and integers of up to 63 bits, all with as many of the server's digits; it takes off the zeros itself."""
    import numpy as np

    scale = column.dtype.scale if isinstance(column.dtype, pl.Decimal) else 0
    if scale > 4 * _BASE or not _within(column.to_physical(), 1 - 2**63, 2**63 - 1):
        return None
    most = max(abs(int(end or 0)) for end in (column.to_physical().min(), column.to_physical().max()))  # type: ignore[arg-type]
    before = -(-len(str(most // 10**scale)) // _BASE)
    after = -(-scale // _BASE)
    form = np.dtype([*((name, ">i2") for name in ("count", "weight", "sign", "scale")), ("digits", ">i2", before + after)])

    def array(values: Values) -> Values:
        made = np.empty(len(values), form)
        made["count"], made["weight"], made["scale"] = before + after, before - 1, scale
        made["sign"] = np.where(values < 0, 0x4000, 0)
        whole, rest = np.divmod(np.abs(values), 10**scale)
        rest *= 10 ** (after * _BASE - scale)
        for part, first, last in ((whole, 0, before), (rest, before, before + after)):
            for n in reversed(range(first, last)):
                part, made["digits"][:, n] = np.divmod(part, 10**_BASE)
        return made

    return Field(cell.to_physical().cast(pl.Int64), form, array)


def _uuid(column: pl.Series, cell: pl.Expr) -> Field | None:
    """As they are mostly written; the server reads others, too."""
    if not column.str.contains("^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$").all():
        return None
    return Field(cell.str.replace_all("-", "", literal=True).str.decode("hex"))


def _within(column: pl.Series, low: int, high: int) -> bool:
    least, most = column.min(), column.max()
    return least is None or bool(low <= least and most <= high)  # type: ignore[operator]


_FIELDS: Mapping[tuple[str, str], Callable[[pl.Series, pl.Expr], Field | None]] = {
    # Polars' type and the server's
    **{("integer", f"int{bits // 8}"): _integer(bits) for bits in (16, 32, 64)},
    ("integer", "numeric"): _number,
    ("Decimal", "numeric"): _number,
    ("Float32", "float4"): lambda _, cell: Field(cell, ">f4"),
    ("Float64", "float8"): lambda _, cell: Field(cell, ">f8"),
    ("Boolean", "bool"): lambda _, cell: Field(cell.cast(pl.UInt8), "u1"),
    ("Date", "date"): _day,
    ("Time", "time"): lambda _, cell: Field(cell.to_physical() // 1000, ">i8"),
    ("Datetime", "timestamp"): _moment,
    ("moment", "timestamptz"): _moment,
    ("Duration", "interval"): _duration,
    ("Binary", "bytea"): lambda _, cell: Field(cell),
    **{("String", kind): lambda _, cell: Field(cell) for kind in ("text", "varchar", "bpchar", "json", "enum")},
    ("String", "uuid"): _uuid,
    ("String", "jsonb"): lambda _, cell: Field(pl.concat_str(pl.lit("\1"), cell)),  # version 1 of its format
}
