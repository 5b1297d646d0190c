"""Texts that differ in nothing that matters: the same form for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

Ignored = Literal["case", "whitespace", "accents", "punctuation"]
IGNORED: tuple[Ignored, ...] = ("case", "whitespace", "accents", "punctuation")


def folded(cell: pl.Expr, ignore: Sequence[str]) -> pl.Expr:
    """The text without what is ignored. Dots and apostrophes go; other punctuation parts words, as blanks do."""
    if "accents" in ignore:
        cell = cell.str.normalize("NFKD").str.replace_all(r"\p{M}+", "")
    if "case" in ignore:
        cell = cell.str.to_lowercase().str.replace_all("ß", "ss", literal=True)
    if "punctuation" in ignore:
        cell = cell.str.replace_all(r"[.'`\x{2019}\x{b4}]+", "").str.replace_all(r"[\p{P}\p{S}]+", " ")
    if "whitespace" in ignore or "punctuation" in ignore:
        cell = cell.str.replace_all(r"\s+", " ").str.strip_chars()
    return cell
