"""Which tests need servers; temporary folders in memory where the system has them, since the tests sync a lot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

if os.access("/dev/shm", os.W_OK) and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
    root = Path("/dev/shm/qpipe-tests")
    root.mkdir(exist_ok=True)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(root)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one group of servers stay together in one worker, which starts each of them once."""
    for item in items:
        mark = item.get_closest_marker("servers")
        if mark is not None:
            item.add_marker(pytest.mark.xdist_group(mark.args[0]))
