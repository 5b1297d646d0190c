"""Regular expressions, checked without Polars: whether Rust's regex crate will take them."""

from __future__ import annotations

import re
import warnings

_UNBOUNDED = re.compile(r"\(\?(?:[=!]|<[=!])|\(\?P=\w+\)|\\[1-9]|\(\?\(|\(\?>|[*+?}]\+")
_NAMES = {"(?=": "look-ahead", "(?!": "look-ahead", "(?<": "look-behind", "(?P": "a back-reference", "(?(": "a condition",
          "(?>": "an atomic group"}  # fmt: skip
_OURS = re.compile(r"\\[pP](?:\{[^}]*\}|[A-Z])|\[:\^?[a-z]+:\]|\(\?<(?![=!])(\w+)>|\\z|\\x\{[0-9A-Fa-f]+\}|\\[hHR]")


def regex_problem(pattern: str) -> tuple[int, str] | None:
    """(offset, what is wrong) or None."""
    escaped = re.sub(r"\\\\", "aa", pattern)
    classless = re.sub(r"\[\^?\]?(?:\\.|[^\]\\])*\]", lambda m: "a" * len(m[0]), escaped)
    found = _UNBOUNDED.search(classless)
    if found:
        what = _NAMES.get(found[0][:3], "a back-reference" if found[0][0] == "\\" else "a possessive quantifier")
        return found.start(), f"{what} '{found[0]}' is not supported: matching takes time in proportion to the text"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            re.compile(_OURS.sub(_same_length, pattern))
    except re.error as error:
        return error.pos or 0, error.msg
    except (RecursionError, OverflowError, ValueError) as error:
        return 0, str(error) or "it is too deeply nested"
    return None


def _same_length(found: re.Match[str]) -> str:
    """What Python's syntax lacks, as something of the same length that it has."""
    if found[1]:
        return "(?:" + "a" * (len(found[0]) - 3)
    return "\\Z" if found[0] == "\\z" else "a" * len(found[0])
