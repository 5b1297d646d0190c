"""How help looks: commands in sections, whole sentences, and names for what an option takes."""

from __future__ import annotations

import re
from typing import Any

from typer.core import TyperGroup

SECTIONS = {
    "Run": ("run", "resume", "recover", "replay", "watch"),
    "Write a spec": ("init", "profile", "import", "validate", "test", "explain", "explain-problem", "schema"),
    "Decide": ("decisions", "decide"),
    "See what came of it": ("show", "report", "trace", "why", "diff", "trend", "runs"),
    "Keep house": ("health", "incident", "rm"),
    "What can be used": ("modules", "sources", "outputs"),
}
TAKES = {"var": "NAME=VALUE", "set": "NAME=VALUE", "home": "DIR", "where": "CONDITION"}  # by option; else by type


class Commands(TyperGroup):
    """The commands of qpipe."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        command = super().get_command(ctx, cmd_name)
        for param in command.params if command else ():
            param.metavar = param.metavar or _takes(param)
        return command

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        left = dict.fromkeys(self.list_commands(ctx))
        sections = {title: [name for name in names if name in left] for title, names in SECTIONS.items()}
        sections["More"] = [name for name in left if not any(name in names for names in SECTIONS.values())]
        for title, names in sections.items():
            if names:
                with formatter.section(title):
                    formatter.write_dl([(name, _sentence(self.get_command(ctx, name).help or "")) for name in names])


def _sentence(text: str) -> str:
    """The first clause of a help text, whole."""
    return re.split(r"[.:;] ", " ".join(text.split("\n\n")[0].split()))[0].rstrip(".")


def _takes(param: Any) -> str | None:
    if param.param_type_name == "argument":
        return str(param.name).upper() + ("..." if param.nargs == -1 else "")
    if param.is_flag or param.name == "help":
        return None
    kinds = {"int": "N", "float": "NUMBER", "path": "FILE"}
    return TAKES.get(param.name) or next((name for kind, name in kinds.items() if kind in param.type.name), "TEXT")
