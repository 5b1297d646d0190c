"""How the tests' own servers are started: what goes wrong is told, and ports are nobody else's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.servers import started


def test_a_server_that_ends_tells_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3: no room here"):
        started([sys.executable, "-c", "import sys; print('no room here'); sys.exit(3)"], tmp_path / "log", lambda: False)


HOLDS = """
import sys
from tests.servers import free_port
print(*(free_port() for _ in range(400)), flush=True)
sys.stdin.read()
"""


def test_ports_are_held_while_their_servers_are_away() -> None:
    """Neither another process of tests nor a connection that goes out gets one."""
    ends: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with (
        subprocess.Popen([sys.executable, "-c", HOLDS], **ends) as one,
        subprocess.Popen([sys.executable, "-c", HOLDS], **ends) as two,
    ):
        held = [[int(port) for port in each.stdout.readline().split()] for each in (one, two) if each.stdout]
        for each in (one, two):
            each.kill()
    ports = {port for some in held for port in some}
    assert len(ports) == 800 and max(ports) < 32768
