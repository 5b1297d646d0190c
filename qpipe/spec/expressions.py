"""An expression of a spec as the checker sees it: its type, and its flaws with their offsets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from qpipe.core.component import Types


@dataclass(frozen=True)
class ExpressionFlaw:
    offset: int  # into the text of the expression
    code: str
    message: str
    hint: str = ""


def check_expression(
    text: str, types: Types | None, *, boolean: bool = False, checks: Collection[str] | None = None
) -> tuple[Any, list[ExpressionFlaw]]:
    """(type or None, flaws). ``checks``: the ids that ``failed('id')`` may name; None where findings cannot be asked for."""
    return None, []
