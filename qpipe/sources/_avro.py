"""Avro records of messages: bare, behind an id (as schema registries write it), or behind the fingerprint of their schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any

from qpipe.core.errors import QpipeError
from qpipe.core.lazy import pl
from qpipe.sources._avro_schemas import Schema, Schemas, Unknown
from qpipe.sources._avro_types import columns_of, said, series
from qpipe.sources._decoded import Decoded, poison

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType
    from qpipe.sources._messages import Taken

Record = dict[str, Any]
Field = Mapping[str, Any]


@dataclass(frozen=True)
class Avro:
    """Records by their schemas. The reader's says what columns there are; records of other schemas are read into it.

    Types are those of the schema: exact decimals, times in UTC. Maps, unions of several types and records within are JSON text.
    Fields of a schema that was registered after the reader's make new columns.
    """

    schemas: Schemas
    framing: str
    _beside: dict[int, Sequence[Field]] = field(default_factory=dict)

    def columns(self, payloads: Sequence[Any]) -> dict[str, DataType]:
        return columns_of(self.schemas.reader.tree)

    def frame(self, taken: Taken, known: Sequence[str]) -> Decoded:
        """fastavro decodes record by record: there is no decoder of whole batches."""
        from qpipe.core.types import DataType

        types, records, faults = self.columns(()), list[Record](), []
        for row, payload in enumerate(taken.payloads):
            record: Record = {}
            if payload is not None:
                try:
                    record, more = self._record(payload)
                    types = {**columns_of({"fields": more}), **types} if more else types
                except QpipeError as error:
                    error.message = f"{taken.name(row)}: {error.message}"
                    raise
                except Exception as error:  # fastavro raises what its parts raise: EOFError, IndexError, ValueError, …
                    wrong = str(error) if isinstance(error, Unknown) else f"no record of this schema: {said(error)}"
                    faults.append(poison(taken, row, wrong, payload))
            records.append(record)
        text = DataType.parse("string")
        names = dict.fromkeys([*known, *types])
        return Decoded(pl.DataFrame({name: series(name, types.get(name, text), records) for name in names}), faults)

    def _record(self, payload: bytes) -> tuple[Record, Sequence[Field]]:
        """A record, and those of its fields that are new."""
        writer, start = self._writer(payload)
        more = self._more(writer)
        found = _read(payload[start:], writer, self.schemas.reader)
        if more:
            written = _read(payload[start:], writer, writer)
            found |= {each["name"]: written[each["name"]] for each in more}
        return found, more

    def _more(self, writer: Schema) -> Sequence[Field]:
        """The fields of a schema that is newer than the reader's, and that the reader's lacks."""
        if not writer.number > self.schemas.reader.number > 0:
            return ()
        if writer.number not in self._beside:
            known = {name for each in self.schemas.reader.fields for name in (each["name"], *each.get("aliases", ()))}
            self._beside[writer.number] = [each for each in writer.fields if each["name"] not in known]
        return self._beside[writer.number]

    def _writer(self, payload: bytes) -> tuple[Schema, int]:
        """The schema that a record was written with, and where it begins."""
        if self.framing == "none":
            return self.schemas.reader, 0
        mark, length, called, find = self._frames[self.framing]
        if not payload.startswith(mark) or len(payload) < len(mark) + length:
            raise Unknown(f"no {called} of a schema before it")
        start = len(mark) + length
        return find(payload[len(mark) : start]), start

    @cached_property
    def _frames(self) -> Mapping[str, tuple[bytes, int, str, Callable[[bytes], Schema]]]:
        """By framing: what a message begins with, the bytes that name its schema, what they are, and how it is found."""
        return {
            "confluent": (b"\x00", 4, "id", lambda mark: self.schemas.by_id(int.from_bytes(mark, "big"))),
            "single_object": (b"\xc3\x01", 8, "fingerprint", self.schemas.by_fingerprint),
        }


def _read(body: bytes, writer: Schema, reader: Schema) -> Record:
    import fastavro

    data = BytesIO(body)
    found = fastavro.schemaless_reader(data, writer.parsed, None if writer is reader else reader.parsed)
    if data.read(1):
        raise Unknown("bytes after the record")
    if not isinstance(found, dict):
        raise Unknown("this is no record")
    return found
