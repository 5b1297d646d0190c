"""A node of a YAML text, and what may be wrong with one; both know their place in the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

MAX_BYTES = 4 << 20
MAX_DEPTH = 40
MAX_NODES = 200_000


@dataclass(eq=False)
class Flaw(Exception):
    """Something wrong at an offset of the text; a ``Problem`` once the file's name is known."""

    offset: int
    code: str
    message: str
    hint: str = ""
    severity: Literal["error", "warning"] = "error"
    path: tuple[str | int, ...] = ()


@dataclass(slots=True)
class Node:
    kind: Literal["scalar", "mapping", "sequence", "alias"]
    start: int  # offsets into the text
    end: int
    value: str = ""  # of a scalar; the name of an alias
    style: str = ""  # of a scalar: '' plain, ' " | >
    flow: bool = False  # [a, b] or {a: b}
    tag: str | None = None
    anchor: str | None = None
    keys: list[Node] = field(default_factory=list)  # of a mapping
    items: list[Node] = field(default_factory=list)  # of a mapping or a sequence
