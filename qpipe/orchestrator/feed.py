"""Batches out of the sources, read ahead in a thread: bounded queues are the back-pressure.

The first pass over a source that cannot cheaply be read twice keeps what it reads in the run's spool (uncompressed Arrow, with
lines and faults beside it), and later passes read that.
"""

from __future__ import annotations

import json
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from qpipe.core.batch import FILE, LINE, SOURCE, Chunk, Fault, Json
from qpipe.core.component import Context, Source, Types
from qpipe.core.errors import of_source
from qpipe.core.lazy import pl
from qpipe.core.types import DataType
from qpipe.orchestrator.drift import MISSING, NEW, missing_columns, refuse
from qpipe.orchestrator.patience import Patience
from qpipe.spec.plan import SourceNode

T = TypeVar("T")


def line_of(chunk: Chunk, offset: int) -> int | None:
    """The physical line of a row of a chunk, where its source has lines."""
    if chunk.lines is not None:
        return int(chunk.lines[offset])
    return None if chunk.first_line is None else chunk.first_line + offset


def lines_of(chunk: Chunk, offsets: pl.Series) -> pl.Series:
    """The same for many rows at once."""
    if chunk.lines is not None:
        return chunk.lines.gather(offsets).cast(pl.Int64)
    if chunk.first_line is None:
        return pl.repeat(None, offsets.len(), dtype=pl.Int64, eager=True)
    return offsets.cast(pl.Int64) + chunk.first_line


def faults_by_row(faults: Sequence[Fault]) -> dict[int, list[Fault]]:
    """Errors by the row of the chunk that they concern; warnings are told, not held against the row."""
    found: dict[int, list[Fault]] = {}
    for fault in faults:
        if fault.row is not None and fault.severity == "error":
            found.setdefault(fault.row, []).append(fault)
    return found


def fault_marks(faults: Mapping[int, Sequence[Fault]], height: int) -> pl.Series | None:
    """Which rows of a chunk have one; None where none has."""
    if not faults:
        return None
    return pl.int_range(height, eager=True).is_in(list(faults))


@dataclass(frozen=True)
class Read:
    """A chunk, and its place in the run."""

    seq: int
    source: SourceNode
    first_row: int
    chunk: Chunk
    start: Json | None  # the position it was read from
    ordinals: pl.Series | None = None  # rows that come back after an answer: their numbers, ascending
    places: pl.DataFrame | None = None  # and where each of them stood: _source, _file, _line

    @property
    def rows(self) -> int:
        return self.chunk.frame.height

    @property
    def index(self) -> pl.Series:
        """The ordinal of every row."""
        if self.ordinals is not None:
            return self.ordinals
        return pl.int_range(self.first_row, self.first_row + self.rows, dtype=pl.Int64, eager=True)

    def offsets(self, rows: pl.Series) -> pl.Series:
        """Where in the chunk these ordinals are."""
        return rows - self.first_row if self.ordinals is None else self.ordinals.search_sorted(rows)

    def whereabouts(self, offsets: pl.Series) -> list[pl.Series]:
        """_source, _file and _line of rows of the chunk."""
        if self.places is not None:
            return self.places[offsets].get_columns()
        count = offsets.len()
        return [
            pl.Series(SOURCE, [self.source.id], dtype=pl.String).new_from_index(0, count),
            pl.Series(FILE, [self.chunk.file], dtype=pl.String).new_from_index(0, count),
            lines_of(self.chunk, offsets).alias(LINE),
        ]


@dataclass(frozen=True)
class Start:
    """Where reading goes on: the numbers of the next batch and row, and the position in a source."""

    seq: int = 0
    first_row: int = 0
    source: str | None = None
    position: Json | None = None


def read_sources(
    sources: Sequence[SourceNode], context: Callable[[str], Context], columns: Mapping[str, Types], rows: int, start: Start,
    only: Mapping[str, Sequence[str]] | None = None, patience: Patience | None = None,
) -> Iterator[Read]:  # fmt: skip
    """All streams, one after the other, from a position on. ``columns``: what each source is known to deliver.

    ``context``: in which context each is read.
    """
    seq, first_row, position, patience = start.seq, start.first_row, start.position, patience or Patience()
    skipping = start.source is not None
    for node in sources:
        if skipping and node.id != start.source:
            continue
        skipping = False
        wanted = list(only[node.id]) if only else list(columns[node.id])
        read = partial(_reading, node, context(node.id), rows, only[node.id] if only else None)
        with of_source(node.id):
            for chunk in patience.reading(read, position):
                shaped = _shape(chunk, wanted, columns[node.id], node)
                yield Read(seq, node, first_row, shaped, position)
                seq, first_row, position = seq + 1, first_row + chunk.frame.height, chunk.position
        position = None


def _reading(
    node: SourceNode, context: Context, rows: int, columns: Sequence[str] | None, position: Json | None
) -> Iterator[Chunk]:
    return node.source.read(context, position, rows, columns)


def _shape(chunk: Chunk, wanted: Sequence[str], types: Types, node: SourceNode) -> Chunk:
    """The columns every batch of a source has, in one order; a file may lack some or bring others."""
    if chunk.frame.columns == list(wanted):
        return chunk
    absent = [name for name in wanted if name not in chunk.frame.columns]  # what the contract does not name, another file has
    missing = [name for name in missing_columns(node, chunk.frame.columns) if name in absent]
    new = [name for name in chunk.frame.columns if name not in wanted]
    refuse(node, new, missing, file=chunk.file)
    faults = []
    if missing:
        faults.append(Fault(None, 1, MISSING, f"without {', '.join(missing)}: read as null", severity="warning"))
    if new and node.source.on_new_column != "accept":
        faults.append(Fault(None, 1, NEW, f"{', '.join(new)} is new in this file: left out", severity="warning"))
    frame = chunk.frame.with_columns([pl.lit(None, dtype=types[name].polars()).alias(name) for name in absent])
    return replace(chunk, frame=frame.select(wanted), faults=(*faults, *chunk.faults))


def result_source(step: str, folder: Path, types: Types) -> SourceNode:
    """Rows that a SQL step has made, as a source."""
    return SourceNode(step, Result(folder=folder, types=types), None)  # type: ignore[call-arg]


class Result(Source):
    """A folder of Parquet files that the run itself has written."""

    name = "result"
    columnar = True

    folder: Path
    types: Types

    def columns(self, context: Context) -> dict[str, DataType]:
        return dict(self.types)

    def read(self, context: Context, position: Json | None, rows: int, columns: Sequence[str] | None = None) -> Iterator[Chunk]:
        start = (position or {}).get("row", 0)
        frame = pl.scan_parquet(self.folder / "*.parquet").select(list(columns or self.types)).slice(start)
        for part in frame.collect_batches(chunk_size=rows, maintain_order=True, lazy=True):
            start += part.height
            yield Chunk(part, {"row": start})


class Spool:
    """Chunks on disk, by number, as they were read."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._unsynced: list[Path] = []

    def keep(self, read: Read) -> None:
        frame, meta = self._paths(read.seq)
        read.chunk.frame.write_ipc(frame, compression="uncompressed")
        told = {"source": read.source.id, "first_row": read.first_row, "start": read.start, "position": read.chunk.position,
                "first_line": read.chunk.first_line, "file": read.chunk.file, "faults": [asdict(f) for f in read.chunk.faults],
                "lines": None if read.chunk.lines is None else read.chunk.lines.to_list()}  # fmt: skip
        meta.write_text(json.dumps(told))
        self._unsynced += [frame, meta]

    def sync(self) -> None:
        """Everything kept so far survives a crash of the machine, too. Meanwhile, more may be kept in another thread."""
        kept = tuple(self._unsynced)
        for path in kept:
            with path.open("rb") as file:
                os.fsync(file.fileno())
        del self._unsynced[: len(kept)]

    def read(self, sources: Sequence[SourceNode], start: int, count: int) -> Iterator[Read]:
        nodes = {node.id: node for node in sources}
        for seq in range(start, count):
            frame, meta = self._paths(seq)
            told: dict[str, Any] = json.loads(meta.read_text())
            chunk = Chunk(
                pl.read_ipc(frame), told["position"], told["first_line"],
                None if told["lines"] is None else pl.Series(told["lines"], dtype=pl.Int64),
                tuple(Fault(**f) for f in told["faults"]), told["file"],
            )  # fmt: skip
            yield Read(seq, nodes[told["source"]], told["first_row"], chunk, told["start"])

    def _paths(self, seq: int) -> tuple[Path, Path]:
        return self._directory / f"{seq:06d}.arrow", self._directory / f"{seq:06d}.json"


def ahead(items: Iterator[T], depth: int = 1, idle: Callable[[], None] = lambda: None) -> Generator[T, None, None]:
    """The same items, made in a thread that stays at most ``depth`` ahead. Its errors arrive here. To be closed by its user.

    ``idle`` is called now and then while there is nothing: a source may wait for minutes.
    """
    channel: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    stop = threading.Event()

    def put(kind: str, value: Any) -> bool:
        while not stop.is_set():
            try:
                channel.put((kind, value), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=work, name="qpipe-read", daemon=True)
    thread.start()
    try:
        while True:
            try:
                kind, value = channel.get(timeout=0.2)
            except queue.Empty:
                idle()
                continue
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stop.set()
        thread.join(timeout=5)
