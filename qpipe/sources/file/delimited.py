"""CSV, TSV and their kin: the text engine's chunks, with what the user said about the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from qpipe.core.batch import Chunk, Json
from qpipe.core.lazy import pl

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file.reading import Asked
    from qpipe.sources.file.text.options import DelimitedOptions

columnar = False


def columns(asked: Asked) -> dict[str, pl.DataType]:
    from qpipe.sources.file.text.delimited import preview

    frame = preview(asked.input.opener, _options(asked), rows=1, name=asked.name).frame
    return dict(frame.schema)


def read(asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    from qpipe.sources.file.text.delimited import read_delimited
    from qpipe.sources.file.text.typed import Wanted

    types = asked.context.contract
    wanted = None if types is None else Wanted(columns, types)
    for chunk in read_delimited(asked.input.opener, _options(asked), position, rows, name=asked.name, wanted=wanted):
        yield chunk if columns is None else replace(chunk, frame=chunk.frame.select(columns))


def size(asked: Asked) -> int | None:
    return None


def _options(asked: Asked) -> DelimitedOptions:
    from qpipe.sources.file.text.options import DelimitedOptions

    given = asked.options
    made = DelimitedOptions(
        delimiter=given.delimiter, quote=given.quote, encoding=given.encoding, header=given.header,
        skip_rows=given.skip_rows, comment=given.comment, nulls=given.nulls, member=given.member,
    )  # fmt: skip
    return replace(made, delimiter="\t") if asked.format == "tsv" and given.delimiter is None else made
