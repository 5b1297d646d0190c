"""The class that a user's own output may derive from."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from qpipe.core.batch import Json
from qpipe.core.component import Context, Output, Part, Types
from qpipe.core.effects import effect
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl


class BaseOutput(Output):
    """Your own output: write ``connect``, ``write_batch`` and ``commit``; annotated attributes are its parameters.

    Nothing is written before the whole run is through. A run that is stopped while it publishes does it again with the same
    token: at least once. An output that can tell whether a token is committed writes ``committed``, and is exactly once.
    """

    guarantee: ClassVar[Literal["exactly once", "at least once", "at most once"]] = "at least once"

    @property
    def context(self) -> Context:
        """What is known of the run: the spec's folder, the time it began."""
        found: Context = self.__dict__.get("_context") or Context()
        return found

    def connect(self) -> None:
        """Open it. Raise ``qpipe.QpipeError`` with words for the user where that fails."""

    def committed(self, token: str) -> bool:
        """Whether the rows of this token are all there. Keep the token where the rows are, in the same transaction."""
        return False

    def write_batch(self, data: pl.DataFrame) -> None:
        """The next rows."""
        raise NotImplementedError

    def commit(self, token: str) -> None:
        """Make everything that was written visible. Without it, ``close`` must leave nothing behind."""

    def close(self) -> None:
        """Called when writing ends, well or not."""

    # ── what the engine asks for ──

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.__setattr__ = object.__setattr__  # type: ignore[method-assign]
        cls.__delattr__ = object.__delattr__  # type: ignore[method-assign]
        if cls.committed is not BaseOutput.committed and "guarantee" not in cls.__dict__:
            cls.guarantee = "exactly once"

    def prepare(self, context: Context) -> None:
        with self._opened(context):
            pass

    def stage(self, frame: pl.DataFrame, seq: int, directory: Path, context: Context) -> Part:
        buffer = io.BytesIO()
        frame.write_ipc(buffer, compression="zstd")
        data, file = buffer.getvalue(), directory / f"part-{seq:06d}.arrow"
        effect("output.own.stage")
        with file.with_suffix(".tmp").open("wb") as made:
            made.write(data)
            os.fsync(made.fileno())
        file.with_suffix(".tmp").replace(file)
        return Part(seq, str(file), frame.height, len(data), hashlib.sha256(data).hexdigest()[:32])

    def publish(self, parts: Sequence[Part], types: Types, token: str, context: Context) -> Json:
        told: Json = {"rows": sum(part.rows for part in parts)}
        with self._opened(context) as writer:
            if writer.committed(token):
                return told
            for part in sorted(parts, key=lambda p: p.seq):
                effect("output.own.write")
                writer.write_batch(pl.read_ipc(Path(part.path).read_bytes()))
            effect("output.own.commit")
            writer.commit(token)
        effect("output.own.committed")
        return told

    def discard(self, parts: Sequence[Part], context: Context) -> None:
        for part in parts:
            Path(part.path).unlink(missing_ok=True)

    @contextmanager
    def _opened(self, context: Context) -> Iterator[Self]:
        writer = dataclasses.replace(self)
        writer.__dict__["_context"] = context
        writer.connect()
        try:
            yield writer
        finally:
            writer.close()
