"""The examples in a component's docstring, run as tests.

An example is a fenced YAML block::

    module: {not_null: {columns: [email], blank: true}}     # as it would stand under modules:
    schema: {email: string}                                 # optional: column → type; otherwise told by the rows
    rows: [{email: a@example.com}, {email: ""}]
    tables: {customers: [{id: 1}]}                          # optional: reference sources by id
    inputs: [{name: a.csv, content: "id", age: 2h}]         # optional: for inspections, what the source is made of
    before: {id: int}                                       # optional: its columns in the run before
    earlier: [100, 98]                                      # optional: its figure in earlier runs, a day apart
    score: {score: 0.97, low: 0.93, high: 0.99}             # optional: what the checks of the run came to
    failed: [1]                                             # and then what comes of it, one or more of these

    failed: [row numbers from 0 that have a finding]        dropped: [row numbers that are gone]
    gives: [the rows afterwards]                            asks: {value: [nearest known values]}
    outcome: pass | warn | fail | not evaluated | error
"""

from __future__ import annotations

import datetime as dt
import inspect
import math
import os
import re
import tempfile
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Delivery, Earlier, Input, Inspection, Module
from qpipe.core.lazy import pl
from qpipe.core.params import build, params_of, read_duration, short_param
from qpipe.testing.alone import Seen, run_alone

if TYPE_CHECKING:
    import polars as pl

EXPECTATIONS = ("failed", "gives", "outcome", "dropped", "asks")
STARTED = 1_800_000_000.0  # when every example "runs": 2027-01-15 08:00 UTC


@dataclass(frozen=True)
class Example:
    module: str
    written: Any  # what stands after the module's name: a mapping of parameters or the short form
    rows: Sequence[Mapping[str, Any]]
    expects: Mapping[str, Any]
    schema: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    inputs: Sequence[Mapping[str, Any]] = ()
    before: Mapping[str, str] | None = None
    earlier: Sequence[float] = ()
    score: Mapping[str, float] = field(default_factory=dict)

    def frame(self) -> pl.DataFrame:
        return frame_of(self.rows, self.schema)

    def context(self, frame: pl.DataFrame) -> Context:
        runs = [Earlier(STARTED - 86_400 * n, float(value)) for n, value in enumerate(reversed(self.earlier), 1)][::-1]
        return Context(
            types=types_of(frame), tables=self.reference_tables(), started=STARTED, earlier=lambda *_: runs,
            history=lambda *_: [each.value for each in runs], score=lambda *_: self.score,
        )  # fmt: skip

    def reference_tables(self) -> dict[str, pl.DataFrame]:
        return {name: frame_of(rows) for name, rows in self.tables.items()}

    def build(self, component: type[Module]) -> Module:
        return build(component, values_of(component, self.written))

    def run(self, component: type[Module], batch_size: int | None = None) -> Seen:
        frame, module = self.frame(), self.build(component)
        if isinstance(module, Inspection):
            return self._inspect(module, frame)
        return run_alone(module, frame, self.context(frame), batch_size)

    def _inspect(self, module: Inspection, frame: pl.DataFrame) -> Seen:
        """With the example's inputs as files in a folder that is the spec's."""
        from qpipe.core.types import DataType

        with tempfile.TemporaryDirectory() as folder:
            inputs = [_input(Path(folder), **given) for given in self.inputs]
            before = None if self.before is None else {n: DataType.parse(word) for n, word in self.before.items()}
            delivery = Delivery("source", inputs, types_of(frame), None, before=before)
            return Seen(frame, verdict=module.inspect(delivery, self.context(frame).but(directory=Path(folder))))


def examples_of(component: type) -> list[Example]:
    """The examples in the docstring, in order. ValueError says what is wrong with one."""
    import yaml

    found = []
    for block in _FENCED.findall(inspect.cleandoc(component.__doc__ or "")):
        written = yaml.load(textwrap.dedent(block), Loader=_loader())
        if isinstance(written, dict) and "module" in written:
            found.append(_example(dict(written)))
    return found


def check_example(component: type[Module], example: Example, batch_size: int | None = None) -> None:
    """AssertionError when the module alone does not do what the example says."""
    seen = example.run(component, batch_size)
    for what, expected in example.expects.items():
        found = _found(what, seen)
        assert _same(found, expected), f"{example.module}: {what} is {found}, the example says {expected}"


def values_of(component: type, written: Any) -> dict[str, Any]:
    """Parameters from what stands after the module's name: a mapping of them, the short form, or nothing."""
    if written is None:
        return {}
    params = params_of(component)
    known = (set(params) | {p.alias for p in params.values() if p.alias}) - {"id"}  # a common name of columns, too
    short = short_param(component)
    if isinstance(written, Mapping) and (not short or "object" not in str(short.schema()) or set(written) & known):
        return dict(written)
    if not short:
        raise ValueError(f"{component.__name__} has no short form")
    return {short.name: written}


def _loader() -> Any:
    """As in a spec, keys are text: ``on:`` is no boolean."""
    import yaml

    fast: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C where it was built

    class Loader(fast):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode):
                    key.tag = "tag:yaml.org,2002:str"
            return super().construct_mapping(node, deep)

    return Loader


# ── frames from what is written in YAML ───────────────────────────────────────────────────────────────────────────────


def frame_of(rows: Sequence[Mapping[str, Any]], schema: Mapping[str, str] | None = None) -> pl.DataFrame:
    """A frame of these rows. Columns take their order from the schema, then from the rows; an absent cell is null."""
    words = dict(schema or {})
    names = list(dict.fromkeys([*words, *(name for row in rows for name in row)]))
    columns = []
    for name in names:
        cells = [row.get(name) for row in rows]
        if name in words:
            dtype = _dtype(words[name])
            columns.append(pl.Series(name, [_cell(cell, dtype) for cell in cells], dtype=dtype))
        else:
            guessed = pl.Series(name, cells)
            columns.append(guessed.cast(pl.String) if guessed.dtype == pl.Null else guessed)
    return pl.DataFrame(columns)


def types_of(frame: pl.DataFrame) -> dict[str, Any]:
    from qpipe.core.types import DataType

    return {name: DataType.of(dtype) for name, dtype in frame.schema.items()}


def _dtype(word: str) -> Any:
    from qpipe.core.types import DataType

    return DataType.parse(word).polars()


def _cell(cell: Any, dtype: Any) -> Any:
    """Dates, decimals and times may be written as text; a number may stand where text is meant."""
    if cell is None or (isinstance(cell, float) and not dtype.is_float()):
        return Decimal(str(cell)) if cell is not None and dtype.is_decimal() else cell
    if dtype.is_decimal():
        return Decimal(str(cell))
    if dtype == pl.String:
        return str(cell)
    if isinstance(cell, str):
        read = {pl.Date: dt.date.fromisoformat, pl.Datetime: dt.datetime.fromisoformat, pl.Time: dt.time.fromisoformat}
        return read[dtype.base_type()](cell) if dtype.base_type() in read else cell
    return cell


def _input(folder: Path, name: str, content: str = "", age: str | None = None) -> Input:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    modified = STARTED - (read_duration(age) if age else 0)
    os.utime(path, (modified, modified))
    return Input(name, str(path), path.stat().st_size, modified)


# ── comparing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _example(written: dict[str, Any]) -> Example:
    expects = {what: written.pop(what) for what in EXPECTATIONS if what in written}
    entry = written.pop("module")
    name, parameters = (entry, None) if isinstance(entry, str) else next(iter(entry.items()))
    rows, schema, tables = written.pop("rows", []), written.pop("schema", {}), written.pop("tables", {})
    inputs, before = written.pop("inputs", ()), written.pop("before", None)
    earlier, score = written.pop("earlier", ()), written.pop("score", {})
    if written or not expects:
        raise ValueError(f"example of {name}: unknown key {next(iter(written))}" if written else f"example of {name}: "
                         f"says nothing of what comes of it; write one of {', '.join(EXPECTATIONS)}")  # fmt: skip
    return Example(name, parameters, rows, expects, schema, tables, inputs, before, earlier, score)


def _found(what: str, seen: Seen) -> Any:
    if what == "gives":
        return seen.frame.drop(ROW, strict=False).to_dicts()
    if what == "outcome":
        return seen.verdict.outcome if seen.verdict else None
    return {"failed": seen.failed, "dropped": list(seen.dropped), "asks": dict(seen.asks)}[what]


def _same(found: Any, written: Any) -> bool:
    """Equal but for how YAML writes things: 1.5 for a decimal, text for a date; true is never 1."""
    if isinstance(found, Mapping) and isinstance(written, Mapping):
        return set(found) == set(written) and all(_same(found[k], written[k]) for k in found)
    if isinstance(found, (list, tuple)) and isinstance(written, (list, tuple)):
        return len(found) == len(written) and all(map(_same, found, written))
    if isinstance(found, bool) or isinstance(written, bool) or found is None or written is None:
        return found is written
    if isinstance(found, Decimal):
        return found == Decimal(str(written))
    if isinstance(found, float) and isinstance(written, (int, float)):
        return math.isclose(found, written) or (math.isnan(found) and math.isnan(written))
    if isinstance(found, (dt.date, dt.time, dt.timedelta)):
        return found == written or str(found) == str(written) or found.__str__() == str(written).replace("T", " ")
    return type(found) is type(written) and found == written


_FENCED = re.compile(r"^[ \t]*```yaml\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
