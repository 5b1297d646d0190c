"""One module on a small frame, made as a spec makes it."""

from __future__ import annotations

from typing import Any

import polars as pl

from qpipe.core.component import Context, Module
from qpipe.core.params import build, params_of
from qpipe.core.registry import Registry
from qpipe.core.types import DataType
from qpipe.testing.alone import Seen, run_alone
from qpipe.testing.examples import STARTED, frame_of, types_of

REGISTRY = Registry()
TABLES = {"t": [{"id": 1, "name": "a", "day": "2026-01-01"}, {"id": 2, "name": "", "day": "2026-01-02"}]}


def made(name: str, **values: Any) -> Module:
    return build(REGISTRY.get("module", name), values)


def run(module: Module, frame: pl.DataFrame, batch_size: int | None = None, **context: Any) -> Seen:
    return run_alone(module, frame, Context(types=types_of(frame), **context), batch_size)


def judged(name: str, params: dict[str, Any], frame: pl.DataFrame, batch_size: int | None = None, **context: Any) -> Seen:
    """What a check says of a frame, with the table ``t`` to refer to."""
    tables = {id: frame_of(rows, {"day": "date"}) for id, rows in TABLES.items()}
    return run(made(name, **params), frame, batch_size, tables=tables, started=STARTED, **context)


def column(word: str, cells: list[Any], name: str = "x") -> pl.DataFrame:
    return frame_of([{name: cell} for cell in cells], {name: word})


def with_column(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """The column x where the module takes columns and the case names none."""
    known = params_of(REGISTRY.get("module", name))
    key = "columns" if "columns" in known else "column" if "column" in known else None
    return params if key is None or key in params else {key: "x", **params}


def cells(module: Module, texts: list[Any], dtype: Any = pl.String, **context: Any) -> list[Any]:
    """The cells that a transform makes of these, in the column x."""
    return run(module, pl.DataFrame({"x": pl.Series(texts, dtype=dtype)}), **context).frame["x"].to_list()


def problems(module: Module, **types: str) -> list[str]:
    known = {name: DataType.parse(word) for name, word in types.items()}
    return [message for _, message in module.problems(known)]
