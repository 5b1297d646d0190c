"""The base classes that everything pluggable derives from: sources, modules of six kinds, outputs.

    Component
    ├── Source        yields chunks of rows; a position restarts it exactly
    ├── Module        one entry under ``modules:``
    │   ├── Check         row by row: expressions that are true for bad rows                 (fused)
    │   ├── Transform     row by row: LazyFrame → LazyFrame, perhaps with cells it cannot do  (fused)
    │   ├── Inspection    looks at a source's inputs and columns before a row is read
    │   ├── Gate          measures rows as they pass; a verdict at the end, before publishing
    │   ├── Relational    looks at the whole data set; ends a pass; decides about rows
    │   └── Step          Python on whole batches: the user's own code                        (not fused)
    └── Output        stages rows durably, publishes them once

A component is written as one class in one file. Its annotations are its parameters (see ``params``), its docstring is its
manual page, the fenced YAML examples in the docstring run as tests. Deriving makes it a frozen, keyword-only dataclass.
"""

from __future__ import annotations

from qpipe.core.component.base import Component, Context, Earlier, Types
from qpipe.core.component.module import (
    REJECTED,
    Ask,
    Check,
    Delivery,
    Dimension,
    Gate,
    Inspection,
    Judging,
    Measure,
    Module,
    Outcome,
    Relational,
    RowVerdict,
    Rule,
    Step,
    Transform,
    Verdict,
)
from qpipe.core.component.output import Loading, Output, Part
from qpipe.core.component.source import Input, Source

__all__ = [
    "REJECTED",
    "Ask",
    "Check",
    "Component",
    "Context",
    "Delivery",
    "Dimension",
    "Earlier",
    "Gate",
    "Input",
    "Inspection",
    "Judging",
    "Loading",
    "Measure",
    "Module",
    "Outcome",
    "Output",
    "Part",
    "Relational",
    "RowVerdict",
    "Rule",
    "Source",
    "Step",
    "Transform",
    "Types",
    "Verdict",
]
