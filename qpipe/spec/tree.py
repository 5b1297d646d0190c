"""Nodes → plain dicts, lists and values, with the node of every path. Aliases are written out, merge keys merged, in bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from qpipe.spec.locate import Lines
from qpipe.spec.nearest import did_you_mean
from qpipe.spec.nodes import MAX_DEPTH, Flaw, Node
from qpipe.spec.traps import check_scalar, check_tag, join_commas, resolve

MAX_VALUES = 100_000
At = tuple[str | int, ...]


@dataclass
class Tree:
    """A document: its value, and the node that each path's value and key come from."""

    root: Node
    value: Any = None
    values: dict[At, Node] = field(default_factory=dict)
    keys: dict[At, Node] = field(default_factory=dict)
    flaws: list[Flaw] = field(default_factory=list)


def grow(root: Node, lines: Lines) -> Tree:
    """The tree below a root. Raises Flaw for aliases that lead nowhere, into themselves, or explode."""
    growing = _Growing(Tree(root), _targets(root), lines)
    growing.tree.value = growing.value(root, ())
    unique = {(flaw.offset, flaw.code): flaw for flaw in reversed(growing.tree.flaws)}  # an alias repeats its target's
    growing.tree.flaws = list(unique.values())
    return growing.tree


def _targets(root: Node) -> dict[int, Node]:
    """What each alias stands for, by id of its node: the last anchor of that name before it, as YAML has it."""
    anchors: dict[str, Node] = {}
    targets: dict[int, Node] = {}
    open_nodes: set[int] = set()
    stack: list[tuple[Node, bool]] = [(root, False)]
    while stack:
        node, leaving = stack.pop()
        if leaving:
            open_nodes.discard(id(node))
            continue
        if node.anchor:
            anchors[node.anchor] = node
        if node.kind == "alias":
            targets[id(node)] = _target(node, anchors, open_nodes)
        elif node.items:
            open_nodes.add(id(node))
            stack.append((node, True))
            stack += [(child, False) for child in reversed(_in_order(node))]
    return targets


def _target(node: Node, anchors: dict[str, Node], open_nodes: set[int]) -> Node:
    target = anchors.get(node.value)
    if target is None:
        raise Flaw(node.start, "yaml-alias", f"the alias '*{node.value}' refers to no anchor before it.",
                   did_you_mean(node.value, anchors) or "Put text that starts with '*' in quotes.")  # fmt: skip
    if id(target) in open_nodes:
        raise Flaw(node.start, "yaml-alias", f"the alias '*{node.value}' stands inside of what it refers to.",
                   "Refer to something that is complete before it.")  # fmt: skip
    return target


def _in_order(node: Node) -> list[Node]:
    if node.kind == "mapping":
        return [child for pair in zip(node.keys, node.items, strict=False) for child in pair]
    return node.items


class _Growing:
    def __init__(self, tree: Tree, targets: dict[int, Node], lines: Lines) -> None:
        self.tree, self.targets, self.lines = tree, targets, lines
        self.count = 0
        self.alias: int | None = None  # where the outermost alias being written out stands

    def value(self, node: Node, path: At) -> Any:
        outermost = node.kind == "alias" and self.alias is None
        if outermost:
            self.alias = node.start
        try:
            return self._value(self._follow(node, path), path)
        finally:
            if outermost:
                self.alias = None

    def _value(self, node: Node, path: At) -> Any:
        self.tree.values[path] = node
        self.tree.flaws += check_tag(node)
        self.tree.flaws += join_commas(node)
        if node.kind == "mapping":
            return self._mapping(node, path)
        if node.kind == "sequence":
            return [self.value(item, (*path, i)) for i, item in enumerate(node.items)]
        return self._scalar(node, path)

    def _follow(self, node: Node, path: At) -> Node:
        self.count += 1
        if self.count > MAX_VALUES:
            at = node.start if self.alias is None else self.alias
            raise Flaw(at, "yaml-bomb", f"aliases and merge keys make more than {MAX_VALUES:,} values of this spec.",
                       "Write out what is meant, or move tables into files of their own.")  # fmt: skip
        if len(path) > 2 * MAX_DEPTH:
            raise Flaw(node.start, "yaml-too-deep", "aliases nest this too deep.", "Write out what is meant.")
        return self.targets[id(node)] if node.kind == "alias" else node

    def _scalar(self, node: Node, path: At) -> Any:
        self.tree.flaws += check_scalar(node)
        try:
            return resolve(node)
        except Flaw as flaw:
            self._flaw(flaw, path)
            return node.value

    def _mapping(self, node: Node, path: At) -> dict[str, Any]:
        result: dict[str, Any] = {}
        own: set[str] = set()
        for key_node, item, merged in self._entries(node, path):
            key_node = self._follow(key_node, path)
            key = self._key(key_node, path)
            if key is None or (merged and key in result):
                continue
            at = (*path, key)
            if key in own:
                line = self.lines.place(self.tree.keys[at].start)[0]
                self._flaw(Flaw(key_node.start, "duplicate-key", f"the key '{key}' stands in line {line} already.",
                                "Keep one: other YAML readers take the last and say nothing."), at)  # fmt: skip
                continue
            self.tree.keys[at] = key_node
            own |= set() if merged else {key}
            result[key] = self.value(item, at)
        return result

    def _entries(self, node: Node, path: At) -> Iterator[tuple[Node, Node, bool]]:
        """Own keys first, then those of ``<<: *defaults``, in the order of the merges."""
        merges: list[Node] = []
        for key_node, item in zip(node.keys, node.items, strict=True):
            if key_node.kind == "scalar" and key_node.value == "<<" and not key_node.style:
                merges.append(item)
            else:
                yield key_node, item, False
        for merge in merges:
            for target in self._merged(merge, path):
                yield from ((key, item, True) for key, item, _ in self._entries(target, path))

    def _merged(self, node: Node, path: At) -> Iterator[Node]:
        target = self._follow(node, path)
        if target.kind == "mapping":
            yield target
        elif target.kind == "sequence":
            for item in target.items:
                yield from self._merged(item, path)
        else:
            self._flaw(Flaw(node.start, "yaml-merge", "'<<' merges a mapping, or a list of mappings.",
                            "Write <<: *name, or put '<<' in quotes if it is a key."), path)  # fmt: skip

    def _key(self, node: Node, path: At) -> str | None:
        self.tree.flaws += check_tag(node)
        if node.kind != "scalar":
            self._flaw(Flaw(node.start, "yaml-key", "a key must be text, not a list or a mapping.",
                            "Put text that starts with '[' or '{' in quotes."), path)  # fmt: skip
            return None
        if not node.value and not node.style:
            self._flaw(Flaw(node.start, "yaml-key", "a key is missing before ':'.", "Write the key."), path)
            return None
        self.tree.flaws += check_scalar(node)
        if "${" in node.value:
            self._flaw(Flaw(node.start, "bad-reference", "references are filled in in values, not in keys.",
                            "Write the key out."), path)  # fmt: skip
        return node.value

    def _flaw(self, flaw: Flaw, path: At) -> None:
        self.tree.flaws.append(Flaw(flaw.offset, flaw.code, flaw.message, flaw.hint, flaw.severity, path))
