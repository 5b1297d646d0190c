"""Iceberg tables: found by a catalog of the library pyiceberg, whose refusals are told in our words.

A catalog is its properties, as pyiceberg has them (type, uri, warehouse, credential …; name, where it is not "default"), or the
name of one that is set up where pyiceberg looks: ``~/.pyiceberg.yaml`` or the environment. No message repeats a value of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qpipe.core.errors import DataRefused, NotPermitted, QpipeError, Unavailable
from qpipe.core.extras import needed
from qpipe.core.secrets import Secret

EXTRA = "iceberg"
_LIBRARIES = ("pyiceberg", "sqlalchemy", "requests", "pyarrow", "botocore", "fsspec", "s3fs")
_REFUSED = ("UnauthorizedError", "ForbiddenError", "OAuthError", "AuthorizationExpiredError")


def catalog_of(catalog: str | Mapping[str, Any], directory: Path) -> Any:
    """The catalog; paths in it that are relative are the spec's."""
    needed("pyiceberg", "read and write Iceberg tables", EXTRA)
    from pyiceberg.catalog import load_catalog

    with telling("the catalog", "opening it"):
        if isinstance(catalog, str):
            return load_catalog(catalog)
        given = {name: _revealed(value) for name, value in catalog.items()}
        name = given.pop("name", "default")
        return load_catalog(name, **{key: _absolute(text, directory) for key, text in given.items()})


def table_of(catalog: Any, table: str) -> Any:
    """The table as it is now; None where there is none."""
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    with telling(table, "opening the table"):
        try:
            return catalog.load_table(table)
        except (NoSuchTableError, NoSuchNamespaceError):
            return None


def _revealed(value: Any) -> str:
    return str(value.reveal() if isinstance(value, Secret) else value)


def _absolute(text: str, directory: Path) -> str:
    """``sqlite:///catalog.db`` and ``file://lake`` of the spec's folder."""
    for start in ("sqlite:///", "file://"):
        rest = text.removeprefix(start)
        if rest != text and not rest.startswith("/"):
            return f"{start}{directory.resolve() / rest}"
    return text


@contextmanager
def telling(place: str, doing: str) -> Iterator[None]:
    """The library's refusals in our words. Its own text may hold a request with its credentials: only its gist is told."""
    try:
        yield
    except QpipeError:
        raise
    except Exception as error:
        kind = type(error).__name__
        if kind in _REFUSED or isinstance(error, PermissionError):
            raise NotPermitted(f"{doing} is not allowed", file=place, hint="look at the credentials") from None
        if kind in ("CommitFailedException", "CommitStateUnknownException"):
            raise Unavailable(f"{doing} failed: another writer was faster", file=place) from None
        if kind in ("ValidationError", "ValidationException") or (
            isinstance(error, ValueError) and "schema" in str(error).lower()
        ):
            told = str(error).splitlines()[0][:200]
            raise DataRefused(f"{doing} failed: {told}", file=place, hint="look at the table's columns") from error
        if isinstance(error, OSError) or type(error).__module__.startswith(_LIBRARIES):
            raise Unavailable(f"{doing} failed: {kind}", file=place, hint="does the catalogue answer?") from None
        raise
