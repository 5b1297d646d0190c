"""A row-by-row interpreter of a part of the spec language, written from its pages alone, and runs give the same.

Rows have nulls, NaN, empty texts, large integers, decimals, other scripts, moments of several zones, and cells that break the
contract; specs have checks with ``where`` and severities, checks over all rows, transforms and routes; runs have any format,
batch size and number of workers.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from running import Project

BROKEN = object()
UTC = dt.UTC
TYPES = {"id": "int", "name": "string", "amount": "decimal(12,2)", "ratio": "float", "day": "date", "at": "datetime(UTC)"}
SCHEMA = {"id": pl.Int64, "name": pl.String, "amount": pl.Decimal(12, 2), "ratio": pl.Float64, "day": pl.Date,
          "at": pl.Datetime("us", "UTC")}  # fmt: skip
MOMENT = dt.datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
CELLS: dict[str, dict[str | None, Any]] = {  # as written → what it is
    "id": {str(n): n for n in [1, 2, -7, 2**53, 2**53 + 1, 2**63 - 1]},
    "name": {n: n for n in ["ann", "Ann", " ann ", "", "Straße", "é", "e\u0301", "日本", "a\nb", 'say "hi", ok', "null"]},
    "amount": {"1.50": Decimal("1.50"), "1.5": Decimal("1.50"), "-0.01": Decimal("-0.01"), "0": Decimal("0.00"),
               "9999999999.99": Decimal("9999999999.99")},
    "ratio": {"0.1": 0.1, "0.3": 0.3, "0.30000000000000004": 0.1 + 0.2, "NaN": math.nan, "-0.0": -0.0, "0": 0.0, "1e3": 1000.0},
    "day": {"2026-01-01": dt.date(2026, 1, 1), "2024-02-29": dt.date(2024, 2, 29), "1899-12-31": dt.date(1899, 12, 31)},
    "at": {"2026-03-29T01:30:00Z": MOMENT, "2026-03-29T03:30:00+02:00": MOMENT,
           "2026-03-29T00:00:00.123456Z": dt.datetime(2026, 3, 29, 0, 0, 0, 123456, tzinfo=UTC)},
}  # fmt: skip
WRONG = {"id": "1.5", "amount": "99999999999.00", "ratio": "n.a.", "day": "2023-02-29", "at": "soon"}
BOUNDS: dict[str, dict[str, Any]] = {  # literals of conditions and parameters
    "id": {"1": 1, "9007199254740992": 2**53}, "name": {"ann": "ann", "é": "é", "": ""}, "amount": {"1.50": Decimal("1.50")},
    "ratio": {"0.3": 0.3, "0": 0.0}, "day": {"2026-01-01": dt.date(2026, 1, 1)}, "at": {"2026-03-29T01:30:00Z": MOMENT},
}  # fmt: skip
COMPARE = {"=": operator.eq, "<>": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
Cells = dict[str, Any]


@dataclass
class Row:
    number: int
    cells: Cells
    broken: set[str]
    found: list[tuple[str, str]] = field(default_factory=list)  # check and severity


@dataclass(frozen=True)
class Condition:
    text: str
    holds: Callable[[Cells], bool | None]
    columns: frozenset[str]


@dataclass(frozen=True)
class Step:
    spec: dict[str, Any]
    apply: Callable[[list[Row]], list[Row]]


def compared(left: Any, sign: str, right: Any) -> bool | None:
    """NaN equals itself and is above every number; with a null nothing is known."""
    if left is None or right is None:
        return None
    place = [(True, 0) if isinstance(value, float) and math.isnan(value) else (False, value) for value in (left, right)]
    return bool(COMPARE[sign](*place))


def both(one: bool | None, two: bool | None) -> bool | None:
    return False if False in (one, two) else None if None in (one, two) else True


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    column = draw(st.sampled_from(list(TYPES)))
    text, value = draw(st.sampled_from(list(BOUNDS[column].items())))
    said = text if column in ("id", "amount", "ratio") else f"'{text}'"
    sign, form = draw(st.sampled_from(list(COMPARE))), draw(st.sampled_from(["compare", "compare", "null", "and", "or", "not"]))
    plain = Condition(f"{column} {sign} {said}", lambda cells: compared(cells[column], sign, value), frozenset([column]))
    if form == "compare":
        return plain
    if form == "null":
        return Condition(f"{column} is null", lambda cells: cells[column] is None, frozenset([column]))
    if form == "not":
        return Condition(f"not ({plain.text})", lambda cells: _not(plain.holds(cells)), plain.columns)
    other = draw(conditions())
    text, columns = f"({plain.text}) {form} ({other.text})", plain.columns | other.columns
    if form == "and":
        return Condition(text, lambda cells: both(plain.holds(cells), other.holds(cells)), columns)
    return Condition(text, lambda c: _not(both(_not(plain.holds(c)), _not(other.holds(c)))), columns)


def _not(one: bool | None) -> bool | None:
    return None if one is None else not one


# ---- steps


@st.composite
def steps(draw: st.DrawFn, id: str) -> Step:
    make = draw(st.sampled_from([_check, _check, _same, _same, _same, _filter, _fill]))
    return make(draw, id)


def _check(draw: st.DrawFn, id: str) -> Step:
    """A check of each row: what could not be read is judged by none."""
    column = draw(st.sampled_from(list(TYPES)))
    text, bound = draw(st.sampled_from(list(BOUNDS[column].items())))
    tests: dict[str, tuple[dict[str, Any], Callable[[Cells], bool | None]]] = {
        "not_null": ({"column": column}, lambda cells: cells[column] is None),
        "between": ({"column": column, "min": text}, lambda cells: _outside(cells[column], bound)),
        "one_of": ({"column": column, "values": [text]}, lambda cells: compared(cells[column], "<>", bound)),
    }
    name = draw(st.sampled_from([*tests, "expression"]))
    looked_at = {column}
    if name == "expression":
        condition = draw(conditions())
        said, bad, looked_at = {"condition": condition.text}, lambda cells: _not(condition.holds(cells)), {*condition.columns}
    else:
        said, bad = tests[name]
    severity, where = draw(st.sampled_from(["error", "warning", "info"])), draw(st.none() | conditions())

    def apply(rows: list[Row]) -> list[Row]:
        for row in rows:
            if _is_judged(row, where, looked_at) and bad(row.cells):
                row.found.append((id, severity))
        return rows

    return Step({name: {"id": id, "severity": severity, **said, **_said(where)}}, apply)


def _outside(value: Any, least: Any) -> bool | None:
    return None if value is None else (isinstance(value, float) and math.isnan(value)) or value < least


def _said(where: Condition | None) -> dict[str, str]:
    return {"where": where.text} if where else {}


def _is_judged(row: Row, where: Condition | None, columns: set[str]) -> bool:
    return not (row.broken & (columns | (where.columns if where else set()))) and (not where or where.holds(row.cells) is True)


def _same(draw: st.DrawFn, id: str) -> Step:
    """``unique`` and ``deduplicate``: rows with the same key."""
    columns = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=2, unique=True))
    where, equal, drops = draw(st.none() | conditions()), draw(st.booleans()), draw(st.booleans())
    keep = draw(st.sampled_from(["first", "last"] if drops else ["first", "last", "none"]))

    def apply(rows: list[Row]) -> list[Row]:
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in rows:
            key = [_key(row.cells[column]) for column in columns]
            if _is_judged(row, where, {*columns}) and (equal or None not in key):
                groups.setdefault(tuple(key), []).append(row)
        several = [group for group in groups.values() if len(group) > 1]
        bad = [row for group in several for row in {"first": group[1:], "last": group[:-1], "none": group}[keep]]
        if drops:
            gone = {row.number for row in bad}
            return [row for row in rows if row.number not in gone]
        for row in bad:
            row.found.append((id, "error"))
        return rows

    name = "deduplicate" if drops else "unique"
    return Step({name: {"id": id, "columns": columns, "keep": keep, "nulls_equal": equal, **_said(where)}}, apply)


def _key(value: Any) -> Any:
    return "NaN" if isinstance(value, float) and math.isnan(value) else value + 0.0 if isinstance(value, float) else value


def _filter(draw: st.DrawFn, id: str) -> Step:
    kept = draw(conditions())
    return Step({"filter": {"id": id, "where": kept.text}},
                lambda rows: [row for row in rows if row.broken & kept.columns or kept.holds(row.cells) is True])  # fmt: skip


def _fill(draw: st.DrawFn, id: str) -> Step:
    """A cell that is given a value can be judged again."""
    column = draw(st.sampled_from(list(TYPES)))
    text, value = draw(st.sampled_from(list(BOUNDS[column].items())))

    def apply(rows: list[Row]) -> list[Row]:
        for row in rows:
            if row.cells[column] is None:
                row.cells[column] = value
                row.broken.discard(column)
        return rows

    return Step({"fill_null": {"id": id, "column": column, "value": text}}, apply)


# ---- the whole


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, str | None]]:
    """Rows as written, of few values each, so that many are alike."""
    wrong = draw(st.booleans())
    cells: dict[str, Any] = {}
    for column, known in CELLS.items():
        some = draw(st.lists(st.sampled_from(list(known)), min_size=1, max_size=3, unique=True))
        cells[column] = st.sampled_from([None, *some, *([WRONG[column]] if wrong and column in WRONG else [])])
    return draw(st.lists(st.fixed_dictionaries(cells), min_size=draw(st.sampled_from([0, 6])), max_size=14))


def interpreted(table: list[dict[str, str | None]], plan: list[Step], review: Condition | None) -> Iterator[tuple[int, Any]]:
    """Row number → where it goes, with its cells, or with what was found."""
    rows = []
    for number, texts in enumerate(table):
        read = {c: None if text is None else CELLS[c].get(text, BROKEN) for c, text in texts.items()}
        broken = {column for column, value in read.items() if value is BROKEN}
        cells = {c: None if c in broken else value for c, value in read.items()}
        rows.append(Row(number, cells, broken, [("contract", "error")] if broken else []))
    for step in plan:
        rows = step.apply(rows)
    for row in rows:
        if any(severity == "error" for _, severity in row.found):
            yield row.number, ("quarantine", set(row.found))
        else:
            to = "review" if review and review.holds(row.cells) is True else "clean"
            yield row.number, (to, {column: repr(value) for column, value in row.cells.items()})


def delivered(project: Project) -> Iterator[tuple[int, Any]]:
    for path in sorted((project.folder / "out").glob("*.parquet")):
        for row in pl.read_parquet(path).iter_rows(named=True):
            if path.stem == "quarantine":
                yield row["_row"], (path.stem, {(reason["check"], reason["severity"]) for reason in row["_reasons"]})
            else:
                yield row["_row"], (path.stem, {column: _written(row[column]) for column in TYPES})


def _written(value: Any) -> str:
    return repr(value.astimezone(UTC)) if isinstance(value, dt.datetime) else repr(value)


def written(table: list[dict[str, str | None]], format: str, path: Path) -> None:
    if format == "parquet":
        typed = {c: [None if row[c] is None else CELLS[c][row[c]] for row in table] for c in TYPES}
        pl.DataFrame(typed, schema=SCHEMA).write_parquet(path)
    elif format == "ndjson":
        path.write_text("".join(json.dumps(row) + "\n" for row in table))
    else:
        rows = [[row[column] for column in TYPES] for row in table]
        lines = [["" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in row] for row in rows]
        path.write_text("\n".join(map(",".join, [[*TYPES], *lines])) + "\n")


@pytest.mark.parametrize("format", ["csv", "ndjson", "parquet"])
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(table=tables(), draw=st.data())
def test_a_run_gives_what_its_spec_says(
    tmp_path_factory: pytest.TempPathFactory, format: str, table: list[dict[str, str | None]], draw: st.DataObject
) -> None:
    if format == "parquet":  # which holds no cell that breaks its type
        table = [row for row in table if not any(row[column] == wrong for column, wrong in WRONG.items())]
    plan = [draw.draw(steps(f"s{n}")) for n in range(draw.draw(st.integers(1, 4)))]
    review = draw.draw(st.none() | conditions())
    spec = {
        "sources": {"s": {"path": f"s.{format}", "schema": TYPES}},
        "modules": [step.spec for step in plan],
        "routes": [
            {"when": "failed(error)", "to": "quarantine"},
            *([{"when": review.text, "to": "review"}] if review else []),
            {"to": "clean"},
        ],
        "outputs": {
            to: {"path": f"out/{to}.parquet", **({} if to == "quarantine" else {"provenance": ["row"]})}
            for to in ["quarantine", *(["review"] if review else []), "clean"]
        },
        "settings": {
            "batch_size": draw.draw(st.sampled_from([1, 3, 50_000])),
            "workers": draw.draw(st.sampled_from([1, 2])),
            "fail_on": "never",
        },
    }
    project = Project(tmp_path_factory.mktemp("run"), json.dumps(spec))
    written(table, format, project.folder / f"s.{format}")
    if not table and format == "ndjson":
        return  # an empty file is refused
    assert project.run().state == "done"
    found = list(delivered(project))
    assert len({number for number, _ in found}) == len(found)
    assert dict(found) == dict(interpreted(table, plan, review))
