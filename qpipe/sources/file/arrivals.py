"""Files that no published run has read: known by what is in them, whatever they are called and whenever they come.

The list is made once, when a run begins, and kept in the run's own space: files that arrive later belong to the next run, also
when this one is stopped and resumed.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qpipe.core.batch import Json
from qpipe.sources.file.input import Input

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Arrivals:
    """What a run reads, and what was left out."""

    new: tuple[Json, ...] = ()  # name, size, modified, digest of each file to read
    repeated: tuple[str, ...] = ()  # files whose content was read before

    def of(self, inputs: Sequence[Input]) -> list[Input]:
        """The inputs that are to be read. One that has gone is missing here, and its identity with it."""
        names = {entry["name"] for entry in self.new}
        return [each for each in inputs if each.name in names]

    def after(self, cursor: Json | None) -> Json:
        """What a later run must not read again: everything known before, and these."""
        known = {entry["name"]: entry for entry in (cursor or {}).get("files", ())}
        return {"files": list({**known, **{entry["name"]: entry for entry in self.new}}.values())}


def arrivals(inputs: Sequence[Input], cursor: Json | None, settled: float, started: float) -> Arrivals:
    """Those whose content the cursor does not know, and that have not changed for ``settled`` seconds.

    A file that has the name, size and time that it had when it was read is not opened.
    """
    known = {entry["name"]: entry for entry in (cursor or {}).get("files", ())}
    digests = {entry["digest"] for entry in known.values()}
    new, repeated = [], []
    for each in inputs:
        before = known.get(each.name)
        if before and (before["size"], before["modified"]) == (each.size, each.modified) and each.modified is not None:
            continue
        if settled and _age(each, started) < settled:
            continue
        entry = {"name": each.name, "size": each.size, "modified": each.modified, "digest": _digest(each)}
        if entry["digest"] in digests:
            repeated.append(each.name)
            continue
        digests.add(entry["digest"])
        new.append(entry)
    return Arrivals(tuple(new), tuple(repeated))


def pinned(place: Path, make: Any) -> Arrivals:
    """The list of a run: made when it is first asked for, the same ever after."""
    if place.exists():
        kept: Mapping[str, Any] = json.loads(place.read_text())
        return Arrivals(tuple(kept["new"]), tuple(kept["repeated"]))
    found: Arrivals = make()
    place.parent.mkdir(parents=True, exist_ok=True)
    partial = place.with_name(place.name + ".tmp")
    partial.write_text(json.dumps({"new": found.new, "repeated": found.repeated}))
    partial.replace(place)
    return found


def _age(each: Input, started: float) -> float:
    """Seconds since it last changed; for ever where nobody knows."""
    changed = each.modified / 1e9 if isinstance(each.modified, int) else each.time
    return float("inf") if changed is None else (started or time.time()) - changed


def _digest(each: Input) -> str:
    """A hash of the content; of an object in a store that has one, the store's own."""
    if each.path is None and isinstance(each.modified, str) and '"' in each.modified:
        return f"{each.modified}/{each.size}"
    digest = hashlib.blake2b(digest_size=16)
    with each.opener() as file:
        while data := file.read(_BLOCK):
            digest.update(data)
    return digest.hexdigest()
