"""Avro records of messages: bare, behind an id (as schema registries write it), or behind the fingerprint of their schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.errors import MissingExtra, Unavailable
from qpipe.core.lazy import pl
from qpipe.sources._avro_types import columns_of, said, series
from qpipe.sources._decoded import Decoded, poison

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.types import DataType
    from qpipe.sources._messages import Taken


@dataclass(frozen=True)
class Avro:
    """Records by their schemas. The last one named says what columns there are; older records are read into it.

    Types are those of the schema: exact decimals, times in UTC. Maps, unions of several types and records within are JSON text.
    """

    given: str | Mapping[str, str]  # a file, or id → file
    framing: str
    directory: Path

    def columns(self, payloads: Sequence[Any]) -> dict[str, DataType]:
        return columns_of(self._schema)

    def frame(self, taken: Taken, known: Sequence[str]) -> Decoded:
        """fastavro decodes record by record: there is no decoder of whole batches."""
        records: list[dict[str, Any]] = []
        faults = []
        for row, payload in enumerate(taken.payloads):
            record: dict[str, Any] = {}
            if payload is not None:
                try:
                    record = self._record(payload)
                except Exception as error:  # fastavro raises what its parts raise: EOFError, IndexError, ValueError, …
                    wrong = str(error) if isinstance(error, _Unknown) else f"no record of this schema: {said(error)}"
                    faults.append(poison(taken, row, wrong, payload))
            records.append(record)
        types = self.columns(())
        from qpipe.core.types import DataType

        text = DataType.parse("string")
        made = {name: series(name, types.get(name, text), records) for name in dict.fromkeys([*known, *types])}
        return Decoded(pl.DataFrame(made), faults)

    def _record(self, payload: bytes) -> dict[str, Any]:
        import fastavro

        writer, start = self._writer(payload)
        body = BytesIO(payload[start:])
        found = fastavro.schemaless_reader(body, writer, None if writer is self._parsed else self._parsed)
        if body.read(1):
            raise _Unknown("bytes after the record")
        if not isinstance(found, dict):
            raise _Unknown("this is no record")
        return found

    def _writer(self, payload: bytes) -> tuple[Any, int]:
        """The schema that a record was written with, and where it begins."""
        if self.framing == "none":
            return self._parsed, 0
        if self.framing == "confluent":
            if payload[:1] != b"\x00" or len(payload) < 5:
                raise _Unknown("no id of a schema before it")
            number = str(int.from_bytes(payload[1:5], "big"))
            if number not in self._by_id:
                raise _Unknown(f"written with schema {number}, of which no file is named under `avro`")
            return self._by_id[number], 5
        if payload[:2] != b"\xc3\x01" or len(payload) < 10:
            raise _Unknown("no fingerprint of a schema before it")
        mark = payload[2:10]
        if mark not in self._by_fingerprint:
            raise _Unknown(f"written with a schema of fingerprint {mark.hex()}, of which no file is named under `avro`")
        return self._by_fingerprint[mark], 10

    @cached_property
    def _files(self) -> dict[str, Any]:
        named = {"": self.given} if isinstance(self.given, str) else self.given
        return {id: self._loaded(path) for id, path in named.items()}

    @cached_property
    def _by_id(self) -> dict[str, Any]:
        return {id: parsed for id, (_, parsed) in self._files.items()}

    @cached_property
    def _by_fingerprint(self) -> dict[bytes, Any]:
        import fastavro.schema as avro

        found = {}
        for text, parsed in self._files.values():
            mark = avro.fingerprint(avro.to_parsing_canonical_form(json.loads(text)), "CRC-64-AVRO")
            found[bytes.fromhex(mark)] = parsed
        return found

    @property
    def _parsed(self) -> Any:
        return list(self._files.values())[-1][1]

    @cached_property
    def _schema(self) -> Mapping[str, Any]:
        schema: Mapping[str, Any] = json.loads(list(self._files.values())[-1][0])
        return schema

    def _loaded(self, path: str) -> tuple[str, Any]:
        """A schema's text, and as fastavro wants it."""
        try:
            import fastavro.schema as avro
        except ImportError as error:
            raise MissingExtra("read Avro", extra="avro") from error
        file = self.directory / path
        try:
            text = file.read_text("utf-8")
            parsed = avro.parse_schema(json.loads(text))
        except OSError as error:
            raise Unavailable(f"the schema {path} cannot be read: {error.strerror}", hint="check `avro`") from error
        except Exception as error:
            raise Unavailable(f"{path} is no Avro schema: {said(error)}", hint="check `avro`") from error
        if not isinstance(json.loads(text), dict) or json.loads(text).get("type") != "record":
            raise Unavailable(f"{path} is no schema of a record", hint="columns are the fields of a record")
        return text, parsed


class _Unknown(ValueError):
    """Said in our words."""
