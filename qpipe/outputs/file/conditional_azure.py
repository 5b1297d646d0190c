"""Puts to Azure on condition that there is still what was there when it was looked at.

The blob carries the digest of its content: a repeat after a stop, or after a lost answer, knows its own work by it.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from qpipe.outputs.file.conditional import overtaken


def mark_of(system: Any, target: str) -> str:
    """The blob's ETag; empty where there is none."""
    return str(_look(system, target).get("etag", ""))


def put_over(system: Any, file: Path, target: str, over: str, token: str) -> None:
    """The file under a name, in the place of the blob with this ETag, or of nothing."""
    from azure.core import MatchConditions
    from azure.core.exceptions import ResourceModifiedError

    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "md5").digest()
    condition = {"etag": over, "match_condition": MatchConditions.IfNotModified} if over else {}
    try:
        system.put_file(str(file), target, overwrite=bool(over), content_settings={"content_md5": digest}, **condition)
    except (FileExistsError, ResourceModifiedError):
        if _look(system, target).get("content_settings", {}).get("content_md5") != digest:
            raise overtaken(f"az://{target}") from None


def _look(system: Any, target: str) -> dict[str, Any]:
    try:
        return dict(system.info(target, refresh=True))
    except FileNotFoundError:
        return {}
