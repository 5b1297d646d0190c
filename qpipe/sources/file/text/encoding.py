"""Which encoding a text has, and a stream of it as UTF-8."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from qpipe.core.errors import DataRefused
from qpipe.sources.file.chunk import Fault
from qpipe.sources.file.text.compression import ByteStream
from qpipe.sources.file.text.wrapped import unwrapped

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it starts with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_INVALID_SHARE = 0.02  # of the lines: below it, the text is UTF-8 with single bad lines


@dataclass(frozen=True)
class Encoding:
    name: str  # as Python knows it
    mark: int = 0  # bytes of the byte order mark
    guessed: bool = False  # no mark, not UTF-8, not given: told to the user
    rival: str | None = None  # of a guess: what it could be as well
    wrapped: bool = False  # whether its lines are quoted as a whole

    def told(self, *, mark: bool = True) -> tuple[Fault, ...]:
        """A guess, and a mark, which may be what makes a column's name odd elsewhere."""
        told = []
        if mark and self.mark:
            said = f"the file starts with the byte order mark of {self.name}: not part of the text"
            told.append(Fault(None, 1, "byte-order-mark", said, severity="warning"))
        if self.guessed:
            sure = f"or is it {self.rival}? The text tells too little: say encoding" if self.rival else "which is the likeliest"
            said = f"the text is not UTF-8: read as {self.name}, {sure}"
            told.append(Fault(None, 0, "encoding-guessed", said, severity="warning"))
        if self.wrapped:
            said = "every line is quoted as a whole: read without these quotes"
            told.append(Fault(None, 1, "quoted-lines", said, severity="warning"))
        return tuple(told)


def detect_encoding(sample: bytes, given: str | None, name: str, *, whole: bool = True) -> Encoding:
    """The encoding of a text that starts with ``sample``; ``whole`` when there is nothing after it."""
    if given:
        return _given(sample, given, name)
    for mark, encoding in _BOMS:
        if sample.startswith(mark):
            return Encoding(encoding, len(sample) - len(_without(sample, mark)))
    wide = _wide(sample)
    if wide:
        return Encoding(wide, guessed=True)
    if _is_utf8(sample, whole):
        return Encoding("utf-8")
    from qpipe.sources.file.text.legacy import guess  # tables that few files need

    found = guess(sample)
    return Encoding(found.name, guessed=True, rival=found.rival)


def _without(sample: bytes, mark: bytes) -> bytes:
    """The sample without its marks: there are two where a program put one before text that had it."""
    return sample if not sample.startswith(mark) else _without(sample[len(mark) :], mark)


def _given(sample: bytes, given: str, name: str) -> Encoding:
    try:
        canonical = codecs.lookup(given).name
    except LookupError:
        raise DataRefused(f"no encoding is named {given!r}", hint="for example utf-8, cp1252, utf-16", file=name) from None
    if canonical in ("utf-16", "utf-32"):  # without an order in its name: the mark has it, else little
        canonical = next((e for m, e in _BOMS if sample.startswith(m) and e.startswith(canonical)), f"{canonical}-le")
    canonical = "utf-8" if canonical == "utf-8-sig" else canonical
    mark = next((m for m, e in _BOMS if e == canonical and sample.startswith(m)), b"")
    return Encoding(canonical, len(mark))


def _wide(sample: bytes) -> str | None:
    """UTF-16 and UTF-32 without a mark: in text that is mostly Latin, zeros stand in every other place."""
    part = sample[: len(sample) // 4 * 4][:4096]
    if len(part) < 8 or part.count(0) < len(part) * 0.2:
        return _wide_by_lines(sample[:4096])
    zeros = [part[i::4].count(0) * 4 / len(part) for i in range(4)]
    shapes = {"utf-32-le": (0, 1, 1, 1), "utf-32-be": (1, 1, 1, 0), "utf-16-le": (0, 1, 0, 1), "utf-16-be": (1, 0, 1, 0)}
    for encoding, shape in shapes.items():
        if all((share > 0.6) if wanted else (share < 0.1) for share, wanted in zip(zeros, shape, strict=True)):
            return encoding
    return _wide_by_lines(sample[:4096])


def _wide_by_lines(sample: bytes) -> str | None:
    """UTF-16 of other alphabets: the lines end in two bytes, one of them zero, and zeros stand on that side."""
    part = sample[: len(sample) // 2 * 2]
    for encoding, sign, zero in (("utf-16-le", 0, 1), ("utf-16-be", 1, 0)):
        signs, zeros = part[sign::2], part[zero::2]
        ends = [zeros[at] for at, byte in enumerate(signs) if byte == 10]
        if not ends or ends.count(0) < 0.5 * part.count(10) or zeros.count(0) < max(3, 4 * signs.count(0)):
            continue  # a few signs may end in a zero themselves, or in what ends a line
        text = part.decode(encoding, "replace")
        if sum(not (char.isprintable() or char in "\t\r\n") for char in text) <= 0.01 * len(text) + 1:
            return encoding
    return None


def _is_utf8(sample: bytes, whole: bool) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=whole)
        return True
    except UnicodeDecodeError:
        text = sample.decode("utf-8", "surrogateescape")
    bad = len(re.findall("[^\n]*[\udc80-\udcff][^\n]*", text))
    good = sum(1 for char in text if char > "\x7f" and not "\udc80" <= char <= "\udcff")
    return good > 3 * bad and bad <= max(1, _INVALID_SHARE * (text.count("\n") + 1))


class Utf8Stream:
    """A text stream as UTF-8 without its mark. A byte that its encoding does not know passes through and is found later."""

    def __init__(self, stream: ByteStream, encoding: Encoding) -> None:
        self._stream, self.encoding = stream, encoding
        self._mark = encoding.mark
        self._decoder: codecs.IncrementalDecoder | None = None
        if encoding.name not in ("utf-8", "ascii"):
            from qpipe.sources.file.text.legacy import ASIAN

            one_byte = not encoding.name.startswith("utf") and encoding.name not in ASIAN
            self._decoder = codecs.getincrementaldecoder(encoding.name)("surrogateescape" if one_byte else "replace")
        stream.skip(self._mark)
        self._rest, self._ended, self._line = b"", False, b""
        self._direct = self._decoder is None and not encoding.wrapped

    @property
    def torn(self) -> str | None:
        return self._stream.torn

    def read(self, size: int) -> bytes:
        if self._direct:
            return self._stream.read(size)
        parts, have = [self._rest], len(self._rest)
        while have < size and not self._ended:
            data = self._stream.read(1 << 20)
            self._ended = not data
            parts.append(self._made(data))
            have += len(parts[-1])
        out = b"".join(parts)
        self._rest = out[size:]
        return out[:size]

    def _made(self, data: bytes) -> bytes:
        if self._decoder is not None:
            data = self._decoder.decode(data, final=self._ended).encode("utf-8", "surrogateescape")
        if not self.encoding.wrapped:
            return data
        data = self._line + data
        cut = len(data) if self._ended else data.rfind(b"\n") + 1
        self._line = data[cut:]
        return unwrapped(data[:cut])

    def readinto(self, target: memoryview) -> int:
        if self._direct:
            return self._stream.readinto(target)
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)

    def lines(self, size: int, back: int) -> bytes:
        return self._stream.lines(size, back) if self._direct else b""

    def skip(self, size: int) -> None:
        if self._direct:
            self._stream.skip(size)
            return
        while size > 0 and (data := self.read(min(size, 1 << 20))):
            size -= len(data)

    def close(self) -> None:
        self._stream.close()
