"""What commands share: the journal's home, variables, output as JSON, errors as sentences with exit codes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from qpipe.core.errors import QpipeError, SpecError, UsageError, exit_code_of
from qpipe.core.secrets import masked

if TYPE_CHECKING:
    from qpipe.orchestrator.journal import Journal
    from qpipe.report.block import Block

Home = Annotated[Path | None, typer.Option("--home", help="Where the journal is. Default: $QPIPE_HOME, or .qpipe here.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, its beginning or end, or latest.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Vars = Annotated[list[str] | None, typer.Option("--var", help="A variable of the spec: --var day=2026-11-23")]


def open_journal(home: Path | None = None, *, spec: Path | None = None) -> Journal:
    """The journal of --home, $QPIPE_HOME, the spec's folder, or this folder. UsageError when there is none."""
    from qpipe.orchestrator.journal import Journal, home_of

    if home is not None:
        return Journal(home, create=False)
    if spec is not None:
        return Journal(home_of(spec), create=False)
    named = os.environ.get("QPIPE_HOME")
    if named:
        return Journal(Path(named), create=False)
    here = Path.cwd()
    for folder in [here, *here.glob("*/")]:
        if (folder / ".qpipe" / "journal.db").exists():
            return Journal(folder / ".qpipe", create=False)
    raise UsageError("there is no journal here", hint="run a spec first, or name its folder with --home DIR/.qpipe")


def read_vars(given: Sequence[str] | None) -> dict[str, str]:
    """name=value pairs from the command line."""
    pairs = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--var {text} is no name=value")
        pairs[name] = value
    return pairs


def duration(given: str | float) -> float:
    """Seconds, from an option: 5, 30s, 10m."""
    from qpipe.core.params import read_duration

    try:
        return max(0.1, float(given))
    except ValueError:
        try:
            return max(0.1, read_duration(given))
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def block(
    title: str, columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...], tones: tuple[str, ...] = (),
    right: frozenset[int] = frozenset(),
) -> Block:  # fmt: skip
    from qpipe.report.block import Block

    return Block(title, columns, rows, right, tones, whole=frozenset({0}))


def print_blocks(blocks: Sequence[Block], otherwise: str = "") -> None:
    from qpipe.report.text import printed

    print(printed(blocks) if blocks else otherwise)


def tell(*lines: str) -> None:
    """Say something to the person: on stderr, so that stdout holds results only."""
    for line in lines:
        print(line, file=sys.stderr)


def guarded(work: Callable[[], int | None], *, debug: bool = False) -> NoReturn:
    """Run the command line; every error ends as a sentence and its exit code, never as a traceback of a user's mistake."""
    try:
        code = work() or 0
    except QpipeError as error:
        if debug:
            tell(trace())
        else:
            show_error(error)
        code = exit_code_of(error)
    except KeyboardInterrupt:
        tell("interrupted")
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # Polars' own, which is no Exception
            raise
        if debug:
            tell(trace())
        else:
            words = masked(f"error: {type(error).__name__}: {error}")
            tell(words, "  this is a defect of qpipe; `qpipe --debug …` shows where")
        code = 1
    sys.stdout.flush()
    raise SystemExit(code)


def trace() -> str:
    """The traceback of what is being handled, without secrets."""
    import traceback

    return masked(traceback.format_exc().rstrip())


def show_error(error: QpipeError) -> None:
    if isinstance(error, SpecError):
        from qpipe.spec.formats import text

        tell(text(error.problems).rstrip())
        tell("nothing was run")
    else:
        tell(masked(f"error: {error}"))
