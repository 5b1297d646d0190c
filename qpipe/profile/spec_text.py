"""A suggested spec as YAML: sources, contract, rules with their reasons. It passes its own validation."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qpipe.profile.model import Profile, TableProfile
from qpipe.profile.rules import OF_SOURCE, Suggestion

_PLAIN = re.compile(r"[A-Za-z_][\w ./-]*")
_SPECIAL = frozenset(("true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"))


def spec_text(
    profile: Profile,
    chosen: Sequence[Suggestion],
    sources: Mapping[str, Mapping[str, Any]],
    *,
    table: str,
    known: Sequence[str],
) -> str:
    """The spec for the rows of ``table``; the other tables that its rules refer to are reference sources.

    ``sources``: how each is written (type, path, …). ``known``: modules there are; rules of others are left out.
    """
    mine = [s for s in chosen if s.table == table and (s.module in known or s.module in OF_SOURCE)]
    mine = _writable(mine, profile.table(table))
    others = {str(r).partition(".")[0] for s in mine if s.module == "foreign_key" for r in _each(s.params["references"])}
    return "\n".join(_lines(profile, mine, sources, table, sorted(others))) + "\n"


def _writable(mine: list[Suggestion], table: TableProfile) -> list[Suggestion]:
    """Without rules about numbers and dates of columns that stay text, since their type was not accepted."""
    if any("${" in c.name for c in table.columns):
        mine = [s for s in mine if s.module != "type"]  # such a column cannot stand in a contract
    typed = {s.columns[0] for s in mine if s.module in ("type", "parse_date")}
    texts = {c.name for c in table.columns if c.stored == "String" and c.type != "string"} - typed
    return [s for s in mine if s.module not in ("between", "one_of", "foreign_key") or not texts & set(s.columns)]


def _lines(
    profile: Profile, mine: list[Suggestion], sources: Mapping[str, Mapping[str, Any]], table: str, others: list[str]
) -> Iterator[str]:
    rows = profile.table(table).rows
    yield f"# Suggested by qpipe profile from {rows:,} rows of {table}. Each rule says why, on how many rows it rests,"
    yield "# how many break it, and how sure it is. Keep what is meant, change the rest."
    yield from ("version: 1", f"name: {word(_slug(table))}", "", "sources:")
    yield from _source(table, profile, mine, sources[table])
    for name in others:
        yield f"  {word(_slug(name))}:"
        yield from (*(f"    {k}: {inline(v)}" for k, v in sources[name].items()), "    role: reference")
        yield from _reference_types(profile.table(name))
    yield from ("", "modules:")
    ids: dict[str, int] = {}
    written = False
    for s in mine:
        if s.module not in OF_SOURCE:
            yield from _module(s, ids)
            written = True
    if not written:
        yield "  - row_count: {min: 1}"
    yield from ("", "routes:", "  - {when: failed(error), to: quarantine}", "  - {to: clean}", "", "outputs:")
    yield f"  clean: {{path: {word(f'out/{_slug(table)}.parquet')}}}"
    yield "  quarantine: {path: out/quarantine.csv}"


def _source(table: str, profile: Profile, mine: list[Suggestion], written: Mapping[str, Any]) -> Iterator[str]:
    yield f"  {word(_slug(table))}:"
    null = [s for s in mine if s.module == "nulls"]
    words = [*_each(written.get("nulls", ())), *(word for s in null for word in s.params["nulls"])]
    yield from (f"    {k}: {inline(v)}" for k, v in written.items() if k != "nulls")
    if words:
        yield f"    nulls: {inline(words)}" + "".join(f"  # {_why(s)}" for s in null)
    types = {s.columns[0]: s for s in mine if s.module == "type"}
    if not types:
        return
    yield "    schema:"
    for column in profile.table(table).columns:
        s = types.get(column.name)
        kind = s.params["type"] if s else "string" if column.stored == "String" else None
        if kind is None:
            continue
        entry = {**(kind if isinstance(kind, dict) else {"type": kind}), "pii": True} if column.personal else kind
        yield f"      {word(column.name)}: {inline(entry)}" + (f"  # {_why(s)}" if s else "")


def _reference_types(table: TableProfile) -> Iterator[str]:
    """A table to look things up in must keep its contract in every cell: what does not fit stays text."""
    texts = [c for c in table.columns if c.stored == "String"]
    if not texts or any("${" in c.name for c in table.columns):
        return
    yield "    schema:"
    for column in table.columns:
        if column.stored == "String":
            fits = column.unfit == 0 and column.values > 0
            kind = {"type": column.type, "format": column.format} if column.format else column.type
            yield f"      {word(column.name)}: {inline(kind if fits else 'string')}"


def _module(s: Suggestion, ids: dict[str, int]) -> Iterator[str]:
    yield f"  # {_why(s)}"
    id = _slug("-".join((s.module, *s.columns, *((s.about,) if s.about else ()))))[:60]
    ids[id] = ids.get(id, 0) + 1
    id += f"-{ids[id]}" if ids[id] > 1 else ""
    params = {"id": id, **s.params}
    if s.module == "foreign_key":
        fixed = [".".join((_slug(str(r).partition(".")[0]), str(r).partition(".")[2])) for r in _each(s.params["references"])]
        params["references"] = fixed if len(fixed) > 1 else fixed[0]
    yield f"  - {s.module}: {inline(params)}"


def _why(s: Suggestion) -> str:
    reason = " ".join(s.reason.split())
    reason = "".join(c if c.isprintable() else "?" for c in reason)
    return f"{reason[:200]} · rests on {s.support:,} · broken by {s.broken:,} · confidence {s.confidence:.2f}"


def inline(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{word(str(k))}: {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(inline(v) for v in value) + "]"
    if isinstance(value, str):
        return word(value)
    # 7e+39 is a number to some YAML readers only, 7.0e+39 to all
    return re.sub(r"^(-?\d+)e", r"\1.0e", json.dumps(value)) if isinstance(value, float) else json.dumps(value)


def word(text: str) -> str:
    """A YAML scalar: plain where nothing can be misread, else quoted."""
    if _PLAIN.fullmatch(text) and text.lower() not in _SPECIAL and text == text.strip() and not text.endswith((".", "/", "-")):
        return text
    return json.dumps(text, ensure_ascii=False).replace("${", "$${")


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
    made = re.sub(r"[^0-9A-Za-z_-]+", "-", "".join(c for c in plain if not unicodedata.combining(c))).strip("-")
    return made if made and made[0].isalpha() else f"t-{made}" if made else "data"


def _each(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]
