"""Stores behind URLs: fsspec opened late, with the user's options, and its refusals in our words.

Credentials come from the usual places (environment, profile, instance) or from ``storage:``; no message repeats them.
"""

from __future__ import annotations

import base64
import errno
import importlib.util
import os
import re
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from qpipe.core.errors import CannotCreate, MissingExtra, NotPermitted, QpipeError, Unavailable
from qpipe.core.listening import nobody_at
from qpipe.core.secrets import Secret, without_user

_EXTRAS = {"gs": "gcs", "gcs": "gcs", "az": "azure", "abfs": "azure", "abfss": "azure", "sftp": "sftp", "ssh": "sftp"}
_PACKAGES = {"gcs": "gcsfs", "azure": "adlfs", "sftp": "paramiko"}
SECRET_PATH = "a path is told and kept: give user and password under `storage`, as username and password"
CONNECTED = ("sftp", "ssh", "ftp")
_CLIENTS = ("botocore", "aiohttp", "paramiko", "ftplib", "gcsfs", "google", "azure")  # packages whose errors are a store's
_UNKNOWN = ("NoCredentialsError", "ProfileNotFound", "AuthenticationException", "PasswordRequiredException",
            "BadAuthenticationType", "DefaultCredentialsError", "RefreshError", "ClientAuthenticationError")  # fmt: skip
_AWAY = ("EndpointConnectionError", "ConnectTimeoutError", "ClientConnectorError", "ClientConnectorDNSError",
         "ServiceRequestError")  # fmt: skip
_ATTEMPTS = 5  # of a request to S3: what it answers under load (503 SlowDown) is asked again, waiting longer each time


def lacking(paths: Iterable[str]) -> Iterator[str]:
    """What must be installed before these paths can be opened, in words."""
    for extra in dict.fromkeys(_EXTRAS.get(path.partition("://")[0]) for path in paths if "://" in path):
        if extra and importlib.util.find_spec(_PACKAGES[extra]) is None:
            yield f"for such addresses qpipe[{extra}] is needed: pip install 'qpipe[{extra}]'"


def open_store(url: str, options: Mapping[str, Any] | None, purpose: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it."""
    import fsspec

    protocol = url.split("://", 1)[0]
    if protocol not in fsspec.available_protocols():
        raise Unavailable(f"{protocol}:// is no known kind of address", hint="s3, gs, az, abfs, sftp, ftp, http, https")
    given = {name: revealed(value) for name, value in (options or {}).items()}
    try:
        system, path = _opened(url, protocol, given)
    except ImportError as error:
        raise MissingExtra(f"{purpose} {protocol}:// addresses", extra=_EXTRAS.get(protocol, protocol)) from error
    except QpipeError:
        raise
    except ValueError:  # its text may repeat an option's value
        raise Unavailable(f"{protocol}:// cannot be opened", file=shown(url), hint="look at the address and storage") from None
    except (OSError, EOFError, TypeError) as error:
        told = type(error).__name__
        raise Unavailable(f"cannot be reached: {told}", file=shown(url), hint="look at the address and storage") from None
    except Exception as error:
        with reaching(url, "connecting"):
            raise error
        raise
    if hasattr(system, "retries"):  # s3fs would repeat what botocore has repeated: a server that is away took a minute to tell
        system.retries = 1
    if said := nobody_at(_address(system, protocol)):
        raise Unavailable(f"the server cannot be reached ({said})", file=shown(url),
                          hint="is the address right, and does the server answer?")  # fmt: skip
    return system, path


def _address(system: Any, protocol: str) -> str:
    """Where a store is that its client would ask again and again; nothing where it is asked once, or not known."""
    if protocol in ("s3", "s3a"):
        return str(system.endpoint_url or system.client_kwargs.get("endpoint_url") or "")
    if protocol in ("gs", "gcs"):
        return str(system._location)
    return str(system.service_client.url) if protocol in ("az", "abfs", "abfss") else ""


def _opened(url: str, protocol: str, given: dict[str, Any]) -> tuple[Any, str]:
    import fsspec

    if protocol in ("s3", "s3a"):
        given = _for_s3(url, given)
    elif protocol in ("sftp", "ssh"):
        from qpipe.core.ssh import for_sftp

        given = for_sftp(given)
    elif protocol in ("http", "https"):
        given = _for_http(given)
    elif protocol in ("gs", "gcs"):  # it asks over gRPC which kind a bucket is, and waits a minute where nobody answers
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    if protocol in CONNECTED:  # a connection that broke would be given again
        given["skip_instance_cache"] = True
    opened: tuple[Any, str] = fsspec.core.url_to_fs(url, **given)
    if protocol in ("sftp", "ssh"):
        opened[0].ftp.get_channel().settimeout(60.0)  # a server that is gone is told, not waited for
        line = opened[0].client.get_transport().sock  # else each request waits 40 ms: 18 times as slow
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def shown(url: str) -> str:
    """The URL without a password, query or fragment: signed URLs keep their secret in the query."""
    if "://" not in url:
        return url
    parts = urlsplit(without_user(url))
    return urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))


@contextmanager
def reaching(place: str, doing: str) -> Iterator[None]:
    """A store's refusals in our words: the place, what, and what to do. The store's own text may hold secrets: left out."""
    try:
        yield
    except QpipeError:
        raise
    except FileNotFoundError as error:
        cause = error.__cause__  # fsspec says so of every web server that refuses
        if getattr(cause, "status", None) in (401, 403):
            raise NotPermitted(f"{doing} is not allowed", file=shown(place), hint="look at the credentials") from None
        if cause is not None and getattr(cause, "status", None) != 404 and type(cause).__module__.startswith("aiohttp"):
            raise _away(cause, place, doing) from None
        raise Unavailable("nothing is there", file=shown(place), hint="look at the bucket and the path") from None
    except PermissionError:
        raise NotPermitted(f"{doing} is not allowed", file=shown(place), hint="look at the credentials") from None
    except Exception as error:
        if not (isinstance(error, (OSError, EOFError)) or type(error).__module__.split(".")[0] in _CLIENTS):
            raise
        if getattr(error, "status", None) in (401, 403):
            raise NotPermitted(f"{doing} is not allowed", file=shown(place), hint="look at the credentials") from None
        if type(error).__name__ in _UNKNOWN or str(error).startswith("530"):
            raise NotPermitted("no usable credentials", file=shown(place), hint="set them in the environment, "
                               "or name a profile under storage") from None  # fmt: skip
        if _is_full(error):
            raise CannotCreate(f"{doing} failed: there is no room", file=shown(place),
                               hint="make room there") from None  # fmt: skip
        raise _away(error, place, doing) from None


def _away(error: BaseException, place: str, doing: str) -> Unavailable:
    name = type(error).__name__
    said = f"the server cannot be reached ({name})" if name in _AWAY else name
    return Unavailable(f"{doing} failed: {said}", file=shown(place), hint="is the address right, and does the server answer?")


def _is_full(error: BaseException | None) -> bool:
    """Whether what was raised, or what led to it, says that a disk or a quota is full."""
    while error is not None:
        answer = getattr(error, "response", None)
        code = str(answer.get("Error", {}).get("Code", "")) if isinstance(answer, dict) else ""
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or re.search("Full|Quota|InsufficientStorage", code):
            return True
        error = error.__cause__ or error.__context__
    return False


def _for_http(given: dict[str, Any]) -> dict[str, Any]:
    """``username`` and ``password`` as a header; ``headers`` go with every request."""
    headers = dict(given.pop("headers", {}))
    if "username" in given:
        held = f"{given.pop('username')}:{given.pop('password', '')}".encode()
        headers["Authorization"] = f"Basic {base64.b64encode(held).decode()}"
    return {**given, **({"headers": headers} if headers else {})}


def _for_s3(url: str, given: dict[str, Any]) -> dict[str, Any]:
    endpoint = given.get("endpoint_url")
    if endpoint is not None and not re.match("https?://[^/]", str(endpoint)):
        raise Unavailable(
            "endpoint_url under storage is no address", file=shown(url), hint="write https://host, or leave it out"
        )
    region = given.pop("region", None)
    config = {"retries": {"total_max_attempts": _ATTEMPTS, "mode": "standard"}, **given.pop("config_kwargs", {})}
    client = {**({"region_name": region} if region else {}), **given.pop("client_kwargs", {})}
    return {"use_listings_cache": False, **given, "config_kwargs": config, "client_kwargs": client}


def revealed(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    return {name: revealed(each) for name, each in value.items()} if isinstance(value, Mapping) else value
