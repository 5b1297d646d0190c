"""A new spec to start from: for a data file with the contract that its columns suggest, else an example.

What is suggested is what holds for the rows looked at: a type that every cell parses as, ``not_null`` where nothing is missing,
``one_of`` for few values that repeat, ``unique`` for what looks like a key. A person reads it and keeps what is meant.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from qpipe.core.component import Context
from qpipe.core.lazy import pl
from qpipe.core.parse import parse_text
from qpipe.core.registry import Registry
from qpipe.core.types import DataType

ROWS = 10_000  # looked at
TRIED = ("int", "decimal", "float", "date", "datetime", "bool")  # in this order; text when none fits
MISSING = ("NA", "N/A", "n/a", "null", "NULL", "None", "-", "?")

EXAMPLE = """\
# A spec says where rows come from, what must hold of them, and where they go. `qpipe validate` checks it.
version: 1
name: example

sources:
  orders:
    path: orders.csv                # csv, json, xml, parquet, arrow, avro, excel, fixed-width; globs; any fsspec URL
    schema:                         # the contract: what does not parse is a finding with file and line
      id: int
      amount: decimal(12,2)
      country: string

modules:                            # in order; `qpipe modules` lists them
  - clean_text: {columns: [country], trim: true, case: upper}
  - not_null: [id, amount]
  - unique: id
  - between: {column: amount, min: 0}

routes:                             # the first that fits takes the row
  - {when: failed(error), to: quarantine}
  - {to: clean}

outputs:
  clean: {path: out/orders.parquet}
  quarantine: {path: out/quarantine.csv}   # rows as they came, with every reason

tests:                              # `qpipe test`: no source is opened
  - name: a negative amount is quarantined
    rows: [{id: 1, amount: -3, country: de}]
    expect: {quarantine: [{id: 1, failed: [between]}]}
"""


def scaffold(file: Path | None, output: Path) -> str:
    """The text of a spec that passes its own validation."""
    return EXAMPLE if file is None else "\n".join(_lines(file, output)) + "\n"


def _lines(file: Path, output: Path) -> Iterator[str]:
    path = os.path.relpath(file.resolve(), output.resolve().parent)
    source = Registry().get("source", "file")(path=str(file.resolve()))  # type: ignore[call-arg]
    context = Context(directory=output.resolve().parent)
    chunk = next(source.read(context, None, ROWS), None)  # type: ignore[attr-defined]
    frame = chunk.frame if chunk is not None else pl.DataFrame()
    name = "".join(c if c.isalnum() or c in "-_" else "-" for c in file.name.split(".")[0]) or "data"
    nulls = [word for word in MISSING if any((frame[c] == word).any() for c in frame.columns if frame[c].dtype == pl.String)]
    known = frame.with_columns(pl.when(~pl.col(pl.String).is_in(nulls)).then(pl.col(pl.String))) if nulls else frame
    types = {column: _type(known[column]) for column in known.columns}
    yield f"# Made from the first {frame.height:,} rows of {file.name}: keep what is meant, change the rest."
    yield from ("version: 1", f"name: {_word(name)}", "", "sources:", f"  {_word(name)}:", f"    path: {_word(path)}")
    if nulls:
        yield f"    nulls: [{', '.join(json.dumps(word) for word in nulls)}]"
    yield "    schema:"
    yield from (f"      {_word(column)}: {_word(word)}" for column, word in types.items())
    yield from ("", "modules:")
    yield from _modules(known, types)
    yield from ("", "routes:", "  - {when: failed(error), to: quarantine}", "  - {to: clean}", "", "outputs:",
                f"  clean: {{path: {_word(f'out/{name}.parquet')}}}", "  quarantine: {path: out/quarantine.csv}")  # fmt: skip


def _type(cells: pl.Series) -> str:
    """The narrowest type that every cell parses as."""
    if cells.dtype != pl.String:
        return str(DataType.of(cells.dtype))
    present = cells.drop_nulls().filter(cells.drop_nulls() != "")
    if present.len() == 0 or ((present.str.len_chars() > 1).any() and present.str.contains(r"^0\d").any()):
        return "string"  # 007 is a code
    for word in TRIED:
        wanted = _decimal(present) if word == "decimal" else word
        if word == "bool" and not present.str.to_lowercase().is_in(["true", "false", "yes", "no"]).all():
            continue
        if wanted and not present.to_frame("x").select(parse_text(pl.col("x"), DataType.parse(wanted)).is_null().any()).item():
            return wanted
    return "string"


def _decimal(present: pl.Series) -> str | None:
    """decimal(p,s) where all cells are plain decimals with at most four digits behind the point."""
    if not present.str.contains(r"^[+-]?\d{1,15}\.\d{1,4}$|^[+-]?\d{1,15}$").all():
        return None
    scale = present.str.extract(r"\.(\d+)$").str.len_chars().fill_null(0).max()
    return f"decimal(18,{scale!r})"


def _modules(frame: pl.DataFrame, types: dict[str, str]) -> Iterator[str]:
    full = [c for c in frame.columns if frame.height and frame[c].null_count() == 0]
    if full:
        yield f"  - not_null: [{', '.join(map(_word, full))}]"
    for column in frame.columns:
        distinct = frame[column].n_unique() if frame.height else 0
        if column in full and distinct == frame.height > 1 and types[column] in ("int", "string"):
            yield f"  - unique: {{id: {_id('unique-', column)}, columns: [{_word(column)}]}}"
        elif types[column] == "string" and 1 < distinct <= 12 and frame.height >= 20 * distinct:
            values = ", ".join(json.dumps(v, ensure_ascii=False) for v in frame[column].drop_nulls().unique().sort())
            yield f"  - one_of: {{id: {_id('known-', column)}, column: {_word(column)}, values: [{values}]}}"
    yield "  - row_count: {min: 1}"


def _id(prefix: str, column: str) -> str:
    return prefix + "".join(c if c.isalnum() or c in "-_" else "-" for c in column)


def _word(text: str) -> str:
    """A YAML scalar: plain where nothing can be misread, else quoted."""
    plain = text.replace("_", "").replace("-", "").replace("/", "").replace(".", "").isalnum() and text[:1].isalpha()
    special = text.lower() in ("true", "false", "yes", "no", "on", "off", "null", "y", "n")
    return text if plain and not special else json.dumps(text, ensure_ascii=False)
