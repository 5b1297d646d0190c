"""Temporary folders in memory where the system has them: the tests sync a lot."""

from __future__ import annotations

import os
from pathlib import Path

if os.access("/dev/shm", os.W_OK) and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
    root = Path("/dev/shm/qpipe-tests")
    root.mkdir(exist_ok=True)
    os.environ["PYTEST_DEBUG_TEMPROOT"] = str(root)
