"""How values are written where there is only text: in CSV, in JSON, in a cell of a sheet.

One notation, at any depth: times in ISO form, bytes in base64, maps with text keys as JSON objects, other maps as lists of
``{"key": …, "value": …}``.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import REASONS
from qpipe.core.json_texts import valid_json
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.component import Types

_DATETIME, _TIME = "%Y-%m-%dT%H:%M:%S%.f", "%H:%M:%S%.f"


def cells(schema: pl.Schema, null: str) -> list[pl.Expr]:
    """For CSV. Where there is one column, nothing would be a blank line, which readers skip: there it is an empty text."""
    if len(schema) == 1 and null == "":
        return [(flat(schema) or [pl.col(next(iter(schema)))])[0].cast(pl.String).fill_null("")]
    return flat(schema)


def flat(schema: pl.Schema) -> list[pl.Expr]:
    """For CSV and sheets: nested values as JSON text, reasons as sentences, times in ISO form. Only what must change."""
    return [made.alias(name) for name, dtype in schema.items() if (made := _flat(name, dtype)) is not None]


def json_columns(types: Types) -> tuple[str, ...]:
    """The columns whose texts are JSON by contract."""
    return tuple(name for name, type in types.items() if type.name == "json")


def ndjson(frame: pl.DataFrame, json: Collection[str] = ()) -> bytes:
    """A JSON object on a line for each row. ``json``: columns of JSON texts, which are values there and no texts."""
    buffer = io.BytesIO()
    if any(name in json for name in frame.columns):
        lines = frame.select(json_line(frame.schema, json))
        lines.write_csv(buffer, include_header=False, quote_style="never", null_value="")
    else:
        frame.with_columns(in_json(frame.schema)).write_ndjson(buffer)
    return buffer.getvalue()


def json_line(schema: pl.Schema, json: Collection[str]) -> pl.Expr:
    """A row as its line of NDJSON, with the column's texts of JSON as they stand."""
    made = {name: written for name, dtype in schema.items() if (written := _written(pl.col(name), dtype)) is not None}
    parts: list[pl.Expr] = []
    for is_json, names in groupby(schema, lambda name: name in json and schema[name] == pl.String):
        if is_json:
            parts += (_json_member(name) for name in names)
        else:
            parts.append(_members(made.get(name, pl.col(name)).alias(name) for name in names))
    return pl.concat_str(pl.lit("{"), pl.concat_str(parts, separator=","), pl.lit("}")).alias("line")


def _members(values: Iterator[pl.Expr]) -> pl.Expr:
    """``"a":1,"b":"x"``"""
    return pl.struct(*values).struct.json_encode().str.slice(1).str.head(-1)


def _json_member(name: str) -> pl.Expr:
    """What is no JSON any more is a text. So is a JSON text, with its quotes: read again, it is what it was."""
    value, key = pl.col(name), _members(iter([pl.lit(None, pl.Null).alias(name)])).str.head(-len("null"))
    inside = value.str.strip_chars(" \t\r\n").str.replace_all(r"[\r\n]", " ")  # no line ends within a JSON text
    sure = value.map_batches(valid_json, return_dtype=pl.Boolean(), is_elementwise=True) & ~inside.str.starts_with('"')
    return pl.when(sure.fill_null(False)).then(pl.concat_str(key, inside)).otherwise(_members(iter([value])))


def in_json(schema: pl.Schema) -> list[pl.Expr]:
    """For JSON: nested values stay; times in ISO form, bytes in base64. Only what must change."""
    return [made.alias(name) for name, dtype in schema.items() if (made := _written(pl.col(name), dtype)) is not None]


def _flat(name: str, dtype: pl.DataType) -> pl.Expr | None:
    if name == REASONS and dtype == pl.List:
        return reasons_text(pl.col(name))
    return json_text(name, dtype) if dtype.is_nested() else _written(pl.col(name), dtype)


def json_text(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column of nested values as JSON text."""
    written = _written(pl.col(name), dtype)
    value = pl.col(name) if written is None else written
    wrapped = pl.struct(value.alias("v")).struct.json_encode()  # {"v":…}
    return pl.when(pl.col(name).is_not_null()).then(wrapped.str.slice(5).str.head(-1)).alias(name)


def _written(value: pl.Expr, dtype: pl.DataType) -> pl.Expr | None:
    """A value as JSON has it; None where it is written as it is."""
    if isinstance(dtype, pl.BaseExtension):
        bare, storage = value.ext.storage(), dtype.ext_storage()
        made = _written(bare, storage) if isinstance(storage, pl.DataType) else None
        return bare if made is None else made
    if isinstance(dtype, pl.Struct):
        return _struct(value, dtype)
    if isinstance(dtype, pl.Map):
        return _map(value, dtype)
    if isinstance(dtype, (pl.List, pl.Array)):
        made = _written(pl.element(), _type(dtype.inner))
        return None if made is None else (value if isinstance(dtype, pl.List) else value.arr.to_list()).list.eval(made)
    return _scalar(value, dtype)


def _struct(value: pl.Expr, dtype: pl.Struct) -> pl.Expr | None:
    fields = [(field.name, _written(value.struct.field(field.name), _type(field.dtype))) for field in dtype.fields]
    if all(made is None for _, made in fields):
        return None
    kept = [(value.struct.field(name) if made is None else made).alias(name) for name, made in fields]
    return pl.when(value.is_not_null()).then(pl.struct(kept))


def _map(value: pl.Expr, dtype: pl.Map) -> pl.Expr | None:
    """JSON's keys are texts: a map of other keys is a list of pairs."""
    pair = pl.Struct({"key": dtype.key, "value": dtype.value})
    made = _struct(pl.element(), pair)
    pairs = value.map.entries() if made is None else value.map.entries().list.eval(made)
    if dtype.key != pl.String:
        return pairs
    return None if made is None else pairs.cast(pl.Map(pl.String, _type_of(made, pair).fields[1].dtype))


def _type_of(made: pl.Expr, given: pl.DataType) -> Any:
    """The type that an expression on list elements gives."""
    series = pl.Series("x", [], pl.List(given)).to_frame()
    return _type(series.select(pl.col("x").list.eval(made)).schema["x"].inner)  # type: ignore[attr-defined]


def _type(dtype: Any) -> pl.DataType:
    """A type as an object of its class: Polars lets both stand inside others."""
    return dtype() if isinstance(dtype, type) else dtype


def _scalar(column: pl.Expr, dtype: pl.DataType) -> pl.Expr | None:
    if dtype == pl.Datetime:
        zone = "%:z" if getattr(dtype, "time_zone", None) else ""
        return column.dt.to_string(_DATETIME + zone)
    if dtype == pl.Time:
        return column.dt.to_string(_TIME)
    if dtype == pl.Duration:
        return column.dt.to_string("iso")
    if dtype == pl.Binary:
        return column.bin.encode("base64")
    if dtype in (pl.Null, pl.Categorical, pl.Enum):
        return column.cast(pl.String)
    return None


def reasons_text(column: pl.Expr) -> pl.Expr:
    """``between(amount): amount is -3, expected between 0 and 10; not_null(email): …``

    What is said of no column has the whole line as its value, which stands after it: its cells may not hold it.
    """
    field = pl.element().struct.field
    place = pl.when(field("column") != "").then(pl.format("({})", field("column"))).otherwise(pl.lit(""))
    line = pl.when(field("column") == "").then(pl.format(", in: {}", field("value")))
    one = pl.concat_str(field("check"), place.fill_null(""), pl.lit(": "), field("message").fill_null(""), line.fill_null(""))
    return column.list.eval(one).list.join("; ")
