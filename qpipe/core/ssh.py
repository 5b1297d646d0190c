"""SFTP: servers whose keys are known, and connections that do not wait for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qpipe.core.errors import NotPermitted

_WAIT = 30.0  # seconds, for a connection, its greeting and its answer to who we are


def for_sftp(given: dict[str, Any]) -> dict[str, Any]:
    """Options of fsspec's file system: a server must be known, by ``known_hosts`` or the files that ssh uses.

    ``host_key_policy: auto_add`` trusts whoever answers.
    """
    import paramiko

    named = given.pop("known_hosts", None)

    class Known(paramiko.MissingHostKeyPolicy):
        """fsspec loads no keys, so that every server is asked about here."""

        def missing_host_key(self, client: Any, hostname: str, key: Any) -> None:
            known = paramiko.HostKeys()
            files = [named] if named else ["~/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts"]
            for file in (Path(each).expanduser() for each in files):
                if file.is_file():
                    known.load(str(file))
            if not known.check(hostname, key):
                host, _, port = hostname.strip("[").partition("]:")
                words = "its key is another one than is known" if known.lookup(hostname) else "its key is not known"
                hint = f"ask whose it is; then: ssh-keyscan -p {port or 22} {host} >> ~/.ssh/known_hosts"
                raise NotPermitted(f"the SSH server {hostname} is not trusted: {words}", hint=hint)

    return {"timeout": _WAIT, "banner_timeout": _WAIT, "auth_timeout": _WAIT, "host_key_policy": Known(), **given}
