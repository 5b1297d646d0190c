"""link_records"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.batch import ROW, Severity
from qpipe.core.component import REJECTED, Ask, Context, Rule, Transform, Types
from qpipe.core.errors import QpipeError
from qpipe.core.lazy import np, pl
from qpipe.core.params import Column, NewColumn, SourceRef, param
from qpipe.core.types import DataType
from qpipe.modules._settling import leave, left
from qpipe.modules.transformation._reshaping import Reshaping, name
from qpipe.modules.transformation._text import answers_for

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.gather import Table

SAME, OTHER = "same", "different"


class LinkRecords(Reshaping):
    """Rows that speak of the same person, firm or thing, although they differ, get the same entity id.

    Nothing is labelled and no rule is written: how much it means that two cells are equal, near or different is learnt from the
    data itself, column by column; rare values that agree say more than common ones, first and last names may have changed
    places, and a null says nothing. Rows are one thing where that is at least as probable as `accept`; below `reject` they are
    different things. Between the two a person is asked, once for each pair of things (`unsure: question`; the answers are same
    or different, and can be remembered), or they stay apart with (`quarantine`) or without an error (`keep`). Which rows are
    compared follows from what they share: values, words, the beginnings and ends of any two columns, the rarest first.

    Three columns are added: `into`, the id of the entity, which is the `key` of its first row, or a fingerprint of that row;
    `probability`, that of the row's likeliest partner, null for a row that is alone; `doubt`, the pair to be asked about. With
    `from`, rows are linked to a reference instead: `into` is the `key` of the likeliest row there, null where there is none.
    The method is that of Fellegi and Sunter with expectation maximisation; the pairs that are compared are held in memory,
    up to 30 kB a row. It needs some hundred rows to learn from; with few, only what is nearly equal in all columns is linked.

    Examples:
        ```yaml
        module:
          link_records: {compare: [first, last, born, city], key: id, unsure: keep}
        rows:
          - {id: 1, first: Anna, last: Rosenbaum, born: "1981-04-12", city: Bonn}
          - {id: 2, first: Ana, last: Rosenbaum, born: "1981-04-12", city: Bonn}
          - {id: 3, first: Peter, last: Olsen, born: "1970-11-30", city: Kiel}
          - {id: 4, first: Maria, last: Schmidt, born: "1992-01-05", city: Bonn}
        gives:
          - {id: 1, first: Anna, last: Rosenbaum, born: "1981-04-12", city: Bonn, entity_id: "1",
             match_probability: 0.998, match_doubt: null}
          - {id: 2, first: Ana, last: Rosenbaum, born: "1981-04-12", city: Bonn, entity_id: "1",
             match_probability: 0.998, match_doubt: null}
          - {id: 3, first: Peter, last: Olsen, born: "1970-11-30", city: Kiel, entity_id: "3",
             match_probability: null, match_doubt: null}
          - {id: 4, first: Maria, last: Schmidt, born: "1992-01-05", city: Bonn, entity_id: "4",
             match_probability: null, match_doubt: null}
        ```
    """

    same_rows = True
    dimension = "uniqueness"
    like = (
        "entity resolution", "record linkage", "resolve_entities", "splink", "dedupe", "fuzzy matching",
        "fellegi-sunter", "master data management", "identity resolution", "probabilistic linkage", "zingg", "recordlinkage",
    )  # fmt: skip

    compare: str | tuple[str, ...] | dict[str, str] | None = param(
        None, help="the columns that say who or what it is: all but the key where unset; {mine: theirs} with from"
    )
    source: SourceRef | None = param(None, alias="from", help="a reference source whose rows the rows are linked to")
    key: Column | None = param(None, help="a column that identifies a row (with from: a row of the reference)")
    accept: float = param(0.5, help="so probable: one thing, unasked", minimum=0, maximum=1)
    reject: float = param(0.1, help="less probable: different things, unasked", minimum=0, maximum=1)
    unsure: Literal["question", "keep", "quarantine"] = param("question", help="what becomes of those between")
    into: NewColumn = param("entity_id", help="the new column for the entity's id")
    probability: NewColumn = param("match_probability", help="the new column for how probable the likeliest link is")
    doubt: NewColumn = param("match_doubt", help="the new column for the pair that is to be asked about")

    @property
    def settles(self) -> bool:  # type: ignore[override]
        return self.unsure == "question"

    def references(self) -> tuple[str, ...]:
        return (self.source,) if self.source else ()

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.where is not None:
            yield "where", "this step is for all rows: filter or route the others before"
        if self.reject > self.accept:
            yield "reject", f"{self.reject:g} is more than accept, {self.accept:g}"
        if isinstance(self.compare, dict) and not self.source:
            yield "compare", "{mine: theirs} is for a reference: name it under from"
        if self.source and not self.key:
            yield "key", "name the column of the reference whose value is the id"
        for new in (self.into, self.probability, self.doubt):
            if types is not None and new in types:
                yield "into", f"there is a column '{new}' already; name the new ones under into, probability, doubt"

    def reads(self) -> Iterator[tuple[str, str]]:
        return (("compare", column) for column in self._compared)

    def output_types(self, types: Types) -> Types:
        return {**types, self.into: DataType("string"), self.probability: DataType("float"), self.doubt: DataType("string")}

    def tables(self, collected: Table, context: Context) -> dict[str, pl.DataFrame]:
        """What each row is linked to; the pairs that are not sure are left beside the result."""
        pairs = self._pairs(context)
        mine = self._records(collected, pairs, context)
        made = self._to_reference(mine, pairs, context) if self.source else self._among(mine, pairs)
        links, doubts = made
        leave(collected.directory, doubts)
        return {"_links": links}

    def query(self, context: Context) -> str:
        columns = ", ".join(f"data.{name(c)}" for c in context.types)
        added = f"_links.id as {name(self.into)}, _links.p as {name(self.probability)}, _links.doubt as {name(self.doubt)}"
        return f"select data._row, {columns}, {added} from data left join _links on _links._row = data._row"

    def settle(self, folder: Path, context: Context) -> Transform | None:
        if self.unsure == "keep":
            return None
        return _Links(id=self.id or self.name, doubts=tuple(left(folder)), into=self.into, doubt=self.doubt,
                      probability=self.probability, ask=self.unsure == "question", severity=self.severity)  # fmt: skip

    @property
    def _compared(self) -> tuple[str, ...]:
        given = self.compare
        return () if given is None else (given,) if isinstance(given, str) else tuple(given)

    def _pairs(self, context: Context) -> dict[str, str]:
        """My column → the one it is compared with."""
        if isinstance(self.compare, dict):
            pairs = dict(self.compare)
        else:
            pairs = {c: c for c in self._compared or context.types if self.compare is not None or c != self.key}
        if self.source:
            theirs = context.tables[self.source].columns
            if self.compare is None:
                pairs = {c: c for c in pairs if c in theirs}
            for column in (*pairs.values(), self.key):
                if column not in theirs:
                    raise QpipeError(f"{self.source} has no column '{column}'; it has {', '.join(theirs)}")
        return pairs

    def _records(self, collected: Table, pairs: Mapping[str, str], context: Context) -> pl.DataFrame:
        """The compared cells as text, in the order of the rows; ``_key`` is the key's."""
        schema = {ROW: pl.Int64(), **dict.fromkeys(pairs, pl.String()), "_key": pl.String()}
        if not collected.has_rows:
            return pl.DataFrame(schema=schema)
        key = f"{name(self.key)}::varchar" if self.key and not self.source else "null::varchar"
        cells = ", ".join(f"{name(c)}::varchar as {name(c)}" for c in pairs)
        connection = collected.connect()
        try:
            found: pl.DataFrame = connection.sql(f"select {ROW}, {cells}, {key} as _key from data order by {ROW}").pl()
        finally:
            connection.close()
        return found.cast(schema)  # type: ignore[arg-type]

    def _among(self, mine: pl.DataFrame, pairs: Mapping[str, str]) -> tuple[pl.DataFrame, list[Any]]:
        from qpipe.analysis.linkage import doubtful, entities, link

        records = mine.select(list(pairs))
        found = link(records)
        group = entities(found, mine.height, self.accept)
        ids = _ids(records, mine["_key"])
        same = group[found.one] == group[found.other]
        best = np.full(mine.height, np.nan)
        for side in (found.one, found.other):
            np.fmax.at(best, side[same], found.probability[same])
        doubts = [
            (int(group[other]), int(group[one]), _both(records, one, other), round(float(p), 3))
            for one, other, p in doubtful(found, group, self.reject)
        ]
        asked = {theirs: text for theirs, _, text, _ in doubts}
        links = pl.DataFrame(
            {ROW: mine[ROW], "id": [ids[g] for g in group.tolist()], "p": pl.Series(best).fill_nan(None).round(3),
             "doubt": [asked.get(g) for g in group.tolist()]},
            schema=_schema(),
        )  # fmt: skip
        return links, [[text, ids[own], ids[other], p] for own, other, text, p in doubts]

    def _to_reference(self, mine: pl.DataFrame, pairs: Mapping[str, str], context: Context) -> tuple[pl.DataFrame, list[Any]]:
        from qpipe.analysis.linkage import best, link

        assert self.source and self.key
        table = context.tables[self.source]
        theirs = table.select(pl.col(c).cast(pl.String).alias(own) for own, c in pairs.items())
        records = pl.concat([mine.select(list(pairs)), theirs])
        keys = table[self.key].cast(pl.String)
        one, other, p = best(link(records, mine.height), self.reject)
        sure = p >= self.accept
        told = pl.DataFrame({
            "at": one, "id": keys.gather(other - mine.height).set(pl.Series(~sure), None),
            "p": pl.Series(p).round(3), "doubt": [None if s else _both(records, a, b)
                                                  for s, a, b in zip(sure.tolist(), one.tolist(), other.tolist(), strict=True)],
        }, schema={"at": pl.Int64, **{c: t for c, t in _schema().items() if c != ROW}})  # fmt: skip
        links = mine.select(ROW).with_row_index("at").cast({"at": pl.Int64}).join(told, on="at", how="left")
        unsure = told.filter(pl.col("doubt").is_not_null()).with_columns(to=keys.gather((other - mine.height)[~sure]))
        links = links.select(*_schema()).with_columns(pl.when(pl.col("id").is_not_null()).then("p").alias("p"))
        return links, [[text, None, to, p] for text, to, p in unsure.select("doubt", "to", "p").rows()]


def _schema() -> dict[str, Any]:
    return {ROW: pl.Int64, "id": pl.String, "p": pl.Float64, "doubt": pl.String}


class _Links(Transform):
    """Pairs that a person judges: same or different."""

    doubts: tuple[Any, ...] = param(help="[pair as text, its entity, the other entity, probability]")
    into: str = param(help="the column of the entity's id")
    probability: str = param(help="of the probability")
    doubt: str = param(help="of the pair")
    ask: bool = param(True, help="ask, or tell an error")
    severity: Severity = param("error", help="of an error")

    def rules(self, context: Context) -> tuple[Rule, ...]:
        rejected = [value for value, said in answers_for(self, context) if said == REJECTED]
        bad = pl.col(self.doubt).is_in(rejected) if self.ask else pl.col(self.doubt).is_not_null()
        return (Rule(bad, (self.doubt,), "surely the same, or surely different"),) if rejected or not self.ask else ()

    def asks(self, context: Context) -> tuple[Ask, ...]:
        if not self.ask:
            return ()
        known = [value for value, _ in answers_for(self, context)]
        cell = pl.col(self.doubt)
        question = "are these the same: {value}?"
        return (Ask(cell.is_not_null() & ~cell.is_in(known), self.doubt, question,
                    lambda values: {value: [SAME, OTHER] for value in values}, allow_other=False),)  # fmt: skip

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        said = dict(answers_for(self, context))
        known = [text for text, _, _, _ in self.doubts if text in said]
        if not known:
            return frame
        same = [each for each in self.doubts if said.get(each[0], "").strip().lower() == SAME]
        answered = pl.col(self.doubt).is_in(known)
        likely = pl.col(self.doubt).replace_strict([d[0] for d in same], [d[3] for d in same], default=None,
                                                   return_dtype=pl.Float64)  # fmt: skip
        return frame.with_columns(
            self._entity(same).alias(self.into),
            pl.coalesce(self.probability, likely).alias(self.probability),
        ).with_columns(pl.when(~answered).then(pl.col(self.doubt)).alias(self.doubt))

    def _entity(self, same: list[Any]) -> pl.Expr:
        """The id, once those that are the same have become one: each takes that of the other, and so on."""
        cell = pl.col(self.into)
        linked = pl.col(self.doubt).replace_strict([d[0] for d in same], [d[2] for d in same], default=None,
                                                   return_dtype=pl.String)  # fmt: skip
        to = {own: other for _, own, other, _ in same if own is not None}
        ends = {own: _end(to, own) for own in to}
        moved = cell.replace_strict(list(ends), list(ends.values()), default=cell, return_dtype=pl.String)
        return pl.coalesce(moved, linked)


def _end(to: Mapping[str, str], own: str) -> str:
    while own in to:  # an entity only ever joins one of an earlier row: there are no circles
        own = to[own]
    return own


def _ids(records: pl.DataFrame, keys: pl.Series) -> list[str]:
    """For each row its key, or a fingerprint of its cells; equal ones are told apart by a number."""
    seen: dict[str, int] = {}
    made = []
    for key, cells in zip(keys.to_list(), records.iter_rows(), strict=True):  # hashing has no column form
        id = key if key is not None else hashlib.blake2b(repr(cells).encode(), digest_size=8).hexdigest()
        seen[id] = seen.get(id, 0) + 1
        made.append(id if seen[id] == 1 else f"{id}-{seen[id]}")
    return made


def _both(records: pl.DataFrame, one: int, other: int) -> str:
    """Both rows in a line, in an order that is not theirs: the same pair is the same text in another run."""
    texts = [", ".join(str(cell) for cell in records.row(at) if cell is not None)[:200] for at in (one, other)]
    return " ≈ ".join(sorted(texts))
