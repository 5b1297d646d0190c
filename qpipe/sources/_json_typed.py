"""JSON objects read into the contract's types at once, where it is certain that nothing is lost by it.

Polars turns 12.5 into an integer 12, true into 1, and the number 1.10 into the text 1.1 without a word. So literals are
counted: each number must be in a column of numbers, each true or false in one of bools, no integer may have a fraction or an
exponent, and each key must have come to a cell. Signs within texts can only make a count too high. Where one differs, nothing
is said against the batch: it is read as texts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType

_PLAIN = ("int", "int8", "int16", "int32", "int64", "float", "float64", "bool")
_SPACE = r"[ \t\r\n]*"
_NULL = rf":{_SPACE}null"  # of which cells tell nothing
_ODD = r"\\|\}[ \t\r\n]*,[ \t\r\n]*\{"  # escapes, which could hide a quote, and two values where one should be


def at_once(texts: pl.Series, columns: Sequence[str], contract: Mapping[str, DataType]) -> pl.DataFrame | None:
    """All values, numbers and bools of the contract in their types; None where that is not proven to be right."""
    kinds = {name: contract[name] for name in columns if name in contract and contract[name].name in _PLAIN}
    if all(kind.kind == "bool" for kind in kinds.values()) or not texts.len():
        return None
    if texts.str.contains(_ODD).any() or texts.str.contains(_NULL).any() or not texts.str.contains(rf"^{_SPACE}\{{").all():
        return None
    schema = {name: kinds[name].polars() if name in kinds else pl.String() for name in columns}
    try:
        decoded = texts.str.json_decode(pl.Struct(schema))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    if decoded.len() != texts.len() or decoded.null_count():
        return None
    frame = decoded.struct.unnest()
    return frame if _certain(texts, frame, kinds) else None


def _certain(texts: pl.Series, frame: pl.DataFrame, kinds: Mapping[str, DataType]) -> bool:
    for name in (n for n, kind in kinds.items() if kind.kind == "integer"):
        if texts.str.contains(rf'"{re.escape(name)}"{_SPACE}:{_SPACE}-?[0-9]+[.eE]').any():
            return False
    numbers = [name for name, kind in kinds.items() if kind.kind != "bool"]
    bools = [name for name in kinds if name not in numbers]
    return (
        _count(texts, rf'"{_SPACE}:') == _cells(frame, frame.columns)
        and _count(texts, rf":{_SPACE}-?[0-9]") == _cells(frame, numbers)
        and _count(texts, rf":{_SPACE}[tf]") == _cells(frame, bools)
    )


def _count(texts: pl.Series, pattern: str) -> int:
    return int(texts.str.count_matches(pattern).sum())


def _cells(frame: pl.DataFrame, names: Sequence[str]) -> int:
    """Those with a value."""
    return sum(frame[name].len() - frame[name].null_count() for name in names)
