"""Finding out what a file is: packing, encoding, newline, delimiter, quote, escape, and where its table stands."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import dropwhile
from pathlib import Path

from qpipe.core.errors import DataRefused
from qpipe.sources.file.chunk import Fault
from qpipe.sources.file.text.compression import open_bytes
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.encoding import Encoding, Utf8Stream, detect_encoding
from qpipe.sources.file.text.grammar import CLOSING, Grammar
from qpipe.sources.file.text.options import DelimitedOptions, Opener
from qpipe.sources.file.text.records import Record, kind_of, read_records
from qpipe.sources.file.text.structure import find_table
from qpipe.sources.file.text.wrong import refuse_binary, refuse_garbage, refuse_markup

SAMPLE = 1 << 18  # bytes looked at
JUDGED = 1 << 16  # characters that every candidate is tried on
RECORDS = 300

# What separates cells, and how far it is to be believed against another that fits as well.
_DELIMITERS = {",": 1.0, ";": 1.0, "\t": 1.0, "|": 1.0, "\x1f": 1.0, "\x01": 1.0, "§": 0.98, "¦": 0.98, "^": 0.96, "~": 0.96,
               "#": 0.7, "&": 0.7, "*": 0.7, "!": 0.7, "@": 0.7, "$": 0.7, "%": 0.7, ":": 0.6, " ": 0.75, "=": 0.5,
               "/": 0.5, "+": 0.5, "\\": 0.6}  # fmt: skip
_WEAK = frozenset(" :=/+@$%#&*!\\")  # signs that text itself is full of
_QUOTES = ('"', "'", "“", "«", "„", "`", "|", "~", "^", "%", "$", "#", "*")
_NEWLINES = ("\x1e", "\x85", "\u2028", "\u2029", "\x1d", "\x0c", "\x0b")


def sniff(
    source: bytes | str | Path | Opener,
    options: DelimitedOptions | None = None,
    *,
    name: str | None = None,
    member: str | None = None,
) -> Dialect:
    """The dialect of a file, of some bytes, or of what an opener opens. Raises DataRefused for what is no such text."""
    options = options or DelimitedOptions()
    opener, name = _opener(source, name)
    return _judged(*_sample(opener, options, name, member), options, name)


@lru_cache(16)
def _judged(
    text: str, encoding: Encoding, compression: str | None, whole: bool, options: DelimitedOptions, name: str
) -> Dialect:
    """The same for a file's beginning. A run looks at a file several times; trying all dialects costs a tenth of a second."""
    if not text.strip("\r\n\ufeff"):
        raise DataRefused("the file is empty" if not text else "the file holds nothing but blank lines", file=name)
    if options.delimiter is None:
        refuse_markup(text, name)
    if options.encoding is None:
        refuse_garbage(text, name)
    newline, grammar = _newline_and_grammar(text[:JUDGED], options)
    dialect = Dialect(
        grammar.delimiter,
        grammar.quote,
        grammar.escape,
        grammar.space,
        newline,
        encoding.name,
        encoding.mark,
        compression,
        comment=options.comment or None,
        fixed=frozenset(k for k in ("delimiter", "quote", "escape", "header") if getattr(options, k) is not None),
        tables=options.header is None and options.columns is None and options.skip_rows is None,
        faults=_told(encoding, options),
    )
    return find_table(text, whole, dialect, options, name)


def _opener(source: bytes | str | Path | Opener, name: str | None) -> tuple[Opener, str]:
    import io

    if isinstance(source, bytes):
        return (lambda: io.BytesIO(source)), name or "input"
    if isinstance(source, (str, Path)):
        return (lambda: open(source, "rb")), name or str(source)
    return source, name or "input"


def _sample(opener: Opener, options: DelimitedOptions, name: str, member: str | None) -> tuple[str, Encoding, str | None, bool]:
    """The text's beginning, its encoding and packing, and whether that is all of it."""
    stream = open_bytes(opener, name, member)
    try:
        head = stream.read(SAMPLE)
        compression = stream.compression
        whole = len(head) < SAMPLE
        if not head and stream.torn:
            raise DataRefused(f"nothing of it can be read: {stream.torn}", file=name)
        if stream.torn and whole and not any(end in head for end in (b"\n", b"\r")):
            raise DataRefused(f"not even its first line can be read: {stream.torn}", file=name)
    finally:
        stream.close()
    refuse_binary(head, name)
    encoding = detect_encoding(head, options.encoding, name, whole=whole)
    text_stream = Utf8Stream(open_bytes(opener, name, member), encoding)
    try:
        data = text_stream.read(SAMPLE)
    finally:
        text_stream.close()
    whole = len(data) < SAMPLE
    text = data.decode("utf-8", "surrogateescape")
    return (text if whole else text.rstrip("".join(map(chr, range(0xDC80, 0xDD00))))), encoding, compression, whole


def _told(encoding: Encoding, options: DelimitedOptions) -> tuple[Fault, ...]:
    told = []
    if encoding.mark:
        message = f"the file starts with the byte order mark of {encoding.name}: not part of the text"
        told.append(Fault(None, 1, "byte-order-mark", message, severity="warning"))
    if encoding.guessed:
        message = f"the text is not UTF-8: read as {encoding.name}, which is the likeliest"
        told.append(Fault(None, 0, "encoding-guessed", message, severity="warning"))
    return tuple(told)


# ---- newline


def find_newlines(text: str) -> list[str]:
    """What may end a record, the likeliest first: "\\n" (also after "\\r"), "\\r", or a sign that does so rarely."""
    feeds, returns = text.count("\n"), text.count("\r") - text.count("\r\n")
    usual = ["\r", "\n"] if returns > 3 * feeds else ["\n", "\r"]
    found = [sign for sign in usual if (feeds if sign == "\n" else returns) > 0]
    if feeds > 10 * returns or returns > 10 * feeds:
        found = found[:1]
    found += [sign for sign in _NEWLINES if text.count(sign) > 1]
    if not found:
        found = ["\n", *(sign for sign in ";|~^" if text.count(sign) > 1)]
    return found


def _newline_and_grammar(text: str, options: DelimitedOptions) -> tuple[str, Grammar]:
    """The newline and grammar that fit together; the usual ones unless another is clearly better."""
    newlines = [options.newline] if options.newline else find_newlines(text)
    best = ("\n", Grammar(","), -1.0)
    for newline in newlines:
        fit = find_grammar(text, newline, options)
        odd = newline in ";|~^" and (fit.share < 1 or fit.records < 3)
        score = fit.score * fit.records / (fit.records + 1)  # one long line always agrees with itself
        if not odd and score > best[2] + 0.05:
            best = (newline, fit.grammar, score)
    return best[0], best[1]


# ---- delimiter, quote, escape


@dataclass(frozen=True)
class Fit:
    """How well a grammar fits a sample; ``score`` from 0 to 1."""

    grammar: Grammar
    score: float
    width: int
    share: float  # of the records that have this width
    first: int  # width of the first record
    records: int = 1
    formed: bool = True  # but for single records, every quote is where it belongs


def find_grammar(text: str, newline: str, options: DelimitedOptions) -> Fit:
    """The delimiter, quote and escape under which the sample is most of all a table."""
    text = _body(text, options, newline)
    quotes = _quote_candidates(text, newline, options)
    first = quotes[0]
    ranked = []
    for delimiter in _delimiter_candidates(text, newline, options):
        tried = [_fit(text, newline, Grammar(delimiter, quote)) for quote in quotes[:3] if quote or quote == first]
        ranked.append((max(fit.score for fit in tried), tried[0]))
    fits = [fit for _, fit in sorted(ranked, key=lambda found: -found[0])[:4]]
    best: Fit | None = None
    for fit in fits:
        for grammar in _variants(text, fit.grammar.delimiter, quotes, options):
            if grammar.quote == "" != first and fit.formed:
                continue  # quotes that do their work are no text, however wide the table would look without them
            found = fit if grammar == fit.grammar else _fit(text, newline, grammar)
            better = best is None or _better(found, best)
            if better and (options.delimiter is not None or _is_table(found, text, newline)):
                best = found
    if best:
        return _padded(best, text, newline)
    return Fit(_one_column(text, newline, quotes, options), 0.0, 1, 1.0, 1)


def _padded(best: Fit, text: str, newline: str) -> Fit:
    """The same with the blanks as part of the delimiter, where they stand after every one of them."""
    grammar = best.grammar
    if len(grammar.delimiter) > 1 or not grammar.space:
        return best
    found = _fit(text, newline, replace(grammar, delimiter=grammar.delimiter + " ", space=False))
    return found if found.width == best.width and found.share == 1 and found.formed else best


def _better(one: Fit, other: Fit) -> bool:
    """The higher score; but what fits every line goes before what would skip some."""
    if _whole(one) != _whole(other) and min(one.share, other.share) < 1:
        return _whole(one)
    return one.score > other.score + 1e-9


def _whole(fit: Fit) -> bool:
    """Whether every line, the first one too, has as many cells, cut at a sign that is made for it: nothing need be skipped."""
    usual = fit.grammar.delimiter in (",", ";", "\t", "|") and fit.formed
    return usual and fit.share == 1 and fit.first == fit.width > 1 and fit.records > 2


def _body(text: str, options: DelimitedOptions, newline: str) -> str:
    """The sample without the lines that the user said are none of the table."""
    lines = text.split(newline)[options.skip_rows or 0 :]
    if options.comment:
        lines = [line for line in lines if not line.startswith(options.comment)]
    return newline.join(lines)


def _delimiter_candidates(text: str, newline: str, options: DelimitedOptions) -> list[str]:
    if options.delimiter is not None:
        return [options.delimiter]
    lines = [line for line in text.split(newline)[:200] if line.strip()] or [text]
    enough = max(1, len(lines) // 4)
    single = [d for d in _DELIMITERS if sum(d in line for line in lines) >= enough]
    control = {chr(c) for c in range(1, 32)} - {"\t", "\n", "\r", newline, *_DELIMITERS}
    single += [d for d in sorted(control) if sum(d in line for line in lines) >= enough]
    several = Counter(run for line in lines[:20] for run in set(re.findall(r"[^\w\s\"'.\-()]{2,4}|<\w{2,5}>", line)))
    longer = [run for run, count in several.items() if count >= min(enough, 3) and len(set(run)) <= 3]
    for d in (",", ";", "|", ":", "\t"):
        longer += [pad for pad in (f" {d} ", f"{d} ") if d in single and sum(pad in line for line in lines) >= enough]
    halves = [run[: len(run) // 2] for run in longer if len(run) in (2, 4) and run[: len(run) // 2] == run[len(run) // 2 :]]
    return list(dict.fromkeys([*longer, *(h for h in halves if len(h) > 1), *single])) or [","]


def _quote_candidates(text: str, newline: str, options: DelimitedOptions) -> list[str]:
    if options.quote is not None:
        return [options.quote]
    wrapped = []
    for quote in (sign for sign in _QUOTES if sign in text):
        o, close = re.escape(quote), re.escape(CLOSING.get(quote, quote))
        cell = rf"(?:^|(?<=[^\w\s{o}])|(?<= )){o}[^{o}{close}\n\r]*{close}(?=[^\w{close}]|$)"
        found = [match.start() for match in re.finditer(cell, text, re.MULTILINE)]
        if not found and quote in "\"'“«„":  # in cells of several lines
            several = rf"(?:^|[,;|\t]){o}[^{o}{close}]*\n[^{o}{close}]*{close}(?=[,;|\t]|\r?$)"
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


def _variants(text: str, delimiter: str, quotes: list[str], options: DelimitedOptions) -> list[Grammar]:
    """The plain grammars first: a later one must be better, not as good."""
    found = []
    for quote in quotes:
        if quote and quote in delimiter:
            continue
        given = options.escape
        escapes = [given] if given is not None else ["", *_escape_candidates(text, delimiter, quote)]
        for escape in escapes:
            found.append(Grammar(delimiter, quote, escape))
            if quote and delimiter.strip() and _mostly_spaced(text, delimiter, quote):
                found.append(Grammar(delimiter, quote, escape, space=True))
    return found


def _mostly_spaced(text: str, delimiter: str, quote: str) -> bool:
    """Whether blanks stand before most opening quotes, not just in single rows."""
    d, q = re.escape(delimiter), re.escape(quote)
    return len(re.findall(rf"{d}[ \t]+{q}", text)) > len(re.findall(rf"{d}{q}(?!{d})", text))


def _escape_candidates(text: str, delimiter: str, quote: str) -> list[str]:
    if not quote:
        return ["\\"] if "\\" + delimiter in text else []
    close = re.escape(CLOSING.get(quote, quote))
    signs = Counter(re.findall(rf"([^\w\s{close}]){close}", text))
    inside = Counter(re.findall(rf"([^\w\s{close}]){close}(?![ \t]*(?:{re.escape(delimiter)}|[\r\n]|\Z))", text))
    likely = [sign for sign, count in inside.most_common(4) if 2 * count >= signs[sign]]  # else it ends a text: "really!"
    return [sign for sign in likely if sign not in delimiter and sign in "\\^/!?%'`~$#@&*+=|_"]


def _fit(text: str, newline: str, grammar: Grammar) -> Fit:
    records = [r for r in read_records(text, grammar, newline, most=RECORDS, whole=False) if not r.blank]
    if not records:
        return Fit(grammar, 0.0, 1, 1.0, 1)
    widths = Counter(record.width for record in records)
    width = max(widths, key=lambda w: (widths[w] * (w - 1), widths[w]))
    if width < 2:
        return Fit(grammar, 0.0, 1, 1.0, 1)
    rows = [record for record in records if record.width == width]
    share = len(rows) / len(records)
    near = sum(min(r.width, width) / max(r.width, width) for r in records) / len(records)
    broken = sum(not record.well_formed for record in records)
    formed = 1 - broken / len(records)
    used = sum(any(row.cells[number] for row in rows) for number in range(width)) or 1
    clean = _cleanness(rows[:100], grammar)
    belief = _DELIMITERS.get(grammar.delimiter.strip() or grammar.delimiter) or _belief_in(grammar.delimiter)
    score = (0.7 * share + 0.3 * near) * (0.2 + 0.8 * formed) * (0.1 + 0.9 * clean) * (used - 1) / used * belief
    return Fit(grammar, score, width, share, records[0].width, len(records), broken <= max(2, 0.05 * len(records)))


def _belief_in(several: str) -> float:
    return max(0.7, min(0.97, *(_DELIMITERS.get(sign, 0.97) for sign in several)))


def _cleanness(rows: list[Record], grammar: Grammar) -> float:
    """The share of cells that look like one value: a number, a date, a word, a text, and no half of something."""
    total = good = 0.0
    for row in rows:
        quoted = bool(grammar.quote) and grammar.quote in row.raw
        for cell in row.cells:
            total += 1
            good += _clean(cell, row.raw, grammar, quoted)
    return good / total if total else 0.0


_HALF = re.compile(r"^[\s,;:|/)\]}=&*+]|[\s,;|/(\[{=&*+]$")
_TWO_NUMBERS = re.compile(r"\d +\d")
_CONTROL = re.compile(r"[\x01-\x08\n\r\x0b-\x1f\x85\u2028\u2029]")
_INNER = re.compile(r"[;\t|\x00-\x1f]|,(?=\S)(?!\d{3})|\\")


def _clean(cell: str | None, raw: str, grammar: Grammar, quoted: bool) -> float:
    if not cell:
        return 0.8
    if kind_of(cell):
        return 1.0
    if quoted and grammar.quote + cell + CLOSING.get(grammar.quote, grammar.quote) in raw:
        return 1.0
    if cell[0] in "\"'“«`" and not grammar.escape and len(cell) > 1 and cell[-1] == CLOSING.get(cell[0], cell[0]):
        return 0.1
    if quoted and not _HALF.search(cell) and grammar.delimiter in cell:
        return 1.0
    bad = (0.5 if _HALF.search(cell) else 0.0) + (0.3 if _INNER.search(cell) else 0.0)
    bad += 0.3 if _TWO_NUMBERS.search(cell) else 0.0
    bad += 0.8 if _CONTROL.search(cell) else 0.0
    bad += 0.3 if cell.count('"') % 2 or (grammar.quote and grammar.quote in cell and not quoted) else 0.0
    return max(0.0, 1.0 - bad)


def _is_table(fit: Fit, text: str, newline: str) -> bool:
    """Whether a fit is more than chance: weak signs must separate every line."""
    if fit.score < 0.06 or fit.width < 2:
        return False
    if fit.grammar.delimiter in _WEAK:
        rows = [r for r in read_records(text, fit.grammar, newline, most=RECORDS, whole=False) if not r.blank]
        if fit.share < 0.9 or fit.first == 1:
            return False
        typed = any(all(kind_of(r.cells[i]) for r in rows[1:] if r.width == fit.width) for i in range(fit.width))
        return typed or (fit.width >= 3 and fit.share > 0.97)
    doubtful = fit.width == 2 and fit.first == 1 and fit.share < 0.99 and fit.grammar.delimiter.strip() == ","
    return not doubtful or _follows_a_title(read_records(text, fit.grammar, newline, most=RECORDS, whole=False))


def _follows_a_title(records: Sequence[Record]) -> bool:
    """Whether all records have two cells but for a few lines before the first such one."""
    filled = [record for record in records if not record.blank]
    rows = list(dropwhile(lambda record: record.width == 1, filled))
    whole = all(row.width == 2 and all(cell and cell[0] != " " for cell in row.cells) for row in rows)
    return whole and len(rows) > max(3, 2 * (len(filled) - len(rows)))


def _one_column(text: str, newline: str, quotes: list[str], options: DelimitedOptions) -> Grammar:
    delimiter = options.delimiter or ","
    if options.delimiter is None:  # a sign that the text does not have: one column
        delimiter = next(d for d in (",", ";", "\t", "|", "\x1f", "\x1e", "\x02\x02") if d not in text)
    grammar = Grammar(delimiter, quotes[0], options.escape or "")
    records = [r for r in read_records(text, grammar, newline, most=RECORDS, whole=False) if not r.blank]
    well = sum(record.well_formed for record in records) >= 0.9 * len(records)
    return grammar if well or options.quote is not None else replace(grammar, quote="")
