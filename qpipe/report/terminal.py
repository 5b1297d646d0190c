"""The print at the end of a run on a terminal: the same blocks as tables in colour. Imports rich, so it is imported late."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from qpipe.report.block import Block

STYLES = {"good": "green", "bad": "bold red", "warn": "yellow", "dim": "dim", "strong": "bold", "": ""}


def rich_text(blocks: Sequence[Block], width: int) -> str:
    """The blocks with the terminal's colours, none where NO_COLOR says so."""
    colour = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    console = Console(file=io.StringIO(), width=width, force_terminal=colour, highlight=False, legacy_windows=False)
    for block in blocks:
        _print(console, block)
    return console.file.getvalue().rstrip("\n")  # type: ignore[attr-defined]


def _print(console: Console, block: Block) -> None:
    if block.title:
        console.print(Text(f"\n{block.title}", "bold"))
    if block.columns:
        console.print(table(block))
    else:
        for (line,), tone in zip(block.rows, _tones(block), strict=False):
            console.print(Text(line, STYLES[tone]))
    if block.after:
        console.print(Text(block.after, "yellow"))


def table(block: Block) -> Table:
    """A block as a table of rich; values are text, never markup."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    for n, name in enumerate(block.columns):
        right = n in block.right
        made.add_column(Text(name), justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row, tone in zip(block.rows, _tones(block), strict=False):
        made.add_row(*[Text(cell) for cell in row], style=STYLES[tone])
    return made


def _tones(block: Block) -> Sequence[str]:
    return (*block.tones, *[""] * len(block.rows))
