"""HTTP as sources, outputs and look-ups need it: authorised, rate-limited, tried again where that is worth it.

Tried again: connections that fail or break, time-outs, 408, 425, 429 and 5xx, each after what ``Retry-After`` says or ever
later with jitter. Never: other 4xx, a certificate that nobody vouches for, a second refusal of a token that was just renewed.
Errors name the method, the address without its secrets, and what the server said.
"""

from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from qpipe.core.aside import pause
from qpipe.core.errors import NotPermitted, Unavailable
from qpipe.core.http.again import PASSING, Again, hopeless, retry_after
from qpipe.core.http.auth import Tokens, auth_problem, kind_of
from qpipe.core.retry import Retry
from qpipe.core.secrets import Redactor, Secret, looks_secret, reveal, without_user

if TYPE_CHECKING:
    import httpx2

_WHOLE = 20  # time-outs until an answer must be there whole: one that comes byte by byte never times out otherwise
_HOPELESS = "check the address; SSL_CERT_FILE may name certificates to trust"
PATIENCE = Retry(5, first=0.2, longest=30.0)  # of one request


class _Stale(Again):
    """The token was refused, and is another one now."""


class Refused(Unavailable):
    """The server understood, and said no: the same request again gets the same answer."""

    answer: Mapping[str, Any] = MappingProxyType({})  # what it said, where that is a JSON object


@dataclass(frozen=True)
class Settings:
    """How requests are sent."""

    auth: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 30.0  # seconds to connect, and between two bytes
    retry: Retry = PATIENCE
    rate_limit: str | int | None = None  # 10, "10/s", "1000/min"

    @classmethod
    def of(cls, given: Any) -> Settings:
        """Those of a component with the parameters auth, headers, timeout, retries, retry and rate_limit."""
        retry = PATIENCE.but({"max_retries": given.retries} | (given.retry or {}))
        return cls(given.auth or {}, given.headers or {}, given.timeout, retry, given.rate_limit)


def request_problems(given: Any) -> Iterator[tuple[str, str]]:
    """What is wrong with the same parameters, and with ``url``, before anything is sent."""
    yield from address_problems(given.url)
    if wrong := auth_problem(given.auth):
        yield "auth", wrong
    for name, read in (("rate_limit", lambda: limiter(given.rate_limit)), ("retry", lambda: PATIENCE.but(given.retry or {}))):
        try:
            read()
        except ValueError as error:
            yield name, str(error)


class Client:
    """One connection pool. Use it as a context manager. ``check_stop`` is called while it waits, and may raise."""

    def __init__(self, settings: Settings, check_stop: Callable[[], None] = lambda: None) -> None:
        self._settings, self._check_stop = settings, check_stop
        self._hide = Redactor(map(reveal, _secrets_in([settings.auth, settings.headers])))
        self._client = _client(settings)
        self._tokens = Tokens(self._client, settings.auth, self._hide) if kind_of(settings.auth) == "oauth2" else None
        self._limit = limiter(settings.rate_limit)
        self.secret_params: set[str] = set()  # names in a query that hold a secret
        self.secret_values = {reveal(value) for value in _secrets_in([settings.auth, settings.headers])}
        if kind_of(settings.auth) == "api_key" and settings.auth.get("in") == "query":
            self.secret_params.add(str(settings.auth.get("name", "api_key")))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, method: str, url: str, **given: Any) -> httpx2.Response:
        """The answer, read whole. Unavailable or NotPermitted when there is none to be had.

        Secrets may stand in what is given (``params``, ``json``): they are sent, and never told.
        """
        self.remember(given)
        waits, stale = self._settings.retry.waits(), False
        while True:
            try:
                return self._once(method, url, given, stale)
            except Again as error:
                wait = next(waits, None)
                if wait is None:
                    raise self._gave_up(self._place(method, url), error) from error
                stale = isinstance(error, _Stale)
                pause(wait if error.wait is None else error.wait, self._check_stop)

    def _gave_up(self, place: str, error: Again) -> Unavailable:
        times = self._settings.retry.times
        return Unavailable(f"{place}: {error}{f', {times + 1} times' if times else ''}",
                           hint="is the server well?")  # fmt: skip

    def _place(self, method: str, url: str) -> str:
        return f"{method} {self.shown(url)}"

    def remember(self, given: Mapping[str, Any]) -> None:
        """Hide from now on the secrets in what is given."""
        for secret in _secrets_in(given):
            if secret.reveal() not in self.secret_values:
                self.secret_values.add(secret.reveal())
                self._hide.add(secret)
        self.secret_params |= {name for name, value in (given.get("params") or {}).items() if isinstance(value, Secret)}

    def masked(self, text: str) -> str:
        """What a server said, without the secrets that it was told."""
        return self._hide(text)

    def _once(self, method: str, url: str, given: Mapping[str, Any], renewed: bool) -> httpx2.Response:
        import httpx2

        token = self._tokens.ready() if self._tokens else ""

        if self._limit is not None:
            self._limit.try_acquire("requests")
        try:
            response: httpx2.Response = self._client.request(
                method, self._whole(url, given), **{k: _revealed(v) for k, v in given.items() if k != "params"}
            )
        except httpx2.TransportError as error:
            words = self._hide(f"{type(error).__name__}: {error}".rstrip(": "))
            if hopeless(error):
                raise Unavailable(f"{self._place(method, url)}: {words}", hint=_HOPELESS) from error
            raise Again(words) from error
        except httpx2.HTTPError as error:
            raise Unavailable(f"{self._place(method, url)}: {self._hide(str(error))}", hint="check the address") from error
        if response.status_code in PASSING:
            raise Again(f"{response.status_code} {said(response, self._hide)}".strip(), retry_after(response))
        if response.status_code == 401 and self._tokens and not renewed and self._tokens.renewed(token):
            raise _Stale("401: the token is renewed", 0.0)
        if response.status_code >= 400:
            words = f"{self._place(method, url)}: {response.status_code} {said(response, self._hide)}".strip()
            if response.status_code in (401, 403):
                raise NotPermitted(words, hint="check `auth`, and what this user may read")
            refused = Refused(words, hint="check the address and its parameters")
            refused.answer = told if isinstance(told := _json(response), dict) else {}
            raise refused
        return response

    def _whole(self, url: str, given: Mapping[str, Any]) -> httpx2.URL:
        """The address with its parameters. An API key is put in here, so that it is in no position and no message."""
        import httpx2

        auth, params = self._settings.auth, _revealed(given.get("params") or {})
        if kind_of(auth) == "api_key" and auth.get("in") == "query":
            params[str(auth.get("name", "api_key"))] = reveal(auth["value"])
        return httpx2.URL(url).copy_merge_params(params) if params else httpx2.URL(url)

    def shown(self, url: str) -> str:
        """An address without what is secret in it."""
        return self._hide(shown(url, self.secret_params))


def _secrets_in(value: Any) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, Mapping):
        yield from (secret for each in value.values() for secret in _secrets_in(each))
    elif isinstance(value, (list, tuple)):
        yield from (secret for each in value for secret in _secrets_in(each))


def _revealed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _revealed(each) for name, each in value.items()}
    return [_revealed(each) for each in value] if isinstance(value, list) else reveal(value)


def shown(url: str, secret: set[str] | frozenset[str] = frozenset()) -> str:
    parts = urlsplit(without_user(str(url)))
    query = [(name, "***" if name in secret or looks_secret(name) else value) for name, value in parse_qsl(parts.query, True)]
    return urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query, safe="*"), ""))


def said(response: httpx2.Response, hide: Callable[[str], str]) -> str:
    """What a server says of a refusal, in one line. Secrets are hidden before it is cut: a part of one is too much."""
    data = _json(response)
    if data is None:
        return re.sub(r"\s+", " ", hide(response.text))[:200].strip() or response.reason_phrase
    for name in ("message", "error_description", "error", "detail", "title"):
        if isinstance(data, dict) and isinstance(data.get(name), str):
            return hide(str(data[name]))[:200]
    return hide(json.dumps(data))[:200]


def _json(response: httpx2.Response) -> Any:
    """What an answer says; None where it is no JSON."""
    try:
        return response.json()
    except (ValueError, UnicodeDecodeError):
        return None


def limiter(rate: str | int | None) -> Any:
    """10 (a second), "10/s", "1000/min", "5000/h" """
    if rate is None:
        return None
    from pyrate_limiter import Duration, Limiter, Rate

    found = re.fullmatch(r"(\d+)\s*(?:/\s*(s|sec|second|m|min|minute|h|hour))?", str(rate).strip())
    if not found or int(found[1]) < 1:
        raise ValueError(f"{rate!r} is no rate, such as 10, 10/s, 1000/min")
    unit = {"s": Duration.SECOND, "m": Duration.MINUTE, "h": Duration.HOUR}[(found[2] or "s")[0]]
    return Limiter(Rate(int(found[1]), unit))


def address_problems(url: str) -> Iterator[tuple[str, str]]:
    """What is wrong with an address before anything is sent."""
    if isinstance(url, Secret):
        yield "url", "an address is told and kept: give what is secret in it as `auth`, `params` or `headers`"
    elif not url.startswith(("http://", "https://")):
        yield "url", "this is no address that begins with http:// or https://"


def _client(settings: Settings) -> Any:
    import httpx2

    auth, headers = settings.auth, {name: str(reveal(value)) for name, value in settings.headers.items()}
    kind = kind_of(auth)
    common: dict[str, Any] = {"timeout": settings.timeout, "follow_redirects": True, "transport": _transport(settings.timeout)}
    if kind == "oauth2":
        from authlib.integrations.httpx_client import OAuth2Client

        return OAuth2Client(
            reveal(auth.get("client_id")), reveal(auth.get("client_secret")), token_endpoint=auth["token_url"],
            scope=auth.get("scope"), headers=headers, leeway=5, **common,
        )  # fmt: skip
    if kind == "bearer":
        headers["Authorization"] = f"Bearer {reveal(auth['token'])}"
    if kind == "api_key" and auth.get("in") != "query":
        headers[str(auth.get("name", "X-API-Key"))] = str(reveal(auth["value"]))
    for name, held in headers.items():
        if not held.isascii() or not held.isprintable():
            raise NotPermitted(f"the header {name} can hold ASCII letters only", hint="check `auth` and `headers`")
    basic = httpx2.BasicAuth(str(reveal(auth["username"])), str(reveal(auth["password"]))) if kind == "basic" else None
    return httpx2.Client(headers=headers, auth=basic, **common)


def _transport(timeout: float) -> Any:
    """Connections whose answers must be whole in some time."""
    import httpx2

    class Slow(httpx2.SyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream, self._end = stream, time.monotonic() + _WHOLE * timeout

        def __iter__(self) -> Iterator[bytes]:
            for part in self._stream:
                if time.monotonic() > self._end:
                    raise httpx2.ReadTimeout(f"the answer was not whole within {_WHOLE * timeout:g} s")
                yield part

        def close(self) -> None:
            self._stream.close()

    class Transport(httpx2.HTTPTransport):
        def handle_request(self, request: Any) -> Any:
            answer = super().handle_request(request)
            answer.stream = Slow(answer.stream)
            return answer

    return Transport(verify=_certificates())


@functools.cache
def _certificates() -> Any:
    """Whom to trust. Reading them takes longer than a request, so it is done once."""
    import httpx2

    return httpx2.create_ssl_context()
