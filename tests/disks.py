"""Small disks to fill: file systems in memory, where the tests may mount them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def mount(disk: Path, *options: str) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(disk)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {done.stderr.strip()}")


def remount(disk: Path, *options: str) -> None:
    subprocess.run(["mount", "-o", ",".join(("remount", *options)), str(disk)], check=True)
