"""Reads texts as numbers: what is written plainly at once, then the rest by its marks."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qpipe.core.lazy import pl
from qpipe.core.parse import parse_text
from qpipe.core.types import DataType

if TYPE_CHECKING:
    import polars as pl

BLANKS = " \u00a0\u202f\u2009"  # thousands are also written with no-break, narrow and thin spaces
LOCALES = {"en": (".", ","), "de": (",", "."), "fr": (",", BLANKS), "ch": (".", "'\u2019"), "in": (".", ",")}


@dataclass(frozen=True)
class Style:
    """How numbers are written."""

    decimal: str
    thousands: str  # any of these characters; empty: none
    lakhs: bool  # 12,34,567
    currency: bool | tuple[str, ...]
    percent: bool
    accounting: bool

    def example(self) -> str:
        mark = self.thousands[:1]
        whole = f"12{mark}34{mark}567" if self.lakhs else f"1{mark}234"
        return f"{whole}{self.decimal}50"


def read_numbers(texts: pl.Series, style: Style, wanted: DataType) -> pl.Series:
    """The values; null where a text is not written in this style, or the type cannot hold it exactly."""
    if style.decimal != ".":
        return _read_marked(texts, style, wanted)
    values = _only_finite(_parse(texts, wanted))
    left = (values.is_null() & texts.is_not_null()).arg_true()
    if not left.len():
        return values
    if left.len() == texts.len():
        return _read_marked(texts, style, wanted)
    return values.scatter(left, _read_marked(texts.gather(left), style, wanted))


def _read_marked(texts: pl.Series, style: Style, wanted: DataType) -> pl.Series:
    texts = _in_ascii(texts, style)
    fits = texts.str.contains(_pattern(style, wanted.kind == "float"))
    if not fits.all():
        texts = texts.set(~fits.fill_null(False), None)
    plain = _plain(texts, style)
    if wanted.kind == "integer":
        plain = plain.str.replace(r"\.0*\s*$", "")
    return _only_finite(_parse(plain, wanted))


def _in_ascii(texts: pl.Series, style: Style) -> pl.Series:
    """Digits of all scripts as 0 to 9, Arabic marks as those of the style."""
    ascii_only = texts.str.len_bytes().sum() == texts.str.len_chars().sum()
    if ascii_only or not texts.str.contains(r"[\p{Nd}--0-9]").any():
        return texts
    digits = _digits()
    marks = {"\u066b": style.decimal, **({"\u066c": style.thousands[0]} if style.thousands else {})}
    return texts.str.replace_many({**digits, **marks})


@functools.cache
def _digits() -> dict[str, str]:
    import sys
    import unicodedata

    letters = (chr(code) for code in range(128, sys.maxunicode + 1))
    return {letter: str(unicodedata.decimal(letter)) for letter in letters if unicodedata.category(letter) == "Nd"}


def _plain(texts: pl.Series, style: Style) -> pl.Series:
    """Numbers in the style as a computer writes them: -1234.50. Each step is taken only where something needs it."""
    if style.currency:
        texts = texts.str.replace_all(rf"{_currency(style.currency)}|\s", "")
    for mark in style.thousands:
        texts = texts.str.replace_all(mark, "", literal=True)
    if style.decimal != ".":
        texts = texts.str.replace(style.decimal, ".", literal=True)
    if texts.str.len_chars().sum() != texts.str.len_bytes().sum():  # not ASCII only
        texts = texts.str.replace_all("\u2212", "-", literal=True)
    if style.accounting:
        texts = _accounts(texts)
    if style.percent:
        texts = _shares(texts)
    return texts


def _accounts(texts: pl.Series) -> pl.Series:
    """(12) and 12- with the minus in front."""
    negative = texts.str.contains(r"^\s*\(|-\s*$")
    if not negative.any():
        return texts
    return texts.zip_with(~negative.fill_null(False), "-" + texts.str.replace_all(r"[()\s-]", ""))


def _shares(texts: pl.Series) -> pl.Series:
    """12.5% as 0.125: the point moves, so no digit is lost."""
    shares = texts.str.contains("%", literal=True)
    if not shares.any():
        return texts
    spread = texts.str.replace_all(r"[%\s]", "").str.replace(r"^([+-]?)(\d*)(?:\.(\d*))?(.*)$", "${1}00${2}|${3}${4}")
    moved = spread.str.replace(r"^([+-]?\d*)(\d\d)\|", "${1}.${2}")
    return texts.zip_with(~shares.fill_null(False), moved)


def _parse(texts: pl.Series, wanted: DataType) -> pl.Series:
    return texts.to_frame("x").select(_parser(wanted)).to_series().alias(texts.name)


@functools.cache
def _parser(wanted: DataType) -> pl.Expr:
    return parse_text(pl.col("x"), wanted)


def _only_finite(values: pl.Series) -> pl.Series:
    if not values.dtype.is_float():
        return values
    finite = values.is_finite()
    return values if finite.all() else values.set(~finite, None)


# ── patterns, in Rust's syntax ────────────────────────────────────────────────────────────────────────────────────────


@functools.cache
def _pattern(style: Style, exponents: bool) -> str:
    """The whole of a text that is a number in this style, with or without blanks around."""
    number = rf"(?:{_whole(style)}(?:{re.escape(style.decimal)}\d*)?|{re.escape(style.decimal)}\d+)"
    if exponents:
        number += r"(?:[eE][+-]?\d{1,3})?"
    money = rf"(?:{_currency(style.currency)})?\s*" if style.currency else ""
    share = r"\s*%?" if style.percent else ""
    sign = r"[+\x{2212}-]?"
    plain = rf"{sign}\s*{money}{sign}{number}\s*{money}{share}" if money else rf"{sign}{number}{share}"
    if not style.accounting:
        return rf"^\s*(?:{plain})\s*$"
    return rf"^\s*(?:{plain}|\(\s*{money}{number}\s*{money}{share}\s*\)|{money}{number}\s*-{share}\s*{money})\s*$"


def _whole(style: Style) -> str:
    if not style.thousands:
        return r"\d+"
    mark = f"[{re.escape(style.thousands)}]"
    if style.lakhs:
        return rf"(?:\d{{1,2}}(?:{mark}\d{{2}})*{mark}\d{{3}}|\d+)"
    return rf"(?:\d{{1,3}}(?:{mark}\d{{3}})+|\d+)"


def _currency(currency: bool | tuple[str, ...]) -> str:
    if currency is True:
        return r"\p{Sc}|[A-Z]{3}"
    return "|".join(re.escape(word) for word in sorted(currency or (), key=len, reverse=True))
