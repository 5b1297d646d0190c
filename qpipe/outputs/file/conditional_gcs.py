"""Puts to Google Cloud Storage on condition that there is still what was there when it was looked at: an object's generation.

The object carries the publication's token: a repeat after a stop, or after a lost answer, knows its own work.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qpipe.outputs.file.conditional import TOKEN, overtaken, twin


def mark_of(system: Any, target: str) -> str:
    """The object's generation; empty where there is none."""
    return str(_look(system, target).get("generation", ""))


def put_over(system: Any, file: Path, target: str, over: str, token: str) -> None:
    """The file under a name, in the place of the object of this generation, or of nothing."""
    from fsspec.asyn import sync

    try:
        sync(system.loop, _with(system, over or "0")._put_file, str(file), target, metadata={TOKEN: token})
    except FileExistsError:  # so gcsfs says that a condition does not hold
        if (_look(system, target).get("metadata") or {}).get(TOKEN) != token:
            raise overtaken(f"gs://{target}") from None


def _with(system: Any, generation: str) -> Any:
    """The store with a condition on every object that is made: on an upload in parts it is given when that begins."""
    made = twin(system)

    async def call(method: str, path: str, *given: Any, **more: Any) -> Any:
        if method == "POST" and "/upload/storage/" in path and "upload_id=" not in path:
            more["ifGenerationMatch"] = generation
        return await system._call(method, path, *given, **more)

    made._call = call
    return made


def _look(system: Any, target: str) -> dict[str, Any]:
    system.invalidate_cache()
    try:
        return dict(system.info(target))
    except FileNotFoundError:
        return {}
