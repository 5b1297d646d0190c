"""The map of relations: tables as boxes, keys in bold, foreign keys as lines from left to right; broken ones stand out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from qpipe.profile.model import ForeignKeyFound, Profile, TableProfile
from qpipe.report.markup import Html, el
from qpipe.report.svg import svg, text, tip
from qpipe.report.words import count, cut, percent

WIDTH, HEAD, LINE, GAP, BETWEEN = 190.0, 40.0, 18.0, 22.0, 120.0
_FEW = 12  # columns told in a box


@dataclass
class Box:
    """A table: its place, and the columns that keys are made of, in the table's order."""

    table: TableProfile
    keys: tuple[str, ...]
    columns: list[str] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0

    @property
    def high(self) -> float:
        return HEAD + LINE * len(self.columns[:_FEW]) + 8

    def at(self, columns: Sequence[str]) -> float:
        """How far down the line of a key's first column is."""
        place = self.columns.index(columns[0]) if columns[0] in self.columns else _FEW
        return self.y + (HEAD + LINE * (place + 0.5) if place < _FEW else self.high - 4)


def relation_map(profile: Profile) -> Html | None:
    """The picture; None where no table refers to another. Who refers stands left of what is referred to."""
    found = profile.foreign_keys
    if not found:
        return None
    boxes = {t.name: _box(t, found) for t in profile.tables if any(t.name in (f.table, f.references) for f in found)}
    width, height = _place(boxes, _layers(list(boxes), found))
    shapes = [_line(f, boxes) for f in found] + [shape for box in boxes.values() for shape in _drawn(box)]
    broken = sum(not f.holds for f in found)
    label = f"{len(boxes)} tables, {len(found)} foreign keys, {broken} of them broken"
    return el("div", svg(width, height, shapes, label=label, class_="relations"), class_="flow-box")


def _box(table: TableProfile, found: Sequence[ForeignKeyFound]) -> Box:
    referred = {c for f in found if f.references == table.name for c in f.key}
    own = next((k.columns for k in table.keys if k.holds), ())
    keys = tuple(c.name for c in table.columns if c.name in referred or (not referred and c.name in own))
    mine = {*keys, *(c for f in found if f.table == table.name for c in f.columns)}
    return Box(table, keys, [c.name for c in table.columns if c.name in mine])


def _layers(names: Sequence[str], found: Sequence[ForeignKeyFound]) -> dict[str, int]:
    """How far right a table stands: right of all that refer to it. A circle is cut where it comes back."""
    layer = dict.fromkeys(names, 0)
    for _ in names:
        for f in found:
            if layer[f.references] <= layer[f.table] and not _leads(f.references, f.table, found, set()):
                layer[f.references] = layer[f.table] + 1
    return layer


def _leads(start: str, end: str, found: Sequence[ForeignKeyFound], seen: set[str]) -> bool:
    """Whether foreign keys lead from one table to another."""
    if start == end:
        return True
    seen.add(start)
    return any(_leads(f.references, end, found, seen) for f in found if f.table == start and f.references not in seen)


def _place(boxes: Mapping[str, Box], layers: Mapping[str, int]) -> tuple[float, float]:
    """Give every box its place, each layer in the middle; returns the picture's size."""
    columns = [[boxes[n] for n in boxes if layers[n] == k] for k in sorted(set(layers.values()))]
    heights = [sum(b.high for b in column) + GAP * (len(column) - 1) for column in columns]
    tallest = max(heights)
    for n, (column, high) in enumerate(zip(columns, heights, strict=True)):
        y = (tallest - high) / 2 + 4
        for box in column:
            box.x, box.y = 4 + n * (WIDTH + BETWEEN), y
            y += box.high + GAP
    return 8 + len(columns) * WIDTH + (len(columns) - 1) * BETWEEN, tallest + 8


def _drawn(box: Box) -> list[Html]:
    told = f"{count(box.table.rows)} rows, {count(len(box.table.columns))} columns"
    shapes = [
        el(
            "rect", tip(f"{box.table.name}: {told}"), x=box.x, y=box.y, width=WIDTH, height=box.high, rx=5.0, class_="table-box"
        ),
        text(box.x + 10, box.y + 17, cut(box.table.name, 24), "flow-name"),
        text(box.x + 10, box.y + 32, told, "flow-rows small"),
    ]
    for n, name in enumerate(box.columns[:_FEW]):
        weight = "bold" if name in box.keys else "normal"
        shapes.append(text(box.x + 10, box.y + HEAD + LINE * n + 13, cut(name, 26), "small", font_weight=weight))
    return shapes


def _line(f: ForeignKeyFound, boxes: Mapping[str, Box]) -> Html:
    child, parent = boxes[f.table], boxes[f.references]
    right = child.x < parent.x  # else the circle is closed, from right to left
    x1, x2 = (child.x + WIDTH, parent.x) if right else (child.x, parent.x + WIDTH)
    y1, y2 = child.at(f.columns), parent.at(f.key)
    bend = BETWEEN / 2 if right else -BETWEEN / 2
    path = f"M{x1:.1f},{y1:.1f} C{x1 + bend:.1f},{y1:.1f} {x2 - bend:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"
    words = f"{f.table} ({', '.join(f.columns)}) → {f.references} ({', '.join(f.key)}): "
    words += "every key is there" if f.holds else f"{count(f.missing)} of {count(f.rows)} rows without"
    lines = [el("path", tip(words), d=path, class_="relation" if f.holds else "relation broken"),
             el("circle", cx=x2, cy=y2, r=3.5, class_="relation-end" if f.holds else "relation-end broken")]  # fmt: skip
    if not f.holds:
        share = percent(f.missing / f.rows) if f.rows else ""
        lines.append(text(x1 + (8 if right else -8), y1 - 5, share, "small broken", text_anchor="start" if right else "end"))
    return el("g", *lines)
