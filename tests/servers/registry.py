"""A schema registry on loopback that speaks Confluent's API: neither Confluent's nor Karapace is to be had as a package here.

What it answers is what the API's reference says; the tests write and read through Confluent's own client, which would not take
anything else. Schemas are kept in memory. ``users``: {name: password} where it wants to know who asks.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from tests.servers import api
from tests.servers.api import Request

TYPE = "application/vnd.schemaregistry.v1+json"


class Registry:
    def __init__(self, server: api.Api) -> None:
        self.api, self.users = server, dict[str, str]()
        self._schemas: list[dict[str, Any]] = []  # by id, from 1
        self._subjects: dict[str, list[int]] = {}  # ids by version, from 1
        server.answer = self.answer

    @property
    def url(self) -> str:
        return self.api.url

    def __str__(self) -> str:
        return self.url

    def answer(self, request: Request) -> tuple[int, dict[str, str], Any]:
        if self.users and request.headers.get("authorization") not in map(_basic, self.users, self.users.values()):
            return _refused(401, 401, "Unauthorized")
        status, body = self._answer(request.method, unquote(request.path), request.body)
        return status, {"content-type": TYPE}, body

    def _answer(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        if (method, path) == ("GET", "/subjects"):
            return 200, list(self._subjects)
        if found := re.fullmatch(r"/schemas/ids/(\d+)", path):
            number = int(found[1])
            known = 0 < number <= len(self._schemas)
            return (200, self._schemas[number - 1]) if known else _error(404, 40403, f"Schema {number} not found")
        if not (found := re.fullmatch(r"/subjects/([^/]+)(?:/versions(?:/(\w+))?)?", path)):
            return _error(404, 404, "HTTP 404 Not Found")
        subject, version = found[1], found[2]
        if method == "POST":
            return self._written(subject, json.loads(body), register=path.endswith("/versions"))
        versions = self._subjects.get(subject)
        if versions is None:
            return _error(404, 40401, f"Subject '{subject}' not found.")
        if version is None:
            return 200, [*range(1, len(versions) + 1)]
        number = len(versions) if version == "latest" else int(version)
        return (
            (200, self._version(subject, number)) if 0 < number <= len(versions) else _error(404, 40402, "Version not found.")
        )

    def _written(self, subject: str, given: dict[str, Any], *, register: bool) -> tuple[int, Any]:
        """A schema is the same in all subjects, and has one id."""
        schema = {name: given[name] for name in ("schema", "schemaType", "references") if given.get(name)}
        if schema.get("schemaType", "AVRO") == "AVRO":
            schema.pop("schemaType", None)
            try:
                json.loads(schema["schema"])
            except ValueError:
                return _error(422, 42201, "Input schema is an invalid Avro schema")
        if register and schema not in self._schemas:
            self._schemas.append(schema)
        number = self._schemas.index(schema) + 1 if schema in self._schemas else 0
        if register:
            versions = self._subjects.setdefault(subject, [])
            if number not in versions:
                versions.append(number)
            return 200, {"id": number}
        if number not in self._subjects.get(subject, ()):
            return _error(404, 40403, "Schema not found")
        return 200, self._version(subject, self._subjects[subject].index(number) + 1)

    def _version(self, subject: str, version: int) -> dict[str, Any]:
        number = self._subjects[subject][version - 1]
        return {"subject": subject, "version": version, "id": number, **self._schemas[number - 1]}


def missing() -> str | None:
    return None


@contextmanager
def start(directory: Path) -> Iterator[Registry]:
    with api.start(directory) as server:
        yield Registry(server)


def _basic(name: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def _error(status: int, code: int, words: str) -> tuple[int, Any]:
    return status, {"error_code": code, "message": words}


def _refused(status: int, code: int, words: str) -> tuple[int, dict[str, str], Any]:
    return status, {"content-type": TYPE}, {"error_code": code, "message": words}
