"""qpipe: turn messy data feeds into data people can trust."""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"

# what a user's own code needs, imported when it is asked for: a command that needs none of it starts fast
_PLACES = {
    "qpipe.core.component": (
        "Ask", "Check", "Context", "Gate", "Measure", "Output", "Relational", "Rule", "Source", "Step", "Transform", "Verdict",
    ),
    "qpipe.core.params": ("Column", "Columns", "Condition", "Expression", "Scalar", "param"),
    "qpipe.core.errors": ("DataRefused", "QpipeError"),
    "qpipe.interop.base_module": ("BaseModule",),
    "qpipe.interop.base_source": ("BaseSource",),
    "qpipe.interop.base_output": ("BaseOutput",),
}  # fmt: skip
_PLACE_OF = {name: place for place, names in _PLACES.items() for name in names}
__all__ = ["__version__", *_PLACE_OF]


def __getattr__(name: str) -> Any:
    if name not in _PLACE_OF:
        raise AttributeError(f"module 'qpipe' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_PLACE_OF[name]), name)
