"""PostgreSQL on loopback, from Debian's package; user qpipe, password pa55-word:/?, database shop."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from tests.servers import free_port, ran

PASSWORD = "pa55-word:/?"


def _program(name: str) -> str | None:
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    return found[-1] if found else shutil.which(name)


def missing() -> str | None:
    return None if _program("initdb") and _program("pg_ctl") else "apt-get install postgresql"


class Server:
    """A server that can be killed and started again at the same address, with what it had."""

    def __init__(self, directory: Path) -> None:
        data, port = directory / "data", free_port()
        as_user = _as_user(directory)
        (directory / "password").write_text(PASSWORD)
        os.chmod(directory / "password", 0o644)
        initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
        assert initdb and pg_ctl
        ran([*as_user, initdb, "-D", str(data), "-U", "qpipe", "--auth=scram-sha-256", "-N", "-E", "UTF8",
             f"--pwfile={directory / 'password'}"])  # fmt: skip
        options = f"-p {port} -h 127.0.0.1 -k {directory} -c log_statement=none"
        self._control = [*as_user, pg_ctl, "-D", str(data), "-l", str(directory / "log"), "-w", "-t", "120", "-o", options]
        self.url = f"postgresql://qpipe:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/"

    def start(self, fast: bool = False) -> None:
        more = ["-o", f"{self._control[-1]} -c fsync=off"] if fast else []
        ran([*self._control, *more, "start"])

    def kill(self) -> None:
        """As if the power went: what is in memory is lost, sessions end in the middle."""
        subprocess.run([*self._control, "stop", "-m", "immediate"], capture_output=True)


@contextmanager
def start(directory: Path) -> Iterator[str]:
    with durable(directory, fast=True) as server:
        yield server.url


@contextmanager
def durable(directory: Path, fast: bool = False) -> Iterator[Server]:
    import psycopg

    server = Server(directory)
    server.start(fast)
    try:
        with psycopg.connect(server.url + "postgres", autocommit=True) as db:
            db.execute("create database shop")
        server.url += "shop"
        yield server
    finally:
        server.kill()


def _as_user(directory: Path) -> list[str]:
    """The server refuses to run as root."""
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--inh-caps=-all"]
