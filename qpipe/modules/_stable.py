"""Hashes of values that are the same in every run, on every machine, in every version of every library."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl
from qpipe.modules._by_value import by_value

if TYPE_CHECKING:
    import polars as pl


def stable_hash(columns: Sequence[str]) -> pl.Expr:
    """64 bits of BLAKE2b over the values of some columns; null is a value of its own."""
    return joined(columns).map_batches(_numbers, return_dtype=pl.UInt64(), is_elementwise=True)


def joined(columns: Sequence[str]) -> pl.Expr:
    """The values as one text, such that different rows have different ones."""
    parts = [pl.col(c).cast(pl.String).str.replace_all(r"([\\\x1f\x00])", r"\${1}").fill_null("\x00") for c in columns]
    return pl.concat_str(parts, separator="\x1f")


def _numbers(texts: pl.Series) -> pl.Series:
    return by_value(
        texts, lambda text: int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big"), pl.UInt64()
    )
