"""qpipe decisions, qpipe decide"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qpipe.cli.common import AsJson, Home, open_journal, print_json, tell
from qpipe.core.errors import UsageError

if TYPE_CHECKING:
    from qpipe.orchestrator.journal import Journal

Run = Annotated[str | None, typer.Option("--run", help="Only questions of this run: an id, part of it, or latest.")]


def register(app: typer.Typer) -> None:
    app.command()(decisions)
    app.command()(decide)


def decisions(
    reference: Annotated[
        str | None, typer.Argument(metavar="[RUN|QUESTION]", help="A run, or one question to see its rows.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Answered questions, too.")] = False,
    stats: Annotated[bool, typer.Option("--stats", help="How fast answers come, by decision.")] = False,
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Questions that wait for an answer; one question with its sample rows; or how fast answers come.

    Example: qpipe decisions latest
    """
    journal = open_journal(home)
    journal.expire()
    run, question = _meant(journal, reference)
    if stats:
        return _stats(journal, run, as_json)
    if question is not None:
        print_json(_told(question, rows=True)) if as_json else _show_one(question)
        return 0
    found = journal.questions(run, None if every else "open")
    if as_json:
        print_json([_told(q) for q in found])
    else:
        print("\n\n".join(_listed(q) for q in found) or ("no questions" if every else "no open questions"))
        _say_next(journal, found)
    return 0


def decide(
    question: Annotated[str | None, typer.Argument(help="A question's id, or any part of it that fits no other.")] = None,
    choice: Annotated[str | None, typer.Argument(help="One of its choices; for an unknown value, what it becomes.")] = None,
    answers: Annotated[Path | None, typer.Option("--answers", help="Many answers: a YAML, JSON or CSV file.")] = None,
    run: Run = None,
    alike: Annotated[bool, typer.Option("--all", help="Every open question that fits gets this answer.")] = False,
    by: Annotated[str | None, typer.Option("--by", help="Who answers. Default: $USER.")] = None,
    remember: Annotated[bool, typer.Option("--remember", help="Write it beside the spec: the next runs obey it.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept with the answer.")] = "",
    as_json: AsJson = False,
    home: Home = None,
) -> int:
    """Answer a question, or many from a file. The first answer stands.

    Example: qpipe decide big-doubtful-7k3f9x2mq7 accept --reason "agreed with the shop"
    """
    from qpipe.orchestrator.answers_file import person

    journal = open_journal(home)
    of_run = journal.run(run)["id"] if run else None
    if answers is not None:
        if question is not None:
            raise UsageError("give a question and its choice, or --answers FILE")
        return _decide_many(journal, of_run, answers, by or person(), as_json)
    if question is None or choice is None:
        raise UsageError("which question, and which choice?", hint="qpipe decide QUESTION CHOICE; `qpipe decisions` lists them")
    asked = _fitting(journal, question, of_run) if alike else [_one(journal, question, of_run)]
    answered = [journal.answer(q["id"], choice, by=by or person(), via="cli", remember=remember, reason=reason) for q in asked]
    kept = _keep(journal, answered) if remember else []
    if as_json:
        print_json([_told(q) for q in answered])
    else:
        _say_answered(answered)
        tell(*kept)
        _say_next(journal, answered)
    return 0


def _meant(journal: Journal, reference: str | None) -> tuple[str | None, dict[str, Any] | None]:
    """What a word on the command line means: (run, question)."""
    if reference is None:
        return None, None
    try:
        return journal.run(reference)["id"], None
    except UsageError as no_run:
        try:
            return None, journal.question(reference)
        except UsageError as no_question:
            if "fits" in no_question.message:
                raise
            raise UsageError(f"no run and no question is called '{reference}'", hint=no_run.hint) from None


def _one(journal: Journal, reference: str, run: str | None) -> dict[str, Any]:
    if run is None:
        return journal.question(reference)
    found = _fitting(journal, reference, run)
    if len(found) > 1:
        raise UsageError(f"'{reference}' fits {len(found)} open questions of {run}", hint="name one, or answer them with --all")
    return found[0]


def _fitting(journal: Journal, reference: str, run: str | None) -> list[dict[str, Any]]:
    journal.expire()
    found = [q for q in journal.questions(run, "open") if reference in (q["id"], q["decision"]) or reference in q["id"]]
    if not found:
        raise UsageError(f"no open question fits '{reference}'", hint="`qpipe decisions` lists the open ones")
    return found


def _decide_many(journal: Journal, run: str | None, file: Path, by: str, as_json: bool) -> int:
    from qpipe.orchestrator.answers import keep_remembered
    from qpipe.orchestrator.answers_file import apply_answers

    report = apply_answers(journal, run, file, by)
    for each in dict.fromkeys(q["run"] for q in report.answered):
        keep_remembered(journal, each)
    wrong = bool(report.refused) or not (report.answered or report.already)
    if as_json:
        print_json({"answered": [_told(q) for q in report.answered], "already": [q["id"] for q in report.already],
                    "refused": report.refused, "unmatched": report.unmatched})  # fmt: skip
        return 2 if wrong else 0
    _say_answered(report.answered)
    tell(*(f"{q['id']} had this answer already" for q in report.already))
    tell(*(f"refused: {text}" for text in report.refused), *report.unmatched)
    _say_next(journal, [*report.answered, *report.already])
    return 2 if wrong else 0


def _keep(journal: Journal, answered: Sequence[Mapping[str, Any]]) -> list[str]:
    from qpipe.orchestrator.answers import keep, why_not_kept
    from qpipe.orchestrator.memory import shown

    told = [f"{q['id']} is not remembered: {why}" for q in answered if (why := why_not_kept(q))]
    for kept in keep(journal, [q for q in answered if not why_not_kept(q)]):
        if kept.problem:
            told.append(f"not remembered: {kept.problem}")
        else:
            told.append(f"remembered in {shown(kept.path)}" + ("" if kept.added else ", where it stands already"))
            told += [f"+ {line}" for line in kept.added.splitlines()]
    return told


# ── what is printed ──


def _say_answered(answered: Sequence[Mapping[str, Any]]) -> None:
    from qpipe.cli.questions import rows_text, state_text

    for question in answered:
        print(f"{question['id']}: {state_text(question)}; {rows_text(question['rows'])}")


def _say_next(journal: Journal, questions: Sequence[Mapping[str, Any]]) -> None:
    """For each run concerned: what is still open, and how to go on."""
    for id in dict.fromkeys(q["run"] for q in questions):
        run, waiting = journal.run(id), len(journal.questions(id, "open"))
        open_too = f"{waiting} question{'s are' if waiting > 1 else ' is'} open in {id}"
        if journal.alive(run):
            tell(f"{id} is at work and takes answers as they come" if not waiting else open_too)
        elif run["state"] in ("done", "refused"):
            tell(f"{id} is {run['state']}: answers change nothing any more")
        else:
            tell(
                f"{open_too}: `qpipe decide QUESTION CHOICE`, then `qpipe resume {id}`"
                if waiting
                else f"next: `qpipe resume {id}`"
            )


def _listed(question: Mapping[str, Any]) -> str:
    from qpipe.cli.questions import due_text, group_text, rows_text, state_text, target_text, visible

    about = group_text(question)
    choices = [f"{c} → {target_text(c, to)}" for c, to in question["choices"].items() if question["scope"] != "value"]
    if question["scope"] == "value":
        known = [visible(text) for text in question["candidates"] or ()]
        choices = [*known, *("any other text" if c == "*" else c for c in question["choices"])]
    lines = [f"{question['id']}  {rows_text(question['rows'])}  {state_text(question)}", f"  run: {question['run']}",
             f"  {visible(question['text'])}" + (f"  ({about})" if about else "")]  # fmt: skip
    lines.append("  " + " · ".join(choices))
    due = due_text(question)
    return "\n".join([*lines, *([f"  {due}"] if due else [])])


def _show_one(question: Mapping[str, Any]) -> None:
    from qpipe.cli.questions import plain_row, visible

    print(_listed(question))
    if question["condition"]:
        print(f"  because {visible(question['condition'])}")
    for row in question["sample"] or ():
        print("", *(f"  {line}" for line in plain_row(row)), sep="\n")


def _told(question: Mapping[str, Any], *, rows: bool = False) -> dict[str, Any]:
    """A question as JSON."""
    import time

    from qpipe.orchestrator.answers import group_of

    names = ("id", "run", "decision", "scope", "text", "rows", "state", "choices", "candidates", "default", "opened_at",
             "due_at", "choice", "answered_by", "answered_via", "answered_at", "applied_at", "reason", "condition")  # fmt: skip
    waiting = question["state"] == "open" and question["due_at"] is not None
    took = question["answered_at"] - question["opened_at"] if question["answered_at"] is not None else None
    more = {
        "group": group_of(question),
        "due_in": question["due_at"] - time.time() if waiting else None,
        "response_seconds": took,
    }
    return {name: question[name] for name in names} | more | ({"sample": question["sample"]} if rows else {})


def _stats(journal: Journal, run: str | None, as_json: bool) -> int:
    from qpipe.core.words import duration
    from qpipe.orchestrator.answers import response_times

    found = response_times(journal, run)
    if as_json:
        print_json(found)
        return 0
    for row in found:
        told = [f"{row['questions']} questions", f"{row['open']} open", f"{row['by_people']} answered by people"]
        if row["remembered"]:
            told.append(f"{row['remembered']} from memory")
        if row["median_seconds"] is not None:
            told.append(f"half within {duration(row['median_seconds'])}, nine of ten within {duration(row['p90_seconds'])}")
        share = "" if row["share_by_default"] is None else f" ({row['share_by_default']:.0%})"
        print(f"{row['decision']}: " + ", ".join([*told, f"{row['by_default']} by time-out{share}"]))
    if not found:
        print("no questions")
    return 0
