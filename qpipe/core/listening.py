"""Whether anybody listens at an address: clients of stores ask for a minute and more before they tell that nobody does."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_WAITS = (0.3, 0.7, 1.5, None)  # seconds between tries: a server that starts anew is away for a moment
_TIMEOUT = 5.0  # seconds; one that does not answer at all is left to the client


def nobody_at(url: str) -> str | None:
    """Why nobody can be reached there: the connection is refused, or the host has no address. None: somebody may be.

    Behind a proxy nothing is known, since only the proxy is reached.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    if not host or (parts.scheme in getproxies() and not proxy_bypass(host)):
        return None
    said = ""
    for wait in _WAITS:
        try:
            socket.create_connection((host, parts.port or (443 if secure else 80)), _TIMEOUT).close()
            return None
        except (ConnectionRefusedError, socket.gaierror) as error:
            said = f"{parts.netloc.rpartition('@')[2]}: {error.strerror}"
        except OSError:
            return None
        time.sleep(wait or 0)
    return said
