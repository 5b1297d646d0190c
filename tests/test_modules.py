"""Every module there is keeps what the published suite asks of a module; and the suite finds what breaks a promise."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from qpipe.core.component import Check, Context, Gate, Measure, Module, Transform, Verdict
from qpipe.core.params import Columns, param
from qpipe.core.registry import Registry
from qpipe.testing import modules

REGISTRY = Registry()


@pytest.mark.parametrize("name", REGISTRY.names("module"))
@pytest.mark.parametrize("rule", modules.RULES, ids=lambda rule: rule.__name__)
def test_module(name: str, rule: Callable[[type[Module]], None]) -> None:
    rule(REGISTRY.get("module", name))


EXAMPLE = """Cells are small.

    Null passes.

    ```yaml
    module: {%s: [x]}
    rows: [{x: 1}, {x: 9}]
    failed: [1]
    ```
    """


class Small(Check):
    __doc__ = EXAMPLE % "small"
    name = "small"
    columns: Columns = param(help="the columns", short=True)

    def bad(self, column: str, context: Context) -> pl.Expr:
        return pl.col(column) > 5


class Mistaken(Small):
    __doc__ = EXAMPLE % "mistaken"
    name = "mistaken"

    def bad(self, column: str, context: Context) -> pl.Expr:
        return pl.col(column) > 50


class Nameless(Small):
    """cells are small"""

    name = "nameless"


class Silent(Small):
    __doc__ = (EXAMPLE % "silent").replace("Null passes.", "")
    name = "silent"


class Batchwise(Small):
    """Cells are not the greatest. Null passes.

    ```yaml
    module: {batchwise: [x]}
    rows: [{x: 1}, {x: 9}]
    failed: [1]
    ```
    """

    name = "batchwise"

    def bad(self, column: str, context: Context) -> pl.Expr:
        return pl.col(column) == pl.col(column).max()


class Unhelpful(Small):
    __doc__ = EXAMPLE % "unhelpful"
    name = "unhelpful"
    much: int = param(5)


class Doubtful(Small):
    __doc__ = EXAMPLE % "doubtful"
    name = "doubtful"

    def problems(self, types):  # type: ignore[no-untyped-def]
        yield "columns", "I doubt it"


class Vacuous(Gate):
    """All is well, whatever null means.

    ```yaml
    module: vacuous
    rows: [{x: 1}]
    outcome: pass
    ```
    """

    name = "vacuous"

    def measures(self, context: Context) -> dict[str, Measure]:
        return {}

    def verdict(self, values: object, context: Context) -> Verdict:
        return Verdict("pass")


class Dropping(Transform):
    """Rows go.

    ```yaml
    module: dropping
    rows: [{x: 1}, {x: 2}]
    gives: [{x: 1}]
    ```
    """

    name = "dropping"

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.head(1)


class Secretive(Transform):
    """Adds a column.

    ```yaml
    module: secretive
    rows: [{x: 1}]
    gives: [{x: 1, y: 2}]
    ```
    """

    name = "secretive"

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        return frame.with_columns(y=pl.lit(2))


def test_the_suite_accepts_a_good_module() -> None:
    modules.check_module(Small)


@pytest.mark.parametrize("module, rule", [
    (Mistaken, modules.examples_run),
    (Nameless, modules.docstring_is_a_manual_page),
    (Silent, modules.docstring_is_a_manual_page),
    (Batchwise, modules.same_in_any_batches),
    (Unhelpful, modules.parameters_are_valid_schema),
    (Doubtful, modules.parameters_are_sensible),
    (Vacuous, modules.zero_rows_are_not_evaluated),
    (Dropping, modules.examples_run),
    (Secretive, modules.output_types_are_true),
])  # fmt: skip
def test_the_suite_finds_a_broken_promise(module: type[Module], rule: Callable[[type[Module]], None]) -> None:
    with pytest.raises(AssertionError):
        rule(module)
