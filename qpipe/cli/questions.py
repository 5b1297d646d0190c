"""How a question looks: its words, its choices with their keys, its sample rows with the offending cells marked."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.words import duration

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

RESERVED_KEYS = "pqv"  # postpone, stop asking, view
WIDEST = 24  # characters of a cell in a table
Question = Mapping[str, Any]


def visible(value: str | None) -> str:
    """Text that cannot move the cursor: control characters are written out."""
    if value is None:
        return "null"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in value)


def rows_text(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def group_text(question: Question) -> str:
    """country = DE, city = Bonn"""
    from qpipe.orchestrator.answers import group_of

    if question["scope"] == "value":
        return ""
    names = {"_row": "row", "batch": "batch"}
    return ", ".join(f"{names.get(n, n)} = {visible(None if v is None else str(v))}" for n, v in group_of(question).items())


def due_text(question: Question, now: float | None = None) -> str:
    """What the time-out will do, and when; empty without one."""
    if question["due_at"] is None or question["state"] != "open":
        return ""
    left = question["due_at"] - (time.time() if now is None else now)
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(question["due_at"]))
    when = f"in {duration(left)} ({at})" if left > 0 else f"since {at}"
    return f"the time-out answers '{question['default']}' {when}" if question["default"] else f"an answer is due {when}"


def state_text(question: Question) -> str:
    """open, or the answer and who gave it."""
    if question["state"] != "answered":
        return str(question["state"])
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(question["answered_at"]))
    via = "" if question["answered_via"] == "timeout" else f" ({question['answered_via']})"
    reason = f", {visible(question['reason'])}" if question["reason"] else ""
    return f"'{visible(question['choice'])}' by {question['answered_by']}{via} at {at}{reason}"


def target_text(choice: str, target: str) -> str:
    """What a choice does with the rows."""
    return {"drop": "the rows are dropped", "fail": "the run stops"}.get(target, target)


def keys_of(choices: Sequence[str]) -> dict[str, str]:
    """A key for each choice: its first letter that is still free, else a digit."""
    keys: dict[str, str] = {}
    for number, choice in enumerate(choices, 1):
        letters = [c for c in choice.lower() if c.isalnum() and c not in RESERVED_KEYS and not c.isdigit()]
        keys[choice] = next((c for c in letters if c not in keys.values()), str(number))
    return keys


def keyed(word: str, key: str) -> str:
    """[a]ccept; where the key is no letter of the word: [1] accept"""
    at = word.lower().find(key.lower())
    return f"[{key}] {word}" if at < 0 else f"{word[:at]}[{word[at]}]{word[at + 1 :]}"


def sample_table(question: Question, width: int) -> tuple[Table, list[str]]:
    """Sample rows as a table that fits, offending cells marked »so«, and the columns for which there was no room."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    rows = question["sample"] or []
    places = [name for name in ("row", "line") if any(row.get(name) is not None for row in rows)]
    shown, left = _fitting(question, rows, width - 8 * len(places) - 2)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for name in places:
        table.add_column(name, justify="right", style="dim", no_wrap=True)
    for name in shown:
        table.add_column(visible(name), no_wrap=True, overflow="ellipsis", max_width=WIDEST)
    for row in rows:
        where = ["" if row.get(name) is None else str(row[name]) for name in places]
        table.add_row(*where, *(cell_text(row, name) for name in shown))
    return table, left


def _fitting(question: Question, rows: Sequence[Mapping[str, Any]], room: int) -> tuple[list[str], list[str]]:
    """Marked columns first, then those of the group, then the others in their order, as many as there is room for."""
    from rich.cells import cell_len

    from qpipe.orchestrator.answers import group_of

    every = list(dict.fromkeys(name for row in rows for name in row["cells"]))
    first = [name for row in rows for name in row["marked"]] + list(group_of(question))
    order = [name for name in dict.fromkeys([*first, *every]) if name in every]
    shown: list[str] = []
    for name in order:
        widest = max(cell_len(visible(name)), *(cell_text(row, name).cell_len for row in rows))
        room -= min(WIDEST, widest) + 2
        if room < 0 and shown:
            break
        shown.append(name)
    chosen = [name for name in every if name in shown]
    return chosen, [name for name in every if name not in shown]


def cell_text(row: Mapping[str, Any], name: str) -> Text:
    """A cell; marked where it offends, so that it shows without colour, too."""
    from rich.text import Text

    value = row["cells"].get(name)
    if name in row["marked"]:
        return Text(f"»{visible(value)}«", style="bold red reverse")
    return Text(visible(value), style="dim italic" if value is None else "")


def plain_row(row: Mapping[str, Any]) -> list[str]:
    """A sample row as lines: where it stood, its cells, why it waits."""
    place = ":".join(str(part) for part in (row.get("file"), row.get("line")) if part)
    cells = ", ".join(f"{visible(name)}={cell_text(row, name).plain}" for name in row["cells"])
    reasons = [f"  {visible(reason)}" for reason in row["reasons"]]
    return [f"row {row['row']}" + (f" ({place})" if place else ""), f"  {cells}", *reasons]
