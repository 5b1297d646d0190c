"""Stores behind URLs: fsspec opened late, with the user's options, and its refusals in our words.

Credentials come from the usual places (environment, profile, instance) or from ``storage:``; no message repeats them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from qpipe.core.errors import MissingExtra, NotPermitted, QpipeError, Unavailable
from qpipe.core.secrets import Secret

_EXTRAS = {"gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure", "sftp": "sftp", "ssh": "sftp"}
_ATTEMPTS = 5  # of a request to S3: what it answers under load (503 SlowDown) is asked again, waiting longer each time


def open_store(url: str, options: Mapping[str, Any] | None, purpose: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    import fsspec

    protocol = url.split("://", 1)[0]
    if protocol not in fsspec.available_protocols():
        raise Unavailable(f"{protocol}:// is no known kind of address", hint="s3, gs, az, abfs, sftp, ftp, http, https")
    given = {name: _revealed(value) for name, value in (options or {}).items()}
    try:
        system, path = fsspec.core.url_to_fs(url, **(_for_s3(given) if protocol in ("s3", "s3a") else given))
    except ImportError as error:
        raise MissingExtra(f"{purpose} {protocol}:// addresses", extra=_EXTRAS.get(protocol, protocol)) from error
    except ValueError:  # its text may repeat an option's value
        raise Unavailable(f"{protocol}:// cannot be opened", file=shown(url), hint="look at the address and storage") from None
    except (OSError, TypeError) as error:
        told = type(error).__name__
        raise Unavailable(f"cannot be reached: {told}", file=shown(url), hint="look at the address and storage") from None
    if hasattr(system, "retries"):  # s3fs would repeat what botocore has repeated: a server that is away took a minute to tell
        system.retries = 1
    return system, path


def shown(url: str) -> str:
    """The URL without a password, query or fragment: signed URLs keep their secret in the query."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


@contextmanager
def reaching(place: str, doing: str) -> Iterator[None]:
    """A store's refusals in our words: the place, what, and what to do. The store's own text may hold secrets: left out."""
    try:
        yield
    except QpipeError:
        raise
    except FileNotFoundError:
        raise Unavailable("nothing is there", file=shown(place), hint="look at the bucket and the path") from None
    except PermissionError:
        raise NotPermitted(f"{doing} is not allowed", file=shown(place), hint="look at the credentials") from None
    except Exception as error:
        if not (isinstance(error, OSError) or type(error).__module__.split(".")[0] in ("botocore", "aiohttp", "paramiko")):
            raise
        if type(error).__name__ in ("NoCredentialsError", "ProfileNotFound", "AuthenticationException"):
            raise NotPermitted("no usable credentials", file=shown(place), hint="set them in the environment, "
                               "or name a profile under storage") from None  # fmt: skip
        raise Unavailable(f"{doing} failed: {type(error).__name__}", file=shown(place),
                          hint="when the store answers again: qpipe resume latest") from None  # fmt: skip


def _for_s3(given: dict[str, Any]) -> dict[str, Any]:
    region = given.pop("region", None)
    config = {"retries": {"max_attempts": _ATTEMPTS, "mode": "standard"}, **given.pop("config_kwargs", {})}
    client = {**({"region_name": region} if region else {}), **given.pop("client_kwargs", {})}
    return {"use_listings_cache": False, **given, "config_kwargs": config, "client_kwargs": client}


def _revealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    return {name: _revealed(each) for name, each in value.items()} if isinstance(value, Mapping) else value
