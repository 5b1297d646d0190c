"""The class that a user's own module may derive from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

    from qpipe.core.component import Context


class BaseModule:
    """Your own step: name it in a spec as ``- python: {class: "rules.py:Loyalty", with: {grace_days: 30}}``.

    Write ``process``. It gets a batch as a Polars DataFrame and gives one back; ``validate`` may refuse the batch beforehand.
    One instance sees all batches of a run, in order, so that it may remember things; a resumed run begins with a new one.
    """

    def __init__(self, **options: Any) -> None:
        """``options`` are the values under ``with``."""
        self.options = options

    def validate(self, data: pl.DataFrame) -> Iterable[str]:
        """What is wrong with the batch as a whole, in words. Anything said refuses the data; nothing is published."""
        return ()

    def process(self, data: pl.DataFrame, context: Context) -> pl.DataFrame:
        """The batch as it goes on. Rows are told by ``_row``: keep that column when rows are dropped, repeated or reordered."""
        return data

    def get_decisions(self) -> Iterable[tuple[int, str]]:
        """What people must decide of the batch just processed: pairs of a row's ``_row`` and the question in words.

        The words go into the column that the step's ``asks`` names; a route of the spec lets people decide:
        ``{when: doubt is not null, ask: what-now}``. Choices, time-out and default stand in the spec, too.
        """
        return ()
