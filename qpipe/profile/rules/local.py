"""Texts that are numbers as another country writes them: 1.234,50."""

from __future__ import annotations

from collections.abc import Iterator

from qpipe.core.lazy import pl
from qpipe.profile.rules.seen import ENOUGH, Seen, Suggestion, certainty

FITS = 0.95  # of the values, at least, are written so
PROOF = 0.05  # of them, at least, can be read in no other way
_BLANKS = r"[ \x{00A0}\x{2009}\x{202F}]"
_MONEY = r"(?:[$€£¥]|[A-Z]{3})"
_FORMS = {  # locale: (between thousands, before the fraction), as regular expressions
    "en": (",", r"\."), "de": (r"\.", ","), "fr": (_BLANKS, ","), "ch": (r"['\x{2019}]", r"\."),
}  # fmt: skip


def numbers(c: Seen) -> Iterator[Suggestion]:
    """A locale that reads nearly all values, some of them as no other decimal mark does."""
    if not c.is_text or c.every < ENOUGH or c.told.stored != "String":
        return
    cell, weight = pl.col("value").str.strip_chars(), pl.col("count")
    fits = {one: cell.str.contains(_form(*marks)) for one, marks in _FORMS.items()}
    places = cell.str.extract(r"[.,](\d+)\D*$").str.len_chars().fill_null(0)
    told = c.counts.with_columns(
        *(test.alias(one) for one, test in fits.items()), cell.str.contains(r"^[+-]?(\d+(\.\d*)?|\.\d+)$").alias("plain"),
        cell.str.contains(_MONEY).alias("money"), places.alias("places"),
    )  # fmt: skip
    good = {one: int(told.filter(one)["count"].sum()) for one in _FORMS}
    locale = max(good, key=lambda one: good[one])
    rivals = [one for one in _FORMS if _FORMS[one][1] != _FORMS[locale][1]]
    proof = told.filter(pl.col(locale) & ~pl.any_horizontal("plain", *rivals) & _grouped_or_cut(cell))
    if good[locale] < FITS * c.every or int(proof["count"].sum()) < PROOF * c.every:
        return
    read = told.filter(locale)
    cut = read.filter(cell.str.contains(rf"{_FORMS[locale][1]}\d+\D*$"))
    cents = int(cut["places"].max() or 0)  # type: ignore[arg-type]
    money = int(read.filter("money").select(weight.sum()).item() or 0)
    params = {
        "column": c.name, "locale": locale, **({"currency": True} if money else {}),
        "type": f"decimal(18,{cents})" if cents else "int",
    }  # fmt: skip
    broken = c.every - good[locale]
    shown = "" if c.told.personal else f": {proof['value'].sort()[0]!r}"
    reason = f"{good[locale] / c.every:.1%} are numbers as {locale} writes them{shown}"
    yield Suggestion(c.table, "parse_number", params, (c.name,), reason, c.every, broken, certainty(c.every, broken, 0.95))


def _form(between: str, before: str) -> str:
    number = rf"[+-]?(?:\d{{1,3}}(?:{between}\d{{3}})+|\d+)(?:{before}\d+)?"
    return rf"^(?:{_MONEY}\s?)?{number}(?:\s?{_MONEY})?$"


def _grouped_or_cut(cell: pl.Expr) -> pl.Expr:
    """More than digits and a point: a mark between thousands, or a comma."""
    return cell.str.contains(rf"\d(?:,|['\x{{2019}}]|\.|{_BLANKS})\d{{3}}(?:\D|$)|\d,\d")
