"""A source and an output that live in memory: for a spec's own tests, and for programs that bring their own frames."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qpipe.core.batch import Chunk, Json
from qpipe.core.component import Context, Output, Part, Source, Types
from qpipe.core.lazy import pl
from qpipe.core.params import param
from qpipe.core.types import DataType


class Rows(Source):
    """Rows that are at hand."""

    name = "rows"
    columnar = True

    frame: Any = param(help="a Polars frame")

    def columns(self, context: Context) -> dict[str, DataType]:
        return {name: DataType.of(dtype) for name, dtype in self.frame.schema.items()}

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        start = (position or {}).get("row", 0)
        for at in range(start, self.frame.height, rows):
            part = self.frame.slice(at, rows)
            yield Chunk(part.select(columns) if columns else part, {"row": at + part.height})


class Kept(Output):
    """Rows kept in memory: ``rows`` after the run."""

    name = "kept"

    frames: Any = param(None, help="a list that takes what is published: (types, frame)")

    def stage(self, frame: pl.DataFrame, seq: int, directory: Path, context: Context) -> Part:
        path = directory / f"{seq:08d}.arrow"
        frame.write_ipc(path)
        return Part(seq, str(path), frame.height, path.stat().st_size)

    def publish(self, parts: Sequence[Part], types: Types, token: str, context: Context) -> Json:
        with _LOCK:
            frames = [pl.read_ipc(part.path) for part in parts]
            self.frames[:] = [pl.concat(frames, how="diagonal_relaxed")] if frames else []
        return {"path": "memory", "rows": sum(part.rows for part in parts)}


_LOCK = threading.Lock()


def frame_of(rows: Sequence[dict[str, Any]], types: Types | None) -> pl.DataFrame:
    """Rows as a text source would give them when there is a contract, else with the types they have."""
    names = list(dict.fromkeys([*(types or {}), *(name for row in rows for name in row)]))
    if types:
        return pl.DataFrame({n: [_text(row.get(n)) for row in rows] for n in names}, schema=dict.fromkeys(names, pl.String))
    return pl.DataFrame([{n: row.get(n) for n in names} for row in rows], infer_schema_length=None) if rows else pl.DataFrame()


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
