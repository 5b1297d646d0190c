"""cluster_values"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.modules._settling import _Doubts, leave, left
from qpipe.modules.transformation._reshaping import Reshaping, name
from qpipe.modules.transformation._text import answers_for, not_text

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.gather import Table

Method = Literal["fingerprint", "ngram", "phonetic", "distance"]


class ClusterValues(Reshaping):
    """Spellings of one thing become one value: the most frequent of those that are alike, in the whole data set.

    Alike by `fingerprint`: the same words without case, accents, punctuation, and order; by `ngram`: the same pairs of letters;
    by `phonetic`: the same sound in English (needs the extra standards); by `distance`: few edits, the same digits, and a more
    frequent value. A proposal that is at least as sure as `confidence` is put in place; a less sure one is asked, once for each
    value, with the value that may be meant to choose from (`unsure: question`), kept (`keep`) or an error (`quarantine`). What
    a person says counts for every row with that value, and can be remembered: `keep` leaves the value alone from then on. Of
    equally frequent values the first one stands. Null and empty values stay. 50,000 different values of a column are looked
    at, the most frequent ones. After the methods of OpenRefine's "cluster and edit".

    Examples:
        ```yaml
        module:
          cluster_values: {column: city, unsure: question}
        rows: [{city: New York}, {city: New York}, {city: "york, NEW"}, {city: New Yrok}, {city: Bonn}, {city: null}]
        gives: [{city: New York}, {city: New York}, {city: New York}, {city: New Yrok}, {city: Bonn}, {city: null}]
        asks: {New Yrok: [New York]}
        ```
        ```yaml
        module:
          cluster_values: {column: firm, methods: [ngram], unsure: quarantine}
        rows: [{firm: Krankenhaus}, {firm: Krankenhaus}, {firm: Kranken haus}, {firm: "Kr. Haus"}]
        gives: [{firm: Krankenhaus}, {firm: Krankenhaus}, {firm: Krankenhaus}, {firm: "Kr. Haus"}]
        ```
    """

    same_rows = True
    dimension = "consistency"
    like = (
        "cluster and edit", "key collision", "fingerprint", "nearest neighbor", "metaphone", "group similar values",
        "harmonize", "spelling variants", "text clustering", "openrefine cluster",
    )  # fmt: skip

    columns: Columns = param(help="the columns whose values are brought together, each on its own", short=True, alias="column")
    methods: tuple[Method, ...] = param(("fingerprint", "ngram", "distance"), help="what makes values alike", alias="method")
    confidence: float = param(0.9, help="how sure it must be to be done unasked, from 0 to 1", minimum=0, maximum=1)
    unsure: Literal["question", "keep", "quarantine"] = param("question", help="what becomes of a less sure one")

    @property
    def settles(self) -> bool:  # type: ignore[override]
        return self.unsure == "question"

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text(self.columns, types)
        if self.where is not None:
            yield "where", "this step is for all rows: filter or route the others before"
        if "phonetic" in self.methods and not _installed("jellyfish"):
            yield "methods", "phonetic needs a package that is not there: pip install 'qpipe[standards]'"

    def tables(self, collected: Table, context: Context) -> dict[str, pl.DataFrame]:
        """Value → what it becomes, for each column; what is less sure is left beside the result."""
        from qpipe.analysis.clusters import MOST, proposals

        said = {value for value, _ in answers_for(self, context)}
        sure: dict[str, pl.DataFrame] = {}
        doubts: dict[str, dict[str, list[str]]] = {}
        for n, column in enumerate(self.columns):
            counts = self._counts(collected, column, MOST)
            found = [p for p in proposals(*counts, self.methods) if p.value not in said]
            done = {p.value: p.canonical for p in found if p.confidence >= self.confidence}
            doubts[column] = {p.value: [done.get(p.canonical, p.canonical)] for p in found if p.value not in done}
            sure[f"_sure{n}"] = pl.DataFrame(
                {"value": list(done), "canonical": list(done.values())}, schema={"value": pl.String, "canonical": pl.String}
            )
        leave(collected.directory, doubts)
        return sure

    def query(self, context: Context) -> str:
        cells = [
            f"coalesce(_sure{self.columns.index(c)}.canonical, data.{name(c)}) as {name(c)}"
            if c in self.columns
            else f"data.{name(c)}"
            for c in context.types
        ]
        joins = [f"left join _sure{n} on _sure{n}.value = data.{name(c)}" for n, c in enumerate(self.columns)]
        return f"select data._row, {', '.join(cells)} from data {' '.join(joins)}"

    def settle(self, folder: Path, context: Context) -> Transform | None:
        doubts = left(folder)
        words = "does {column} '{value}' mean another value?"
        return _Doubts(id=self.id or self.name, doubts=doubts, question=words, unsure=self.unsure, severity=self.severity)

    @staticmethod
    def _counts(collected: Table, column: str, most: int) -> tuple[list[str], list[int]]:
        """The different values, the most frequent first, and how often each occurs."""
        if not collected.has_rows:
            return [], []
        cell = name(column)
        connection = collected.connect()
        try:
            found: Any = connection.sql(
                f"select {cell} as value, count(*) as n from data where trim({cell}) <> '' group by 1"
                f" order by 2 desc, min(_row) limit {most}"
            ).pl()
        finally:
            connection.close()
        return found["value"].to_list(), found["n"].to_list()


def _installed(package: str) -> bool:
    from importlib.util import find_spec

    return find_spec(package) is not None
