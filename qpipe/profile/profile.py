"""``profile(sources)``: every row is read once, then tables are compared with each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qpipe.core.component import Context, Source
from qpipe.profile import look, relations
from qpipe.profile.model import Profile
from qpipe.profile.scan import scan


@dataclass(frozen=True)
class Profiled:
    """A profile, and what it was made from: suggestions need the sample."""

    profile: Profile
    tables: Mapping[str, relations.Known]


def profile(sources: Mapping[str, Source], context: Context, *, quick: bool = False) -> Profiled:
    """Profile sources by name. ``quick``: figures of single columns only, nothing that needs a second look."""
    known = {}
    for name, source in sources.items():
        found = scan(name, source, context, quick=quick)
        known[name] = relations.Known(source, context, found, look.table(found, quick=quick))
    keys = relations.foreign_keys(known) if not quick and len(known) > 1 else ()
    return Profiled(Profile(tuple(k.profile for k in known.values()), keys), known)
