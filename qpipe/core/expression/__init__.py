"""SQL expressions over one row, as they stand in specs: parsed, checked against columns, compiled to Polars.

    >>> from qpipe.core.expression import Expression
    >>> from qpipe.core.types import DataType
    >>> types = {"amount": DataType.parse("decimal(12,2)"), "status": DataType.parse("text"), "seen": DataType.parse("date")}
    >>> rule = Expression.parse("amount > 0 and status in ('new', 'paid') and seen >= '2026-01-01'")
    >>> rule.columns
    ('amount', 'status', 'seen')
    >>> str(rule.check(types))
    'bool'
    >>> Expression.parse("amuont * 2 > status").check(types)
    Traceback (most recent call last):
    qpipe.core.expression.errors.ExpressionErrors: there is no column 'amuont'
      Did you mean 'amount'?
    >>> frame.filter(rule.compile(types))                                                          # doctest: +SKIP

Nothing outside the grammar exists: no queries, files, aggregates, windows, chance or clock, so an expression cannot reach
beyond its row and gives the same result every time. A caller may add functions of its own whose arguments are words:

    >>> failed = ContextFunction(lambda *words: pl.col("__failed"), BOOL)                          # doctest: +SKIP
    >>> Expression.parse("failed(error) and amount > 10").compile(types, {"failed": failed})       # doctest: +SKIP

What it means is SQL: null is unknown (three-valued logic), names are case-sensitive, functions and keywords are not. Where
engines differ: ``/`` is always a true division; dividing by zero, a cast that fails, a whole number beyond 64 bits and a
logarithm of zero are null, since one row must not stop a run; ``//`` and ``%`` cut towards zero; decimals are exact as long
as 38 digits do; ``~`` matches anywhere in a text; ``trim`` takes blanks only; a date plus days or months stays a date.

The tree is compiled to Polars directly, not by way of ``pl.sql_expr`` (Polars 2.1): that lets integers wrap around (2⁶² * 4
is 0), gives -inf for -7 / 0, stops the run at a cast that fails, and refuses ``day > '2026-01-01'``. Where neither matters
both agree, and the tests say so. Either costs less than a millisecond an expression, once.
"""

from __future__ import annotations

from qpipe.core.expression.errors import ExpressionError, ExpressionErrors
from qpipe.core.expression.expression import Expression
from qpipe.core.expression.functions import FUNCTIONS, Function
from qpipe.core.expression.kinds import ContextFunction, Extra
from qpipe.core.expression.regex import check_regex

__all__ = [
    "FUNCTIONS",
    "ContextFunction",
    "Expression",
    "ExpressionError",
    "ExpressionErrors",
    "Extra",
    "Function",
    "check_regex",
]
