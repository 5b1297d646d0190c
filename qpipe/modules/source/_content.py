"""The bytes of a source's inputs, wherever they are."""

from __future__ import annotations

import hashlib
from typing import IO

from qpipe.core.component import Input
from qpipe.core.errors import Unavailable


def opened(input: Input) -> IO[bytes]:
    """The input as a stream of bytes. Unavailable when it cannot be read."""
    try:
        if "://" not in input.path:
            return open(input.path, "rb")
        import fsspec

        stream: IO[bytes] = fsspec.open(input.path, "rb").open()
        return stream
    except (OSError, ImportError) as error:
        raise Unavailable(f"{input.name} cannot be read: {error}", hint="is it there, and may it be read?") from error


def digest(input: Input, algorithm: str = "sha256") -> str:
    """The hash of the whole content, in hexadecimal."""
    with opened(input) as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()  # type: ignore[arg-type]
