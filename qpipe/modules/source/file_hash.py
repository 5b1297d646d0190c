"""file_hash"""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Literal

from qpipe.core.component import Context, Delivery, Inspection, Verdict
from qpipe.core.errors import QpipeError
from qpipe.core.params import Path, param
from qpipe.modules.source._content import digest


class FileHash(Inspection):
    """Every file has the checksum that a manifest names: lines of a checksum and a file's name, as `sha256sum` writes them.

    Judged before a row is read; the files are read once for it. A file that the manifest does not name fails, and so does a
    file of the manifest that is not there; with `only_new` those of earlier runs may stay in it. A source without files is
    not evaluated.

    Examples:
        ```yaml
        module:
          file_hash: {manifest: SHA256SUMS}
        inputs:
          - {name: a.csv, content: id}
          - {name: SHA256SUMS, content: "a56145270ce6b3bebd1dd012b73948677dd618d496488bc608a3cb43ce3547dd  a.csv\\n"}
        outcome: pass
        ```
        ```yaml
        module:
          file_hash: {manifest: SHA256SUMS}
        inputs:
          - {name: a.csv, content: changed}
          - {name: SHA256SUMS, content: "a56145270ce6b3bebd1dd012b73948677dd618d496488bc608a3cb43ce3547dd  a.csv\\n"}
        outcome: fail
        ```
    """

    dimension = "integrity"
    like = ("file_hash", "hash_count", "checksum", "hash-count")

    manifest: Path = param(help="the file with the checksums", short=True)
    algorithm: Literal["md5", "sha1", "sha256", "sha512"] = param("sha256", help="how they were made")

    def inspect(self, delivery: Delivery, context: Context) -> Verdict:
        place = context.directory / self.manifest
        files = [each for each in delivery.inputs if PurePath(each.name).name != place.name]
        if not files:
            return Verdict("not evaluated")
        try:
            named = dict(_entry(line) for line in place.read_text().splitlines() if line.strip())
        except (OSError, ValueError) as error:
            return Verdict("error", message=f"the manifest {self.manifest} cannot be read: {error}")
        observed = {"files": len(files)}
        for each in files:
            name = PurePath(each.name).name
            wanted = named.pop(name, None)
            if wanted is None:
                return Verdict("fail", observed, message=f"{name} is not in {self.manifest}")
            try:
                found = digest(each, self.algorithm)
            except QpipeError as error:
                return Verdict("error", observed, message=error.message)
            if found != wanted:
                return Verdict("fail", observed, message=f"{name} has the checksum {found[:12]}…, expected {wanted[:12]}…")
        there = {PurePath(each.name).name for each in delivery.passed_over}
        absent = next((name for name in named if name not in there), None)
        return (
            Verdict("fail", observed, message=f"{absent} of {self.manifest} is not there")
            if absent
            else Verdict("pass", observed)
        )


def _entry(line: str) -> tuple[str, str]:
    found = re.fullmatch(r"\s*([0-9a-fA-F]{32,128})\s+\*?(.+?)\s*", line)
    if not found:
        raise ValueError(f"this is no checksum and name: {line[:60]!r}")
    return PurePath(found[2]).name, found[1].lower()
