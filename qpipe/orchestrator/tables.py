"""Reference sources, loaded once: tables to look things up in, typed under their contracts."""

from __future__ import annotations

from qpipe.core.component import Context, Types
from qpipe.core.convert import exactly
from qpipe.core.errors import DataRefused, of_source
from qpipe.core.lazy import pl
from qpipe.orchestrator.drift import refuse_types
from qpipe.orchestrator.findings import remedy
from qpipe.spec.plan import SourceNode

ROWS = 200_000


def load_tables(nodes: tuple[SourceNode, ...], context: Context) -> dict[str, pl.DataFrame]:
    """Every reference source as a frame, by id. A cell that breaks the contract refuses the table, by file and line."""
    return {node.id: _load(node, context) for node in nodes}


def _load(node: SourceNode, context: Context) -> pl.DataFrame:
    with of_source(node.id):
        given = node.source.columns(context)
        refuse_types(node, given)
        frames = [_typed(node, given, chunk) for chunk in node.source.read(context, None, ROWS)]
    if frames:
        return pl.concat(frames, how="vertical", rechunk=True)
    return pl.DataFrame(schema={name: t.polars() for name, t in {**given, **(node.types or {})}.items()})


def _typed(node: SourceNode, given: Types, chunk: object) -> pl.DataFrame:
    from qpipe.core.batch import Chunk
    from qpipe.orchestrator.feed import line_of

    assert isinstance(chunk, Chunk)
    frame, declared = chunk.frame, node.types or {}
    missing = [name for name in declared if name not in frame.columns]
    if missing:
        raise DataRefused(f"{node.id}: the column {missing[0]} is missing", file=chunk.file, hint="mend the file or its schema")
    made = frame.with_columns([exactly(pl.col(n), given[n], declared[n]).alias(n) for n in frame.columns if n in declared])
    for name in declared:
        bad = (frame[name].is_not_null() & made[name].is_null()).arg_true()
        if bad.len():
            row = int(bad[0])
            expected = declared[name].describe()
            raise DataRefused(
                f"{node.id}: {name} is {frame[name][row]!r}, expected {expected}{remedy(expected, frame[name][row])}",
                file=chunk.file,
                line=line_of(chunk, row),
                hint="a reference table must keep its contract: mend it, or its schema",
            )  # fmt: skip
    return made
