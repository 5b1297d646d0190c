"""encoding"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import IO, Literal

from qpipe.core.component import Context, Delivery, Inspection, Types, Verdict
from qpipe.core.params import param
from qpipe.modules.source._content import opened

_PIECE = 1 << 20
_MARKS = {
    "utf-8": codecs.BOM_UTF8, "utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE, "utf-32-be": codecs.BOM_UTF32_BE,
}  # fmt: skip


class Encoding(Inspection):
    """Every text file of a source is in the encoding it should be in, from its first byte to its last.

    Judged before a row is read, over the whole file as it is stored; packed files are no text, and fail. `max_bad` is how many
    bytes may be none of the encoding. A byte order mark is part of the encoding unless `mark` forbids or demands it. An
    encoding of one byte a character, such as cp1252, takes nearly all bytes: passing says little of it. No file: not evaluated.

    Examples:
        ```yaml
        module:
          encoding: {expected: utf-8, mark: forbid}
        inputs: [{name: a.csv, content: "id,name\\n1,Zoë\\n"}]
        outcome: pass
        ```
        ```yaml
        module:
          encoding: ascii
        inputs: [{name: a.csv, content: "id,name\\n1,Zoë\\n"}]
        outcome: fail
        ```
    """

    dimension = "validity"
    like = ("encoding-error", "encoding", "utf-8 check", "bom", "invalid characters", "source encoding")

    expected: str = param(help="the encoding, as Python names it: utf-8, cp1252, utf-16", short=True)
    mark: Literal["allow", "forbid", "require"] = param("allow", help="a byte order mark at the beginning")
    max_bad: int = param(0, help="how many bytes may be none of the encoding", minimum=0)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        try:
            codecs.lookup(self.expected)
        except LookupError:
            yield "expected", f"no encoding is named {self.expected}: say utf-8, cp1252, utf-16 …"

    def inspect(self, delivery: Delivery, context: Context) -> Verdict:
        if not delivery.inputs:
            return Verdict("not evaluated")
        bad = 0
        for each in delivery.inputs:
            with opened(each) as stream:
                marked, found, first = _look(stream, codecs.lookup(self.expected).name)
            bad += found
            if marked and self.mark == "forbid":
                return Verdict("fail", {"bad": bad}, message=f"{each.name} begins with a byte order mark")
            if not marked and self.mark == "require":
                return Verdict("fail", {"bad": bad}, message=f"{each.name} does not begin with a byte order mark")
            if bad > self.max_bad:
                told = f"{each.name} is not {self.expected}: {found} bytes are none of it, the first at byte {first}"
                return Verdict("fail", {"bad": bad}, message=told)
        return Verdict("pass", {"bad": bad})


def _look(stream: IO[bytes], encoding: str) -> tuple[bool, int, int | None]:
    """Whether there is a mark, how many bytes are none of the encoding, and where the first of them is."""
    bad, first, place = 0, None, 0

    def count(error: UnicodeError) -> tuple[str, int]:
        nonlocal bad, first
        assert isinstance(error, UnicodeDecodeError)
        bad, first = bad + 1, place + error.start if first is None else first
        return "", error.start + 1

    codecs.register_error("qpipe-count", count)
    decoder = codecs.getincrementaldecoder(encoding)("qpipe-count")
    head = b""
    while piece := stream.read(_PIECE):
        head = head or piece[:4]
        waiting = len(decoder.getstate()[0])
        place -= waiting
        decoder.decode(piece)
        place += waiting + len(piece)
    place -= len(decoder.getstate()[0])
    decoder.decode(b"", final=True)
    marks = [mark for name, mark in _MARKS.items() if name.startswith(encoding.removesuffix("-sig"))]
    return bool(marks) and head.startswith(tuple(marks)), bad, first
