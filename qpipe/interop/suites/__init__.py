"""Other systems' suites of checks as qpipe specs: what they say in our modules, and by name what could not be turned."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qpipe.core.errors import DataRefused, Unavailable, UsageError

KINDS = {
    "gx": "Great Expectations: an expectation suite (JSON or YAML)",
    "soda": "Soda: checks (SodaCL) or a contract (YAML)",
    "dbt": "dbt: a schema.yml with data tests",
    "odcs": "Open Data Contract Standard: a contract (YAML or JSON)",
    "frictionless": "Frictionless: a table schema, resource or package (JSON or YAML)",
    "pandera": "Pandera: a schema as to_yaml or to_json writes it",
}


@dataclass(frozen=True)
class Claim:
    """One check of theirs: as a module of ours, or why it is none."""

    origin: str  # as they call it, and of what
    module: Mapping[str, Any] | None = None  # {name: parameters}
    why: str = ""


@dataclass
class Suite:
    """What a file says of one table."""

    table: str
    types: dict[str, Any] = field(default_factory=dict)  # column → type word of ours, or {type, format}
    columns: list[str] = field(default_factory=list)  # all that it names, typed or not
    claims: list[Claim] = field(default_factory=list)
    path: str = ""  # where the data is, if the file tells
    nulls: list[str] = field(default_factory=list)  # what its cells say for nothing, beside being empty


def read_suites(kind: str, file: Path) -> list[Suite]:
    """The suites of a file, each module tried out: what our module would refuse is not turned. DataRefused: not such a file."""
    if kind not in KINDS:
        raise UsageError(f"no suite is called '{kind}'", hint=f"there are {', '.join(KINDS)}")
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise Unavailable(f"{file} cannot be read: {error.strerror}") from error
    reader = importlib.import_module(f"qpipe.interop.suites.{kind}")
    try:
        suites: list[Suite] = list(reader.suites(_load(text, file), file.stem))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataRefused(f"this is not what {KINDS[kind]} looks like: {type(error).__name__} {error}",
                          file=str(file), hint="`qpipe import --help` lists the kinds") from error  # fmt: skip
    if not suites:
        raise DataRefused(f"nothing was found in it for {KINDS[kind]}", file=str(file))
    suites = _of_each_table(suites)
    for suite in suites:
        suite.claims = _tried(suite)
    return suites


def _of_each_table(suites: Sequence[Suite]) -> list[Suite]:
    """What is said of a table in several places, together."""
    found: dict[str, Suite] = {}
    for suite in suites:
        first = found.setdefault(suite.table, suite)
        if first is not suite:
            first.claims += suite.claims
            first.types |= suite.types
            first.columns += suite.columns
    return list(found.values())


def _tried(suite: Suite) -> list[Claim]:
    """The claims, those as modules that our module takes with these parameters and types."""
    from qpipe.interop.suites._trying import types_of, wrong_with

    types, found = types_of(suite.types), []
    for claim in suite.claims:
        if claim.module is None:
            found.append(claim)
            continue
        ((name, values),) = claim.module.items()
        values = _undated(values)
        wrong = wrong_with(name, values, types)
        if name.startswith("parse_"):
            types.pop(values["column"], None)
        found.append(Claim(claim.origin, None, wrong) if wrong else Claim(claim.origin, {name: values}))
    return found


def _undated(value: Any) -> Any:
    """Dates that YAML has read, as texts again."""
    if isinstance(value, Mapping):
        return {key: _undated(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_undated(part) for part in value]
    return str(value) if isinstance(value, dt.date) else value


def _load(text: str, file: Path) -> Any:
    if file.suffix == ".json":
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            raise DataRefused(f"no JSON: {error.msg}", file=str(file), line=error.lineno, column=error.colno) from error
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise DataRefused(f"no YAML: {error.problem}", file=str(file), line=mark.line + 1 if mark else None) from error


def spec_of(suite: Suite) -> str:
    """The spec as YAML. Errors go to quarantine; what could not be turned stands at its end."""
    import yaml

    id = re.sub(r"[^\w.-]+", "_", suite.table, flags=re.ASCII).strip("_") or "data"
    lines = ["version: 1", f"name: {_plain(suite.table)}", "sources:", f"  {_plain(id)}:",
             f"    path: {_plain(suite.path or suite.table + '.csv')}   # where the data is"]  # fmt: skip
    lines += [f"    nulls: {_plain(suite.nulls)}"] if suite.nulls else []
    if suite.types:
        types = {**dict.fromkeys(suite.columns, "any"), **suite.types}
        lines += ["    schema:", *(f"      {_plain(name)}: {_plain(word)}" for name, word in types.items())]
    made = [claim for claim in suite.claims if claim.module]
    lines += ["modules:"] if made else ["modules: []"]
    for claim, id in zip(made, _ids(made), strict=True):
        ((name, values),) = claim.module.items()  # type: ignore[union-attr]
        told = yaml.safe_dump({name: {"id": id, **values}}, default_flow_style=True, width=10**6, sort_keys=False).strip()[1:-1]
        lines.append(f"  - {told}".replace("${", "$${"))  # which would refer to something
        lines[-1] += f"   # {_line(claim.origin)}"
    lines += ["routes:", "  - {when: failed(error), to: quarantine}", "  - {to: clean}",
              "outputs:", "  clean: {path: out/clean.parquet}", "  quarantine: {path: out/quarantine.ndjson}"]  # fmt: skip
    lost = [claim for claim in suite.claims if not claim.module]
    lines += ["", "# Not turned:"] if lost else []
    lines += [f"#   {_line(claim.origin)}: {_line(claim.why)}" for claim in lost]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _plain(text: Any) -> str:
    import yaml

    return yaml.safe_dump(text, default_flow_style=True, width=10**6, allow_unicode=True).removesuffix("\n...\n").strip()


def _ids(claims: Sequence[Claim]) -> Iterator[str]:
    """A module's name, with its column where that is needed to tell two apart, and a number where it must be."""
    seen: dict[str, int] = {}
    names = [next(iter(claim.module or {})) for claim in claims]
    for claim, name in zip(claims, names, strict=True):
        values = next(iter((claim.module or {}).values()))
        column = values.get("column") or values.get("columns") or values.get("left") or ""
        column = column[0] if isinstance(column, (list, tuple)) and column else column
        id = name if names.count(name) == 1 or not isinstance(column, str) or not column else f"{name}_{column}"
        id = "".join(c if c.isalnum() or c in "_-" else "_" for c in id)
        seen[id] = seen.get(id, 0) + 1
        yield id if seen[id] == 1 else f"{id}_{seen[id]}"


# ── what the readers share ────────────────────────────────────────────────────────────────────────────────────────────


def bounds(low: Any, high: Any, *, exclusive: Any = None) -> dict[str, Any]:
    """min and max as far as they are given."""
    found = {"min": low, "max": high}
    made = {name: str(value) if type(value).__name__ in ("date", "datetime") else value
            for name, value in found.items() if value is not None}  # fmt: skip
    return made | ({"exclusive": exclusive} if exclusive else {})


def attempt(origin: str, make: Callable[[], Iterable[Claim]]) -> list[Claim]:
    """The claims that ``make`` reads; where it meets what it does not understand, that is the only one."""
    try:
        return list(make())
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        return [Claim(origin, why=f"its arguments are not understood: {told}")]


def with_all(made: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """A module with more parameters; of two ``where``, both must hold."""
    from qpipe.interop.suites._sql import both

    ((name, values),) = made.items()
    told = {**values, **more}
    told.pop("where", None)
    return {name: {**told, **both(values.get("where"), more.get("where"))}}


def share(value: float) -> float:
    """A share as a tolerance has it: a float, since a whole number is a count; without what binary fractions add to it."""
    return float(round(value, 15))


_SCORE = re.compile(
    r"(?:(?:overall|data)_?)?(?:quality|dq)_?(?:score|index)|(?:rows_?passed|success)_?percent|pass_?rate", re.I
)


def score(origin: str, name: str, least: Any, column: str | None = None) -> Claim | None:
    """A claim about a score, from 0 to 1 or in percent; None where the name is of none. ``least``: a number, if one is told."""
    if not _SCORE.fullmatch(name):
        return None
    if not isinstance(least, (int, float)):
        return Claim(origin, why="of a score only its least has a counterpart")
    asked = {"min": round(least / 100, 10) if least > 1 else least, **({"column": column} if column else {})}
    return Claim(origin, {"quality_score": asked})
