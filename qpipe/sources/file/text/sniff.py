"""Finding out what a file is: packing, encoding, newline, delimiter, quote, escape, and where its table stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

from qpipe.core.errors import DataRefused
from qpipe.sources.file.text import candidates
from qpipe.sources.file.text.compression import open_bytes
from qpipe.sources.file.text.dialect import Dialect
from qpipe.sources.file.text.encoding import Encoding, Utf8Stream, detect_encoding
from qpipe.sources.file.text.fit import RECORDS, Fit, fit, is_better, is_table
from qpipe.sources.file.text.grammar import Grammar
from qpipe.sources.file.text.options import DelimitedOptions, Opener
from qpipe.sources.file.text.records import read_records
from qpipe.sources.file.text.structure import find_table
from qpipe.sources.file.text.wrapped import are_wrapped, unwrapped
from qpipe.sources.file.text.wrong import refuse_binary, refuse_garbage, refuse_markup

SAMPLE = 1 << 18  # bytes looked at
JUDGED = 1 << 16  # characters that every candidate is tried on
DELIMITERS_TRIED = 4  # the likeliest ones, with every quote and escape

WIDENED = 50  # records whose cells are looked at for signs that belong to the delimiter: all others must fit then
_AROUND = frozenset("~^|<>[]{}#*=/\\&%!:;_")  # signs that a delimiter of several may have on both sides
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
        encoding.wrapped,
        compression,
        comment=options.comment or None,
        fixed=frozenset(k for k in ("delimiter", "quote", "escape", "header") if getattr(options, k) is not None),
        tables=options.header is None and options.columns is None and options.skip_rows is None,
        faults=encoding.told(),
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
    delimiters = (options.delimiter,) if options.delimiter else (",", ";", "\t", "|")
    quoted = options.quote is None and text.count('\n"', 0, JUDGED) > 1 and len(delimiters[0]) == 1
    if quoted and are_wrapped(text, delimiters, whole=whole):
        text, encoding = unwrapped(data).decode("utf-8", "surrogateescape"), replace(encoding, wrapped=True)
    return (text if whole else text.rstrip("".join(map(chr, range(0xDC80, 0xDD00))))), encoding, compression, whole


# ---- newline


def find_newlines(text: str) -> list[str]:
    """What may end a record, the likeliest first: "\\n" (also after "\\r"), "\\r", or a sign that does so rarely."""
    feeds, returns = text.count("\n"), text.count("\r") - text.count("\r\n")
    if feeds > 1 and 2 * text.count("\r\r\n") > feeds:
        return ["\r\r\n"]  # written as text by a system that makes "\r\n" of "\n", of a text that had it
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
        found = find_grammar(text, newline, options)
        odd = newline in ";|~^" and (found.share < 1 or found.records < 3)
        score = found.score * found.records / (found.records + 1)  # one long line always agrees with itself
        if not odd and score > best[2] + 0.05:
            best = (newline, found.grammar, score)
    return best[0], best[1]


# ---- delimiter, quote, escape


def find_grammar(text: str, newline: str, options: DelimitedOptions) -> Fit:
    """The delimiter, quote and escape under which the sample is most of all a table."""
    text = _body(text, options, newline)
    delimiters = candidates.delimiters(text, newline, options)
    quotes = candidates.without_parts(candidates.quotes(text, newline, options), delimiters, text, newline)

    @cache
    def fit_of(grammar: Grammar) -> Fit:
        return fit(text, newline, grammar)

    ranked = []
    for delimiter in delimiters:
        apart = candidates.apart_from(delimiter, quotes)
        tried = [fit_of(Grammar(delimiter, quote)) for quote in apart[:3] if quote or quote == apart[0]]
        if candidates.is_mostly_spaced(text, delimiter, apart[0]):
            tried.append(fit_of(Grammar(delimiter, apart[0], space=True)))
        ranked.append((max(one.score for one in tried), tried[0]))
    best: Fit | None = None
    for _, plain in sorted(ranked, key=lambda found: -found[0])[:DELIMITERS_TRIED]:
        apart = candidates.apart_from(plain.grammar.delimiter, quotes)
        for grammar in candidates.grammars(text, plain.grammar.delimiter, apart, options):
            if grammar.quote == "" != apart[0] and plain.formed:
                continue  # quotes that do their work are no text, however wide the table would look without them
            found = fit_of(grammar)
            better = best is None or is_better(found, best)
            if better and (options.delimiter is not None or is_table(found, text, newline)):
                best = found
    if best:
        best = _padded(best, fit_of)
        return best if options.delimiter is not None else _widened(best, text, newline, fit_of)
    return Fit(_one_column(text, newline, quotes, options), 0.0, 1, 1.0, 1)


def _one_column(text: str, newline: str, quotes: list[str], options: DelimitedOptions) -> Grammar:
    delimiter = options.delimiter or ","
    if options.delimiter is None:  # a sign that the text does not have: one column
        delimiter = next((d for d in (",", ";", "\t", "|", "\x1f", "\x1e") if d not in text), "\x02\x02")
    grammar = Grammar(delimiter, quotes[0], options.escape or "")
    records = [r for r in read_records(text, grammar, newline, most=RECORDS, whole=False) if not r.blank]
    well = sum(record.well_formed for record in records) >= 0.9 * len(records)
    return grammar if well or options.quote is not None else replace(grammar, quote="")


def _padded(best: Fit, fit_of: Callable[[Grammar], Fit]) -> Fit:
    """The same with the blanks as part of the delimiter, where they stand after every one of them."""
    grammar = best.grammar
    if len(grammar.delimiter) > 1 or not grammar.space:
        return best
    found = fit_of(replace(grammar, delimiter=grammar.delimiter + " ", space=False))
    return found if found.width == best.width and found.share == 1 and found.formed else best


def _widened(best: Fit, text: str, newline: str, fit_of: Callable[[Grammar], Fit]) -> Fit:
    """The same with the signs as part of the delimiter that stand on both sides of every one, or are its own once more."""
    delimiter = best.grammar.delimiter
    records = [r for r in read_records(text, best.grammar, newline, most=WIDENED, whole=False) if r.width == best.width]
    if best.share < 0.5 or best.first != best.width or len(records) < 3 or not delimiter.strip():
        return best
    before = {(cell or " ")[-1] for record in records for cell in record.cells[:-1]}
    behind = {(cell or " ")[0] for record in records for cell in record.cells[1:]}
    left, right = (signs.pop().strip() if len(signs) == 1 else "" for signs in (before, behind))
    bracket = left in _AROUND and right in _AROUND and left and right
    if not bracket and not (left + right and set(left + right) <= set(delimiter)):
        return best
    found = fit_of(replace(best.grammar, delimiter=f"{left}{delimiter}{right}"))
    good = found.width == best.width and found.share >= best.share and found.formed
    return _widened(found, text, newline, fit_of) if good else best


def _body(text: str, options: DelimitedOptions, newline: str) -> str:
    """The sample without the lines that the user said are none of the table."""
    lines = text.split(newline)[options.skip_rows or 0 :]
    if options.comment:
        lines = [line for line in lines if not line.startswith(options.comment)]
    return newline.join(lines)
