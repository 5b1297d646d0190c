"""Where a value stands in JSON: a JMESPath (``data.items``), or a JSONPath without filters (``$.data.items[*]``)."""

from __future__ import annotations

import functools
import re
from typing import Any

_STEP = re.compile(r"""
    \.(?P<name>[^\s.\[\]'"*?@()]+) | \['(?P<single>[^']*)'\] | \["(?P<double>[^"]*)"\]
    | \[(?P<index>-?\d+|-?\d*:-?\d*(?::-?\d*)?)\] | (?P<all>\[\*\]) | (?P<any>\.\*)
""", re.X)  # fmt: skip


def search(path: str, data: Any) -> Any:
    """What stands there; None: nothing."""
    return _compiled(path).search(data)


def path_problem(path: str) -> str | None:
    """What is wrong with a path, in one line."""
    try:
        _compiled(path)
    except ValueError as error:
        return f"{path!r} is no path: {str(error).partition(chr(10))[0]}"
    return None


@functools.lru_cache(256)
def _compiled(path: str) -> Any:
    import jmespath

    return jmespath.compile(_jmespath(path) if path.startswith("$") else path)


def _jmespath(path: str) -> str:
    """The same as a JMESPath. ValueError where it has no such word."""
    at, made = 1, "@"
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            why = "`..` and filters are beyond us" if path[at:].startswith(("..", "[?", "[(")) else "it cannot be read on from"
            raise ValueError(f"{why} {path[at:]!r}: write a JMESPath, such as data.items")
        name = next((step[kind] for kind in ("name", "single", "double") if step[kind] is not None), None)
        made += '."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' if name is not None else step[0]
        at = step.end()
    return made
