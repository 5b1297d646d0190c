"""Text whose columns stand at fixed places: ``widths`` names them, each with its width or its first and last position."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from qpipe.core.batch import Chunk, Fault, Json
from qpipe.core.errors import DataRefused
from qpipe.core.lazy import pl
from qpipe.sources.file.lines import blocks

if TYPE_CHECKING:
    import polars as pl

    from qpipe.sources.file.reading import Asked

columnar = False


def columns(asked: Asked) -> dict[str, pl.DataType]:
    return {name: pl.String() for name in _places(asked)}


def read(asked: Asked, position: Json | None, rows: int, columns: Sequence[str] | None) -> Iterator[Chunk]:
    places = _places(asked)
    header = asked.options.header
    above = (asked.options.skip_rows or 0) + (int(header) if header else 0)  # lines before the first row
    for block in blocks(asked, position, rows):
        texts = block.texts.str.strip_suffix("\r").str.strip_suffix("\x1a")
        numbers = pl.int_range(texts.len(), eager=True) + block.line
        kept = (numbers > above) & (texts.str.strip_chars() != "")
        if asked.options.comment:
            kept &= ~texts.str.starts_with(asked.options.comment)
        texts, numbers = texts.filter(kept), numbers.filter(kept)
        frame = _cells(texts, places, asked.options.nulls)
        faults = _faults(texts, numbers, places)
        yield Chunk(
            frame if columns is None else frame.select(columns), block.position, block.line, numbers, (*block.told, *faults)
        )


def size(asked: Asked) -> int | None:
    return None


def _places(asked: Asked) -> dict[str, tuple[int, int]]:
    """Column → offset and width, in signs."""
    if not asked.options.widths:
        raise DataRefused(
            "where do the columns stand?", file=asked.name, hint="say widths: {name: width, …} or {name: [first, last], …}"
        )
    places, at = {}, 0
    for name, place in asked.options.widths.items():
        start, width = (at, place) if isinstance(place, int) else (place[0] - 1, place[1] - place[0] + 1)
        places[name], at = (start, width), start + width
    return places


def _cells(texts: pl.Series, places: dict[str, tuple[int, int]], nulls: Sequence[str]) -> pl.DataFrame:
    """Cells without their padding; an empty one is null."""
    cells = {n: pl.col("line").str.slice(start, width).str.strip_chars(" \t") for n, (start, width) in places.items()}
    frame = texts.alias("line").to_frame().select(**cells)
    return frame.with_columns(pl.when(~pl.all().is_in(["", *nulls])).then(pl.all()))


def _faults(texts: pl.Series, numbers: pl.Series, places: dict[str, tuple[int, int]]) -> tuple[Fault, ...]:
    """Lines that end before their last column begins, and lines with text after it."""
    last = max(start for start, _ in places.values())
    whole = max(start + width for start, width in places.values())
    short = (texts.str.len_chars() <= last).arg_true().to_list()
    long = (texts.str.slice(whole).str.strip_chars() != "").arg_true().to_list()
    told = [Fault(r, int(numbers[r]), "short-row", f"the line ends before position {last + 1}", None, texts[r]) for r in short]
    told += [Fault(r, int(numbers[r]), "long-row", f"there is text after position {whole}", None, texts[r]) for r in long]
    return tuple(sorted(told, key=lambda fault: fault.line))
