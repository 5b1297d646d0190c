"""How values are written where there is only text: in CSV, in JSON, in a cell of a sheet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qpipe.core.batch import REASONS
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

_DATETIME, _TIME = "%Y-%m-%dT%H:%M:%S%.f", "%H:%M:%S%.f"


def cells(schema: pl.Schema, null: str) -> list[pl.Expr]:
    """For CSV. Where there is one column, nothing would be a blank line, which readers skip: there it is an empty text."""
    if len(schema) == 1 and null == "":
        return [(flat(schema) or [pl.col(next(iter(schema)))])[0].cast(pl.String).fill_null("")]
    return flat(schema)


def flat(schema: pl.Schema) -> list[pl.Expr]:
    """For CSV and sheets: nested values as JSON text, reasons as sentences, times in ISO form. Only what must change."""
    return [made for name, dtype in schema.items() if (made := _flat(name, dtype)) is not None]


def in_json(schema: pl.Schema) -> list[pl.Expr]:
    """For JSON: nested values stay; times in ISO form, bytes in base64."""
    return [made for name, dtype in schema.items() if (made := _scalar(pl.col(name), dtype)) is not None]


def _flat(name: str, dtype: pl.DataType) -> pl.Expr | None:
    if name == REASONS and dtype == pl.List:
        return reasons_text(pl.col(name)).alias(name)
    if dtype.is_nested():
        wrapped = pl.struct(pl.col(name).alias("v")).struct.json_encode()  # {"v":…}
        return pl.when(pl.col(name).is_not_null()).then(wrapped.str.slice(5).str.head(-1)).alias(name)
    return _scalar(pl.col(name), dtype)


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
    if isinstance(dtype, pl.BaseExtension):
        storage = dtype.ext_storage()
        bare = column.ext.storage()
        made = _scalar(bare, storage) if isinstance(storage, pl.DataType) else None
        return bare if made is None else made
    if isinstance(dtype, pl.Map) and dtype.key != pl.String:
        return column.map.entries()  # JSON's keys are texts: pairs, then
    return None


def reasons_text(column: pl.Expr) -> pl.Expr:
    """``between(amount): amount is -3, expected between 0 and 10; not_null(email): …``"""
    field = pl.element().struct.field
    place = pl.when(field("column") != "").then(pl.format("({})", field("column"))).otherwise(pl.lit(""))
    one = pl.concat_str(field("check"), place.fill_null(""), pl.lit(": "), field("message").fill_null(""))
    return column.list.eval(one).list.join("; ")
