"""Optional packages: imported when they are needed, and named with the command that installs them when they are not there."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from typing import Any

from qpipe.core.errors import MissingExtra


def needed(package: str, purpose: str, extra: str) -> Any:
    """The package. Raises MissingExtra: "to know the codes of a standard, qpipe[standards] is needed"."""
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise MissingExtra(purpose, extra=extra) from error


def lacking(packages: Iterable[str]) -> list[str]:
    """Those that are not installed; nothing is imported."""
    return [package for package in packages if importlib.util.find_spec(package.partition(".")[0]) is None]
