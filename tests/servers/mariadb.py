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

from tests.servers import free_port, listens, until

PASSWORD = "pa55-word:/?"


def missing() -> str | None:
    return None if shutil.which("mariadbd") and shutil.which("mariadb-install-db") else "apt-get install mariadb-server"


@contextmanager
def start(directory: Path) -> Iterator[str]:
    data, port, socket = directory / "data", free_port(), directory / "socket"
    user = pwd.getpwuid(os.geteuid()).pw_name
    install = ["mariadb-install-db", "--no-defaults", f"--datadir={data}", f"--user={user}", "--skip-test-db"]
    subprocess.run(install, check=True, capture_output=True)
    setup = directory / "setup.sql"
    lines = ["create database shop charset utf8mb4", f"create user qpipe@'127.0.0.1' identified by '{PASSWORD}'",
             "grant all on shop.* to qpipe@'127.0.0.1'"]  # fmt: skip
    setup.write_text("".join(f"{line};\n" for line in lines))
    options = {"datadir": data, "user": user, "port": port, "bind-address": "127.0.0.1", "socket": socket, "init-file": setup,
               "pid-file": directory / "pid", "innodb-flush-log-at-trx-commit": 0}  # fmt: skip
    command = ["mariadbd", "--no-defaults", "--skip-name-resolve", *(f"--{name}={value}" for name, value in options.items())]
    with (directory / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: listens(port))
        yield f"mariadb://qpipe:{quote(PASSWORD, safe='')}@127.0.0.1:{port}/shop"
    finally:
        server.kill()
        server.wait()
