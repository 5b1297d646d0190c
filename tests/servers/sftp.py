"""An SFTP server on loopback: OpenSSH's, for the user of this process, who is told by a key."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.servers import doors, free_port, listens, started


def _program() -> str | None:
    return shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")


def missing() -> str | None:
    return None if _program() and shutil.which("ssh-keygen") else "apt-get install openssh-server"


class Server:
    """A process that can be killed and started again at the same address, with what it had."""

    def __init__(self, directory: Path) -> None:
        self.folder, self.key, self.known = directory / "files", directory / "key", directory / "known_hosts"
        self.folder.mkdir()
        self._port, self._log, host = free_port(), directory / "log", directory / "host_key"
        for key in (self.key, host):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
        kind, coded = host.with_name("host_key.pub").read_text().split()[:2]
        self.known.write_text(f"[127.0.0.1]:{self._port} {kind} {coded}\n")
        lines = [f"Port {self._port}", "ListenAddress 127.0.0.1", f"HostKey {host}", f"PidFile {directory / 'pid'}",
                 f"AuthorizedKeysFile {self.key}.pub", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
                 "UsePAM no", "StrictModes no", "PermitRootLogin prohibit-password", "MaxStartups 50",
                 "Subsystem sftp internal-sftp"]  # fmt: skip
        (directory / "config").write_text("\n".join(lines) + "\n")
        self._command = [_program() or "", "-D", "-e", "-f", str(directory / "config")]
        self.url = f"sftp://{getpass.getuser()}@127.0.0.1:{self._port}{self.folder}"
        self.storage = f"{{key_filename: {self.key}, known_hosts: {self.known}}}"

    def start(self) -> None:
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where it locks itself in; Debian makes it when the service starts
        self._process = started(self._command, self._log, lambda: listens(self._port))

    def kill(self) -> None:
        """With the processes of its connections."""
        for pid in reversed(_below(self._process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


def _below(pid: int) -> list[int]:
    """A process and those that it started, and they: Linux tells the children of each."""
    found = [pid]
    for each in found:
        for task in Path(f"/proc/{each}/task").glob("*/children"):
            found += map(int, task.read_text().split())
    return found


start, durable = doors(Server)
