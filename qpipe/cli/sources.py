"""qpipe sources check: do the sources of a spec answer, and with what?"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qpipe.cli.common import print_json

if TYPE_CHECKING:
    from rich.console import RenderableType

AT_ONCE = 8  # sources


def check(spec: Path, rows: int, vars: Mapping[str, str], as_json: bool) -> int:
    """Open every source of a spec; 69 when one is not available, 65 when one is not as its contract says."""
    from qpipe.orchestrator.connect import look_at
    from qpipe.orchestrator.journal import Journal, home_of
    from qpipe.spec.compile import plan_of

    plan = plan_of(spec, vars=dict(vars))
    home = home_of(spec)
    journal = Journal(home, create=False) if (home / "journal.db").exists() else None
    with ThreadPoolExecutor(AT_ONCE) as pool:  # one that does not answer is waited for while others are asked
        seen = list(pool.map(lambda node: look_at(plan, node, rows, journal), plan.sources))
    if as_json:
        print_json([look.to_json() for look in seen])
    else:
        from rich.console import Console

        console = Console()
        for look in seen:
            for part in _shown(look):
                console.print(part)
    return max((look.exit_code for look in seen), default=0)


def _shown(look: Any) -> list[RenderableType]:
    from rich.markup import escape
    from rich.table import Table

    score = "" if look.reliability is None else f", reliability {look.reliability.score:.2f} over {look.reliability.runs} runs"
    head = f"[bold]{escape(look.source)}[/] ({look.type}, {look.role}{score})"
    if look.error:
        return [f"{head}: [red]{escape(look.error)}[/]", *([f"  {escape(look.hint)}"] if look.hint else []), ""]
    told = {"rows": look.rows_told, "bytes": look.bytes_told}
    size = [f"{number:,} {name}" for name, number in told.items() if number is not None]
    parts: list[RenderableType] = [f"{head}: connected in {look.seconds * 1000:,.0f} ms{', ' if size else ''}{', '.join(size)}"]
    parts += [f"  {escape(each)}" for each in look.inputs[:10]]
    table = Table(*[f"{escape(name)}\n[dim]{escape(kind)}[/]" for name, kind in look.columns.items()], box=None, pad_edge=False)
    for row in look.rows:
        table.add_row(*["[dim]null[/]" if cell is None else escape(str(cell)[:40]) for cell in row.values()])
    return [*parts, table, *[f"  [yellow]{escape(note)}[/]" for note in look.notes], ""]
