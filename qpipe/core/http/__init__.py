"""HTTP as sources, outputs and look-ups need it: authorised, rate-limited, tried again where that is worth it.

Tried again: connections that fail or break, time-outs, 408, 425, 429 and 5xx, each after what ``Retry-After`` says or ever
later with jitter. Never: other 4xx. Errors name the method, the address without its secrets, and what the server said.
"""

from __future__ import annotations

import datetime as dt
import email.utils
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from qpipe.core.errors import NotPermitted, Unavailable
from qpipe.core.secrets import Redactor, Secret, looks_secret, reveal, without_user

if TYPE_CHECKING:
    import httpx2

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT = 300.0  # seconds that a server may ask for
_WHOLE = 20  # time-outs until an answer must be there whole: one that comes byte by byte never times out otherwise
AUTH_KINDS = ("none", "basic", "bearer", "api_key", "oauth2")


class Again(Exception):
    """A request that may succeed when it is sent again, perhaps after so many seconds."""

    def __init__(self, words: str, wait: float | None = None) -> None:
        super().__init__(words)
        self.wait = wait


class Refused(Unavailable):
    """The server understood, and said no: the same request again gets the same answer."""


@dataclass(frozen=True)
class Settings:
    """How requests are sent."""

    auth: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 30.0  # seconds to connect, and between two bytes
    retries: int = 5
    rate_limit: str | int | None = None  # 10, "10/s", "1000/min"


class Client:
    """One connection pool. Use it as a context manager."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._hide = Redactor(map(reveal, _secrets_in([settings.auth, settings.headers])))
        self._client = _client(settings, self._hide)
        self._limit = limiter(settings.rate_limit)
        self.secret_params: set[str] = set()  # names in a query that hold a secret
        self.secret_values = {reveal(value) for value in _secrets_in([settings.auth, settings.headers])}
        if settings.auth.get("type") == "api_key" and settings.auth.get("in") == "query":
            self.secret_params.add(str(settings.auth.get("name", "api_key")))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def send(self, method: str, url: str, **given: Any) -> httpx2.Response:
        """The answer, read whole. Unavailable or NotPermitted when there is none to be had.

        Secrets may stand in what is given (``params``, ``json``): they are sent, and never told.
        """
        import stamina

        self._remember(given)
        place = f"{method} {self.shown(url)}"
        try:
            for attempt in stamina.retry_context(on=_worth_it, attempts=self._settings.retries + 1, wait_initial=0.2,
                                                 wait_max=30.0, timeout=None):  # fmt: skip
                with attempt:
                    return self._once(method, url, place, given)
        except Again as error:
            raise Unavailable(
                f"{place}: {error}, {self._settings.retries + 1} times", hint="`qpipe resume` when the server is well again"
            ) from error
        raise AssertionError("unreachable")

    def _remember(self, given: Mapping[str, Any]) -> None:
        for secret in _secrets_in(given):
            if secret.reveal() not in self.secret_values:
                self.secret_values.add(secret.reveal())
                self._hide.add(secret)
        self.secret_params |= {name for name, value in (given.get("params") or {}).items() if isinstance(value, Secret)}

    def masked(self, text: str) -> str:
        """What a server said, without the secrets that it was told."""
        return self._hide(text)

    def _once(self, method: str, url: str, place: str, given: Mapping[str, Any]) -> httpx2.Response:
        import httpx2

        if self._limit is not None:
            self._limit.try_acquire("requests")
        try:
            response: httpx2.Response = self._client.request(
                method, self._whole(url, given), **{k: _revealed(v) for k, v in given.items() if k != "params"}
            )
        except (httpx2.TimeoutException, httpx2.TransportError) as error:
            raise Again(self._hide(f"{type(error).__name__}: {error}".rstrip(": "))) from error
        except httpx2.HTTPError as error:
            raise Unavailable(f"{place}: {self._hide(str(error))}", hint="check the address") from error
        if response.status_code in PASSING:
            raise Again(f"{response.status_code} {said(response, self._hide)}".strip(), _retry_after(response))
        if response.status_code == 401 and self._renew():
            raise Again("401: the token is renewed", 0.0)
        if response.status_code >= 400:
            words = f"{place}: {response.status_code} {said(response, self._hide)}".strip()
            if response.status_code in (401, 403):
                raise NotPermitted(words, hint="check `auth`, and what this user may read")
            raise Refused(words, hint="check the address and its parameters")
        return response

    def _whole(self, url: str, given: Mapping[str, Any]) -> httpx2.URL:
        """The address with its parameters. An API key is put in here, so that it is in no position and no message."""
        import httpx2

        auth, params = self._settings.auth, _revealed(given.get("params") or {})
        if auth.get("type") == "api_key" and auth.get("in") == "query":
            params[str(auth.get("name", "api_key"))] = reveal(auth["value"])
        return httpx2.URL(url).copy_merge_params(params) if params else httpx2.URL(url)

    def _renew(self) -> bool:
        """A new OAuth2 token, once for each answer that refuses the old one."""
        auth = self._settings.auth
        if auth.get("type") != "oauth2":
            return False
        try:
            fetch_token(self._client, auth, self._hide)
        except Exception as error:
            raise NotPermitted(f"no new token was given: {type(error).__name__}", hint="check `auth`") from error
        return True

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
    try:
        data = response.json()
    except (ValueError, UnicodeDecodeError):
        return re.sub(r"\s+", " ", hide(response.text))[:200].strip() or response.reason_phrase
    for name in ("message", "error_description", "error", "detail", "title"):
        if isinstance(data, dict) and isinstance(data.get(name), str):
            return hide(str(data[name]))[:200]
    return hide(json.dumps(data))[:200]


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


def auth_problem(auth: Mapping[str, Any] | None) -> str | None:
    """What is wrong with an ``auth`` before anything is sent."""
    if not auth:
        return None
    needs = {"none": (), "basic": ("username", "password"), "bearer": ("token",), "api_key": ("value",),
             "oauth2": ("token_url",)}  # fmt: skip
    kind = auth.get("type")
    if kind not in needs:
        return f"auth has no type {kind}: say {', '.join(AUTH_KINDS)}"
    missing = [name for name in needs[kind] if name not in auth]
    return f"auth of type {kind} needs {', '.join(missing)}" if missing else None


def _client(settings: Settings, hide: Redactor) -> Any:
    import httpx2

    auth, headers = settings.auth, {name: str(reveal(value)) for name, value in settings.headers.items()}
    kind = auth.get("type", "none")
    common: dict[str, Any] = {"timeout": settings.timeout, "follow_redirects": True, "transport": _transport(settings.timeout)}
    if kind == "oauth2":
        from authlib.integrations.httpx_client import OAuth2Client

        client = OAuth2Client(
            reveal(auth.get("client_id")), reveal(auth.get("client_secret")), token_endpoint=auth["token_url"],
            grant_type=auth.get("grant", "client_credentials"), scope=auth.get("scope"), headers=headers, leeway=5, **common,
        )  # fmt: skip
        try:
            fetch_token(client, auth, hide)
        except httpx2.TransportError as error:
            words = f"{shown(auth['token_url'])}: {hide(str(error))}"
            raise Unavailable(words, hint="is the token's server reachable?") from error
        except Exception as error:
            raise NotPermitted(
                f"{shown(auth['token_url'])} gave no token: {type(error).__name__}", hint="check `auth`"
            ) from error
        return client
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
            return httpx2.Response(
                answer.status_code, headers=answer.headers, stream=Slow(answer.stream), extensions=answer.extensions
            )

    return Transport()


def fetch_token(client: Any, auth: Mapping[str, Any], hide: Redactor) -> None:
    """A token by the grant that ``auth`` names; a refresh token is used as long as the server takes it.

    What the server gives is a secret from now on.
    """
    grant = auth.get("grant", "client_credentials")
    kept = (client.token or {}).get("refresh_token") or reveal(auth.get("refresh_token"))
    if grant == "refresh_token" or (kept and client.token):
        client.refresh_token(auth["token_url"], refresh_token=kept)
    elif grant == "password":
        client.fetch_token(auth["token_url"], grant_type="password", username=reveal(auth.get("username")),
                           password=reveal(auth.get("password")))  # fmt: skip
    else:
        client.fetch_token(auth["token_url"], grant_type="client_credentials")
    for name, value in (client.token or {}).items():
        if looks_secret(name) and isinstance(value, str):
            hide.add(value)


def _worth_it(error: Exception) -> bool | float:
    if not isinstance(error, Again):
        return False
    return True if error.wait is None else error.wait


def _retry_after(response: httpx2.Response) -> float | None:
    """Seconds, or a date."""
    told = response.headers.get("retry-after", "").strip()
    if not told:
        return None
    try:
        seconds = float(told)
    except ValueError:
        try:
            seconds = (email.utils.parsedate_to_datetime(told) - dt.datetime.now(dt.UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return min(max(seconds, 0.0), LONGEST_WAIT)
