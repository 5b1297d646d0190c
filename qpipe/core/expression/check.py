"""A tree against the columns it is about: what each part means, and every mistake in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qpipe.core.expression.errors import Code, ExpressionError, ExpressionErrors
from qpipe.core.expression.functions import Function, flaw, function, names
from qpipe.core.expression.kinds import ALLOWED, ARTICLES, NULLS, RESULTS, WORDS, ContextFunction, Extra
from qpipe.core.expression.like import like_parts, like_test
from qpipe.core.expression.literals import ANY, BOOL, INT, TEXT
from qpipe.core.expression.meaning import Meaning, arithmetic, cast, common, constant, negative, same, text
from qpipe.core.expression.regex import check_regex
from qpipe.core.expression.tree import (
    Binary,
    Call,
    Case,
    Cast,
    Column,
    In,
    IsNull,
    Like,
    Literal,
    Logic,
    Node,
    Unary,
)  # fmt: skip
from qpipe.core.lazy import pl
from qpipe.core.types import DataType, comparable, did_you_mean

if TYPE_CHECKING:
    import polars as pl

Types = Mapping[str, DataType]


_COMPARISONS: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "=": lambda a, b: a == b, "<>": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "is-distinct": lambda a, b: a.ne_missing(b),
}  # fmt: skip


def meaning_of(root: Node, written: str, schema: Types | None, extra: Extra) -> Meaning:
    """What it means. ExpressionErrors with everything that is wrong. ``schema`` None: columns are of any type."""
    reader = _Reader(written, schema, extra)
    meaning = reader.read(root)
    if reader.errors:
        raise ExpressionErrors(reader.errors)
    return meaning


class _Reader:
    def __init__(self, written: str, schema: Types | None, extra: Extra) -> None:
        self.written, self.schema, self.extra = written, schema, extra
        self.errors: list[ExpressionError] = []
        self._readers: dict[type[Node], Callable[[Any], Meaning]] = {
            Column: self._column, Literal: lambda n: constant(n, n.value, n.type), Unary: self._unary, Binary: self._binary,
            Logic: self._logic, IsNull: self._is_null, In: self._in, Like: self._like, Case: self._case, Cast: self._cast,
            Call: self._call,
        }  # fmt: skip

    def read(self, node: Node) -> Meaning:
        return self._readers[type(node)](node)

    def say(self, node: Node, message: str, hint: str = "", code: Code = "bad-types", length: int | None = None) -> Meaning:
        """Notes a mistake, and goes on as if the part could be anything."""
        size = node.end - node.start if length is None else length
        self.errors.append(ExpressionError(message, node.start, size, hint, code))
        return Meaning(node, ANY, lambda: pl.lit(None))

    def show(self, part: Meaning) -> str:
        shown = self.written[part.node.start : part.node.end]
        if len(shown) > 30:
            shown = shown.strip("'")[:29]
            return f"'{shown}…'"
        return shown if shown.startswith("'") and part.constant else f"'{shown}'"

    def is_a(self, part: Meaning) -> str:
        return f"{self.show(part)} is {ARTICLES.get(part.type.kind, part.type.kind)}"

    # ── columns ──

    def _column(self, node: Column) -> Meaning:
        name, fields = node.path[0], node.path[1:]
        if self.schema is None:
            return self._fields(node, Meaning(node, ANY, lambda: pl.col(name)), fields)
        if name not in self.schema:
            return self._no_column(node)
        return self._fields(node, Meaning(node, self.schema[name], lambda: pl.col(name)), fields)

    def _no_column(self, node: Column) -> Meaning:
        known, whole = [*(self.schema or {})], ".".join(node.path)
        quoted = f'Write "{whole}" in double quotes.'
        hint = quoted if whole in known else did_you_mean(node.path[0], known).strip()
        if not hint and known:
            some = ", ".join(known[:12])
            hint = f"There are {some}{', …' if len(known) > 12 else ''}."
        return self.say(node, f"there is no column '{node.path[0]}'", hint, "unknown-column")

    def _fields(self, node: Column, part: Meaning, fields: Sequence[str]) -> Meaning:
        for field in fields:
            if part.type.kind not in ("struct", "any"):
                return self.say(node, f"'{node.path[0]}' is {ARTICLES[part.type.kind]}, it has no field '{field}'")
            known = dict(part.type.fields)
            if known and field not in known:
                return self.say(node, f"there is no field '{field}'", did_you_mean(field, [*known]).strip(), "unknown-column")
            part = self._field(part, field, known.get(field, ANY))
        return part

    def _field(self, part: Meaning, field: str, type: DataType) -> Meaning:
        return replace(part, type=type, build=lambda: part.expr.struct.field(field))

    # ── operators ──

    def _unary(self, node: Unary) -> Meaning:
        operand = self.read(node.operand)
        if node.operator == "not":
            self._condition(operand, "not")
            return Meaning(node, BOOL, lambda: ~_bool(operand))
        return negative(node, operand) or self.say(node, f"- needs a number; {self.is_a(operand)}")

    def _logic(self, node: Logic) -> Meaning:
        operands = [self.read(operand) for operand in node.operands]
        for operand in operands:
            self._condition(operand, node.operator)

        def build() -> pl.Expr:
            exprs = [_bool(operand) for operand in operands]
            return pl.all_horizontal(exprs) if node.operator == "and" else pl.any_horizontal(exprs)

        return Meaning(node, BOOL, build)

    def _condition(self, part: Meaning, word: str) -> None:
        if part.type.kind not in ("bool", "any"):
            self.say(part.node, f"{word} needs true or false; {self.is_a(part)}", _as_condition(self.show(part), part))

    def _binary(self, node: Binary) -> Meaning:
        left, right = self.read(node.left), self.read(node.right)
        if node.operator in _COMPARISONS:
            return self._comparison(node, node.operator, left, right)
        if node.operator in ("~", "~*"):
            return self._match(node, left, right)
        if node.operator == "||":
            return self._joined(node, left, right)
        found = arithmetic(node, node.operator, left, right)
        if found is not None:
            return found
        hint = "Join texts with ||." if node.operator == "+" and "string" in (left.type.kind, right.type.kind) else ""
        hint = hint or _as_number(left if left.type.kind == "string" else right, self)
        return self.say(node, f"{node.operator} has no meaning here: {self.is_a(left)}, {self.is_a(right)}", hint)

    def _comparison(self, node: Node, operator: str, left: Meaning, right: Meaning) -> Meaning:
        pair = self._together(node, left, right)
        if pair is None:
            return Meaning(node, BOOL, lambda: pl.lit(None, dtype=pl.Boolean))
        one, two = pair
        if one.null or two.null:
            return _beside_null(node, operator, two if one.null else one)
        if two.type.kind in ("list", "struct") and operator not in ("=", "<>", "is-distinct"):
            return self.say(node, f"{operator} has no meaning for {ARTICLES[two.type.kind]}")
        return Meaning(node, BOOL, lambda: _COMPARISONS[operator](one.expr, two.expr))

    def _together(self, node: Node, left: Meaning, right: Meaning) -> tuple[Meaning, Meaning] | None:
        """Both sides so that they can be compared: a text in quotes becomes a date, a fraction a decimal."""
        if "any" in (left.type.kind, right.type.kind):
            return left, right
        type = common((left, right))
        if type is None or not (comparable(left.type, right.type) or _quoted(left) or _quoted(right)):
            self.say(node, f"cannot be compared: {self.is_a(left)}, {self.is_a(right)}", self._cure(left, right))
            return None
        if type.is_number:
            return _number(left, right), _number(right, left)
        try:
            return same(left, type), same(right, type)
        except ValueError as error:
            quoted = left if _quoted(left) else right
            self.say(quoted.node, str(error), code="bad-value")
            return None

    def _cure(self, left: Meaning, right: Meaning) -> str:
        kinds = {left.type.kind, right.type.kind}
        if kinds == {"datetime"}:
            return "One has a time zone, the other has none: cast(x as datetime(UTC))."
        words, other = (left, right) if left.type.kind == "string" else (right, left)
        if "string" in kinds and other.type.is_number and words.constant:
            return _as_number(words, self)
        if "string" in kinds and other.constant and not words.constant and other.type.kind != "duration":
            number = self.written[other.node.start : other.node.end]
            return f"Write '{number}' in single quotes, or cast({self.show(words)[1:-1]} as {other.type})."
        if "string" in kinds and other.type.kind == "bool":
            return "Write true or false without quotes."
        if "string" in kinds and not words.constant:
            return f"cast({self.show(words)[1:-1]} as {other.type}) makes it one."
        return ""

    def _match(self, node: Binary, left: Meaning, right: Meaning) -> Meaning:
        left = _as_text(left)
        self._is_text(left, node.operator)
        pattern = self._pattern(right, node.operator)
        if pattern is not None and (wrong := check_regex(pattern)):
            return self.say(right.node, f"the regular expression cannot be used: {wrong}", code="bad-regex")
        flags = "(?i)" if node.operator == "~*" else ""
        return Meaning(node, BOOL, lambda: left.expr.str.contains(f"{flags}{pattern}"))

    def _is_text(self, part: Meaning, word: str) -> None:
        if part.type.kind not in ("string", "any"):
            self.say(
                part.node, f"{word} needs text; {self.is_a(part)}", f"cast({self.show(part)[1:-1]} as text) makes it text."
            )

    def _pattern(self, part: Meaning, word: str) -> str | None:
        if part.constant and isinstance(part.value, str):
            return part.value
        self.say(part.node, f"the pattern of {word} is written out, in quotes")
        return None

    def _joined(self, node: Node, left: Meaning, right: Meaning) -> Meaning:
        if left.type.kind == right.type.kind == "bool":
            return self.say(node, "|| joins texts", "Write or.")
        one, two = text(left), text(right)
        if one is None or two is None:
            return self.say(node, f"|| joins texts; {self.is_a(left if one is None else right)}")
        return Meaning(node, TEXT, lambda: pl.concat_str([one.expr, two.expr]))

    # ── tests ──

    def _is_null(self, node: IsNull) -> Meaning:
        operand = self.read(node.operand)
        return Meaning(node, BOOL, lambda: operand.expr.is_null())

    def _in(self, node: In) -> Meaning:
        operand, items = self.read(node.operand), [self.read(item) for item in node.items]
        tests = [self._comparison(item.node, "=", operand, item) for item in items]
        values = [item.value for item in items]
        if all(i.constant for i in items) and _plain(operand, items):

            def among() -> pl.Expr:
                found = operand.expr.is_in([v for v in values if v is not None])
                return found if None not in values else pl.when(found).then(True)

            return Meaning(node, BOOL, among)
        return Meaning(node, BOOL, lambda: pl.any_horizontal([t.expr for t in tests]))

    def _like(self, node: Like) -> Meaning:
        operand, pattern = _as_text(self.read(node.operand)), self.read(node.pattern)
        word = "ilike" if node.any_case else "like"
        self._is_text(operand, word)
        written = self._pattern(pattern, word)
        if written is None:
            return Meaning(node, BOOL, lambda: pl.lit(None))
        parts = like_parts(written, node.escape)
        if parts is None:
            return self.say(pattern.node, f"the pattern ends with its escape letter {node.escape}", code="bad-value")
        return Meaning(node, BOOL, lambda: like_test(operand.expr, parts, node.any_case))

    def _case(self, node: Case) -> Meaning:
        tests = [self.read(test) for test, _ in node.whens]
        for test in tests:
            self._condition(test, "when")
        values = [self.read(value) for _, value in node.whens]
        values += [self.read(node.otherwise)] if node.otherwise else []
        values = self._unified(values, "case")

        def build() -> pl.Expr:
            chain: Any = pl
            for test, value in zip(tests, values, strict=False):
                chain = chain.when(_bool(test)).then(value.expr)
            return chain.otherwise(values[-1].expr) if node.otherwise else chain

        return Meaning(node, values[0].type, build)

    def _unified(self, values: list[Meaning], word: str) -> list[Meaning]:
        """All in one type."""
        type = common(values)
        if type is None:
            firm = [v for v in values if v.type.kind != "any"]
            odd = next((v for v in firm if common((firm[0], v)) is None), firm[-1])
            self.say(odd.node, f"{word} gives values of one type; {self.is_a(firm[0])}, {self.is_a(odd)}")
            return values
        try:
            return [same(value, type) for value in values]
        except ValueError as error:
            odd = next(v for v in values if _quoted(v))
            self.say(odd.node, str(error), code="bad-value")
            return values

    def _cast(self, node: Cast) -> Meaning:
        operand = self.read(node.operand)
        made = cast(node, operand, node.type)
        return made or self.say(node, f"{self.is_a(operand)} and cannot become {node.type}")

    # ── calls ──

    def _call(self, node: Call) -> Meaning:
        if node.name in self.extra:
            return self._context(node)
        row = function(node.name)
        if row is None:
            known = [*names(), *self.extra, "cast", "try_cast"]
            hint = did_you_mean(node.name, known).strip()
            for arg in node.args:
                self.read(arg)
            return self.say(node, f"there is no function '{node.name}'", hint, "unknown-function", len(node.name))
        args = [self.read(arg) for arg in node.args]
        if not row.least <= len(args) <= (row.most if row.most is not None else len(args)):
            hint = f"It is {row.signature}: {row.doc}."
            return self.say(node, f"{node.name} takes {_count(row)}, not {len(args)}", hint, "bad-call")
        return self._called(node, row, args)

    def _called(self, node: Call, row: Function, args: list[Meaning]) -> Meaning:
        before = len(self.errors)
        args = [self._argument(node, row, position, arg) for position, arg in enumerate(args)]
        if row.params[-1:] == ("item",):
            args[1] = self._item(args[0], args[1])
        shared = [n for n in range(len(args)) if row.param(n) == "same"]
        unified = self._unified([args[n] for n in shared], node.name) if shared else []
        for n, value in zip(shared, unified, strict=True):
            args[n] = value
        if len(self.errors) > before:
            return Meaning(node, RESULTS.get(row.result, ANY), lambda: pl.lit(None))
        if row.result == "sum":
            return arithmetic(node, "+", args[0], args[1]) or self.say(node, f"{node.name} takes a date and an interval")
        kind = row.result
        moments = [a.type for n, a in enumerate(args) if row.param(n) in ("number", "moment")]
        type = unified[0].type if kind == "same" else moments[0] if kind in ("first", "number") else RESULTS[kind]
        type = INT if kind == "number" and type.kind == "integer" else type
        return Meaning(node, type, lambda: row.build(*args))

    def _argument(self, node: Call, row: Function, position: int, arg: Meaning) -> Meaning:
        kind = row.param(position)
        if kind.startswith("'"):
            return self._written_out(node, kind.strip("'"), arg)
        if kind in NULLS and arg.null:
            return constant(arg.node, None, NULLS[kind])
        if kind in ("same", "item") or arg.type.kind == "any":
            return arg
        if kind in ("moment", "clock") and _quoted(arg):
            hint = f"Write {'DATE' if len(arg.value) <= 10 else 'TIMESTAMP'} {self.written[arg.node.start : arg.node.end]}."
            return self.say(arg.node, f"{node.name} needs {WORDS[kind]}; {self.is_a(arg)}", hint, "bad-call")
        if arg.type.kind not in ALLOWED[kind]:
            hint = f"It is {row.signature}: {row.doc}."
            return self.say(arg.node, f"{node.name} needs {WORDS[kind]}; {self.is_a(arg)}", hint, "bad-call")
        return (text(arg) or arg) if kind == "string" else arg

    def _item(self, items: Meaning, arg: Meaning) -> Meaning:
        """What is sought in a list, as its items are."""
        item = replace(items, type=items.type.inner or ANY, constant=False)
        pair = self._together(arg.node, item, arg)
        return pair[1] if pair else arg

    def _written_out(self, node: Call, kind: str, arg: Meaning) -> Meaning:
        number = kind in ("int", "group")
        fits = isinstance(arg.value, int) and not isinstance(arg.value, bool) if number else isinstance(arg.value, str)
        if not arg.constant or not fits:
            what = "a whole number" if number else "a text in quotes"
            return self.say(arg.node, f"{node.name} needs {what} here, written out", code="bad-call")
        if wrong := flaw(kind, arg.value):
            return self.say(arg.node, wrong, code="bad-regex" if kind == "regex" else "bad-value")
        return arg

    def _context(self, node: Call) -> Meaning:
        given = self.extra[node.name]
        row = given if isinstance(given, ContextFunction) else ContextFunction(given)
        words = []
        for arg in node.args:
            if isinstance(arg, Column) and len(arg.path) == 1:
                words.append(arg.path[0])
            elif isinstance(arg, Literal) and isinstance(arg.value, str):
                words.append(arg.value)
            else:
                return self.say(arg, f"{node.name} takes words or texts in quotes, no expressions", code="bad-call")
        if wrong := row.check(*words):
            return self.say(node, wrong, code="bad-call")
        return Meaning(node, row.type, lambda: row.build(*words))


# ── small judgements ──


def _bool(part: Meaning) -> pl.Expr:
    return pl.lit(part.value, dtype=pl.Boolean) if part.constant else part.expr


def _beside_null(node: Node, operator: str, other: Meaning) -> Meaning:
    if operator == "is-distinct":
        return Meaning(node, BOOL, lambda: pl.lit(False) if other.null else other.expr.is_not_null())
    return constant(node, None, BOOL)


def _as_text(part: Meaning) -> Meaning:
    return constant(part.node, None, TEXT) if part.null else part


def _quoted(part: Meaning) -> bool:
    return part.constant and isinstance(part.value, str)


def _number(part: Meaning, beside: Meaning) -> Meaning:
    """A number as it is compared with another: beside a decimal a constant is exact, else Polars finds the common type."""
    if part.constant and beside.type.kind == "decimal" and part.value is not None and not isinstance(part.value, float):
        shape = common((part, beside))
        return same(part, shape) if shape and shape.kind == "decimal" else part
    return part


def _plain(operand: Meaning, items: Sequence[Meaning]) -> bool:
    """Can ``is_in`` be trusted with them? Only where no value changes its type for it."""
    kinds = {item.type.kind for item in items if item.value is not None}
    return operand.type.kind in ("string", "integer") and kinds == {operand.type.kind}


def _as_condition(shown: str, part: Meaning) -> str:
    if part.type.is_number:
        return f"Write {shown[1:-1]} <> 0."
    return "Write column = 'value'." if part.type.kind == "string" and not part.constant else ""


def _as_number(part: Meaning, reader: _Reader) -> str:
    if part.type.kind != "string":
        return ""
    if not part.constant:
        return f"cast({reader.show(part)[1:-1]} as decimal(12,2)) makes it a number."
    return f"Write {part.value.strip()} without quotes." if re.fullmatch(r"\s*-?\d+(\.\d+)?\s*", str(part.value)) else ""


def _count(row: Function) -> str:
    if row.most is None:
        return f"at least {row.least} values"
    if row.least == row.most:
        return f"{row.most} value{'s' if row.most != 1 else ''}" if row.most else "no values"
    return f"{row.least} to {row.most} values"
