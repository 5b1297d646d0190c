"""Uncompressed bytes, whatever the file is packed in: gzip, Zstandard, bzip2, xz or ZIP, told by its first bytes."""

from __future__ import annotations

import bz2
import fnmatch
import io
import lzma
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

from qpipe.core.errors import DataRefused
from qpipe.sources.file.text.options import Opener
from qpipe.sources.file.text.wrong import refuse_archive

MAGIC = {
    "gzip": b"\x1f\x8b",
    "zstd": b"\x28\xb5\x2f\xfd",
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\x00",
    "zip": b"PK\x03\x04",
}
LONG_LINE = 1 << 16  # bytes in which a line's end is looked for
STEP = 1 << 18  # compressed bytes taken at a time, so that little is lost when the file is torn


class ByteStream:
    """Bytes in order. ``torn`` says, once the end was met too early, why; what came before it was delivered."""

    def __init__(self, raw: Any, *, compression: str | None = None, seekable: bool = False) -> None:
        self._raw, self.compression, self.seekable = raw, compression, seekable
        self.torn: str | None = None

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; fewer only at the end."""
        data: bytes = self._raw.read(size)
        if not data or len(data) == size:
            return data
        parts = [data]
        missing = size - len(data)
        while missing and (data := self._raw.read(missing)):  # pipes give short reads
            parts.append(data)
            missing -= len(data)
        return b"".join(parts)

    def readinto(self, target: memoryview) -> int:
        """Fill the target as far as bytes come at once; 0 at the end."""
        if type(self) is ByteStream and hasattr(self._raw, "readinto"):
            return self._raw.readinto(target) or 0
        data = self.read(len(target))
        target[: len(data)] = data
        return len(data)

    def lines(self, size: int, back: int) -> bytes:
        """Whole lines of at most ``size`` bytes, from ``back`` bytes before on, in a file of this machine.

        It is asked where they end before they are read, so that they need not be copied, for which all threads would wait.
        Nothing is taken of other streams, nor at the end.
        """
        raw, near = self._raw, min(size, LONG_LINE)
        here = isinstance(raw, io.BufferedReader) and isinstance(raw.raw, io.FileIO)  # a store is asked anew at each seek
        if type(self) is not ByteStream or not here or not self.seekable:
            return b""
        raw.seek(size - near - back, io.SEEK_CUR)
        end = raw.read(near)
        raw.seek(near - size - len(end), io.SEEK_CUR)
        if (cut := end.rfind(b"\n") + 1) and len(end) == near:
            return self.read(size - near + cut)
        raw.seek(back, io.SEEK_CUR)
        return b""

    def skip(self, size: int) -> None:
        """Go on ``size`` bytes: at once where the file can seek, else by reading."""
        if self.seekable:
            self._raw.seek(size, io.SEEK_CUR)
            return
        while size > 0 and (data := self.read(min(size, 1 << 20))):
            size -= len(data)

    def close(self) -> None:
        self._raw.close()


def open_bytes(opener: Opener, name: str, member: str | None = None) -> ByteStream:
    """The file's bytes from the first on, unpacked. Of a ZIP archive, one ``member``."""
    raw = opener()
    head, raw = _peek(raw)
    kind = compression_of(head)
    if kind is None:
        return ByteStream(raw, seekable=_seekable(raw))
    if kind == "zip":
        return _open_zip(raw, name, member)
    return _Zstandard(raw) if kind == "zstd" else _Unpacked(raw, _UNPACKERS[kind], kind)


def compression_of(head: bytes) -> str | None:
    """The name of the packing that these first bytes belong to."""
    return next((kind for kind, magic in MAGIC.items() if head.startswith(magic)), None)


def members(opener: Opener, name: str, pattern: str | None = None) -> list[str]:
    """The files in a ZIP archive that hold data, in its order; [] for a file that is no whole ZIP archive."""
    with opener() as raw:
        head, stream = _peek(raw)
        if compression_of(head) != "zip":
            return []
        try:
            with zipfile.ZipFile(_spooled(stream)) as archive:
                names = [info.filename for info in archive.infolist() if not info.is_dir()]
        except zipfile.BadZipFile:
            return []
    refuse_archive(names, name)
    found = [n for n in names if _is_data(n) and (pattern is None or n == pattern or fnmatch.fnmatch(n, pattern))]
    if not found:
        wanted = f"no member like {pattern!r}" if pattern else "no file"
        raise DataRefused(f"the ZIP archive has {wanted}", hint=f"members: {', '.join(names[:20]) or 'none'}", file=name)
    return found


def _is_data(member: str) -> bool:
    last = member.rsplit("/", 1)[-1]
    return not member.startswith("__MACOSX/") and not last.startswith(".") and last.lower() != "thumbs.db"


def _peek(raw: BinaryIO) -> tuple[bytes, Any]:
    """The first bytes, and a stream that still has them."""
    if _seekable(raw):
        head = raw.read(512)
        raw.seek(0)
        return head, raw
    buffered = io.BufferedReader(raw) if isinstance(raw, io.RawIOBase) else _Pushback(raw)
    return buffered.peek(512)[:512], buffered


class _Pushback:
    """A stream that cannot seek, with its first bytes at hand."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw, self._head = raw, b""

    def peek(self, size: int) -> bytes:
        self._head = self._head or self._raw.read(size)
        return self._head

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._raw.read(size)
        head, self._head = (self._head, b"") if size < 0 else (self._head[:size], self._head[size:])
        return head + self._raw.read() if size < 0 else head

    def close(self) -> None:
        self._raw.close()


def _seekable(raw: Any) -> bool:
    try:
        return bool(raw.seekable())
    except (AttributeError, OSError):
        return False


# ---- streams of one packed file


class _Unpacked(ByteStream):
    """A packed stream; several packed parts one after another are one stream, as their tools have it."""

    def __init__(self, raw: Any, unpacker: Callable[[], Any], kind: str, *, many: bool = True) -> None:
        super().__init__(raw, compression=kind)
        self._new, self._many = unpacker, many
        self._unpacker: Any = unpacker()
        self._packed, self._out, self._ended, self._fresh = b"", b"", False, True

    def read(self, size: int) -> bytes:
        parts, have = [self._out], len(self._out)
        while have < size and not self._ended:
            parts.append(self._step(size - have))
            have += len(parts[-1])
        data = b"".join(parts)
        self._out = data[size:]
        return data[:size]

    def _step(self, size: int) -> bytes:
        if self._unpacker.eof:
            self._next_part()
            return b""
        if not self._packed and getattr(self._unpacker, "needs_input", True):
            self._packed = self._raw.read(STEP)
            if not self._packed:
                self._end(None if self._fresh and self._many else "it stops in the middle")
                return b""
        self._fresh = False
        try:
            data: bytes = self._unpacker.decompress(self._packed, max(size, 1 << 16))
        except (zlib.error, OSError, lzma.LZMAError, EOFError) as error:
            self._end(f"it is damaged ({error})")
            return b""
        self._packed = getattr(self._unpacker, "unconsumed_tail", b"")
        return data

    def _next_part(self) -> None:
        self._packed = (self._unpacker.unused_data or self._raw.read(STEP)) if self._many else b""
        if not self._packed.strip(b"\x00"):  # padding, as tape blocks have it
            self._end(None)
        elif self._packed.startswith(MAGIC[self.compression or ""]):
            self._unpacker, self._fresh = self._new(), True
        else:
            self._end("other bytes follow its end")

    def _end(self, torn: str | None) -> None:
        self._ended = True
        self.torn = torn and f"the {self.compression} stream is not whole: {torn}"


_UNPACKERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lzma.LZMADecompressor,
}


class _Zstandard(ByteStream):
    """pyarrow unpacks Zstandard (the standard library only from Python 3.14 on)."""

    def __init__(self, raw: Any) -> None:
        import pyarrow as pa

        super().__init__(raw, compression="zstd")
        self._stream = pa.CompressedInputStream(pa.PythonFile(raw, mode="r"), "zstd")

    def read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size > 0 and not self.torn:
            try:
                data = self._stream.read(min(size, 1 << 16))  # small steps: a torn file loses at most one
            except OSError as error:
                self.torn = f"the zstd stream is not whole: {error}"
                break
            if not data:
                break
            parts.append(data)
            size -= len(data)
        return b"".join(parts)


# ---- ZIP


def _open_zip(raw: Any, name: str, member: str | None) -> ByteStream:
    file = _spooled(raw)
    try:
        archive = zipfile.ZipFile(file)
        info = archive.getinfo(member) if member else archive.infolist()[0]
    except zipfile.BadZipFile:
        return _torn_zip(file, name)
    if info.flag_bits & 1:
        raise DataRefused(f"the ZIP archive's member {info.filename} is encrypted", hint="unpack it first", file=name)
    return _ZipMember(archive, info)


class _ZipMember(ByteStream):
    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        super().__init__(archive.open(info), compression="zip")
        self._archive = archive

    def read(self, size: int) -> bytes:
        try:
            return super().read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError, lzma.LZMAError) as error:
            self.torn = f"the ZIP archive is damaged: {error}"
            return b""

    def close(self) -> None:
        super().close()
        self._archive.close()


def _torn_zip(file: Any, name: str) -> ByteStream:
    """A ZIP archive cut short has lost its directory, but its first member can still be unpacked as far as it goes."""
    file.seek(0)
    head = file.read(30)
    method, packed_by = int.from_bytes(head[8:10], "little"), {0: None, 8: lambda: zlib.decompressobj(wbits=-15)}
    if len(head) < 30 or head[6] & 1 or method not in packed_by:
        raise DataRefused("the ZIP archive is damaged and nothing of it can be read", file=name)
    file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), io.SEEK_CUR)
    unpacker = packed_by[method]
    stream = ByteStream(file, compression="zip") if unpacker is None else _Unpacked(file, unpacker, "zip", many=False)
    stream.torn = "the ZIP archive is not whole: its directory is missing"
    return stream


def _spooled(raw: Any) -> Any:
    """A seekable file with the same bytes; ZIP keeps its directory at the end."""
    if _seekable(raw):
        return raw
    spool = tempfile.SpooledTemporaryFile(max_size=16 << 20)  # noqa: SIM115  (closed with the stream)
    while data := raw.read(1 << 20):
        spool.write(data)
    spool.seek(0)
    return spool
