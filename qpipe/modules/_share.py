"""Shares as a spec writes them."""

from __future__ import annotations


def share_of(given: float | str) -> float:
    """0.05 and ``5%`` are the same. ValueError for what is neither."""
    text = str(given).strip()
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)
