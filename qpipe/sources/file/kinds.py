"""Which format a file has: what its name says, checked against what its first bytes say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Format = Literal["csv", "tsv", "json", "ndjson", "xml", "parquet", "arrow", "avro", "excel", "fixed-width"]

EXTENSIONS: dict[str, Format] = {
    "csv": "csv", "tsv": "tsv", "tab": "tsv", "psv": "csv", "json": "json", "geojson": "json", "ndjson": "ndjson",
    "jsonl": "ndjson", "jsonlines": "ndjson", "parquet": "parquet", "pq": "parquet", "parq": "parquet", "arrow": "arrow",
    "ipc": "arrow", "feather": "arrow", "arrows": "arrow", "xlsx": "excel", "xls": "excel", "xlsm": "excel", "xlsb": "excel",
    "ods": "excel", "fwf": "fixed-width", "xml": "xml", "avro": "avro",
}  # fmt: skip
PACKINGS = ("gz", "gzip", "zst", "zstd", "bz2", "xz", "zip")
BINARY = ("parquet", "arrow", "avro", "excel")

_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"PAR1", "parquet"),
    (b"PARE", "parquet"),
    (b"ARROW1", "arrow"),
    (b"\xff\xff\xff\xff", "arrow"),
    (b"FEA1", "arrow"),
    (b"Obj\x01", "avro"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "excel"),
)
_WORKBOOK = re.compile(
    rb"\[Content_Types\]\.xml|xl/|docProps/|_rels/|mimetypeapplication/vnd\.oasis\.opendocument\.spreadsheet"
)
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*(?:\"(?:[^\"\\\x00-\x1f]|\\.)*\"\s*:|\})|\[\s*[\[\{\"\]tfn0-9-])")


_XML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<\?xml\s")


@dataclass(frozen=True)
class Guess:
    """``format`` as the bytes say it; ``named`` as the name says it, where the two differ."""

    format: Format
    named: Format | None = None


def named_format(name: str) -> Format | None:
    """``data/orders.csv.gz`` → csv; None when the name says nothing."""
    words = name.lower().rsplit("/", 1)[-1].split(".")[1:]
    while words and words[-1] in PACKINGS:
        words.pop()
    return EXTENSIONS.get(words[-1]) if words else None


def guess(name: str, head: bytes) -> Guess:
    """The format from the name, unless the first (unpacked) bytes cannot be that."""
    named, seen = named_format(name), _seen(head)
    if seen is None:  # some text: a name that promises something binary is wrong
        likely = named if named not in (None, *BINARY, "json", "ndjson", "xml") else "csv"
        if named == "xml" and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
            likely = named
        if named in ("json", "ndjson") and not _is_table(head):
            likely = named
        return Guess(likely or "csv", named if named and named != likely else None)
    if named is None or named == seen:
        return Guess(seen)
    if seen == "json":  # a line of a CSV may look like JSON, and so may a table of fixed widths
        return Guess(named) if named in ("ndjson", "fixed-width") or not _is_object(head) else Guess(_lines(head), named)
    return Guess(seen, named)


def is_workbook(head: bytes) -> bool:
    """Whether an archive starts as workbooks do."""
    return head.startswith(b"PK\x03\x04") and _WORKBOOK.search(head[:4096]) is not None


def _seen(head: bytes) -> Format | None:
    for magic, format in _MAGIC:
        if head.startswith(magic):
            return format
    if head.startswith(b"PK\x03\x04"):
        return "excel" if is_workbook(head) else None
    if _XML.match(head):
        return "xml"
    return "json" if _JSON.match(head) else None


def _is_table(head: bytes) -> bool:
    """Whether it is a text of several lines with something between their cells, and does not begin as JSON does."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    lines = text.splitlines()
    if len(lines) < 2 or text[:1] in b'[{"-0123456789tfn':
        return False
    return any(sign in lines[0] for sign in (b",", b";", b"\t", b"|"))


def _is_object(head: bytes) -> bool:
    return re.match(rb"(?:\xef\xbb\xbf)?\s*(\[\s*)?\{\s*\"", head) is not None


def _lines(head: bytes) -> Format:
    """One object on each line, or one document."""
    lines = [line for line in head.splitlines() if line.strip()][:2]
    return "ndjson" if len(lines) > 1 and all(line.lstrip().startswith(b"{") for line in lines) else "json"
