"""Refusing what is no delimited text, and saying what it is instead."""

from __future__ import annotations

import json

from qpipe.core.errors import DataRefused

_KINDS: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"PAR1", "a Parquet file", "use format: parquet"),
    (0, b"ARROW1", "an Arrow IPC file", "use format: arrow"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Office file", "use format: excel"),
    (0, b"%PDF", "a PDF", "export the table as CSV"),
    (0, b"\x89PNG", "a PNG image", ""),
    (0, b"\xff\xd8\xff", "a JPEG image", ""),
    (0, b"GIF8", "a GIF image", ""),
    (0, b"SQLite format 3\x00", "an SQLite database", "use a database source"),
    (0, b"Obj\x01", "an Avro file", ""),
    (0, b"ORC", "an ORC file", ""),
    (0, b"\x7fELF", "a program", ""),
    (0, b"Rar!\x1a\x07", "a RAR archive", "unpack it first"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", "unpack it first"),
    (257, b"ustar", "a TAR archive", "unpack it first"),
    (0, b"version https://git-lfs.github.com/spec/", "a Git LFS pointer, not the file itself", "run git lfs pull"),
)
_OFFICE = {"xl/": ("an Excel workbook", "use format: excel"), "word/": ("a Word document", ""), "ppt/": ("slides", "")}


def refuse_binary(head: bytes, name: str) -> None:
    """Raise DataRefused when the first bytes belong to a known format that is no text."""
    for offset, magic, what, hint in _KINDS:
        if head.startswith(magic, offset):
            raise _refused(what, hint, name)


def refuse_archive(names: list[str], name: str) -> None:
    """Raise DataRefused when a ZIP archive is a document of some office program."""
    if "[Content_Types].xml" in names:
        found = next((kind for folder, kind in _OFFICE.items() if any(n.startswith(folder) for n in names)), None)
        raise _refused(*(found or ("an Office document", "")), name)
    if "mimetype" in names and "content.xml" in names:
        raise _refused("an OpenDocument file", "export the table as CSV", name)


def refuse_markup(text: str, name: str) -> None:
    """Raise DataRefused when the text is HTML, XML or JSON."""
    start = text.lstrip()[:4096]
    low = start[:200].lower()
    if low.startswith(("<!doctype html", "<html", "<head", "<body", "<table")):
        raise _refused("an HTML page", "was a download page saved in place of the file?", name)
    if low.startswith(("<?xml", "<!doctype")):
        raise _refused("an XML file", "", name)
    if start[:1] in "{[" and start and _is_json(text.lstrip()):
        raise _refused("a JSON file", "use format: json or ndjson", name)


def refuse_garbage(text: str, name: str) -> None:
    """Raise DataRefused when too many characters are none that text has."""
    sample = text[:65536]
    odd = sum(1 for char in set(sample) if _is_odd(char) for _ in range(sample.count(char)))
    if sample and odd / len(sample) > 0.1:
        raise DataRefused("this is no text: too many control or undecodable bytes", hint="give its encoding", file=name)


def _is_odd(char: str) -> bool:
    code = ord(char)
    return (
        char == "�" or 0xDC80 <= code <= 0xDCFF or code == 0 or (code < 32 and char not in "\t\n\r\v\f\x1c\x1d\x1e\x1f\x01\x02")
    )


def _is_json(text: str) -> bool:
    """A JSON value at the start that holds a name or ends where its line ends; ``[a],b`` is none."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        return text.startswith(('{"', "[{", "[\n", "{\n")) and error.pos > min(len(text) * 0.9, 4000)
    return text[end:].lstrip(" \t")[:1] in ("", "\n", "\r") and (isinstance(value, dict) or not text[end:].strip())


def _refused(what: str, hint: str, name: str) -> DataRefused:
    return DataRefused(f"this is {what}, not delimited text", hint=hint, file=name)
