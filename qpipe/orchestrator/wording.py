"""How questions say what they ask about: words with a group filled in, cells as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from qpipe.core.batch import FILE, LINE, REASONS, RESERVED, ROW, SOURCE
from qpipe.core.lazy import pl
from qpipe.orchestrator.answers import LONGEST

Cells = Mapping[str, "str | None"]  # of one row: column → text


def filled(template: str, fields: Mapping[str, Any]) -> str:
    """A question's words with its group filled in. ``{rows}`` stays: the number grows; other braces are doubled."""

    def piece(found: re.Match[str]) -> str:
        name = found[1]
        if name == "rows":
            return "{rows}"
        text = found[0] if name is None or name not in fields else "nothing" if fields[name] is None else str(fields[name])
        return text.replace("{", "{{").replace("}", "}}")

    return re.sub(r"\{(\w+)\}|[{}]", piece, template)


def texts(frame: pl.DataFrame, names: Sequence[str]) -> pl.DataFrame:
    """Columns as text; null stays null."""
    made = []
    for name in names:
        column = frame[name]
        if column.dtype.is_nested() or column.dtype == pl.Binary:
            made.append(pl.Series(name, [None if v is None else str(v) for v in column.to_list()], dtype=pl.String))
        else:
            made.append(column.cast(pl.String))
    return pl.DataFrame(made)


def cells_of(frame: pl.DataFrame) -> Sequence[Cells]:
    """The cells of each row as text, without the columns that qpipe adds."""
    names = [name for name in frame.columns if not name.startswith("__") and name not in RESERVED]
    if not names:
        return [{}] * frame.height
    return texts(frame, names).select(pl.all().str.head(LONGEST)).rows(named=True)


def told_of(frame: pl.DataFrame) -> list[tuple[dict[str, Any], Cells]]:
    """For each row where it stood and why it waits, and its cells."""
    places = frame.select([name for name in (ROW, SOURCE, FILE, LINE, REASONS) if name in frame.columns]).rows(named=True)
    return list(zip(places, cells_of(frame), strict=True))
