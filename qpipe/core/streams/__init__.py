"""Brokers of messages, as sources and outputs reach them: connections, their errors in our words, what a message is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qpipe.core.secrets import Redactor, Secret, looks_secret, reveal

ID_HEADER = "qpipe-id"  # token-part-row: a message that is sent again has the same one


def hidden(*given: Mapping[str, Any] | None) -> Redactor:
    """Masks what is secret in these parameters, in a client's words."""
    items = [(name, value) for values in given for name, value in (values or {}).items()]
    return Redactor([reveal(v) for n, v in items if isinstance(v, Secret) or (isinstance(v, str) and looks_secret(n))])
