"""Text → tree. The grammar is the gate: nothing that is not written here can reach Polars.

Binding, loosest first: or · and · not · comparisons, is, in, between, like, ~ · || · + - · * / % // · unary - · :: and .
"""

from __future__ import annotations

import re

from qpipe.core.expression.errors import ExpressionError
from qpipe.core.expression.literals import ANY, BOOL, DATE, DATETIME, DURATION, TEXT, TIME, read_number, read_text
from qpipe.core.expression.refused import refusal
from qpipe.core.expression.tokens import Token, tokens
from qpipe.core.expression.tree import Binary, Call, Case, Cast, Column, In, IsNull, Like, Literal, Logic, Node, Unary
from qpipe.core.types import DataType

LONGEST, DEEPEST = 20_000, 150
RESERVED = frozenset(
    [
        "and",
        "or",
        "not",
        "is",
        "null",
        "in",
        "between",
        "like",
        "ilike",
        "case",
        "when",
        "then",
        "else",
        "end",
        "true",
        "false",
        "select",
        "with",
        "exists",
        "over",
        "union",
    ]
)
_OR, _AND, _NOT, _COMPARE, _CONCAT, _ADD, _MULTIPLY = range(1, 8)
_BINDING = {
    "or": _OR, "and": _AND, "||": _CONCAT, "+": _ADD, "-": _ADD, "*": _MULTIPLY, "/": _MULTIPLY, "%": _MULTIPLY,
    "//": _MULTIPLY, **dict.fromkeys(
        ("=", "==", "<>", "!=", "<", "<=", ">", ">=", "~", "~*", "!~", "!~*", "is", "not", "in", "between", "like", "ilike"),
        _COMPARE),
}  # fmt: skip
_SAME = {"==": "=", "!=": "<>"}
_TYPED = {"date": DATE, "timestamp": DATETIME, "time": TIME, "interval": DURATION}


def parse(text: str) -> Node:
    """The tree of an expression. ExpressionError for the first place where it is none."""
    if len(text) > LONGEST:
        raise ExpressionError(f"the expression is longer than {LONGEST} letters", 0, len(text))
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(tokens(text))
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        if self._next.kind == "end":
            raise ExpressionError("the expression is empty", 0)
        node = self._expression(0)
        if self._next.kind != "end":
            raise self._unexpected(self._next)
        _measure(node)
        return node

    # ── operators ──

    def _expression(self, binding: int) -> Node:
        before = self._depth
        self._deeper()
        left = self._prefix()
        while True:
            word = self._operator()
            bound = _BINDING.get(word, 0)
            if bound <= binding:
                break
            if word not in ("and", "or"):  # those become one node, however many they are
                self._deeper()
            left = self._infix(left, word, bound)
            if bound == _COMPARE and _BINDING.get(self._operator(), 0) == _COMPARE and self._next.kind == "sign":
                raise ExpressionError("comparisons cannot be chained", self._next.start, len(self._next.text),
                                      "Write a < b and b < c.")  # fmt: skip
        self._depth = before
        return left

    def _operator(self) -> str:
        return self._next.value if self._next.kind in ("sign", "name") else ""

    def _prefix(self) -> Node:
        token = self._next
        if token.kind == "name" and token.value == "not":
            self._take()
            operand = self._expression(_NOT)
            return Unary(token.start, operand.end, "not", operand)
        if token.kind == "sign" and token.text in "+-":
            self._take()
            operand = self._expression(_MULTIPLY)
            return operand if token.text == "+" else _negative(token.start, operand)
        return self._postfix(self._primary())

    def _infix(self, left: Node, word: str, bound: int) -> Node:
        operator = self._take()
        if word in ("and", "or"):
            right = self._expression(bound)
            same = left.operands if isinstance(left, Logic) and left.operator == word else (left,)
            return Logic(left.start, right.end, word, (*same, right))
        if word == "is":
            return self._is(left)
        if word in ("not", "in", "between", "like", "ilike"):
            negated = word == "not"
            if negated:
                operator = self._take()
                if operator.kind != "name" or operator.value not in ("in", "between", "like", "ilike"):
                    raise self._unexpected(operator, "Here not is followed by in, between, like or ilike.")
            test = self._test(left, operator.value)
            return Unary(test.start, test.end, "not", test) if negated else test
        right = self._expression(bound)
        if word in ("!~", "!~*"):
            match = Binary(left.start, right.end, word[1:], left, right)
            return Unary(left.start, right.end, "not", match)
        return Binary(left.start, right.end, _SAME.get(word, word), left, right)

    def _is(self, left: Node) -> Node:
        negated = self._word("not")
        token = self._take()
        test: Node
        if token.value == "null" and token.kind == "name":
            test = IsNull(left.start, token.end, left)
        elif token.kind == "name" and token.value in ("true", "false"):
            value = Literal(token.start, token.end, token.value == "true", BOOL)
            test = Unary(left.start, token.end, "not", Binary(left.start, token.end, "is-distinct", left, value))
        elif token.kind == "name" and token.value == "distinct":
            self._expect("from")
            right = self._expression(_COMPARE)
            test = Binary(left.start, right.end, "is-distinct", left, right)
        else:
            raise self._unexpected(token, "After is stands null, true, false or distinct from.")
        return Unary(left.start, test.end, "not", test) if negated else test

    def _test(self, left: Node, word: str) -> Node:
        if word == "in":
            self._expect("(", "in is followed by a list: in ('a', 'b').")
            items = self._list()
            return In(left.start, self._last.end, left, items)
        if word == "between":
            low = self._expression(_COMPARE)
            self._expect("and", "between 1 and 10")
            high = self._expression(_COMPARE)
            parts = (Binary(left.start, low.end, ">=", left, low), Binary(left.start, high.end, "<=", left, high))
            return Logic(left.start, high.end, "and", parts)
        pattern, escape = self._expression(_COMPARE), None
        if self._word("escape"):
            token = self._take()
            if token.kind != "string" or len(token.value) != 1:
                raise ExpressionError("escape takes one letter in quotes", token.start, len(token.text))
            escape = token.value
        return Like(left.start, self._last.end, left, pattern, escape, word == "ilike")

    # ── values ──

    def _postfix(self, node: Node) -> Node:
        while self._next.kind == "sign" and self._next.text == "::":
            self._deeper()
            self._take()
            type = self._type()
            node = Cast(node.start, self._last.end, node, type)
        return node

    def _primary(self) -> Node:
        token = self._take()
        if token.kind == "number":
            try:
                value, type = read_number(token.text)
            except ValueError as error:
                raise ExpressionError(str(error), token.start, len(token.text), code="bad-value") from None
            return Literal(token.start, token.end, value, type)
        if token.kind == "string":
            return Literal(token.start, token.end, token.value, TEXT)
        if token.kind == "quoted" or (token.kind == "name" and token.value not in RESERVED):
            return self._named(token)
        if token.kind == "name" and token.value in ("true", "false", "null"):
            value = {"true": True, "false": False, "null": None}[token.value]
            return Literal(token.start, token.end, value, ANY if value is None else BOOL)
        if token.kind == "name" and token.value == "case":
            return self._case(token)
        if token.text == "(":
            return self._parentheses(token)
        raise self._unexpected(token)

    def _parentheses(self, opened: Token) -> Node:
        node = self._expression(0)
        if self._next.text == "," and self._next.kind == "sign":
            raise ExpressionError("a list stands only after in", self._next.start, 1)
        self._expect(")", f"The parenthesis at letter {opened.start + 1} is not closed.")
        return node

    def _named(self, token: Token) -> Node:
        word = token.value if token.kind == "name" else ""
        following = self._next
        if word in _TYPED and following.kind == "string":
            return self._typed(token, _TYPED[word])
        if word == "interval" and following.kind == "number":
            return self._interval(token)
        if following.kind == "sign" and following.text == "(" and token.kind == "name":
            return self._call(token)
        if refused := refusal(word, called=False):
            raise ExpressionError(refused[0], token.start, len(token.text), refused[1], "not-allowed")
        path = [token.text if token.kind == "name" else token.value]
        while self._next.kind == "sign" and self._next.text == ".":
            self._take()
            part = self._take()
            if part.kind not in ("name", "quoted"):
                raise self._unexpected(part, "After a point stands the name of a field.")
            path.append(part.text if part.kind == "name" else part.value)
        return Column(token.start, self._last.end, tuple(path))

    def _typed(self, word: Token, type: DataType) -> Node:
        token = self._take()
        text = token.value
        if type is DURATION and re.fullmatch(r"\s*[+-]?[0-9]+\s*", text) and self._next.kind == "name":
            text = f"{text} {self._take().value}"  # INTERVAL '1' day
        return self._read(word, text, type, token)

    def _interval(self, word: Token) -> Node:
        number, unit = self._take(), self._take()
        return self._read(word, f"{number.text} {unit.text}", DURATION, number)

    def _read(self, word: Token, text: str, type: DataType, at: Token) -> Node:
        try:
            return Literal(word.start, self._last.end, read_text(text, type), type)
        except ValueError as error:
            raise ExpressionError(str(error), at.start, self._last.end - at.start, code="bad-value") from None

    def _case(self, token: Token) -> Node:
        subject = None if self._is_word("when") else self._expression(0)
        whens, otherwise = [], None
        while self._word("when"):
            self._deeper()
            test = self._expression(0)
            if subject is not None:
                test = Binary(test.start, test.end, "=", subject, test)
            self._expect("then")
            whens.append((test, self._expression(0)))
        if not whens:
            raise self._unexpected(self._next, "case when … then … else … end")
        if self._word("else"):
            otherwise = self._expression(0)
        self._expect("end", "case when … then … else … end")
        return Case(token.start, self._last.end, tuple(whens), otherwise)

    def _call(self, token: Token) -> Node:
        name = token.value
        if refused := refusal(name, called=True):
            raise ExpressionError(refused[0], token.start, len(token.text), refused[1], "not-allowed")
        self._take()
        if name in ("cast", "try_cast"):
            operand = self._expression(0)
            self._expect("as", "cast(x as int)")
            type = self._type()
            self._expect(")")
            return Cast(token.start, self._last.end, operand, type)
        if name == "extract" and self._next.kind in ("name", "string"):
            part = self._take()
            self._expect("from", "extract(year from x)")
            unit = Literal(part.start, part.end, part.value, TEXT)
            operand = self._expression(0)
            self._expect(")")
            return Call(token.start, self._last.end, "date_part", (unit, operand))
        if self._next.text == "*" and self._next.kind == "sign":
            raise self._unexpected(self._next)
        args = () if self._sign(")") else self._list()
        return Call(token.start, self._last.end, name, args)

    def _list(self) -> tuple[Node, ...]:
        """Expressions up to the closing parenthesis."""
        items = [self._expression(0)]
        while self._sign(","):
            items.append(self._expression(0))
        self._expect(")")
        return tuple(items)

    def _type(self) -> DataType:
        first = self._take()
        if first.kind != "name":
            raise self._unexpected(first, "Here stands a type such as int, decimal(12,2), text or date.")
        end, depth = first.end, 0
        if self._next.kind == "sign" and self._next.text == "(":
            while True:
                token = self._take()
                depth += {"(": 1, ")": -1}.get(token.text, 0) if token.kind == "sign" else 0
                if token.kind == "end":
                    raise self._unexpected(token)
                if depth == 0:
                    break
            end = token.end
        try:
            return DataType.parse(self._text[first.start : end])
        except ValueError as error:
            raise ExpressionError(str(error), first.start, end - first.start, code="bad-types") from None
        except RecursionError:
            raise ExpressionError("the type is too deeply nested", first.start, end - first.start) from None

    # ── tokens ──

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    @property
    def _last(self) -> Token:
        return self._tokens[self._at - 1]

    def _take(self) -> Token:
        token = self._next
        if token.kind != "end":
            self._at += 1
        return token

    def _is_word(self, word: str) -> bool:
        return self._next.kind == "name" and self._next.value == word

    def _word(self, word: str) -> bool:
        found = self._is_word(word)
        self._at += found
        return found

    def _sign(self, sign: str) -> bool:
        found = self._next.kind == "sign" and self._next.text == sign
        self._at += found
        return found

    def _expect(self, wanted: str, hint: str = "") -> None:
        if not (self._sign(wanted) or self._word(wanted)):
            found = self._next
            what = "the expression ends" if found.kind == "end" else f"'{found.text}' stands"
            raise ExpressionError(f"{what} where '{wanted}' was expected", found.start, len(found.text), hint)

    def _unexpected(self, token: Token, hint: str = "") -> ExpressionError:
        if token.kind == "end":
            return ExpressionError("the expression ends too early", token.start, 1, hint)
        if token.kind == "name" and token.value in ("select", "with", "exists", "union", "over"):
            what = "window functions" if token.value == "over" else "queries"
            advice = "A rule over many rows is a module (aggregate, unique, sql); an expression sees one row."
            return ExpressionError(
                f"{what} are not allowed in an expression", token.start, len(token.text), advice, "not-allowed"
            )
        if token.kind == "name" and token.value in RESERVED and not hint:
            hint = f'A column of this name is written in double quotes: "{token.text}".'
        return ExpressionError(f"'{token.text[:40]}' does not belong here", token.start, len(token.text), hint)

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise ExpressionError("the expression is too deeply nested", self._next.start, len(self._next.text))


def _negative(start: int, operand: Node) -> Node:
    if isinstance(operand, Literal) and isinstance(operand.value, (int, float)) and not isinstance(operand.value, bool):
        return Literal(start, operand.end, -operand.value, operand.type)
    if isinstance(operand, Literal) and operand.type.name == "float" and operand.value is not None:
        return Literal(start, operand.end, -operand.value, operand.type)  # type: ignore[operator]
    return Unary(start, operand.end, "-", operand)


def _measure(root: Node) -> None:
    """Refuses what would be too deep for those who walk the tree."""
    level, depth = [root], 0
    while level:
        depth += 1
        level = [child for node in level for child in node.children()]
        if depth > 2 * DEEPEST:
            raise ExpressionError("the expression is too deeply nested", root.start, root.end - root.start)
