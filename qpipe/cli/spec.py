"""qpipe validate, explain, test, init, explain-problem"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qpipe.cli.common import AsJson, Vars, print_json, read_vars, tell
from qpipe.core.errors import CannotCreate, Problem, SpecError, UsageError

if TYPE_CHECKING:
    from qpipe.orchestrator.trial import TrialResult
    from qpipe.spec.load import Spec

Specs = Annotated[list[Path], typer.Argument(help="Specs: YAML files.")]


def register(app: typer.Typer) -> None:
    app.command()(validate)
    app.command()(explain)
    app.command()(test)
    app.command()(init)
    app.command("explain-problem")(explain_problem)


def validate(
    specs: Specs,
    format: Annotated[str, typer.Option(help="text, json, github, sarif or junit.")] = "text",
    connect: Annotated[
        bool, typer.Option("--connect", help="Also open the sources and check against their real columns.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings refuse, too.")] = False,
    var: Vars = None,
    as_json: AsJson = False,
) -> int:
    """Find every problem of a spec, with line, column and a suggestion. Opens nothing, unless --connect is given.

    Example: qpipe validate orders.yaml --format github
    """
    from qpipe.spec import formats

    printers = {"json": formats.as_json, "github": formats.github, "sarif": formats.sarif, "junit": formats.junit}
    format = "json" if as_json else format
    if format not in ("text", *printers):
        raise UsageError(f"--format {format}: say text, json, github, sarif or junit")
    problems, texts = [], {}
    for path in specs:
        found, spec = _problems(path, read_vars(var))
        if [p.code for p in found] == ["not-a-mapping"] and _holds_answers(path):
            tell(f"{path} holds answers, not a spec: left out")
            continue
        if not any(p.severity == "error" for p in found):
            found += _remembered(path, read_vars(var))
        if connect and not any(p.severity == "error" for p in found):
            found += _connected(path, read_vars(var))
        problems += found
        texts[str(path)] = spec.safe_text if spec else ""
    refused = any(p.severity == "error" or strict for p in problems)
    if format != "text":
        print(printers[format](problems, [str(path) for path in specs]).rstrip("\n"))
    else:
        if problems:
            known = {file: body for file, body in texts.items() if body}
            print(formats.text(problems, known, color=sys.stdout.isatty()).rstrip("\n"))
        else:
            tell(f"{len(texts)} spec{'s' * (len(texts) != 1)} valid")
    return 78 if refused else 0


def _problems(path: Path, vars: dict[str, str]) -> tuple[list[Problem], Spec | None]:
    from qpipe.spec.check import check
    from qpipe.spec.load import Spec

    try:
        spec = Spec.load(path, vars=vars)
    except SpecError as error:
        return list(error.problems), None
    return check(spec)[0], spec


def _holds_answers(path: Path) -> bool:
    """Whether a file is one for ``--answers``, or of remembered answers: specs and their answers lie side by side."""
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, OSError, UnicodeError):
        return False
    return isinstance(found, list) and bool(found) and all(isinstance(each, dict) and "answer" in each for each in found)


def _remembered(path: Path, vars: dict[str, str]) -> list[Problem]:
    """What is wrong in the files of remembered answers beside a spec."""
    if not (path.parent / "decisions").is_dir() and "remember:" not in path.read_text(encoding="utf-8"):
        return []
    from qpipe.orchestrator.remembered import Remembered
    from qpipe.spec.compile import plan_of

    return Remembered(plan_of(path, vars=vars)).problems


def _connected(path: Path, vars: dict[str, str]) -> list[Problem]:
    from qpipe.orchestrator.connect import connect_problems
    from qpipe.spec.compile import plan_of

    return connect_problems(plan_of(path, vars=vars))


def explain(
    spec: Annotated[Path, typer.Argument(help="The spec, a YAML file.")],
    format: Annotated[str, typer.Option(help="text or mermaid.")] = "text",
    var: Vars = None,
    as_json: AsJson = False,
) -> int:
    """Print the plan: passes, fused steps, routes, guarantees, what each output depends on.

    Example: qpipe explain orders.yaml --format mermaid
    """
    from qpipe.orchestrator import explain as drawn
    from qpipe.spec.compile import plan_of

    plan = plan_of(spec, vars=read_vars(var))
    if as_json:
        print_json(drawn.as_json(plan))
    elif format == "mermaid":
        print(drawn.mermaid(plan))
    elif format == "text":
        print(drawn.text(plan))
    else:
        raise UsageError(f"--format {format}: say text or mermaid")
    return 0


def test(
    specs: Specs,
    format: Annotated[str, typer.Option(help="text or junit.")] = "text",
    var: Vars = None,
    as_json: AsJson = False,
) -> int:
    """Run the spec's own tests. No source is opened, no output written.

    Example: qpipe test orders.yaml
    """
    from qpipe.orchestrator.trial import run_tests
    from qpipe.spec.compile import plan_of

    results: dict[str, list[TrialResult]] = {}
    for path in specs:
        results[str(path)] = run_tests(plan_of(path, vars=read_vars(var)))
    if as_json:
        print_json([{"spec": s, "test": r.test.name, "passed": r.passed, "failures": r.failures, "seconds": round(r.seconds, 3)}
                    for s, found in results.items() for r in found])  # fmt: skip
    elif format == "junit":
        print(_junit(results))
    else:
        for name, found in results.items():
            for result in found:
                print(f"{'pass' if result.passed else 'FAIL'}  {name}:{result.test.place.line}  {result.test.name}")
                for failure in result.failures:
                    print(f"      {failure}")
    every = [r for found in results.values() for r in found]
    failed = sum(not r.passed for r in every)
    tell(f"{len(every) - failed} passed, {failed} failed" if every else "no tests: write some under `tests:`")
    return 1 if failed else 0


def _junit(results: dict[str, list[TrialResult]]) -> str:
    from xml.etree import ElementTree as ET

    root = ET.Element("testsuites")
    for name, found in results.items():
        suite = ET.SubElement(
            root, "testsuite", name=name, tests=str(len(found)), failures=str(sum(not r.passed for r in found))
        )
        for result in found:
            case = ET.SubElement(suite, "testcase", name=result.test.name, classname=name, time=f"{result.seconds:.3f}")
            if not result.passed:
                ET.SubElement(case, "failure", message=result.failures[0]).text = "\n".join(result.failures)
    return ET.tostring(root, encoding="unicode")


def init(
    file: Annotated[Path | None, typer.Argument(help="A data file to write the spec for.")] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The spec to write.")] = Path("qpipe.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over an existing file.")] = False,
) -> int:
    """Write a new spec: for a data file with the contract its columns suggest, or an example to start from.

    Example: qpipe init data/orders.csv -o orders.yaml
    """
    from qpipe.orchestrator.scaffold import scaffold

    if output.exists() and not force:
        raise CannotCreate(f"{output} exists already", hint="name another with --output, or say --force")
    output.write_text(scaffold(file, output))
    tell(f"wrote {output}", f"  next: qpipe validate {output}; qpipe run {output}")
    return 0


def explain_problem(
    code: Annotated[str | None, typer.Argument(help="A problem's code, as in [unknown-module]; none: all of them.")] = None,
    as_json: AsJson = False,
) -> int:
    """Tell what a problem's code means, with a bad and a good example.

    Example: qpipe explain-problem unknown-column
    """
    from qpipe.spec import problems
    from qpipe.spec.nearest import did_you_mean

    codes = problems.codes()
    if code is None:
        print_json(list(codes)) if as_json else print("\n".join(codes))
        return 0
    code = code.strip("[]")
    if code not in codes:
        raise UsageError(
            f"no problem has the code '{code}'", hint=did_you_mean(code, codes) or "`qpipe explain-problem` lists them"
        )
    found = problems.page(code)
    text = found.text.rstrip("\n") if found else code
    print_json({"code": code, "page": text}) if as_json else print(text)
    return 0
