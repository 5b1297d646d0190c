"""any_of"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from qpipe.core.component import Check, Context, Rule, Types
from qpipe.core.lazy import pl
from qpipe.core.params import param
from qpipe.modules.validation._nested import described, nested, nested_problems

if TYPE_CHECKING:
    import polars as pl


class AnyOf(Check):
    """At least one of several row checks passes, or at least so many.

    Each check is written as under `modules`; only checks that look at one row at a time can stand here, and their own `where`
    and `tolerance` cannot. A check that does not speak of a row (a null, say) is not counted as passed; a row of which none
    speaks passes and is not evaluated. Zero rows: not evaluated.

    Examples:
        ```yaml
        module:
          any_of:
            - format_is: {column: contact, kind: email}
            - matches: {column: contact, regex: '^\\+[0-9]+$'}
        rows: [{contact: a@example.com}, {contact: "+49301234"}, {contact: nobody}, {contact: null}]
        failed: [2]
        ```
        ```yaml
        module:
          any_of: {checks: [{not_null: a}, {not_null: b}, {not_null: c}], at_least: 2}
        rows: [{a: 1, b: 1, c: null}, {a: null, b: 1, c: null}]
        failed: [1]
        ```
    """

    dimension = "validity"
    like = ("conjointly", "anyOf", "or", "any_of", "row_condition or", "at_least", "oneOf")

    checks: tuple[dict[str, Any], ...] = param(help="row checks, as under modules", short=True, minItems=2)
    at_least: int = param(1, help="how many of them must pass", minimum=1)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from nested_problems(self.checks, types)
        if self.at_least > len(self.checks):
            yield "at_least", f"there are only {len(self.checks)} checks"

    def reads(self) -> Iterator[tuple[str, str]]:
        for check in nested(self.checks):
            yield from (("checks", column) for column in _columns(check))

    def rules(self, context: Context) -> tuple[Rule, ...]:
        passed, spoken, columns = [], [], []
        for check in nested(self.checks):
            rules = check.rules(context)
            applies = [pl.lit(True) if rule.applies is None else rule.applies for rule in rules]
            good = [applies[n] & ~rule.bad.fill_null(False) for n, rule in enumerate(rules)]
            passed.append(pl.all_horizontal(good).cast(pl.UInt32))
            spoken.append(pl.any_horizontal(applies))
            columns += [column for rule in rules for column in rule.columns]
        some = pl.any_horizontal(spoken)
        bad = some & (pl.sum_horizontal(passed) < self.at_least)
        many = "one" if self.at_least == 1 else str(self.at_least)
        words = f"{many} of: {'; '.join(described(check, context) for check in nested(self.checks))}"
        return (Rule(bad, tuple(dict.fromkeys(columns)), words, some),)


def _columns(check: Check) -> Mapping[str, None]:
    return dict.fromkeys(getattr(check, "columns", None) or ())
