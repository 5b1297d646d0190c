"""Who asks: none, basic, bearer, an API key, OAuth2 with tokens that are renewed in time."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from qpipe.core.errors import NotPermitted
from qpipe.core.http.again import Again, hopeless
from qpipe.core.secrets import Redactor, looks_secret, reveal, without_user

KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # what each needs, what it may have
    "none": ((), ()),
    "basic": (("username", "password"), ()),
    "bearer": (("token",), ()),
    "api_key": (("value",), ("name", "in")),
    "oauth2": (("token_url",), ("client_id", "client_secret", "grant", "scope", "refresh_token", "username", "password",
                                "refresh")),
}  # fmt: skip
GRANTS = {"client_credentials": ("client_id", "client_secret"), "password": ("username", "password"),
          "refresh_token": ("refresh_token",)}  # fmt: skip


def kind_of(auth: Mapping[str, Any]) -> str:
    """``method`` is another word for ``type``."""
    return str(auth.get("type", auth.get("method", "none")))


def grant_of(auth: Mapping[str, Any]) -> str:
    """The grant that is named, or that what is given is for."""
    given = "refresh_token" if "refresh_token" in auth else "password" if "username" in auth else "client_credentials"
    return str(auth.get("grant", given))


def auth_problem(auth: Mapping[str, Any] | None) -> str | None:
    """What is wrong with an ``auth`` before anything is sent."""
    if not auth:
        return None
    kind = kind_of(auth)
    if kind not in KINDS or not auth.keys() & {"type", "method"}:
        return f"auth has no type {kind}: say {', '.join(KINDS)}" if kind not in KINDS else f"say type: {', '.join(KINDS)}"
    needed, allowed = KINDS[kind]
    if kind == "oauth2" and grant_of(auth) not in GRANTS:
        return f"there is no grant {grant_of(auth)}: say {', '.join(GRANTS)}"
    needed = (*needed, *GRANTS[grant_of(auth)]) if kind == "oauth2" else needed
    if missing := [name for name in needed if name not in auth]:
        return f"auth of type {kind} needs {', '.join(missing)}"
    if unknown := [name for name in auth if name not in ("type", "method", *needed, *allowed)]:
        return f"auth of type {kind} has no {unknown[0]}: it has {', '.join(dict.fromkeys([*needed, *allowed])) or 'nothing'}"
    if kind == "api_key" and auth.get("in", "header") not in ("header", "query"):
        return "an API key stands in: header, or in: query"
    return None


class Tokens:
    """The OAuth2 token of a client. One thread at a time asks for a new one, the others wait for it.

    A refresh token is used as long as the server takes it. What the server gives is a secret from now on.
    """

    def __init__(self, client: Any, auth: Mapping[str, Any], hide: Redactor) -> None:
        self._client, self._auth, self._hide, self._one = client, auth, hide, threading.Lock()

    def ready(self) -> str:
        """The token that is good now. Again or NotPermitted when there is none to be had."""
        with self._one:
            token = self._client.token
            if not token or token.is_expired(leeway=self._client.leeway):
                self._fetch()
            return str(self._client.token["access_token"])

    def renewed(self, refused: str) -> bool:
        """Whether there is another token than the one that was refused."""
        if self._auth.get("refresh") is False:
            return False
        with self._one:
            if self._client.token["access_token"] == refused:  # else another thread has seen to it
                self._fetch()
            return True

    def _fetch(self) -> None:
        import httpx2
        from authlib.integrations.base_client import OAuthError

        place = without_user(str(self._auth["token_url"]))
        try:
            self._ask()
        except (httpx2.TransportError, httpx2.HTTPStatusError) as error:
            words = f"{place} gave no token: {self._hide(str(error))}"
            raise NotPermitted(words, hint="check `auth`") if hopeless(error) else Again(words) from error
        except OAuthError as error:
            said = self._hide(": ".join(filter(None, (error.error, error.description))))
            raise NotPermitted(f"{place} gave no token: {said}", hint="check `auth`") from error
        except Exception as error:  # whatever an answer that is no token makes of the library
            raise NotPermitted(f"{place} gave no token: {type(error).__name__}", hint="check `auth`") from error
        for name, value in self._client.token.items():
            if looks_secret(name) and isinstance(value, str):
                self._hide.add(value)

    def _ask(self) -> None:
        auth, client, grant = self._auth, self._client, grant_of(self._auth)
        kept = (client.token or {}).get("refresh_token")
        if kept and grant != "refresh_token":
            from authlib.integrations.base_client import OAuthError

            try:
                client.refresh_token(auth["token_url"], refresh_token=kept)
                return
            except OAuthError:
                pass  # it has run out, too
        if grant == "refresh_token":
            client.refresh_token(auth["token_url"], refresh_token=kept or reveal(auth.get("refresh_token")))
        elif grant == "password":
            client.fetch_token(auth["token_url"], grant_type="password", username=reveal(auth.get("username")),
                               password=reveal(auth.get("password")))  # fmt: skip
        else:
            client.fetch_token(auth["token_url"], grant_type="client_credentials")
