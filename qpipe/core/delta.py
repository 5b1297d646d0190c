"""Delta tables: opened by the library deltalake, their refusals in our words, credentials from the usual places.

``storage`` is written as for files (key, secret, endpoint_url, region, profile …); what is not given there is looked up where
the store's own tools look it up. No message repeats a value of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qpipe.core.errors import DataRefused, NotPermitted, QpipeError, Unavailable
from qpipe.core.extras import needed
from qpipe.core.secrets import Secret
from qpipe.core.storage import shown

EXTRA = "delta"
_LIBRARIES = ("deltalake", "_internal", "pyarrow", "botocore")
_RETRIES = {"max_retries": "5", "retry_timeout": "20s"}
# fsspec's names of S3 options → those of object_store
_S3 = {"key": "AWS_ACCESS_KEY_ID", "secret": "AWS_SECRET_ACCESS_KEY", "token": "AWS_SESSION_TOKEN", "region": "AWS_REGION",
       "endpoint_url": "AWS_ENDPOINT_URL"}  # fmt: skip


def table_at(path: str, storage: Mapping[str, Any] | None, directory: Path, version: int | str | None = None) -> Any:
    """The table as it was at a version or a time (None: as it is now); None where there is none."""
    deltalake = needed("deltalake", "read and write Delta tables", EXTRA)
    place = place_of(path, directory)
    with telling(path, "opening the table"):
        options = options_of(place, storage)
        if "://" not in place and not Path(place).is_dir():
            return None
        try:
            table = deltalake.DeltaTable(place, storage_options=options)
        except deltalake.exceptions.TableNotFoundError:
            return None
        if version is not None:
            _go_back(table, version, path)
        return table


def _go_back(table: Any, version: int | str, path: str) -> None:
    newest = table.version()
    try:
        table.load_as_version(version)
    except Exception as error:
        raise DataRefused(f"there is no version {version}: the newest is {newest}", file=shown(path),
                          hint="old versions go when the table is vacuumed") from error  # fmt: skip


def place_of(path: str, directory: Path) -> str:
    """A URL, or an absolute path."""
    return path if "://" in path else str((directory / path).resolve())


def options_of(place: str, storage: Mapping[str, Any] | None) -> dict[str, str]:
    """Storage options as the library takes them."""
    given = {name: value.reveal() if isinstance(value, Secret) else value for name, value in (storage or {}).items()}
    if not place.startswith(("s3://", "s3a://")):
        return {**(_RETRIES if "://" in place else {}), **{name: str(value) for name, value in given.items()}}
    profile = given.pop("profile", None)
    options = {_S3.get(name, name): str(value) for name, value in given.items()}
    if "AWS_ACCESS_KEY_ID" not in options:
        options |= _found_credentials(profile)
    if options.get("AWS_ENDPOINT_URL", "").startswith("http://"):
        options["AWS_ALLOW_HTTP"] = "true"
    return {**_RETRIES, **options}


def _found_credentials(profile: str | None) -> dict[str, str]:
    """From the environment, a profile, or the instance, as AWS's own tools find them."""
    import botocore.session

    session = botocore.session.Session(profile=profile)
    found = session.get_credentials()
    options = {"AWS_REGION": session.get_config_variable("region") or "us-east-1"}
    if endpoint := session.get_config_variable("endpoint_url"):
        options["AWS_ENDPOINT_URL"] = endpoint
    if found is not None:
        frozen = found.get_frozen_credentials()
        options |= {"AWS_ACCESS_KEY_ID": frozen.access_key, "AWS_SECRET_ACCESS_KEY": frozen.secret_key}
        options |= {"AWS_SESSION_TOKEN": frozen.token} if frozen.token else {}
    return options


@contextmanager
def telling(path: str, doing: str) -> Iterator[None]:
    """The library's refusals in our words. Its own text may hold a request with its credentials: only its gist is told."""
    try:
        yield
    except QpipeError:
        raise
    except Exception as error:
        kind, text = type(error).__name__, str(error)
        if "403" in text or "Forbidden" in text or "AccessDenied" in text or isinstance(error, PermissionError):
            raise NotPermitted(f"{doing} is not allowed", file=shown(path), hint="look at the credentials") from None
        if kind in ("SchemaMismatchError", "DeltaProtocolError"):
            told, hint = text.splitlines()[0][:200], "look at the table's columns and features"
            raise DataRefused(f"{doing} failed: {told}", file=shown(path), hint=hint) from error
        if kind in ("CommitFailedError", "ConcurrentModificationException"):
            raise Unavailable(f"{doing} failed: another writer was faster", file=shown(path)) from error
        if isinstance(error, OSError) or type(error).__module__.startswith(_LIBRARIES):
            raise Unavailable(f"{doing} failed: {kind}", file=shown(path), hint="does the store answer?") from None
        raise
