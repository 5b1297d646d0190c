"""What is worth sending again, and when."""

from __future__ import annotations

import datetime as dt
import email.utils
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT = 300.0  # seconds that a server may ask for


class Again(Exception):
    """A request that may succeed when it is sent again, perhaps after so many seconds."""

    def __init__(self, words: str, wait: float | None = None) -> None:
        super().__init__(words)
        self.wait = wait


def hopeless(error: Exception) -> bool:
    """Whether it fails the same way each time: an address that HTTP cannot reach, a certificate that nobody vouches for."""
    import httpx2

    if isinstance(error, httpx2.HTTPStatusError):
        return error.response.status_code not in PASSING
    return isinstance(error, (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)) or "CERTIFICATE_VERIFY" in str(error)


def retry_after(response: httpx2.Response) -> float | None:
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
