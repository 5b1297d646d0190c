"""Heavy libraries, imported the first time something of theirs is used.

``from qpipe.core.lazy import pl`` costs nothing until the first ``pl.col``; so the command line starts fast and a module
file can still be written as if Polars had been imported at its top.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any


class _Lazy:
    """Stands for a package and becomes it when the first attribute is asked for."""

    def __init__(self, package: str) -> None:
        self._package = package

    def __getattr__(self, name: str) -> Any:
        package = importlib.import_module(self.__dict__["_package"])
        self.__dict__.update({k: v for k, v in vars(package).items() if not k.startswith("__")})
        return getattr(package, name)

    def __repr__(self) -> str:
        return f"<lazy {self._package}>"


if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import polars as pl
else:
    duckdb = _Lazy("duckdb")
    np = _Lazy("numpy")
    pl = _Lazy("polars")

__all__ = ["duckdb", "np", "pl"]
