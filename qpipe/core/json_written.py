"""Decoded JSON as text again, with every number as it was written: 1.10 stays 1.10."""

from __future__ import annotations

import json
from typing import Any


class Number(str):
    """A number as it is written. For a decoder's ``parse_float``, ``parse_int`` and ``parse_constant``."""

    __slots__ = ()


class Inexact(ValueError):
    """A float does not tell how it was written."""


def written(value: Any) -> str:
    """The value as JSON without blanks. Raises Inexact where a number was decoded as a float."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(k, ensure_ascii=False)}:{written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    if isinstance(value, float):
        raise Inexact
    return json.dumps(value, ensure_ascii=False)
