"""Whether a regular expression is one that Rust's regex crate takes, told without importing Polars."""

from __future__ import annotations

import re

_GROUPS = [
    (r"\(\?<?[=!]", "look-around such as {0} is not supported: matching takes time in proportion to the text"),
    (r"\(\?>", "an atomic group {0} is not supported"),
    (r"\(\?\(", "a condition {0} is not supported"),
    (r"\(\?#", "a comment {0} is not supported"),
    (r"\(\?P[=>]", "a back-reference such as {0} is not supported: matching takes time in proportion to the text"),
    (r"\(\?(?:R|\d|&)", "recursion {0} is not supported"),
]
_OPENERS = re.compile(r"\(\?(?:P?<(?P<name>[A-Za-z_][\w.\[\]]*)>|(?P<flags>[imsUuxR]*(?:-[imsUux]+)?)(?P<end>[:)]))?")
_REPEAT = re.compile(r"\{\s*(\d+)\s*(?:(,)\s*(\d*)\s*)?\}")
_ESCAPES = re.compile(
    r"\\(?:[pP](?:\{[^{}]+\}|[A-Z])|x(?:[0-9A-Fa-f]{2}|\{[0-9A-Fa-f]{1,8}\})|u(?:[0-9A-Fa-f]{4}|\{[0-9A-Fa-f]{1,8}\})"
    r"|U(?:[0-9A-Fa-f]{8}|\{[0-9A-Fa-f]{1,8}\})|b\{(?:start|end|start-half|end-half)\}|[dDsSwWbBAzafnrtv<>]"
    r"|[!-/:;=?@\[-`{-~])"
)
_UNKNOWN = {
    "Z": "\\z is the end of the text here",
    "G": "it has no meaning here", "K": "it has no meaning here", "Q": "escape each sign by itself", "R": "write (?:\\r?\\n)",
    "h": "write [ \\t]", "X": "it has no meaning here", "k": "back-references are not supported",
    "g": "back-references are not supported",
}  # fmt: skip
# Rust refuses programs beyond a size: what one letter of each kind takes, measured, in units of a plain letter
_WEIGHTS = {"w": 1700, "W": 1700, "p": 1700, "P": 1700, "d": 170, "D": 170, "s": 20, "S": 40, "b": 40, "B": 40}
_ANY_LETTER, _LARGEST = 34, 300_000


def check_regex(pattern: str) -> str | None:
    """What is wrong with a pattern, in words, or None. Look-around and back-references are what people miss most."""
    try:
        _Scan(pattern).whole()
    except _Wrong as wrong:
        return str(wrong)
    return None


class _Wrong(ValueError):
    pass


class _Scan:
    """One walk over a pattern: groups, classes, escapes, repetitions."""

    def __init__(self, pattern: str) -> None:
        self._text, self._at = pattern, 0
        self._open: list[int] = []
        self._names: set[str] = set()
        self._repeatable = False  # is there something before that a * could repeat?
        self._sizes = [0]  # of the groups that are open, the pattern itself first
        self._last = 0  # size of what a repetition would repeat

    def whole(self) -> None:
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "\\":
                self._escape()
            elif char == "[":
                self._class()
            elif char == "(":
                self._group()
            elif char == ")":
                if not self._open:
                    raise _Wrong(f"the ) at letter {self._at + 1} closes nothing")
                self._open.pop()
                self._step(1, True, self._sizes.pop() + 1)
            elif char in "*+?":
                self._repeat(1)
            elif char == "{":
                self._counted()
            else:
                self._step(1, char not in "|", _ANY_LETTER if char == "." else 1)
        if self._open:
            raise _Wrong(f"the ( at letter {self._open[-1] + 1} is not closed")

    def _step(self, letters: int, repeatable: bool, size: int = 0) -> None:
        self._at += letters
        self._repeatable, self._last = repeatable, size
        self._grow(size)

    def _grow(self, size: int) -> None:
        self._sizes[-1] += size
        if self._sizes[-1] > _LARGEST:
            raise _Wrong("it is too large: fewer repetitions, or [a-z] and [0-9] in place of \\w and \\d, make it smaller")

    def _escape(self) -> None:
        char = self._text[self._at + 1 : self._at + 2]
        found = _ESCAPES.match(self._text, self._at)
        if found and char in "pP":
            _check_property(found[0])
        if found and char in "xuU":
            _check_code(found[0])
        if found:
            self._step(len(found[0]), True, _WEIGHTS.get(char, 1))
        elif not char:
            raise _Wrong("the \\ at the end escapes nothing")
        elif char.isascii() and char.isdigit():
            raise _Wrong(
                f"a back-reference such as \\{char} is not supported: matching takes time in proportion to the text"
                if char != "0"
                else "\\0 is not supported: write \\x00"
            )
        else:
            advice = f": {_UNKNOWN[char]}" if char in _UNKNOWN else ""
            raise _Wrong(f"\\{char} is not supported{advice}")

    def _group(self) -> None:
        for wrong, message in _GROUPS:
            if found := re.compile(wrong).match(self._text, self._at):
                raise _Wrong(message.format(found[0]))
        if not self._text.startswith("(?", self._at):
            self._step(1, False)
            return self._opened(self._at - 1)
        found = _OPENERS.match(self._text, self._at)
        if not found or not (found["name"] or found["end"]) or "R" in (found["flags"] or ""):
            raise _Wrong(f"the group at letter {self._at + 1} starts like none: {self._text[self._at : self._at + 4]}")
        flags = found["flags"] or ""
        if "x" in flags:
            raise _Wrong("the flag x (blanks and comments in a pattern) is not supported")
        letters = flags.replace("-", "")
        if len(set(letters)) < len(letters) or "u" in flags.partition("-")[2] or (found["end"] == ")" and not flags):
            raise _Wrong(f"the flags {found[0]} are not supported")
        if found["name"]:
            if found["name"] in self._names:
                raise _Wrong(f"two groups are named {found['name']}")
            self._names.add(found["name"])
        self._step(len(found[0]), False)
        if found["end"] != ")":
            self._opened(self._at - len(found[0]))

    def _opened(self, at: int) -> None:
        self._open.append(at)
        self._sizes.append(0)

    def _repeat(self, letters: int) -> None:
        if not self._repeatable:
            raise _Wrong(f"the {self._text[self._at]} at letter {self._at + 1} repeats nothing")
        self._at += letters
        following = self._text[self._at : self._at + 1]
        if following == "+":
            raise _Wrong(f"a possessive repetition {self._text[self._at - 1]}+ is not supported")
        self._at += following == "?"
        if self._text[self._at : self._at + 1] in tuple("*+?{"):
            raise _Wrong(f"two repetitions follow each other at letter {self._at + 1}")

    def _counted(self) -> None:
        found = _REPEAT.match(self._text, self._at)
        if not found:
            raise _Wrong(f"the {{ at letter {self._at + 1} is no repetition such as {{2,3}}; write \\{{ for the letter")
        low, high = int(found[1][:9]), int((found[3] or found[1])[:9])
        if high < low:
            raise _Wrong(f"{found[0]} repeats at least {low} and at most {high} times")
        self._grow(self._last * (max(high, 1) - 1))
        self._repeat(len(found[0]))

    def _class(self) -> None:
        """[…], with classes within classes, [:alpha:] and the set operators && -- ~~."""
        start, size = self._at, 2
        self._at += 1
        if self._text[self._at : self._at + 1] == "^":
            self._at += 1
            size = _ANY_LETTER
        self._sizes.append(0)
        first = True
        while True:
            char = self._text[self._at : self._at + 1]
            if not char:
                raise _Wrong(f"the [ at letter {start + 1} is not closed; write \\[ for the letter, within […] too")
            if char == "]" and not first:
                return self._step(1, True, self._sizes.pop() + size)
            if found := re.compile(r"\[:\^?(\w+):\]").match(self._text, self._at):
                if found[1] not in _POSIX:
                    raise _Wrong(f"no class is named {found[0]}")
                self._at += len(found[0])
            elif char == "[":
                self._class()
            elif self._text[self._at : self._at + 2] in ("&&", "--", "~~"):
                self._at += 2
            else:
                self._range()
            first = False

    def _range(self) -> None:
        """One letter of a class, or a-z."""
        low = self._member()
        text, at = self._text, self._at
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("]", "-", ""):
            self._at += 1
            high = self._member()
            if low is None or high is None or high < low:
                raise _Wrong(f"the range {text[at - 1 : self._at]} has no order")

    def _member(self) -> str | None:
        char = self._text[self._at]
        if char != "\\":
            self._at += 1
            if char == "[":
                raise _Wrong("write \\[ for the letter within […]")
            return char
        start = self._at
        self._escape()
        written = self._text[start : self._at]
        if written[1] in "bBAz<>":
            raise _Wrong(f"{written} stands for a place, not for a letter, and cannot be within […]")
        return None if written[1] in "pPdDsSwW" else _letter(written)


_POSIX = frozenset(
    [
        "alnum",
        "alpha",
        "ascii",
        "blank",
        "cntrl",
        "digit",
        "graph",
        "lower",
        "print",
        "punct",
        "space",
        "upper",
        "word",
        "xdigit",
    ]
)
_PROPERTIES = re.compile(
    r"\\[pP](?:[LMNPSZC]|\{\^?(?:[LMNPSZC]|L[ulmot]|M[nce]|N[dlo]|P[cdseifo]|S[mcko]|Z[slp]|C[cfno]"
    r"|Letter|Number|Punctuation|Symbol|Separator|Uppercase|Lowercase|Alphabetic|White_Space"
    r"|Latin|Greek|Cyrillic|Han|Hiragana|Katakana|Hangul|Arabic|Hebrew|Thai|Devanagari|Armenian|Georgian|Emoji"
    r"|(?:Script|sc)=[A-Z][a-z]+)\})"
)


def _check_property(written: str) -> None:
    if not _PROPERTIES.fullmatch(written):
        raise _Wrong(f"{written} is no property of letters that is known here; \\p{{L}} are all letters, \\p{{Lu}} capitals")


def _check_code(written: str) -> None:
    number = int(written[2:].strip("{}"), 16)
    if number > 0x10FFFF or 0xD800 <= number < 0xE000:
        raise _Wrong(f"{written} is no letter")


def _letter(written: str) -> str:
    if written[1] in "xuU":
        return chr(int(written[2:].strip("{}"), 16))
    return {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}.get(written[1], written[1])
