"""The flow of a run as a picture: sources, steps, where rows went, outputs; the width of a ribbon is its number of rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from qpipe.orchestrator.results import RouteFlow, Summary
from qpipe.report.markup import Html, el
from qpipe.report.svg import ribbon, svg, text, tip
from qpipe.report.words import count, cut, percent, plural

WIDTH, THICK, SLOT, GAP = 1000.0, 260.0, 38.0, 10.0
COLUMNS = (170.0, 400.0, 570.0, 740.0)  # left sides of: sources, steps, routes to several outputs, ends
NODE = 12.0
NAME = (22, 22, 22, 33)  # characters that fit beside a node of each column


@dataclass
class Node:
    """A block in a column; ``y`` and ``high`` are set by the layout, ``used`` while ribbons are drawn."""

    name: str
    rows: int
    kind: str
    y: float = 0.0
    high: float = 0.0
    used: dict[str, float] = field(default_factory=lambda: {"in": 0.0, "out": 0.0})

    @property
    def copies(self) -> bool:
        """Whether every output gets all of its rows: ribbons then start from the whole side."""
        return self.kind == "copied"


@dataclass(frozen=True)
class Edge:
    start: Node
    end: Node
    rows: int
    kind: str


@dataclass
class Graph:
    """Nodes by column, from left to right, and the ribbons between them, in the order of the nodes they end at."""

    columns: tuple[list[Node], ...] = field(default_factory=lambda: ([], [], [], []))
    edges: list[Edge] = field(default_factory=list)

    def node(self, column: int, name: str, rows: int, kind: str) -> Node:
        known = next((n for n in self.columns[column] if n.name == name), None)
        if known is None:
            known = Node(name, 0, kind)
            self.columns[column].append(known)
        known.rows += rows
        return known

    def left_of(self, node: Node) -> float:
        return next(x for x, column in zip(COLUMNS, self.columns, strict=True) if any(node is n for n in column))

    def edge(self, start: Node, end: Node, rows: int, kind: str) -> None:
        self.edges.append(Edge(start, end, rows, kind))


def flow(summary: Summary, steps: int) -> Html | None:
    """None when no row came in."""
    graph = _graph(summary, steps)
    most = max((sum(n.rows for n in column) for column in graph.columns), default=0)
    if not most:
        return None
    scale = THICK / most
    height = max(_stack(column, scale) for column in graph.columns)
    for column in graph.columns:
        _centre(column, height)
    _follow(graph)
    ribbons = [_ribbon(edge, graph, scale) for edge in graph.edges]
    blocks = [_block(node, n, summary.balance.rows_in) for n, column in enumerate(graph.columns) for node in column]
    label = f"flow of {count(summary.balance.rows_in)} rows from sources to outputs"
    return svg(WIDTH, height + 10, ribbons, blocks, label=label, class_="flow")


def _graph(summary: Summary, steps: int) -> Graph:
    balance, graph = summary.balance, Graph()
    came = [(a, "source", a.id) for a in balance.sources] + [(a, "created", f"made by {a.id}") for a in balance.created]
    trunk = graph.node(1, plural(steps, "step") if steps else "no step", 0, "trunk")
    for amount, kind, name in came:
        if amount.rows:
            graph.edge(graph.node(0, name, amount.rows, kind), trunk, amount.rows, kind)
            trunk.rows += amount.rows
    for route in balance.routes:
        if route.rows:
            _leads(graph, trunk, route)
    for kind, amounts, words in (("held", balance.held, "held for"), ("dropped", balance.dropped, "dropped by")):
        for amount in amounts:
            if amount.rows:
                graph.edge(trunk, graph.node(3, f"{words} {amount.id}", amount.rows, kind), amount.rows, kind)
    return graph


def _leads(graph: Graph, trunk: Node, route: RouteFlow) -> None:
    """One output: straight to it. Several: through a node that says that each of them gets all rows."""
    outputs = route.outputs or (route.id,)
    start = trunk
    if len(outputs) > 1:
        start = graph.node(2, f"to {len(outputs)} outputs: {', '.join(outputs)}", route.rows, "copied")
        graph.edge(trunk, start, route.rows, route.kind)
    for output in outputs:
        graph.edge(start, graph.node(3, output, route.rows, route.kind), route.rows, route.kind)


def _stack(column: list[Node], scale: float) -> float:
    """Stack a column; a small node still gets room for its words. Returns how high it is."""
    y = 0.0
    for node in column:
        node.high = max(node.rows * scale, 2.5)
        slot = max(node.high, SLOT)
        node.y = y + (slot - node.high) / 2
        y += slot + GAP
    return y - GAP


def _centre(column: list[Node], height: float) -> None:
    if column:
        above = (height - max(n.y + max(n.high, SLOT - n.high) for n in column)) / 2
        for node in column:
            node.y += max(above, 0) + 5


def _follow(graph: Graph) -> None:
    """A route to several outputs stands at the height of their middle."""
    for node in graph.columns[2]:
        ends = [e.end for e in graph.edges if e.start is node]
        node.y = (min(n.y for n in ends) + max(n.y + n.high for n in ends)) / 2 - node.high / 2


def _ribbon(edge: Edge, graph: Graph, scale: float) -> Html:
    thick = max(edge.rows * scale, 1.5)
    y0 = edge.start.y + edge.start.high / 2 if edge.start.copies else _dock(edge.start, "out", thick)
    y1 = _dock(edge.end, "in", thick)
    x0, x1 = (
        COLUMNS[next(n for n, c in enumerate(graph.columns) if any(node is m for m in c))] for node in (edge.start, edge.end)
    )
    told = f"{edge.start.name} → {edge.end.name}: {plural(edge.rows, 'row')}"
    return ribbon(x0 + NODE, y0, x1, y1, thick, edge.kind, told)


def _dock(node: Node, side: str, thick: float) -> float:
    """The middle of the next free stretch of a node's side."""
    y = node.y + min(node.used[side], max(node.high - thick, 0)) + thick / 2
    node.used[side] += thick
    return y


def _block(node: Node, column: int, every: int) -> Html:
    x, middle = COLUMNS[column], node.y + node.high / 2
    shape = el("rect", x=x, y=node.y, width=NODE, height=node.high, rx=1.5, class_=f"node {node.kind}")
    if node.copies:
        return el("g", shape, el("title", node.name))
    share = f" · {percent(node.rows / every)}" if column == 3 and every else ""
    at, side = (x - 8, "end") if column == 0 else (x + NODE + 8, "")
    name = text(at, middle - 3, cut(node.name, NAME[column]), f"flow-name {side}", tip(node.name))
    return el("g", shape, name, text(at, middle + 12, count(node.rows) + share, f"flow-rows {side}"))
