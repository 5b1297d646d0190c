"""qpipe profile"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qpipe.cli.common import AsJson, Vars, print_json, read_vars, tell
from qpipe.core.errors import CannotCreate, UsageError

if TYPE_CHECKING:
    from qpipe.core.component import Source
    from qpipe.profile.answers import Answer
    from qpipe.profile.model import Profile
    from qpipe.profile.profile import Profiled
    from qpipe.profile.rules import Suggestion

Written = dict[str, dict[str, Any]]  # source → its parameters as a spec has them


def register(app: typer.Typer) -> None:
    app.command()(profile)


def profile(
    sources: Annotated[list[str], typer.Argument(help="Files, patterns, URLs, or one spec, whose sources are profiled.")],
    suggest: Annotated[bool, typer.Option("--suggest", help="Write a spec with the rules that the data suggests.")] = False,
    confidence: Annotated[float | None, typer.Option(help="Accept all rules so sure; ask nothing.", min=0, max=1)] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write: the profile, or the spec.")] = None,
    format: Annotated[str, typer.Option(help="text, html or json.")] = "text",
    against: Annotated[Path | None, typer.Option(help="An earlier profile (JSON): tell what changed since.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Figures of columns only: no patterns, keys or dependencies.")] = False,
    null: Annotated[list[str] | None, typer.Option("--null", help="A word that means nothing, such as NA; repeatable.")] = None,
    type: Annotated[str, typer.Option(help="The kind of source: file, database, …")] = "file",
    set: Annotated[list[str] | None, typer.Option("--set", help="A parameter of the source: --set delimiter=;")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over an existing spec.")] = False,
    var: Vars = None,
    as_json: AsJson = False,
) -> int:
    """Tell what is in the data: types, ranges, patterns, missing words, misspellings, keys, dependencies, foreign keys.

    Several files are profiled as tables that may refer to each other. Figures are over all rows; what rests on a sample is
    marked ~. With --suggest the rules are asked for one by one on a terminal; answers are kept beside the spec.

    Example: qpipe profile orders.csv customers.csv --suggest --confidence 0.9 -o orders.yaml
    """
    from qpipe.core.component import Context
    from qpipe.profile.profile import profile as made_of

    format = "json" if as_json else format
    if format not in ("text", "html", "json"):
        raise UsageError(f"--format {format}: say text, html or json")
    if output is None and suggest:
        output = Path("qpipe.yaml")
    if suggest and output is not None and output.exists() and not force:
        raise CannotCreate(f"{output} exists already", hint="name another with --output, or say --force")
    found, written, directory = _sources(sources, type, _parameters(set, null), read_vars(var))
    profiled = made_of(found, Context(directory=directory), quick=quick and not suggest)
    if suggest:
        assert output is not None
        return _suggest(profiled, written, output, confidence)
    return _show(profiled.profile, format, output, against)


def _show(found: Profile, format: str, output: Path | None, against: Path | None) -> int:
    from qpipe.profile.drift import drift
    from qpipe.profile.masked import masked

    changes = drift(_earlier(against), found) if against else []
    if format == "json":
        told = {**masked(found).as_dict(), **({"changes": [vars(c) for c in changes]} if against else {})}
        if output is None:
            print_json(told)
            return 0
        body = json.dumps(told, indent=1, ensure_ascii=False, default=str)
    elif format == "html":
        from qpipe.profile.html import html

        body = html(found, changes)
        output = output or Path("profile.html")
    else:
        from qpipe.profile.terminal import text

        body = text(found, changes)
        if output is None:
            print(body, end="")
            return 0
    _write(output, body)
    return 0


def _write(path: Path, body: str) -> None:
    try:
        path.write_text(body, encoding="utf-8")
    except OSError as error:
        raise CannotCreate(f"{path} cannot be written: {error.strerror}") from error
    tell(f"wrote {path}")


def _earlier(path: Path) -> Profile:
    from qpipe.profile.model import Profile

    try:
        return Profile.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UsageError(
            f"--against {path}: {error}", hint="make one with: qpipe profile FILE --json -o profile.json"
        ) from error


def _suggest(profiled: Profiled, written: Written, output: Path, confidence: float | None) -> int:
    """Rules for the table that refers to the others, or the first."""
    from qpipe.core.registry import Registry
    from qpipe.profile.answers import answers_beside, choose, keep_answer, read_answers
    from qpipe.profile.rules import OF_SOURCE, suggestions
    from qpipe.profile.spec_text import spec_text

    keys = profiled.profile.foreign_keys
    tables = list(profiled.tables)
    chief = max(tables, key=lambda t: (sum(f.table == t for f in keys), -tables.index(t)))
    modules = Registry().names("module")
    found = [s for s in suggestions(profiled.tables[chief], keys) if s.module in (*modules, *OF_SOURCE)]
    answers = answers_beside(output)
    asking = confidence is None and sys.stdin.isatty() and sys.stderr.isatty()

    def ask(suggestion: Suggestion) -> Answer | None:
        said = _asked(suggestion)
        if said is not None:
            keep_answer(answers, suggestion, said)
        return said

    chosen = choose(found, read_answers(answers), 0.8 if confidence is None else confidence, ask if asking else None)
    places = {n: {**w, **({"path": _relative(w["path"], output)} if "path" in w else {})} for n, w in written.items()}
    _write(output, spec_text(profiled.profile, chosen, places, table=chief, known=modules))
    tell(f"  {len(chosen)} of {len(found)} suggested rules", f"  next: qpipe validate {output}; qpipe run {output}")
    return 0


def _asked(suggestion: Suggestion) -> Answer | None:
    """One rule at the terminal: yes, no, or later."""
    from qpipe.profile.spec_text import inline

    rests = f"rests on {suggestion.support:,}, broken by {suggestion.broken:,}, confidence {suggestion.confidence:.2f}"
    shown = suggestion.params if suggestion.module != "type" else {suggestion.columns[0]: suggestion.params["type"]}
    tell("", f"{suggestion.module}: {inline(shown)[:300]}", f"  {suggestion.reason}", f"  {rests}")
    while True:
        print("  take it? [y]es, [n]o, [l]ater: ", end="", file=sys.stderr, flush=True)
        said = (sys.stdin.readline() or "l").strip().lower()
        if said in ("y", "yes", "n", "no", "l", "later", ""):
            return {"y": "accept", "n": "reject"}.get(said[:1])  # type: ignore[return-value]


def _sources(
    given: Sequence[str], type: str, params: Mapping[str, Any], variables: dict[str, str]
) -> tuple[dict[str, Source], Written, Path]:
    """The sources by name, how a spec writes them, and where their paths start."""
    if len(given) == 1 and given[0].endswith((".yaml", ".yml")):
        return _of_spec(Path(given[0]), variables)
    from qpipe.core.params import build
    from qpipe.core.registry import Registry

    registry = Registry()
    if type not in registry.names("source"):
        raise UsageError(f"no source is named '{type}'", hint="`qpipe sources` lists them")
    cls = registry.get("source", type)
    main = "path" if type == "file" else next((p for p in ("dsn", "url", "path") if p in cls.__annotations__), "path")
    found: dict[str, Source] = {}
    written: Written = {}
    for text in given:
        name = _name(text, found)
        written[name] = ({} if type == "file" else {"type": type}) | {main: text} | dict(params)
        try:
            found[name] = build(cls, {main: text, **params})
        except ValueError as error:
            raise UsageError(f"{text}: {error}") from error
    return found, written, Path.cwd()


def _of_spec(path: Path, variables: dict[str, str]) -> tuple[dict[str, Source], Written, Path]:
    from qpipe.spec.compile import plan_of
    from qpipe.spec.load import Spec

    plan = plan_of(path, vars=variables)
    told = Spec.load(path, vars=variables).written.get("sources", {})
    written = {id: {k: v for k, v in entry.items() if k not in ("schema", "role")} for id, entry in told.items()}
    return {node.id: node.source for node in plan.sources}, written, plan.directory


def _parameters(pairs: Sequence[str] | None, nulls: Sequence[str] | None) -> dict[str, Any]:
    import yaml

    made: dict[str, Any] = {"nulls": list(nulls)} if nulls else {}
    for text in pairs or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {text} is no name=value")
        made[name] = yaml.safe_load(value) if value not in (",", ";", "|", ":", "") else value
    return made


def _name(text: str, taken: Mapping[str, Any]) -> str:
    """orders.csv.gz → orders; told apart by a number where two are alike."""
    last = text.rstrip("/").rpartition("/")[2].split("?")[0]
    stem = last.split(".")[0].strip("*-_") or "data"
    return stem if stem not in taken else f"{stem}-{len(taken) + 1}"


def _relative(path: Any, output: Path) -> Any:
    """A local path as the spec's folder sees it."""
    import os

    if not isinstance(path, str) or "://" in path or path == "-" or os.path.isabs(path):
        return path
    return os.path.relpath(Path.cwd() / path, output.resolve().parent)
