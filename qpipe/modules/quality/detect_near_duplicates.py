"""detect_near_duplicates"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from qpipe.core.batch import ROW
from qpipe.core.component import Context, Relational, RowVerdict
from qpipe.core.lazy import pl
from qpipe.core.params import Columns, param
from qpipe.core.rowset import RowSet

if TYPE_CHECKING:
    import polars as pl


class DetectNearDuplicates(Relational):
    """Rows that say nearly the same in some columns: the same thing, entered twice.

    Texts are compared without case, punctuation and order of words (rapidfuzz's token sort ratio), and rows that are equal
    are found, too. Only rows of one block are compared: those that agree in `block_by`, or, unset, in the first three
    letters of any of their words. A block of more than `largest` rows is cut to that, which bounds the time. Every row of a
    pair is found, but with `keep_first` not the first of them. Rows whose columns are all null are left out. Zero rows: not
    evaluated.

    Examples:
        ```yaml
        module:
          detect_near_duplicates: {columns: [name, city], threshold: 85}
        rows:
          - {name: Mueller GmbH, city: Bonn}
          - {name: "Müller, GmbH", city: Bonn}
          - {name: Schmidt AG, city: Bonn}
          - {name: null, city: null}
        failed: [0, 1]
        ```
    """

    dimension = "uniqueness"
    like = (
        "near duplicate", "record linkage", "splink", "dedupe", "fuzzy duplicates", "entity resolution", "NEAR_DUPLICATES",
        "similar rows", "cluster", "duplicate row",
    )  # fmt: skip

    columns: Columns = param(help="the columns that are compared together")
    threshold: float = param(90.0, help="how alike they must be, from 0 to 100", minimum=50, maximum=100)
    block_by: Columns | None = param(None, help="only rows that agree in these columns are compared")
    largest: int = param(2000, help="rows of a block that are compared", minimum=2, maximum=20000)
    keep_first: bool = param(False, help="the first of several is not found")

    def gather(self, context: Context) -> dict[str, pl.Expr]:
        texts = [pl.col(column).cast(pl.String) for column in self.columns]
        some = pl.any_horizontal([text.is_not_null() for text in texts])
        whole = pl.concat_str(texts, separator=" ", ignore_nulls=True).str.to_lowercase()
        plain = whole.str.replace_all(r"[^\p{L}\p{N}]+", " ").str.strip_chars()
        blocks = [pl.col(column).cast(pl.String) for column in self.block_by or ()]
        block = pl.concat_str(blocks, separator="\x1f") if blocks else pl.lit(None, dtype=pl.String)
        return {"t": pl.when(some).then(plain), "b": block}

    def judge(self, collected: Any, context: Context) -> tuple[RowVerdict, ...]:
        found = RowSet()
        if collected.has_rows:
            connection = collected.connect()
            try:
                # equal texts are one: they are compared once, and told by themselves
                texts = connection.sql(
                    f"select t, b, list({ROW} order by {ROW}) as rows_ from data where t is not null and t <> '' group by all"
                    f" order by min({ROW})"
                ).pl()
            finally:
                connection.close()
            found.add(self._alike(texts).to_numpy())
        words = f"no row that is {self.threshold:g} % alike in {', '.join(self.columns)}"
        return (RowVerdict(found, self.columns, words),)

    def _alike(self, texts: pl.DataFrame) -> pl.Series:
        """The rows of texts that are like another one, ascending."""
        rows: list[list[int]] = texts["rows_"].to_list()
        near: dict[int, int] = {}  # a text → the first that it is like
        for block in _blocks(texts):
            for one, other in self._pairs(texts["t"], block[: self.largest]):
                near[other] = min(near.get(other, other), one)
                near.setdefault(one, one)
        told: list[int] = []
        for at, own in enumerate(rows):
            if at in near:
                told += own[1:] if self.keep_first and near[at] == at else own
            elif len(own) > 1:
                told += own[1:] if self.keep_first else own
        return pl.Series(sorted(told), dtype=pl.Int64)

    def _pairs(self, texts: pl.Series, block: list[int]) -> list[tuple[int, int]]:
        from rapidfuzz import fuzz, process

        from qpipe.core.lazy import np

        chosen = [texts[at] for at in block]
        scores = process.cdist(chosen, chosen, scorer=fuzz.token_sort_ratio, score_cutoff=self.threshold, dtype=np.uint8)
        pairs = np.argwhere(np.triu(scores > 0, 1))
        return [(block[one], block[other]) for one, other in pairs.tolist()]


def _blocks(texts: pl.DataFrame) -> list[list[int]]:
    """Positions that are compared with each other, in order."""
    blocks: dict[str, list[int]] = defaultdict(list)
    for at, (text, block) in enumerate(texts.select("t", "b").iter_rows()):
        for key in [block] if block is not None else sorted({word[:3] for word in text.split()}):
            blocks[key].append(at)
    return [block for block in blocks.values() if len(block) > 1]
