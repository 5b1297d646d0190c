"""Texts of JSON, read as lists and structs: their shape first, with texts as leaves, then each leaf under its own type.

Polars reads JSON more kindly than a contract does: 1.10 becomes the text 1.1, 1.5 the integer 1, and a single value a list of
one. So numbers are put in quotes before it reads, which keeps them as they are written, and a leaf is read as a cell is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from qpipe.core.json_texts import numbers_quoted
from qpipe.core.json_written import Number, written
from qpipe.core.lazy import pl
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl

Leaf = Callable[["pl.Series", DataType], "pl.Series"]  # null where a text is no value of the type
_WHOLE = r"^[ \t\r\n]*\[(?:-?[0-9]{1,18}|[ \t\r\n,]|null)*\][ \t\r\n]*$"  # of JSON: a list of whole numbers
_NUMBER = r"([\[:, \t\r\n])(-?[0-9][0-9.eE+-]*)"


def read_nested(texts: pl.Series, type: DataType, leaf: Leaf) -> pl.Series:
    """Valid JSON texts as lists or structs; null where one is none, or where any leaf is no value of its type."""
    if all(each.name in ("list", "int", "int64") for each in _within(type)) and texts.str.contains(_WHOLE).all():
        return texts.str.json_decode(type.polars())
    values, bad = _typed(_shaped(texts, type), type, leaf)
    return values.set(bad, None) if bad.any() else values


def _shaped(texts: pl.Series, type: DataType) -> pl.Series:
    """All at once by Polars; one by one where that would not be exact, or one misfit spoils the whole."""
    shape = _shape(type)
    if not any(each.name == "json" or (each.kind == "list" and _is_list(each.inner)) for each in _within(type)):
        first = "[" if type.kind == "list" else "{"
        loose = rf"^[ \t\r\n]*[^ \t\r\n\{first}]{_single_values(type)}"
        if not texts.str.contains(loose).any():
            for quoted in (_quoted, numbers_quoted):
                try:
                    return quoted(texts).str.json_decode(shape)
                except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
                    pass
    found = [_one(text, type) for text in texts]  # only texts with something odd in their column come here
    return pl.Series(texts.name, found, dtype=shape)


def _shape(type: DataType) -> Any:
    """The Polars type with texts as leaves."""
    if type.kind == "list":
        return pl.List(_shape(type.inner or DataType("any")))
    if type.kind == "struct":
        return pl.Struct([pl.Field(name, _shape(field)) for name, field in type.fields])
    return pl.String()


def _within(type: DataType) -> Iterator[DataType]:
    yield type
    for inner in [type.inner] if type.inner else [field for _, field in type.fields]:
        yield from _within(inner)


def _is_list(type: DataType | None) -> bool:
    return type is not None and type.kind == "list"


def _single_values(type: DataType) -> str:
    """What matches a field of lists before a value that is none."""
    names = {name for each in _within(type) for name, field in each.fields if field.kind == "list"}
    return "".join(rf'|"{re.escape(name)}"[ \t\r\n]*:[ \t\r\n]*[^ \t\r\n\[n]' for name in sorted(names))


def _quoted(texts: pl.Series) -> pl.Series:
    """With numbers as texts. What looks like one inside a text spoils the JSON, so that this is noticed."""
    return texts.str.replace_all(_NUMBER, '$1"$2"')


class _Misfit(ValueError):
    pass


_DECODER = json.JSONDecoder(parse_float=Number, parse_int=Number, parse_constant=Number)


def _one(text: str | None, type: DataType) -> Any:
    try:
        return None if text is None else _fitted(_DECODER.decode(text), type)
    except (ValueError, RecursionError):
        return None


def _fitted(value: Any, type: DataType) -> Any:
    """A value in the shape of a type. Raises _Misfit."""
    if type.name == "json" and value is not None:
        return written(value)
    if value is None:
        return None
    if type.kind == "list":
        if not isinstance(value, list):
            raise _Misfit
        return [_fitted(item, type.inner or DataType("any")) for item in value]
    if type.kind == "struct":
        if not isinstance(value, dict):
            raise _Misfit
        return {name: _fitted(value.get(name), field) for name, field in type.fields}
    text = str(value) if isinstance(value, str) else written(value)
    text.encode()  # half of a sign is no text
    return text


def _typed(shaped: pl.Series, type: DataType, leaf: Leaf) -> tuple[pl.Series, pl.Series]:
    """Values of the type, and whether a leaf in one is no value of its type."""
    if type.kind == "list":
        return _typed_list(shaped, type, leaf)
    if type.kind == "struct":
        return _typed_struct(shaped, type, leaf)
    if type.name == "string":
        return shaped, pl.repeat(False, shaped.len(), dtype=pl.Boolean, eager=True)
    if type.kind == "any":
        return pl.repeat(None, shaped.len(), dtype=pl.Null, eager=True).alias(shaped.name), shaped.is_not_null()
    values = leaf(shaped, type)
    return values, values.is_null() & shaped.is_not_null()


def _typed_list(shaped: pl.Series, type: DataType, leaf: Leaf) -> tuple[pl.Series, pl.Series]:
    inner = type.inner or DataType("any")
    if all(each.name in ("list", "struct", "string") for each in _within(inner)):
        return shaped, pl.repeat(False, shaped.len(), dtype=pl.Boolean, eager=True)

    def items(flat: pl.Series) -> pl.Series:
        values, bad = _typed(flat, inner, leaf)
        return pl.DataFrame({"value": values, "bad": bad}).to_struct(flat.name)

    both = pl.Struct({"value": inner.polars(), "bad": pl.Boolean()})
    read = pl.first().list.eval(pl.element().map_batches(items, return_dtype=both, is_elementwise=True))
    found = shaped.to_frame().select(read).to_series()
    values, bad = (found.list.eval(pl.element().struct.field(part)) for part in ("value", "bad"))
    return values, bad.list.any().fill_null(False)


def _typed_struct(shaped: pl.Series, type: DataType, leaf: Leaf) -> tuple[pl.Series, pl.Series]:
    bad = pl.repeat(False, shaped.len(), dtype=pl.Boolean, eager=True)
    fields = {}
    for name, field in type.fields:
        fields[name], wrong = _typed(shaped.struct.field(name), field, leaf)
        bad |= wrong
    values = pl.DataFrame(fields).to_struct(shaped.name)
    return (values.set(shaped.is_null(), None) if shaped.null_count() else values), bad
