"""JSON objects read into the contract's types at once, where it is certain that nothing is lost by it.

Polars turns 12.5 into an integer 12, true into 1, and the number 1.10 into the text 1.1 without a word, and takes the last of
two equal keys. So one pattern, made of the contract, must fit every object: known keys only, each at most once, in the order
in which these messages have them, before values as their columns want them. Where it does not fit, nothing is said against
the batch: it is read as texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl
from qpipe.sources.file.json_values import keys_of

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

_INTEGER = "-?(?:0|[1-9][0-9]{0,%d})"  # so many digits that each number fits
_FLOAT = r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,2})?"
_VALUES = {"int8": _INTEGER % 1, "int16": _INTEGER % 3, "int32": _INTEGER % 8, "int": _INTEGER % 17, "int64": _INTEGER % 17,
           "float": _FLOAT, "float64": _FLOAT, "bool": "true|false"}  # fmt: skip
_TEXT = r'"[^"\\\x00-\x1f]*"'  # an escape could hide a quote
_SPACE = r"[ \t\r\n]*"


def at_once(texts: pl.Series, columns: Sequence[str], contract: Mapping[str, DataType]) -> pl.DataFrame | None:
    """All values, numbers and bools of the contract in their types; None where that is not proven to be right."""
    kinds = _kinds(columns, contract)
    if kinds is None or not texts.len():
        return None
    fullest = texts[int(texts.str.len_bytes().arg_max() or 0)]
    order = [*(key for key in keys_of([fullest]) if key in columns), *columns]
    schema = _schema(columns, kinds)
    try:
        if not texts.str.contains(f"^{_SPACE}{_object(tuple(dict.fromkeys(order)), kinds)}{_SPACE}$").all():
            return None
        decoded = texts.str.json_decode(pl.Struct(schema))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    return decoded.struct.unnest() if decoded.len() == texts.len() and not decoded.null_count() else None


def decoded_list(text: str, columns: Sequence[str], contract: Mapping[str, DataType]) -> pl.DataFrame | None:
    """A text that is a list of objects, decoded so: a row for each value of the list, right where ``proven_lists`` says so."""
    kinds = _kinds(columns, contract)
    if kinds is None or not text.startswith("["):
        return None
    try:
        return pl.read_json(text.encode(), schema=_schema(columns, kinds))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeEncodeError):
        return None


def proven_lists(texts: Sequence[str], columns: Sequence[str], contract: Mapping[str, DataType]) -> list[bool]:
    """Of lists that could be decoded, which are of objects as ``at_once`` takes them, with keys in the order of the columns."""
    pattern = rf"^\[{_SPACE}(?:\]|(?:{_object(columns, _kinds(columns, contract) or {})}{_SPACE}[,\]]{_SPACE})*)$"
    try:
        return pl.Series(texts, dtype=pl.String).str.contains(pattern).to_list()
    except pl.exceptions.PolarsError:  # more columns than a pattern can hold
        return [False] * len(texts)


def _kinds(columns: Sequence[str], contract: Mapping[str, DataType]) -> dict[str, DataType] | None:
    """The columns that are numbers and bools; None where none is a number."""
    kinds = {name: contract[name] for name in columns if name in contract and contract[name].name in _VALUES}
    return None if all(kind.kind == "bool" for kind in kinds.values()) else kinds


def _schema(columns: Sequence[str], kinds: Mapping[str, DataType]) -> dict[str, pl.DataType]:
    return {name: kinds[name].polars() if name in kinds else pl.String() for name in columns}


def _object(names: Sequence[str], kinds: Mapping[str, DataType]) -> str:
    """Any of these keys in this order; what stands between them, the decoder sees to."""
    values = {name: _VALUES[kind.name] for name, kind in kinds.items()}
    pairs = (f"{_quoted(name)}{_SPACE}:{_SPACE}(?:{values.get(name, _TEXT)}|null)" for name in names)
    return rf"\{{{_SPACE}" + "".join(f"(?:{pair}{_SPACE}[,}}]{_SPACE})?" for pair in pairs) + r"\}?"


def _quoted(name: str) -> str:
    return re.escape(json.dumps(name, ensure_ascii=False))
