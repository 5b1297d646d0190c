"""Lines of a text file in blocks: unpacked, as UTF-8, each block with the position after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qpipe.core.batch import Fault, Json
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file.reading import Asked
    from qpipe.sources.file.text.encoding import Utf8Stream

BLOCK = 8 << 20
LONGEST = 256 << 20  # bytes of one line
SAMPLE = 1 << 16


@dataclass(frozen=True)
class Block:
    texts: pl.Series  # lines without their ends
    line: int  # of the first
    position: Json
    size: int  # bytes
    is_last: bool = False
    torn: str | None = None  # why the packed file ended too early
    told: tuple[Fault, ...] = ()  # of the file, with its first block


def blocks(asked: Asked, position: Json | None, most: int) -> Iterator[Block]:
    """Blocks of at most ``most`` lines, from a position on. A byte that is no UTF-8 becomes U+FFFD."""
    offset, line = (position or {}).get("offset", 0), (position or {}).get("line", 1)
    stream = open_text(asked)
    told = () if position else stream.encoding.told(mark=False)
    try:
        stream.skip(offset)
        rest, ended = b"", False
        while not ended:
            data = stream.read(BLOCK)
            ended = len(data) < BLOCK
            cut = len(data) if ended else data.rfind(b"\n") + 1
            if not cut and not ended:
                rest += data
                if len(rest) > LONGEST:
                    raise DataRefused(f"the line has no end within {LONGEST >> 20} MB", file=asked.name, line=line,
                                      hint="is it a text of this format?")  # fmt: skip
                continue
            whole, rest = rest + data[:cut], data[cut:]
            made = list(_cut(whole, offset, line, most))
            for block in made:
                offset, line = block.position["offset"], block.position["line"]
                last = ended and block is made[-1]
                yield replace(block, is_last=last, torn=stream.torn if last else None, told=told)
                told = ()
    finally:
        stream.close()


def open_text(asked: Asked) -> Utf8Stream:
    from qpipe.sources.file.text.encoding import Utf8Stream, detect_encoding

    head = asked.bytes()
    try:
        sample = head.read(SAMPLE)
    finally:
        head.close()
    encoding = detect_encoding(sample, asked.options.encoding, asked.name, whole=len(sample) < SAMPLE)
    return Utf8Stream(asked.bytes(), encoding)


def _cut(data: bytes, offset: int, line: int, most: int) -> Iterator[Block]:
    """Whole lines, in blocks of at most so many; one empty block for no data."""
    texts, sizes = _lines(data)
    for start in range(0, max(1, texts.len()), most):
        some = texts.slice(start, most)
        size = min(int(sizes.slice(start, most).sum()) + some.len(), len(data))
        data, line_after = data[size:], line + some.len()
        offset += size
        yield Block(some, line, {"offset": offset, "line": line_after}, size)
        line = line_after


def _lines(data: bytes) -> tuple[pl.Series, pl.Series]:
    """Lines without their ends, and the bytes of each."""
    if not data:
        return pl.Series("line", [], pl.String), pl.Series("size", [], pl.UInt32)
    text = data.removesuffix(b"\n")
    try:
        texts = pl.Series("line", [text.decode()]).str.split("\n").explode()
        return texts, texts.str.len_bytes()
    except UnicodeDecodeError:
        parts = text.split(b"\n")
        sizes = pl.Series("size", [len(part) for part in parts], pl.UInt32)
        return pl.Series("line", [part.decode("utf-8", "replace") for part in parts]), sizes
