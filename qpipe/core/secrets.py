"""Secrets: values that may be used, and may never be seen.

A ``Secret`` is text whose visible content is ``***``, so that repr, str, format, JSON, concatenation and logging show nothing
whatever they do; only ``reveal()`` gives the value. A ``Redactor`` masks known values in text that others wrote (a driver's
error message, a URL), also where they stand URL-encoded, in base64, or inside a connection string.
"""

from __future__ import annotations

import base64
import json
import re
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, NoReturn
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

MASK = "***"
_SHORT = 4  # values shorter than this are masked as whole words only: a one-letter password would blank every text

_SECRET_NAME = re.compile(
    r"(?ix) (^|[_.-]) (password|passwd|passphrase|pwd|secret|token|credentials?|authorization|dsn"
    r" | (api|access|private|secret|signing|encryption|account|sas|ssh)_?key) s? ([_.-]? (id|value|key|\d+))? $"
)
_SECRET_HOLDER = re.compile(r"(?i)^(auth|headers|credentials?|secrets?)$")
_PAIR = re.compile(r"(?i)\b(?:password|passwd|pwd|secret|token|sslpassword)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s;&]+)")


class Secret(str):
    """Text that shows as ``***`` everywhere. Two are equal when what they hide is."""

    __slots__ = ("_hidden",)
    _hidden: str

    def __new__(cls, value: str) -> Secret:
        self = super().__new__(cls, MASK)
        self._hidden = value.reveal() if isinstance(value, Secret) else value
        return self

    def reveal(self) -> str:
        """The value. Hand it to the driver that needs it, keep it nowhere."""
        return self._hidden

    def __repr__(self) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._hidden == other._hidden

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(("secret", self._hidden))

    def __bool__(self) -> bool:
        return bool(self._hidden)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled: it never leaves the process's memory")


def reveal(value: Any) -> Any:
    """The value itself of a ``Secret``, anything else unchanged: what a component calls before it hands text to a driver."""
    return value.reveal() if isinstance(value, Secret) else value


def looks_secret(name: str) -> bool:
    """Is a parameter or variable of this name a secret? ``client_secret``, ``DB_PASSWORD``, ``SHOP_DSN``, ``api_key``."""
    return bool(_SECRET_NAME.search(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)))


def holds_secrets(name: str) -> bool:
    """Is what comes from the environment below a key of this name a secret? ``auth``, ``headers``."""
    return bool(_SECRET_HOLDER.match(name))


def embedded_secrets(text: str) -> tuple[str, ...]:
    """Passwords inside a URL or a connection string: ``postgresql://u:PW@host``, ``host=h password=PW``, ``?token=…``."""
    found = [m[1].strip("'") for m in _PAIR.finditer(text)]
    if "://" in text:
        user = user_of(text)
        found += [user.partition(":")[2], *([user] if written_raw(text) else [])]
        with suppress(ValueError):
            found += [value for key, value in parse_qsl(urlsplit(text).query) if looks_secret(key)]
    return tuple(dict.fromkeys(value for value in found if value and value != MASK))


def user_of(url: str) -> str:
    """``user:password`` of a URL, also where a ``/``, ``?`` or ``#`` in the password was not percent-encoded."""
    rest = url.partition("://")[2]
    place = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, _, host = place.rpartition("@")
    port = "" if host.endswith("]") else host.rpartition(":")[2] if ":" in host else ""
    broken = port and not port.isdigit() and "@" in rest[len(place) :]
    return rest.rpartition("@")[0] if broken else user


def written_raw(url: str) -> bool:
    """Whether a password in a URL has characters that end it there: they must be percent-encoded."""
    return bool(re.search(r"[/?#]", user_of(url)))


def without_user(url: str) -> str:
    """A URL without its user and password."""
    user = user_of(url)
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest[len(user) + 1 :]}" if separator and user else url


RAW = "its password has a character that must be written percent-encoded: / as %2F, ? as %3F, # as %23"


class Redactor:
    """Masks the values it was told of, in any text. Tell it early; it forgets nothing."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        _LIVING.append(self)
        self._forms: set[str] = set()
        self._words: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        for value in values:
            self.add(value)

    def add(self, value: str) -> None:
        """Mask this value from now on, with the passwords inside it and every usual encoding of both."""
        plain = reveal(value)
        embedded = embedded_secrets(plain)
        for part in (plain, plain.strip(), *embedded, *map(unquote, embedded)):
            if len(part) >= _SHORT:
                self._forms |= _encodings(part)
            elif part.strip():
                self._words.add(part)
        forms = [re.escape(form) for form in sorted(self._forms, key=len, reverse=True)]
        words = [rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(self._words, key=len, reverse=True)]
        self._pattern = re.compile("|".join(forms + words)) if forms or words else None

    def __call__(self, text: str) -> str:
        return self._pattern.sub(MASK, text) if self._pattern else text

    def __repr__(self) -> str:
        return f"<Redactor of {len(self._forms) + len(self._words)} forms>"

    def redact(self, value: Any) -> Any:
        """The same, through lists and mappings."""
        if isinstance(value, str):
            return self(value)
        if isinstance(value, dict):
            return {self.redact(k): self.redact(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self.redact(item) for item in value)
        return value


_LIVING: deque[Redactor] = deque(maxlen=64)


def masked(text: str) -> str:
    """Text without any secret that this process was told of lately: for what is printed when nothing else is known."""
    for redactor in list(_LIVING):
        text = redactor(text)
    return text


def _encodings(value: str) -> set[str]:
    forms = {value, quote(value, safe=""), quote(value), quote_plus(value), unquote(value)}
    forms |= {re.sub("%[0-9A-F]{2}", lambda m: m[0].lower(), form) for form in forms}
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    forms |= _base64_forms(value.encode("utf-8", "surrogatepass"))
    return {form for form in forms if len(form) >= _SHORT}


def _base64_forms(raw: bytes) -> set[str]:
    """What of a value's base64 does not depend on its neighbours, at each of the three places in a group of four letters.

    ``user:password`` in a header is encoded as one text, so that the password's own encoding does not appear in it.
    """
    forms = set()
    for shift in range(3):
        skip = (0, 2, 3)[shift]
        coded = base64.b64encode(b"\0" * shift + raw)
        whole = (shift + len(raw)) * 8 // 6  # letters that hold bits of this value only
        core = coded[skip:whole].decode()
        if len(core) >= _SHORT:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    forms.add(base64.b64encode(raw).decode())
    forms.add(base64.urlsafe_b64encode(raw).decode())
    return forms
