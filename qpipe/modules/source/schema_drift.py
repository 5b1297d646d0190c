"""schema_drift"""

from __future__ import annotations

from collections.abc import Iterator

from qpipe.core.component import Context, Delivery, Inspection, Types, Verdict
from qpipe.core.params import param


class SchemaDrift(Inspection):
    """A source has the columns that it had in the last run of the spec that was done.

    Judged before a row is read. `allow` names changes that are no drift: `added`, `removed`, `reordered`, `retyped`. The
    first run has nothing to compare with: not evaluated. Text formats give every column as text, so types matter where
    the format or the contract knows them.

    Examples:
        ```yaml
        module:
          schema_drift: {allow: [added]}
        rows: [{id: 1, name: a, colour: red}]
        before: {id: int, name: string}
        outcome: pass
        ```
        ```yaml
        module: schema_drift
        rows: [{id: 1}]
        before: {id: int, name: string}
        outcome: fail
        ```
    """

    dimension = "consistency"
    like = (
        "schema_drift", "schema_changes", "schema_changes_from_baseline", "column_list_changed", "has_valid_schema",
        "column-types-changed", "column_order_changed",
    )  # fmt: skip

    allow: list[str] = param((), help="changes that are no drift: added, removed, reordered, retyped", short=True)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        for word in self.allow:
            if word not in _KINDS:
                yield "allow", f"{word} is no change: say {', '.join(_KINDS)}"

    def inspect(self, delivery: Delivery, context: Context) -> Verdict:
        if delivery.before is None:
            return Verdict("not evaluated", message="there is no earlier run to compare with")
        found = dict(_changes(delivery.before, {**delivery.columns, **(delivery.declared or {})}))
        drift = {kind: what for kind, what in found.items() if kind not in self.allow}
        observed = {"changes": len(found)}
        if not drift:
            return Verdict("pass", observed)
        return Verdict("fail", observed, message="; ".join(f"{kind}: {what}" for kind, what in drift.items()))


_KINDS = ("added", "removed", "reordered", "retyped")


def _changes(before: Types, now: Types) -> Iterator[tuple[str, str]]:
    common = [name for name in now if name in before]
    if added := [name for name in now if name not in before]:
        yield "added", ", ".join(added)
    if removed := [name for name in before if name not in now]:
        yield "removed", ", ".join(removed)
    if common != [name for name in before if name in now]:
        yield "reordered", ", ".join(common)
    if retyped := [f"{name} from {before[name]} to {now[name]}" for name in common if str(before[name]) != str(now[name])]:
        yield "retyped", ", ".join(retyped)
