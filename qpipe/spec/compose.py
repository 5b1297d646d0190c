"""YAML text → a tree of nodes, each with its place in the text. Never a traceback: a ``Flaw`` says what is wrong, where.

The events of libyaml (or of PyYAML where libyaml is not built in) are composed here rather than by PyYAML, because its
composer recurses in C, forgets where an alias stood, and has no limit on depth or size.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from qpipe.spec.nodes import MAX_DEPTH, MAX_NODES, Flaw, Node
from qpipe.spec.syntax import explain


def compose(text: str) -> Node | None:
    """The root node; None for a document without content. Raises Flaw."""
    root: Node | None = None
    stack: list[Node] = []
    documents = 0
    for event in _events(text):
        kind = type(event).__name__
        if kind == "DocumentStartEvent":
            documents += 1
            if documents > 1:
                raise Flaw(event.start_mark.index, "yaml-documents", "a second YAML document starts here.",
                           "Put one spec into one file, and take the line '---' out.")  # fmt: skip
            if event.tags or event.version:
                raise _directive(text)
        elif kind == "DocumentEndEvent" and root is not None and _is_empty(root):
            root = None
        elif root is None and kind in _STARTS:
            root = _node(event, kind)
            stack = [root] if root.kind in ("mapping", "sequence") else []
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            closed = stack.pop()
            closed.end = event.end_mark.index if closed.flow else _last_end(closed)
        elif kind in _STARTS:
            _attach(stack, _node(event, kind))
            _within_limits(stack, event.start_mark.index)
    return root


_STARTS = {
    "ScalarEvent": "scalar",
    "AliasEvent": "alias",
    "MappingStartEvent": "mapping",
    "SequenceStartEvent": "sequence",
}


def _events(text: str) -> Iterator[Any]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    count = 0
    try:
        for event in yaml.parse(text, Loader=loader):
            count += 1
            if count > MAX_NODES:
                at = event.start_mark.index if event.start_mark else 0
                raise Flaw(at, "yaml-bomb", f"the file has more than {MAX_NODES:,} values.",
                           "Move tables of values into a file of their own.")  # fmt: skip
            yield event
    except yaml.MarkedYAMLError as error:
        raise explain(error, text) from None
    except (yaml.YAMLError, UnicodeError, ValueError, OverflowError) as error:
        place = int(getattr(error, "position", 0) or 0)
        raise Flaw(min(place, len(text)), "yaml-syntax", "this is not YAML that can be read.") from error


def _node(event: Any, kind: str) -> Node:
    start, end = event.start_mark.index, event.end_mark.index
    if kind == "AliasEvent":
        return Node("alias", start, end, event.anchor)
    if kind == "ScalarEvent":
        return Node("scalar", start, end, event.value, event.style or "", tag=event.tag, anchor=event.anchor)
    return Node(_STARTS[kind], start, end, flow=bool(event.flow_style), tag=event.tag, anchor=event.anchor)  # type: ignore[arg-type]


def _attach(stack: list[Node], node: Node) -> None:
    parent = stack[-1]
    if parent.kind == "mapping" and len(parent.keys) == len(parent.items):
        parent.keys.append(node)
    else:
        parent.items.append(node)
    if node.kind in ("mapping", "sequence"):
        stack.append(node)


def _within_limits(stack: list[Node], offset: int) -> None:
    if len(stack) > MAX_DEPTH:
        raise Flaw(offset, "yaml-too-deep", f"this is nested more than {MAX_DEPTH} levels deep.",
                   "A spec needs about six levels; is a bracket not closed?")  # fmt: skip


def _last_end(node: Node) -> int:
    """Where the last thing in a block ends: libyaml would say where the next token starts."""
    return max((child.end for child in (*node.keys[-1:], *node.items[-1:])), default=node.start)


def _is_empty(root: Node) -> bool:
    return root.kind == "scalar" and not root.value and not root.style and root.start == root.end


def _directive(text: str) -> Flaw:
    found = re.search(r"^%", text, re.MULTILINE)
    return Flaw(found.start() if found else 0, "yaml-directive", "YAML directives (lines that start with '%') have no "
                "meaning in a spec.", "Take the line out.")  # fmt: skip
