"""Avro schemas of a registry, asked for by the ids that stand before records: Confluent's API, which others speak, too.

GET /schemas/ids/{id} is what a record was written with, GET /subjects/{subject}/versions/latest what columns there are. An id
always means the same schema, so that each is asked for once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from qpipe.core.errors import QpipeError, Unavailable
from qpipe.core.http import PATIENCE, Client, Refused, Settings, address_problems, auth_problem, shown
from qpipe.core.params import read_duration
from qpipe.sources._avro_schemas import Files, Schema, Unknown, parsed

Given = str | Mapping[str, Any]
_KEYS = ("url", "subject", "auth", "headers", "timeout", "retry")
_ACCEPT = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
_NO_SCHEMA, _NO_SUBJECT = (40403,), (40401, 40402)  # what a registry's refusal says beside 404
_HINT = "is the schema registry running and reachable?"


def registry_problems(given: Given) -> Iterator[tuple[str, str]]:
    """What is wrong with ``schema_registry`` before anything is asked."""
    settings = _as_mapping(given)
    if unknown := [name for name in settings if name not in _KEYS]:
        yield "schema_registry", f"schema_registry has no {unknown[0]}: it has {', '.join(_KEYS)}"
    yield from (("schema_registry", said) for _, said in address_problems(settings.get("url", "")))
    if wrong := auth_problem(settings.get("auth")):
        yield "schema_registry", wrong
    try:
        _settings(settings)
    except ValueError as error:
        yield "schema_registry", str(error)


def place_of(given: Given) -> str:
    """A registry's address, without what is secret in it."""
    return shown(str(_as_mapping(given)["url"])).rstrip("/")


def subject_of(given: Given, otherwise: str | None) -> str | None:
    return _as_mapping(given).get("subject", otherwise)


@dataclass(frozen=True)
class Registry:
    """Schemas by their ids. The reader's is that of the file, if one is named, or else the subject's latest."""

    given: Given
    subject: str | None
    file: str | None
    directory: Path
    check_stop: Callable[[], None]
    _known: dict[int, Schema | Unknown] = field(default_factory=dict)

    @cached_property
    def reader(self) -> Schema:
        if self.file is not None:
            return Files(self.file, self.directory).reader
        if self.subject is None:
            raise Unavailable(f"schema registry {place_of(self.given)}: which subject says what columns there are?",
                              hint="say schema_registry: {url: …, subject: …}, or name a file as `avro`")  # fmt: skip
        path = f"subjects/{quote(self.subject, safe='')}/versions/latest"
        found = self._asked(path, _NO_SUBJECT)
        try:
            if isinstance(found, Unknown):
                raise found
            return self._schema(found, int(found.get("id", 0)))
        except Unknown as error:
            raise Unavailable(f"schema registry {place_of(self.given)}: subject {self.subject} {error}",
                              hint="name another subject under `schema_registry`, or a file as `avro`") from error  # fmt: skip

    def by_id(self, number: int) -> Schema:
        if number not in self._known:
            self._known[number] = self._found(number)
        found = self._known[number]
        if isinstance(found, Unknown):
            raise found
        return found

    def by_fingerprint(self, mark: bytes) -> NoReturn:
        raise Unknown("a registry knows schemas by their ids only")

    def _found(self, number: int) -> Schema | Unknown:
        found = self._asked(f"schemas/ids/{number}", _NO_SCHEMA)
        try:
            if isinstance(found, Unknown):
                raise found
            return self._schema(found, number)
        except Unknown as error:
            return Unknown(f"written with schema {number}, which {error}")

    def _schema(self, found: Mapping[str, Any], number: int) -> Schema:
        if (kind := found.get("schemaType", "AVRO")) != "AVRO":
            raise Unknown(f"is {kind}, not Avro")
        return parsed(found["schema"], self._needed(found.get("references") or ()), number)

    def _needed(self, references: Sequence[Mapping[str, Any]]) -> list[str]:
        """The texts of all schemas that these refer to, each after those that it needs itself."""
        texts: list[str] = []
        for each in references:
            path = f"subjects/{quote(str(each['subject']), safe='')}/versions/{each['version']}"
            found = self._asked(path, _NO_SUBJECT)
            if isinstance(found, Unknown):
                raise Unknown(f"refers to {each['subject']}, version {each['version']}, which {found}")
            texts += [*self._needed(found.get("references") or ()), found["schema"]]
        return list(dict.fromkeys(texts))

    def _asked(self, path: str, absent: Sequence[int]) -> Mapping[str, Any] | Unknown:
        """The registry's answer. Unknown: it says that there is no such thing."""
        settings = _as_mapping(self.given)
        url = f"{str(settings['url']).rstrip('/')}/{path}"
        try:
            with Client(_settings(settings), self.check_stop) as client:
                answer = client.send("GET", url)
        except Refused as error:
            if error.answer.get("error_code") in absent:
                return Unknown("the registry does not know")
            raise Unavailable(f"schema registry: {error.message}", hint="check the address of the registry") from error
        except QpipeError as error:
            hint = error.hint if not isinstance(error, Unavailable) or "certificate" in error.message.lower() else _HINT
            raise type(error)(f"schema registry: {error.message}", hint=hint) from error
        try:
            found = answer.json()
        except ValueError:
            found = None
        if not isinstance(found, dict) or not isinstance(found.get("schema"), str):
            raise Unavailable(f"schema registry: GET {shown(url)}: this is no answer of a schema registry",
                              hint="check the address of the registry")  # fmt: skip
        return found


def _as_mapping(given: Given) -> Mapping[str, Any]:
    return given if isinstance(given, Mapping) else {"url": given}


def _settings(given: Mapping[str, Any]) -> Settings:
    """How it is asked. ValueError in words."""
    headers = {**_ACCEPT, **(given.get("headers") or {})}
    timeout = read_duration(given.get("timeout", 10.0))
    return Settings(given.get("auth") or {}, headers, timeout, PATIENCE.but(given.get("retry") or {}))
