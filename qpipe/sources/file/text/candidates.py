"""The delimiters, quotes and escapes that a sample of text may be written in, the likeliest first."""

from __future__ import annotations

import re
from collections import Counter

from qpipe.sources.file.text.fit import DELIMITERS
from qpipe.sources.file.text.grammar import CLOSING, Grammar
from qpipe.sources.file.text.options import DelimitedOptions

_QUOTES = ('"', "'", "“", "«", "„", "`", "|", "~", "^", "%", "$", "#", "*")


def delimiters(text: str, newline: str, options: DelimitedOptions) -> list[str]:
    if options.delimiter is not None:
        return [options.delimiter]
    lines = [line for line in text.split(newline)[:200] if line.strip()] or [text]
    enough = max(1, len(lines) // 4)
    single = [d for d in DELIMITERS if sum(d in line for line in lines) >= enough]
    control = {chr(c) for c in range(1, 32)} - {"\t", "\n", "\r", newline, *DELIMITERS}
    odd = {sign for sign in lines[0] if sign > "\x7f" and (sign in "þÞ" or not sign.isalnum())}
    others = (control | odd) - {*DELIMITERS, *_QUOTES, *CLOSING.values()}
    single += [d for d in sorted(others) if sum(d in line for line in lines) >= enough]
    several = Counter(run for line in lines[:20] for run in set(re.findall(r"[^\w\s\"'.\-()]{2,6}|<\w{2,5}>", line)))
    formula = {f"{d}=" for d in ",;|" if f'{d}="' in text}  # ="007": so a spreadsheet keeps a text
    longer = [run for run, count in several.items() if count >= min(enough, 3) and len(set(run)) <= 3 and run not in formula]
    if "\t\t" in lines[0] and all(len(run) % 2 == 0 for line in lines[:20] for run in re.findall("\t+", line)):
        longer.append("\t\t")
    for d in (",", ";", "|", ":", "\t"):
        padded = (f" {d} ", f"{d} ", f"\t{d}\t") if d in single else ()
        longer += [pad for pad in padded if sum(pad in line for line in lines) >= enough]
    halves = [run[: len(run) // 2] for run in longer if len(run) in (2, 4, 6) and run[: len(run) // 2] == run[len(run) // 2 :]]
    return list(dict.fromkeys([*longer, *(h for h in halves if len(h) > 1), *single])) or [","]


def quotes(text: str, newline: str, options: DelimitedOptions) -> list[str]:
    if options.quote is not None:
        return [options.quote]
    wrapped = []
    for quote in (sign for sign in _QUOTES if sign in text):
        o, close = re.escape(quote), re.escape(CLOSING.get(quote, quote))
        cell = rf"(?:^|(?<=[^\w\s{o}])|(?<= )){o}[^{o}{close}\n\r]*{close}(?=[^\w{close}]|$)"
        found = [match.start() for match in re.finditer(cell, text, re.MULTILINE)]
        if not found and quote in "\"'“«„`":  # in cells of several lines
            several = rf"(?:^|[,;|\t:^~]){o}[^{o}{close}]*\n[^{o}{close}]*{close}(?=[,;|\t:^~]|\r?$)"
            found = [match.start() for match in re.finditer(several, text, re.MULTILINE)]
        if found and (quote in "\"'“«„`" or len(found) >= 3) and (quote == '"' or not _in_one_line(found, text, newline)):
            wrapped.append((quote, len(found)))
    ranked = [quote for quote, _ in sorted(wrapped, key=lambda found: -found[1] if found[0] != '"' else -1e9)]
    if '"' in text and '"' not in ranked:
        ranked.insert(0, '"')
    return [*ranked[:3], ""] if ranked else ['"']


def _in_one_line(places: list[int], text: str, newline: str) -> bool:
    """Whether all places are in one line of more than three: then it is that row's habit, not the file's."""
    return newline not in text[places[0] : places[-1]] and text.rstrip(newline).count(newline) > 2


def without_parts(quotes: list[str], delimiters: list[str], text: str, newline: str) -> list[str]:
    """The quotes without signs that are only part of a longer delimiter: a line never starts or ends with them."""
    ends = "".join(line[:1] + line[-1:] for line in text.split(newline)[:200])
    parts = {sign for delimiter in delimiters if len(delimiter) > 2 for sign in delimiter} - {*ends, '"', "'", " "}
    return [quote for quote in quotes if quote not in parts]


def apart_from(delimiter: str, quotes: list[str]) -> list[str]:
    """The quotes that are no part of a delimiter."""
    return [quote for quote in quotes if not quote or quote not in delimiter] or ['"']


def grammars(text: str, delimiter: str, quotes: list[str], options: DelimitedOptions) -> list[Grammar]:
    """The plain grammars first: a later one must be better, not as good."""
    found = []
    for quote in quotes:
        given = options.escape
        escapes = [given] if given is not None else ["", *_escapes(text, delimiter, quote)]
        for escape in escapes:
            found.append(Grammar(delimiter, quote, escape))
            if is_mostly_spaced(text, delimiter, quote):
                found.append(Grammar(delimiter, quote, escape, space=True))
    return found


def is_mostly_spaced(text: str, delimiter: str, quote: str) -> bool:
    """Whether blanks stand before most opening quotes, or after most closing ones, not just in single rows."""
    if not quote or not delimiter.strip():
        return False
    d, o, c = re.escape(delimiter), re.escape(quote), re.escape(CLOSING.get(quote, quote))
    before = len(re.findall(rf"{d}[ \t]+{o}", text)) > len(re.findall(rf"{d}{o}(?!{d})", text))
    return before or len(re.findall(rf"{c}[ \t]+{d}", text)) > len(re.findall(rf"(?<!{d}){c}{d}", text))


def _escapes(text: str, delimiter: str, quote: str) -> list[str]:
    if not quote:
        return ["\\"] if "\\" + delimiter in text else []
    close = re.escape(CLOSING.get(quote, quote))
    signs = Counter(re.findall(rf"([^\w\s{close}]){close}", text))
    inside = Counter(re.findall(rf"([^\w\s{close}]){close}(?![ \t]*(?:{re.escape(delimiter)}|[\r\n]|\Z))", text))
    likely = [  # else it ends a text ("really!"), or stood once where a quote was not escaped ("2/"8/2016")
        sign for sign, count in inside.most_common(4) if 2 * count >= signs[sign] and (sign == "\\" or count > 1)
    ]
    signs_known = "\\^/!?%'`~$#@&*+|_" + ("" if f"{delimiter}={quote}" in text else "=")  # ="007" is a formula
    return [sign for sign in likely if sign not in delimiter and sign in signs_known]
