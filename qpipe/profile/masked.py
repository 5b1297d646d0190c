"""A profile without values of persons, to be written into a file: figures, forms and shares stay."""

from __future__ import annotations

import dataclasses
from typing import Any

from qpipe.analysis.patterns import without_words
from qpipe.profile.model import ColumnProfile, ForeignKeyFound, Profile, TableProfile


def masked(profile: Profile) -> Profile:
    """The profile, personal columns without any of their values, and what rests on these columns without examples."""
    personal = {(t.name, c.name) for t in profile.tables for c in t.columns if c.personal}
    tables = tuple(_table(t, {name for table, name in personal if table == t.name}) for t in profile.tables)
    keys = tuple(_without_examples(f, personal & _columns_of(f)) for f in profile.foreign_keys)
    return dataclasses.replace(profile, tables=tables, foreign_keys=keys)


def _table(table: TableProfile, personal: set[str]) -> TableProfile:
    columns = tuple(_column(c) if c.personal else c for c in table.columns)
    dependencies = tuple(_without_examples(d, personal & {*d.determinant, d.dependent}) for d in table.dependencies)
    return dataclasses.replace(table, columns=columns, dependencies=dependencies)


def _column(c: ColumnProfile) -> ColumnProfile:
    """How many values there are, how long, in what form, and what stands for nothing: that is nobody's."""
    return dataclasses.replace(
        c, frequent=(), rare=(), typos=(), least=None, greatest=None, quantiles={}, low=None, high=None, mean=None,
        patterns=tuple((without_words(regex), n, share, "") for regex, n, share, _ in c.patterns),
        bins=(), earliest=None, latest=None,
    )  # fmt: skip


def _without_examples(found: Any, personal: set[Any]) -> Any:
    return dataclasses.replace(found, examples=()) if personal else found


def _columns_of(f: ForeignKeyFound) -> set[tuple[str, str]]:
    return {*((f.table, c) for c in f.columns), *((f.references, c) for c in f.key)}
