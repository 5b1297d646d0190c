"""Who owns a run: a process, told by host, number, start and boot, and whether it lives."""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

LEASE = 120.0  # seconds without a heartbeat after which an owner on another host counts as dead


@dataclass(frozen=True)
class Owner:
    """A process, told apart from a later one with the same number."""

    host: str | None
    pid: int | None
    pid_start: str | None
    boot_id: str | None

    @classmethod
    def me(cls) -> Owner:
        return cls(socket.gethostname(), os.getpid(), _start_of(os.getpid()), _boot_id())

    def lives(self, heartbeat: float) -> bool:
        if self.pid is None:
            return False
        if self.host != socket.gethostname():
            return time.time() - heartbeat < LEASE
        return self.boot_id == _boot_id() and _exists(self.pid) and _start_of(self.pid) == self.pid_start


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _start_of(pid: int) -> str:
    """When a process started, in the kernel's ticks; empty where the system does not tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
