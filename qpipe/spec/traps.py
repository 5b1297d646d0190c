"""YAML's traps: bytes that are not text, and plain words that different YAML readers take for different things.

We read plain words as YAML 1.2's core schema does, and refuse those that YAML 1.1 (which most tools speak) reads otherwise:

    true false True FALSE        a boolean
    yes no on off (any case)     refused: yaml-bool         as a key, and quoted, they are text
    null ~ nothing               no value
    12 -3 0x1F 1.5 .5 1.5e+3     a number
    0777 0o17 1_000 0b1 1e3      refused: yaml-number       octal, decimal or text, depending on who reads
    .inf .nan                    refused: yaml-number       JSON, and with it a journal, has no such number
    1.23456789012345678901       refused: yaml-number       a float would round it
    2026-11-23  12:30  4h  5%    the text as written: a parameter's type says whether it is a date
    keys                         always the text as written
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from qpipe.spec.nodes import MAX_BYTES, Flaw, Node

_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOL_WORDS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)\.[0-9]*)([eE][-+][0-9]+)?")
_DOUBTFUL = re.compile(
    r"(?x) [-+]?0[0-9_]+ | [-+]?0o?[0-7_]+ | [-+]?0b[01_]+ | [-+]?0x[0-9a-fA-F_]+ | [-+]0x[0-9a-fA-F]+"
    r" | [-+]?[0-9][0-9_]*(\.[0-9_]*)? | [-+]?0[0-9]+\.[0-9]* | [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+"
    r" | [-+]?\.(inf|Inf|INF) | \.(nan|NaN|NAN)"
)
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_FALSE_QUOTES = "\u201c\u201d\u201e\u2018\u2019\u00ab"
_UNSEEN = re.compile("[\u00a0\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069]")
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069]")


def decode(data: bytes) -> str:
    """A file's bytes as text with ``\\n`` line ends. Raises Flaw; a byte order mark of UTF-8 is no flaw."""
    if len(data) > MAX_BYTES:
        raise Flaw(0, "too-large", f"the file has {len(data):,} bytes; a spec may have {MAX_BYTES:,}.",
                   "Move data into files of their own; is this the spec?")  # fmt: skip
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[:4].count(0) >= 2:
        raise Flaw(0, "not-utf8", "the file is UTF-16 or UTF-32, or not text at all.", "Save it as UTF-8.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        offset = len(normal(data[: error.start].decode("utf-8", "replace")))
        raise Flaw(
            offset, "not-utf8", f"the byte 0x{data[error.start]:02x} is not UTF-8.", "Save the file as UTF-8."
        ) from error
    return normal(text)


def normal(text: str) -> str:
    """One kind of line end, also at the end; no byte order mark."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return text if text.endswith("\n") or not text else text + "\n"


def check_characters(text: str) -> None:
    """Raises Flaw on the first character that YAML forbids or that breaks lines for some tools only."""
    found = _FORBIDDEN.search(text)
    if found:
        raise Flaw(found.start(), "control-character", f"the character {_name(found[0])} may not stand in a spec.",
                   f'Take it out, or write it as "{_escaped(found[0])}" in double quotes.')  # fmt: skip


def resolve(node: Node) -> Any:
    """The value of a scalar node. Raises Flaw for a word that is read in different ways."""
    if node.style or node.tag == "tag:yaml.org,2002:str":
        return node.value
    return resolve_word(node.value, node.start)


def resolve_word(word: str, start: int = 0) -> Any:
    """The value of a plain word."""
    if word in _NULLS:
        return None
    if word in _BOOLEANS:
        return _BOOLEANS[word]
    if word.lower() in _BOOL_WORDS:
        raise Flaw(start, "yaml-bool", f"'{word}' is a boolean for some YAML readers and text for others.",
                   f"Write {_BOOL_WORDS[word.lower()]}, or '{word}' in quotes if it is text.")  # fmt: skip
    if _INTEGER.fullmatch(word) and len(word) <= 39:
        return int(word)
    if _HEX.fullmatch(word) and len(word) <= 18:
        return int(word, 16)
    if _FLOAT.fullmatch(word) and _is_exact(word):
        return float(word)
    if _DOUBTFUL.fullmatch(word) and any(sign.isdigit() or sign == "." for sign in word):
        raise Flaw(start, "yaml-number", _why(word), _instead(word))
    return word


def check_scalar(node: Node) -> Iterator[Flaw]:
    """What a person does not see in a scalar, or did not mean."""
    if not node.style:
        found = _UNSEEN.search(node.value)
        if found:
            yield Flaw(node.start, "invisible-character", f"this holds the invisible character {_name(found[0])}.",
                       "Type it anew, or put it in quotes if it is meant.")  # fmt: skip
        if node.value[:1] in _FALSE_QUOTES and node.value:
            yield Flaw(node.start, "yaml-quotes", f"{node.value[0]} is not a quote for YAML, but part of the text.",
                       "Use ' or \".")  # fmt: skip
        if node.anchor and not node.value:
            yield Flaw(node.start, "yaml-alias", f"'&{node.anchor}' names an empty value here.",
                       "Put text that starts with '&' in quotes; an anchor needs a value after it.")  # fmt: skip
    elif _BIDI.search(node.value):
        yield Flaw(node.start, "invisible-character", "this holds a character that reverses the text around it.",
                   "Take it out: what is read is not what is seen.")  # fmt: skip
    if node.style == '"':
        yield from _check_escapes(node)


def join_commas(node: Node) -> Iterator[Flaw]:
    """``{total: round(a, 2)}``: within ``{}`` and ``[]`` a comma ends a plain value, also between parentheses.

    The node is mended, so that all else is judged as it is meant.
    """
    followers = node.keys if node.kind == "mapping" else node.items
    place = 0
    while node.flow and place < len(node.items) - 1:
        value, whole = node.items[place], node.items[place].value
        last = place
        while _is_open(value) and last < len(followers) - 1 and whole.count("(") > whole.count(")"):
            last += 1
            whole += f", {followers[last].value}"
        if last > place and whole.count("(") <= whole.count(")"):
            yield Flaw(value.start, "yaml-comma", f"a comma ends this value: it is '{value.value}', and no more.",
                       f'Put it in quotes: "{whole}".')  # fmt: skip
            value.value = whole
            del node.items[place + 1 : last + 1], node.keys[place + 1 : last + 1]
        place += 1


def _is_open(node: Node) -> bool:
    return node.kind == "scalar" and not node.style and node.value.count("(") > node.value.count(")")


def check_tag(node: Node) -> Iterator[Flaw]:
    """``!!python/object`` and every other tag but those that change nothing."""
    usual = {"scalar": "str", "mapping": "map", "sequence": "seq"}
    if node.tag and node.tag != f"tag:yaml.org,2002:{usual.get(node.kind)}":
        shown = node.tag.replace("tag:yaml.org,2002:", "!!")
        yield Flaw(node.start, "yaml-tag", f"the tag '{shown}' has no meaning in a spec.",
                   "Take it out; text that starts with '!' belongs in quotes.")  # fmt: skip


def _check_escapes(node: Node) -> Iterator[Flaw]:
    names = {"\x08": r"\b", "\x0c": r"\f", "\x07": r"\a", "\x0b": r"\v"}
    for sign, written in names.items():
        if sign in node.value:
            yield Flaw(node.start, "yaml-escape", f"'{written}' in double quotes is a control character, not a backslash and "
                       "a letter.", "Use single quotes for a regular expression.")  # fmt: skip
            return


def _is_exact(word: str) -> bool:
    """Does the float mean what is written? 17 digits or more are rounded."""
    digits = re.sub(r"[eE].*|[^0-9]", "", word).strip("0")
    if len(digits) <= 15:
        return abs(float(word)) != float("inf")
    from decimal import Decimal

    return Decimal(repr(float(word))) == Decimal(word)


def _why(word: str) -> str:
    if "inf" in word.lower() or "nan" in word.lower():
        return f"'{word}' is no number that a spec can hold."
    if len(re.sub(r"\D", "", word)) > 15 and _FLOAT.fullmatch(word):
        return f"'{word}' has more digits than a number can keep."
    if _INTEGER.fullmatch(word) or len(word) > 39:
        return "this number is too long."
    return f"'{word}' is read differently by different YAML readers."


def _instead(word: str) -> str:
    if "inf" in word.lower():
        return "Leave the bound out."
    if "nan" in word.lower():
        return f"Write '{word}' in quotes if it is text."
    plain = word.replace("_", "")
    try:
        number: Any = float(plain) if re.search(r"[eE.]", plain) and "x" not in plain else None
        if number is None and re.fullmatch(r"[-+]?0*[0-9]+", plain) and len(plain) < 39:
            number = int(plain)
        if isinstance(number, float) and number.is_integer() and abs(number) < 1e15:
            number = int(number)
    except (ValueError, OverflowError):
        number = None
    as_text = f"'{word}' in quotes" if len(word) <= 40 else "it in quotes"
    if number is None or not _is_exact(plain) or number in (float("inf"), float("-inf")):
        return f"Write {as_text}."
    return f"Write {_plainly(number)} if it is a number, {as_text} if it is text."


def _plainly(number: float) -> str:
    """A number as all YAML readers read it: one with an exponent has a point, too."""
    return re.sub(r"^(-?\d+)e", r"\1.0e", str(number))


def _name(sign: str) -> str:
    import unicodedata

    name = unicodedata.name(sign, "")
    return f"U+{ord(sign):04X}" + (f" ({name.lower()})" if name else "")


def _escaped(sign: str) -> str:
    return f"\\x{ord(sign):02x}" if ord(sign) < 256 else f"\\u{ord(sign):04x}"
