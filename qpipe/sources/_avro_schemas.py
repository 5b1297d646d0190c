"""Avro schemas of messages, from files. Those of a registry are in ``_registry``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from qpipe.core.errors import MissingExtra, Unavailable
from qpipe.sources._avro_types import said


class Unknown(ValueError):
    """What makes a message a poison message, said in our words."""


@dataclass(frozen=True)
class Schema:
    """A schema of a record: as it is written, and as fastavro wants it."""

    tree: Mapping[str, Any]
    parsed: Any
    number: int = 0  # its id in a registry: the later one was registered later

    @property
    def fields(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.tree["fields"]
        return found


class Schemas(Protocol):
    """Where the schemas of messages come from."""

    @property
    def reader(self) -> Schema:
        """The one that says what columns there are."""

    def by_id(self, number: int) -> Schema: ...

    def by_fingerprint(self, mark: bytes) -> Schema: ...


@dataclass(frozen=True)
class Files:
    """Schemas in files, of which the last is the reader's."""

    given: str | Mapping[str, str]  # a file, or id → file
    directory: Path

    @cached_property
    def reader(self) -> Schema:
        return list(self._files.values())[-1]

    def by_id(self, number: int) -> Schema:
        if str(number) not in self._files:
            raise Unknown(f"written with schema {number}, of which no file is named under `avro`")
        return self._files[str(number)]

    def by_fingerprint(self, mark: bytes) -> Schema:
        if mark not in self._by_fingerprint:
            raise Unknown(f"written with a schema of fingerprint {mark.hex()}, of which no file is named under `avro`")
        return self._by_fingerprint[mark]

    @cached_property
    def _files(self) -> Mapping[str, Schema]:
        named = {"": self.given} if isinstance(self.given, str) else self.given
        return {id: self._loaded(path) for id, path in named.items()}

    @cached_property
    def _by_fingerprint(self) -> Mapping[bytes, Schema]:
        import fastavro.schema as avro

        found = {}
        for schema in self._files.values():
            mark = avro.fingerprint(avro.to_parsing_canonical_form(dict(schema.tree)), "CRC-64-AVRO")
            found[bytes.fromhex(mark)] = schema
        return found

    def _loaded(self, path: str) -> Schema:
        try:
            text = (self.directory / path).read_text("utf-8")
        except OSError as error:
            raise Unavailable(f"the schema {path} cannot be read: {error.strerror}", hint="check `avro`") from error
        try:
            return parsed(text)
        except Unknown as error:
            raise Unavailable(f"{path} {error}", hint="check `avro`: columns are the fields of a record") from error


def parsed(text: str, needed: Sequence[str] = (), number: int = 0) -> Schema:
    """A schema; ``needed``: the texts of those that it refers to. Unknown: it is none, or none of a record."""
    try:
        import fastavro.schema as avro
    except ImportError as error:
        raise MissingExtra("read Avro", extra="avro") from error
    named: dict[str, Any] = {}
    try:
        for each in needed:
            avro.parse_schema(json.loads(each), named_schemas=named)
        tree = json.loads(text)
        made = avro.parse_schema(tree, named_schemas=named)
    except Exception as error:  # fastavro raises what its parts raise
        raise Unknown(f"is no Avro schema: {said(error)}") from error
    if not isinstance(tree, dict) or tree.get("type") != "record":
        raise Unknown("is no schema of a record")
    return Schema(tree, made, number)
