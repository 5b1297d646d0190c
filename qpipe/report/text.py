"""The print at the end of a run: balance sheet, quality summary, scores, outputs, and what to do next.

It is made as blocks, which a terminal shows as tables (``terminal.py``) and everything else as plain columns.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence

from qpipe.orchestrator.results import CheckResult, Note, OutputResult, QuestionResult, Score, Summary
from qpipe.report.block import Block
from qpipe.report.collect import Report
from qpipe.report.words import (
    MARKS,
    STATES,
    clock,
    count,
    cut,
    duration,
    figures,
    percent,
    plural,
    rate,
    size,
    tolerance,
)  # fmt: skip

COLUMNS = 12  # whose scores are shown: the worst
LINES = 5  # of alike notes; the others are counted
ROWS = 40  # checks shown; the rest is told


def blocks(summary: Summary) -> list[Block]:
    made = [
        _head(summary),
        _balance(summary),
        _checks(summary),
        _stakes(summary),
        _gates(summary),
        _scores(summary),
        _outputs(summary),
    ]
    made += [_questions(summary), _notes(summary), _next(summary)]
    return [block for block in made if block.rows]


def write(report: Report) -> str:
    return plain(report.summary)


def show(summary: Summary, width: int | None = None) -> str:
    """What is printed at the end of a run."""
    return printed(blocks(summary), width)


def printed(blocks: Sequence[Block], width: int | None = None) -> str:
    """Blocks for stdout: coloured tables on a terminal, plain columns, made without rich, elsewhere."""
    columns = width or max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))
    if not sys.stdout.isatty():
        return "\n\n".join("\n".join(_lines(block, columns)) for block in blocks)
    from qpipe.report.terminal import rich_text

    return rich_text(blocks, columns)


def plain(summary: Summary, width: int = 100) -> str:
    """The same without colour or a library: for logs and files."""
    return "\n\n".join("\n".join(_lines(block, width)) for block in blocks(summary)) + "\n"


# ── blocks ──


def _head(summary: Summary) -> Block:
    run = summary.run
    told = f"{run.name} · {run.id} · {STATES.get(run.state, run.state)}"
    attempts = f" over {run.attempt} attempts" if run.attempt > 1 else ""
    facts = [f"{plural(run.rows_in, 'row')} in {duration(run.seconds)}{attempts}"]
    facts += [rate(run.rows_per_second)] if run.rows_per_second else []
    facts += [f"peak memory {count(run.memory_mb)} MB"] if run.memory_mb else []
    facts += [f"exit code {run.exit_code}"] if run.exit_code is not None else []
    error = [(cut(run.error.splitlines()[0], 400),)] if run.error else []
    tone = {"done": "good", "waiting": "warn"}.get(run.state, "bad")
    return Block("", rows=((told,), (" · ".join(facts),), *error), tones=(tone, "dim", "bad"))


def _balance(summary: Summary) -> Block:
    balance = summary.balance
    rows = [(f"in from {a.id}", count(a.rows), "") for a in balance.sources]
    rows += [(f"made by {a.id}", count(a.rows), "") for a in balance.created]
    rows += [(f"to {r.id}", count(r.rows), _share(r.rows, summary)) for r in balance.routes]
    rows += [(f"dropped by {a.id}", count(a.rows), _share(a.rows, summary)) for a in balance.dropped]
    rows += [(f"held for {a.id}", count(a.rows), _share(a.rows, summary)) for a in balance.held]
    tones = [""] * len(rows)
    rows.append((balanced(summary), count(balance.difference), ""))
    tones.append("good" if balance.balanced else "bad")
    return Block("Balance", ("", "rows", "share"), tuple(rows), frozenset({1, 2}), tuple(tones))


def balanced(summary: Summary) -> str:
    """Whether the rows add up, in words."""
    balance = summary.balance
    if balance.balanced:
        return f"{MARKS['pass']} balanced: every row is accounted for"
    wrong = [f"{plural(abs(balance.difference), 'row')} {'missing' if balance.difference > 0 else 'too many'}"] * bool(
        balance.difference
    )
    wrong += [f"{a.id} staged {plural(abs(a.rows), 'row')} too {'few' if a.rows > 0 else 'many'}" for a in balance.missing]
    return f"{MARKS['fail']} DOES NOT BALANCE: " + "; ".join(wrong)


def _share(rows: int, summary: Summary) -> str:
    every = summary.balance.rows_in
    return percent(rows / every) if every else ""


def _checks(summary: Summary) -> Block:
    lines = grouped(worst_first(summary))
    rows = tuple((title, *judged(c)) for title, c in lines[:ROWS])
    left = len(lines) - len(rows)
    after = f"and {plural(left, 'line')} more: `qpipe report {summary.run.id}`" if left > 0 else ""
    columns = ("check", "severity", "evaluated", "failed", "share", "tolerated", "verdict")
    return Block("Checks", columns, rows, frozenset({2, 3, 4, 5}), tuple(tone(c.outcome) for _, c in lines[:ROWS]), after)


def _stakes(summary: Summary) -> Block:
    """What failures cost, the dearest first; and the groups that they are in."""
    rows = tuple((c.title, c.at_stake, amount(c.impact), worst_groups(c), ", ".join(c.columns)) for c in dearest(summary))
    return Block("At stake", ("check", "measured by", "in failing rows", "groups", "reaches"), rows, frozenset({2}))


def dearest(summary: Summary) -> list[CheckResult]:
    """The checks with failures that tell what is at stake or count by group."""
    told = [c for c in summary.checks if c.failed and (c.at_stake or c.segments)]
    return sorted(told, key=lambda c: (-abs(c.impact or 0), -c.failed))


def amount(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}".removesuffix(".00")


def worst_groups(check: CheckResult, most: int = 3) -> str:
    """ "DE 12 of 340 (1,200), FR 3 of 90 (80)": failures, evaluated, and what is at stake."""
    bad = [s for s in check.segments if s.failed]
    words = []
    for s in bad[:most]:
        name = "/".join("null" if value is None else value for value in s.group)
        cost = f" ({amount(s.impact)})" if s.impact is not None else ""
        words.append(f"{name} {count(s.failed)} of {count(s.evaluated)}{cost}")
    return ", ".join(words) + (f", {len(bad) - most} more" if len(bad) > most else "")


def judged(check: CheckResult) -> tuple[str, ...]:
    """A check's figures, as every table shows them."""
    figures = (count(check.evaluated), count(check.failed), percent(check.share), tolerance(check.tolerance))
    return check.severity, *figures, verdict(check.outcome)


def grouped(checks: Sequence[CheckResult]) -> list[tuple[str, CheckResult]]:
    """(title, check): columns of one check that are all faultless and alike share a line."""
    found: dict[object, list[CheckResult]] = {}
    for check in checks:
        faultless = check.outcome == "pass" and not check.failed
        found.setdefault((check.check, check.evaluated) if faultless else check.title, []).append(check)
    return [(f"{cs[0].check} · {len(cs)} columns" if len(cs) > 1 else cs[0].title, cs[0]) for cs in found.values()]


def worst_first(summary: Summary) -> list[CheckResult]:
    """Failures by verdict and share, then what was not evaluated, then what passed, each in the spec's order."""
    rank = {"error": 0, "fail": 0, "warn": 1, "not evaluated": 2, "skipped": 2, "pass": 3}
    return sorted(summary.checks, key=lambda c: (rank[c.outcome], -(c.share or 0) if rank[c.outcome] < 3 else 0))


def verdict(outcome: str) -> str:
    return f"{MARKS.get(outcome, '?')} {outcome}"


def tone(outcome: str) -> str:
    return {"pass": "", "warn": "warn", "fail": "bad", "error": "bad"}.get(outcome, "dim")


def _gates(summary: Summary) -> Block:
    rows = tuple((g.gate, figures(g.observed, 3), g.expected, verdict(g.outcome)) for g in summary.gates)
    told = [f"{g.gate}: {g.message}" for g in summary.gates if g.message and g.outcome != "pass"]
    tones = tuple(tone(g.outcome) for g in summary.gates)
    return Block("Gates", ("gate", "observed", "expected", "verdict"), rows, frozenset(), tones, "\n".join(told))


def _scores(summary: Summary) -> Block:
    every = (*summary.scores, *(told := told_scores(summary)))
    rows = tuple((titled(s), scored(s.value), _bar(s.value), likely(s), count(s.evaluated), count(s.failed))
                 for s in every)  # fmt: skip
    tones = tuple("strong" if s.name == "overall" else "" if s.value is not None else "dim" for s in every)
    left = sum(not s.failed and s.value is not None for s in summary.column_scores)
    columns = ("of", "score", "", "95% interval", "evaluated", "failed")
    after = f"and {plural(left, 'column')} without a failure" if left and len(told) < COLUMNS else ""
    return Block("Scores", columns, rows, frozenset({1, 3, 4, 5}), tones, after)


def told_scores(summary: Summary) -> list[Score]:
    """Beside those of dimensions: of each source where there are several, of the columns with failures, the worst first."""
    sources = list(summary.source_scores) if len(summary.source_scores) > 1 else []
    return sources + [s for s in summary.column_scores if s.failed][:COLUMNS]


def titled(score: Score) -> str:
    return f"column {score.column}" if score.column else f"source {score.source}" if score.source else score.dimension


def likely(score: Score) -> str:
    """Where the score of what the source gives lies, as far as this run can tell."""
    return "" if score.low is None else f"{percent(score.low)} to {percent(score.high)}"


def scored(value: float | None) -> str:
    return "not evaluated" if value is None else percent(value)


def _bar(share: float | None, width: int = 10) -> str:
    """A full bar means all of it: 99.9 % leaves one cell open."""
    cells = 0 if share is None else width if share == 1 else min(int(share * width), width - 1)
    return "█" * cells + "░" * (width - cells)


def _outputs(summary: Summary) -> Block:
    rows = tuple(
        (o.output, o.place, count(o.rows), size(o.bytes) if o.bytes else "", kept(o, summary), o.guarantee)
        for o in summary.outputs
    )
    return Block("Outputs", ("output", "where", "rows", "size", "state", "guarantee"), rows, frozenset({2, 3}))


def kept(output: OutputResult, summary: Summary) -> str:
    """What became of an output's rows: what a refused run had staged is gone."""
    return "discarded" if summary.run.state == "refused" and output.state == "staged" else output.state


def _questions(summary: Summary) -> Block:
    rows = tuple((q.id, cut(q.text, 60), count(q.rows), answered(q)) for q in summary.questions[:10])
    left = len(summary.questions) - len(rows)
    tones = tuple("warn" if q.state == "open" else "" for q in summary.questions)
    return Block("Questions", ("id", "question", "rows", "answer"), rows, frozenset({2}), tones,
                 f"and {plural(left, 'question')} more: `qpipe decisions`" if left else "", frozenset({0}))  # fmt: skip


def answered(question: QuestionResult) -> str:
    """What came of a question, in words."""
    if question.state != "answered":
        return question.state + (f", until {clock(question.due)}" if question.due else "")
    return f"{question.choice} by {question.by} after {duration(question.seconds)}"


def _notes(summary: Summary) -> Block:
    rows = tuple((noted(n),) for n in summary.notes[:10])
    left = len(summary.notes) - len(rows)
    return Block("Notes of the sources", rows=rows, after=f"and {left} more" if left else "")


def noted(note: Note) -> str:
    """orders.csv:2, 8, 14 and 3 more: a blank line was skipped"""
    shown = note.lines[:LINES]
    left = note.times - len(shown)
    lines = ", ".join(map(str, shown)) + (f" and {count(left)} more" if shown and left else "")
    place = f"{note.file or note.source}:{lines}" if shown else note.file or note.source
    return f"{place}: {note.message}" + (f" ({count(note.times)} times)" if not shown and left > 1 else "")


def _next(summary: Summary) -> Block:
    return Block("Next", rows=tuple((line,) for line in advice(summary)))


def advice(summary: Summary) -> Iterator[str]:
    """What a person can do now, as commands."""
    run = summary.run.id
    waiting = [q for q in summary.questions if q.state == "open"]
    if waiting:
        yield f"{plural(len(waiting), 'question')} open: `qpipe decisions`, then `qpipe resume {run}`"
    elif summary.run.state in ("waiting", "interrupted", "failed"):
        yield f"go on with `qpipe resume {run}`"
    elif summary.run.state == "refused":
        yield "mend the data or the rule, then run again; `--fail-on never` publishes whatever the verdicts"
    if not summary.balance.balanced:
        yield "the rows do not add up: that is a fault of qpipe or of a Python step; please keep the journal"
    unseen = [c.title for c in summary.checks if c.outcome == "not evaluated"]
    if unseen:
        yield f"{plural(len(unseen), 'check')} saw no row and passed nothing: {cut(', '.join(unseen), 80)}"
    if summary.balance.quarantined:
        yield f"why rows were quarantined: `qpipe report {run} --open`"


# ── plain columns ──


def _lines(block: Block, width: int) -> Iterator[str]:
    if block.title:
        yield block.title
        yield "─" * len(block.title)
    if block.columns:
        yield from _table(block, width)
    else:
        for (line,) in block.rows:
            yield cut(line, width * 3)
    if block.after:
        yield block.after


def _table(block: Block, width: int) -> Iterator[str]:
    cells = [block.columns, *block.rows]
    widths = [max(len(row[n]) for row in cells) for n in range(len(block.columns))]
    _narrow(widths, block, width)
    for row in cells:
        told = [_fit(text, widths[n], n in block.right) for n, text in enumerate(row)]
        yield "  ".join(told).rstrip()


def _narrow(widths: list[int], block: Block, width: int) -> None:
    """Take from the widest column of text until the table fits."""
    texts = [n for n in range(len(widths)) if n not in block.right | block.whole]
    while texts and sum(widths) + 2 * (len(widths) - 1) > width:
        widest = max(texts, key=lambda n: widths[n])
        if widths[widest] <= 12:
            return
        widths[widest] -= 1


def _fit(text: str, width: int, right: bool) -> str:
    text = cut(text, width)
    return text.rjust(width) if right else text.ljust(width)
