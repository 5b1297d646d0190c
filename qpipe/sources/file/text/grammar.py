"""How one record is cut into cells, strictly or leniently, under a given delimiter, quote and escape."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

Cells = list[str | None]  # None: nothing stood there; "": an empty cell in quotes

QUOTES = ("'", '"', "“", "«", "„", "`")
CLOSING = {"“": "”", "«": "»", "„": "“", "‘": "’", "‹": "›"}  # noqa: RUF001  (quotes that close with another sign)


@dataclass(frozen=True)
class Grammar:
    """A delimiter, a quote ("" for none) and an escape ("" for doubled quotes only)."""

    delimiter: str
    quote: str = '"'
    escape: str = ""
    space: bool = False  # blanks may stand between a delimiter and a quote


def cut(text: str, start: int, grammar: Grammar, *, newline: str = "\n", loose: bool = False) -> tuple[Cells, int] | None:
    """The cells of the record at ``start`` and where it ends (before its newline); None when it is ill-formed.

    Loose: a quote inside a quoted cell closes it only where a delimiter or the record's end follows.
    """
    rules = _rules(grammar, newline, loose)
    quoted, plain, unescape, delimiter = rules.quoted, rules.plain, rules.unescape, grammar.delimiter
    cells: Cells = []
    position, step = start, len(delimiter)
    while True:
        found = quoted.match(text, position) if quoted else None
        if found:
            cells.append(unescape(found[1]))
        else:
            found = plain.match(text, position)
            if found is None:
                return None
            cells.append((unescape(found[0]) if grammar.escape else found[0]) or None)
        position = found.end()
        if not text.startswith(delimiter, position):
            return cells, position
        position += step


@dataclass(frozen=True)
class _Rules:
    quoted: re.Pattern[str] | None
    plain: re.Pattern[str]
    grammar: Grammar

    def unescape(self, content: str) -> str:
        grammar = self.grammar
        if grammar.escape and grammar.escape in content:
            return _escaped(grammar)[0].sub(lambda found: found[1], content)
        quote = CLOSING.get(grammar.quote, grammar.quote)
        return content.replace(quote + quote, quote) if quote and not grammar.escape else content


@lru_cache(64)
def _rules(grammar: Grammar, newline: str, loose: bool) -> _Rules:
    d, n = re.escape(grammar.delimiter), r"\r?\n|\r" if newline in "\r\n" else re.escape(newline)
    end = f"(?:{d}|{n}|\\Z)"
    e = re.escape(grammar.escape)
    escaped = f"|{e}." if e else ""
    not_first = re.escape(grammar.quote)
    stop = f"(?!{d}|{n}{'|' + e if e else ''})."
    if len(grammar.delimiter) == 1 and newline in "\r\n":
        stop = f"[^{d}\\r\\n{e}]"
        if newline == "\n":  # a lone carriage return is content here; the caller looks for it
            stop = f"(?:[^{d}\\r\\n{e}]|\\r(?!\\n))"
    blanks = f"(?:(?!{d})[ \\t])*" if grammar.space or loose else ""
    head = f"(?!{blanks}{not_first})" if not_first else ""
    # atomic groups, not possessive ones: those go wrong around alternatives before Python 3.11.5
    plain = re.compile(f"{head}(?>(?:{stop}{escaped})*)(?={end})", re.DOTALL)
    if not grammar.quote:
        return _Rules(None, plain, grammar)
    o, c = re.escape(grammar.quote), re.escape(CLOSING.get(grammar.quote, grammar.quote))
    if loose:
        after = f"(?!{blanks}{end})"
        body = f"(?>(?:[^{c}{e}]|{c}{c}{after}|{c}{after}{escaped})*)"
    else:
        body = f"(?>(?:[^{c}{e}]{'' if e else f'|{c}{c}'}{escaped})*)"
    return _Rules(re.compile(f"{blanks}{o}({body}){c}{blanks}(?={end})", re.DOTALL), plain, grammar)


@lru_cache(16)
def _escaped(grammar: Grammar) -> tuple[re.Pattern[str]]:
    """An escape takes its power from the sign it stands before; before any other character it is a character itself."""
    close = CLOSING.get(grammar.quote, grammar.quote)
    signs = "|".join(re.escape(s) for s in {grammar.quote or '"', close, grammar.escape, grammar.delimiter, "\r", "\n"} if s)
    return (re.compile(f"{re.escape(grammar.escape)}({signs})"),)
