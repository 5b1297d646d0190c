"""Puts to S3 on condition that there is still what was there when it was looked at, so that no writer covers another's work.

The object carries the publication's token: a repeat after a stop, or after a lost answer, knows its own work.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from qpipe.core.errors import CannotCreate

TOKEN = "qpipe-token"
_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")
_UNKNOWN = ("NotImplemented", "501")  # answered by stores that know no conditions


class Overtaken(CannotCreate):
    """Another writer was there first."""


def overtaken(address: str) -> Overtaken:
    return Overtaken("another run has written there meanwhile", file=address, hint="look at what it wrote, then run anew")


def twin(system: Any) -> Any:
    """The same store by the same connections, to be changed: made in the usual way it is the very same, or connects anew."""
    made = object.__new__(type(system))
    made.__dict__.update(system.__dict__)
    return made


def mark_of(system: Any, target: str) -> str:
    """The object's ETag; empty where there is none."""
    return str(_head(system, target).get("ETag", ""))


def put_over(system: Any, file: Path, target: str, over: str, token: str) -> None:
    """The file under a name, in the place of the object with this ETag, or of nothing."""
    from fsspec.asyn import sync

    condition = {"IfMatch": over} if over else {"IfNoneMatch": "*"}
    try:
        sync(system.loop, _with(system, condition)._put_file, str(file), target, Metadata={TOKEN: token})
    except OSError as error:
        code = _code(error)
        if code in _UNKNOWN:
            system.put_file(str(file), target, Metadata={TOKEN: token})
        elif code not in _REFUSED and not isinstance(error, FileExistsError):
            raise
        elif _head(system, target).get("Metadata", {}).get(TOKEN) != token:
            raise overtaken(f"s3://{target}") from None


def forget_uploads(system: Any, target: str) -> None:
    """What a stopped attempt has sent of this object in parts: nobody sees it, but it is kept, and paid for."""
    bucket, _, key = target.partition("/")
    with suppress(OSError):  # who may write may not always list
        found = system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key)
        for upload in found.get("Uploads", ()):
            if upload["Key"] == key:
                system.call_s3("abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"])


def _with(system: Any, condition: dict[str, str]) -> Any:
    """The store with a condition on every write: also on the last one of an upload in parts."""
    made = twin(system)
    made.s3_additional_kwargs = {**system.s3_additional_kwargs, **condition}
    return made


def _head(system: Any, target: str) -> dict[str, Any]:
    bucket, _, key = target.partition("/")
    try:
        return dict(system.call_s3("head_object", Bucket=bucket, Key=key))
    except FileNotFoundError:
        return {}


def _code(error: OSError) -> str:
    answer = getattr(error.__cause__, "response", None) or {}
    return str(answer.get("Error", {}).get("Code", ""))
