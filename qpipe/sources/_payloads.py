"""Payloads of messages into rows: JSON objects, CSV lines, Avro records. One that cannot be read is a poison message: a row
without cells and a fault that names the message and keeps its text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import Fault
from qpipe.core.component import Context
from qpipe.core.lazy import pl
from qpipe.sources import _json_typed as json_typed
from qpipe.sources._decoded import KEPT, Decoded, Decoder, line, poison
from qpipe.sources.file.json_values import VALUE, keys_of, rows_of

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType
    from qpipe.sources._avro_schemas import Schemas
    from qpipe.sources._messages import Messages, Taken
    from qpipe.sources._registry import Given


def decoder(source: Messages, context: Context) -> Decoder:
    if source.format == "csv":
        return Csv(tuple(source.names or source.schema or ()), source.delimiter)
    if source.format == "avro":
        from qpipe.sources._avro import Avro

        return Avro(_schemas(source, context), "confluent" if source.schema_registry else source.framing)
    return JsonObjects(context.contract or {})


def _schemas(source: Messages, context: Context) -> Schemas:
    from qpipe.sources._avro_schemas import Files

    if source.schema_registry is None:
        return Files(source.avro or "", context.directory)
    from qpipe.sources._registry import Registry, subject_of

    subject, file = subject_of(source.schema_registry, source.subject), source.avro if isinstance(source.avro, str) else None
    return Registry(source.schema_registry, subject, file, context.directory, context.check_stop)


def problems(source: Messages) -> Iterator[tuple[str, str]]:
    """What is wrong before a message is read."""
    if source.format == "csv" and not (source.names or source.schema):
        yield "names", "a CSV line has no names: say which columns there are, here or in the schema"
    if source.format == "avro" and not source.avro and not source.schema_registry:
        yield "avro", "an Avro record is read by its schema: name its file, or a schema_registry"
    if source.format == "avro":
        from qpipe.sources._avro_types import missing

        yield from missing()
    if source.schema_registry is not None:
        yield from _registry_problems(source, source.schema_registry)
    elif source.framing == "confluent" and isinstance(source.avro, str):
        yield "avro", "a record with an id needs schemas by id: {7: orders.avsc}"


def _registry_problems(source: Messages, given: Given) -> Iterator[tuple[str, str]]:
    from qpipe.sources._registry import registry_problems, subject_of

    yield from registry_problems(given)
    if source.format != "avro":
        yield "schema_registry", f"only Avro is read by a registry: say format: avro, not {source.format}"
    if source.framing == "single_object":
        yield "framing", "a registry knows schemas by their ids: leave framing out, or say confluent"
    if isinstance(source.avro, dict):
        yield "avro", "schemas by id come from the registry: name one file, that says what columns there are, or none"
    elif not source.avro and subject_of(given, source.subject) is None:
        yield "schema_registry", "which subject says what columns there are? name it: {url, subject}"


def lacking(taken: Taken) -> list[Fault]:
    """Messages without a payload."""
    return [poison(taken, row, said, raw) for row, (said, raw) in taken.wrong.items()]


def texts(taken: Taken) -> tuple[pl.Series, list[Fault]]:
    """The payloads as texts. One that is no UTF-8 is null, and told."""
    try:
        return pl.Series(taken.payloads, dtype=pl.Binary).cast(pl.String), []
    except pl.exceptions.ComputeError:
        pass
    found: list[str | None] = []
    faults = []
    for row, payload in enumerate(taken.payloads):  # only batches with such a one come here
        try:
            found.append(None if payload is None else payload.decode())
        except UnicodeDecodeError as error:
            found.append(None)
            faults.append(poison(taken, row, f"no UTF-8: {error.reason} at byte {error.start}", payload))
    return pl.Series(found, dtype=pl.String), faults


@dataclass(frozen=True)
class JsonObjects:
    """A JSON object in each message. Every cell is the text it is written with, or in the contract's type where all are."""

    contract: Mapping[str, DataType]  # types that may be read at once

    def columns(self, payloads: Sequence[Any]) -> dict[str, DataType]:
        known = [p.decode("utf-8", "replace") for p in payloads if p is not None]
        return _strings(_keys([text for text in known if text.lstrip().startswith("{")]))

    def frame(self, taken: Taken, known: Sequence[str]) -> Decoded:
        held, faults = texts(taken)
        held = held.fill_null("{}")
        typed = json_typed.at_once(held, known, self.contract)
        if typed is not None:
            return Decoded(typed, faults, lambda rows: rows_of(held.gather(rows), known, int)[0])
        frame, found = rows_of(held, known, lambda row: line(taken, row))
        if any(fault.code == "new-key" for fault in found):  # the batch gets their columns: the contract's policy decides
            names = list(dict.fromkeys([*known, *_keys(held.to_list())]))
            frame, found = rows_of(held, names, lambda row: line(taken, row))
        return Decoded(frame, [*faults, *(_named(taken, fault) for fault in found)])


def _keys(objects: Sequence[str]) -> list[str]:
    """A text that is no object is a poison message and makes no column."""
    found = keys_of(objects)
    whole = VALUE not in found or any(f'"{VALUE}"' in text for text in objects)
    return found if whole else [name for name in found if name != VALUE]


def _named(taken: Taken, fault: Fault) -> Fault:
    row = fault.row or 0
    code = "poison-message" if fault.code in ("not-json", "no-object") else fault.code
    return replace(fault, code=code, message=f"{taken.name(row)}: {fault.message}", raw=fault.raw[:KEPT])


@dataclass(frozen=True)
class Csv:
    """A CSV line in each message. Empty cells are null."""

    names: tuple[str, ...]
    delimiter: str

    def columns(self, payloads: Sequence[Any]) -> dict[str, DataType]:
        return _strings(self.names)

    def frame(self, taken: Taken, known: Sequence[str]) -> Decoded:
        held, faults = texts(taken)
        if held.str.contains('["\\r\\n]').any():
            cells, wrong = self._one_by_one(held.str.strip_chars_end("\r\n"))
        else:
            cells, wrong = held.str.split(self.delimiter), {}
        counts = cells.list.len().fill_null(len(self.names))
        for row in (counts != len(self.names)).arg_true():
            said = wrong.get(row) or f"{counts[row]} cells, expected {len(self.names)}"
            faults.append(poison(taken, row, said, taken.payloads[row]))
        fits = pl.DataFrame({"cells": cells, "fits": counts == len(self.names)})
        cell = pl.when("fits").then(pl.col("cells"))
        made = (cell.list.get(n, null_on_oob=True).replace("", None).alias(name) for n, name in enumerate(self.names))
        frame = fits.select(made)
        rest = [pl.lit(None, pl.String).alias(name) for name in known if name not in self.names]
        return Decoded(frame.with_columns(rest), sorted(faults, key=lambda fault: fault.row or 0))

    def _one_by_one(self, held: pl.Series) -> tuple[pl.Series, dict[int, str]]:
        """Quoted cells: only batches with a quote or a line's end in them come here."""
        found: list[list[str] | None] = []
        wrong: dict[int, str] = {}
        for row, text in enumerate(held.to_list()):
            try:
                lines = [] if text is None else list(csv.reader(io.StringIO(text), delimiter=self.delimiter, strict=True))
                if len(lines) > 1:
                    raise csv.Error("more than one line")
                found.append(None if text is None else lines[0] if lines else [])
            except csv.Error as error:
                wrong[row] = f"no CSV line: {error}"
                found.append([])
        return pl.Series(found, dtype=pl.List(pl.String)), wrong


def _strings(names: Sequence[str]) -> dict[str, DataType]:
    from qpipe.core.types import DataType

    return {name: DataType.parse("string") for name in names}
