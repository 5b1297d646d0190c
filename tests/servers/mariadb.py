"""MariaDB on loopback, from Debian's package; user qpipe, password pa55-word:/?, database shop."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from tests.servers import free_port, listens, started

PASSWORD = "pa55-word:/?"


def missing() -> str | None:
    return None if shutil.which("mariadbd") and shutil.which("mariadb-install-db") else "apt-get install mariadb-server"


# what a crowded machine may refuse: looking up its own name, the kernel's queues of asynchronous reads
MODEST = ["--skip-name-resolve", "--innodb-use-native-aio=0"]


def _install(data: Path, user: str) -> None:
    """The system tables; tried again from nothing, for the server that makes them may be refused what it needs."""
    command = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={user}", "--skip-test-db", *MODEST]
    for _ in range(3):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode == 0:
            return
        shutil.rmtree(data, ignore_errors=True)
    raise RuntimeError(f"mariadb-install-db ended with {done.returncode}: {done.stdout}")


class Server:
    """A server that can be killed and started again at the same address, with what it had."""

    def __init__(self, directory: Path, fast: bool = False) -> None:
        data, port, socket = directory / "data", free_port(), directory / "socket"
        user = pwd.getpwuid(os.geteuid()).pw_name
        _install(data, user)
        setup = directory / "setup.sql"
        lines = ["create database if not exists shop charset utf8mb4",
                 f"create user if not exists qpipe@'127.0.0.1' identified by '{PASSWORD}'",
                 "grant all on shop.* to qpipe@'127.0.0.1'"]  # fmt: skip
        setup.write_text("".join(f"{line};\n" for line in lines))
        options = {"datadir": data, "user": user, "port": port, "bind-address": "127.0.0.1", "socket": socket,
                   "init-file": setup, "pid-file": directory / "pid",
                   "innodb-flush-log-at-trx-commit": 0 if fast else 1}  # fmt: skip
        written = (f"--{name}={value}" for name, value in options.items())
        self._command = ["mariadbd", "--no-defaults", *MODEST, *written]
        self._port, self._log = port, directory / "log"
        self.url = f"mariadb://qpipe:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/shop"

    def start(self, *options: str) -> None:
        self._process = started([*self._command, *options], self._log, lambda: listens(self._port))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def start(directory: Path) -> Iterator[str]:
    with durable(directory, fast=True) as server:
        yield server.url


@contextmanager
def durable(directory: Path, fast: bool = False) -> Iterator[Server]:
    server = Server(directory, fast)
    server.start()
    try:
        yield server
    finally:
        server.kill()
