"""How the tests' own servers are started: what goes wrong is told, and ports are nobody else's."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers import free_port, listens, started


def test_a_server_that_ends_tells_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3: no room here"):
        started([sys.executable, "-c", "import sys; print('no room here'); sys.exit(3)"], tmp_path / "log", lambda: False)


def test_ports_are_held_while_their_servers_are_away() -> None:
    """Neither another process of tests nor a connection that goes out gets one."""
    mine = {free_port() for _ in range(20)}
    code = "from tests.servers import free_port\nfor _ in range(3000): print(free_port())"
    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert len(mine) == 20 and len(set(other)) == 3000 and mine.isdisjoint(map(int, other))
    with socket.create_server(("127.0.0.1", next(iter(mine)))):
        assert listens(next(iter(mine))) and max(mine) < 32768
