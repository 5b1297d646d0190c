"""The patterns of LIKE: % is any run of letters, _ is one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl


def like_parts(pattern: str, escape: str | None) -> list[str | None] | None:
    """The pattern as pieces: text, "_" as None in the list, "%" as an empty text. None: it ends with its escape."""
    parts: list[str | None] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == escape:
            if at + 1 == len(pattern):
                return None
            parts.append(pattern[at + 1])
            at += 1
        else:
            parts.append("" if char == "%" else None if char == "_" else char)
        at += 1
    return parts


def like_test(expr: pl.Expr, parts: list[str | None], any_case: bool) -> pl.Expr:
    letters = "".join(p for p in parts if p)
    if not any_case and None not in parts:  # the common shapes need no regular expression
        shape = "".join("t" if p else "%" for p in parts)
        shape = re.sub("t+", "t", re.sub("%+", "%", shape))
        if shape in ("t", ""):
            return expr == letters
        if shape == "%t%":
            return expr.str.contains(letters, literal=True)
        if shape in ("t%", "%t"):
            return expr.str.starts_with(letters) if shape == "t%" else expr.str.ends_with(letters)
    regex = "".join("." if p is None else ".*" if p == "" else re.escape(p) for p in parts)
    return expr.str.contains(f"(?s{'i' if any_case else ''})^{regex}\\z")
