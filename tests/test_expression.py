"""Expressions of specs: what they give (against DuckDB), what is refused (message and place), what never gets through."""

from __future__ import annotations

import datetime as dt
import doctest
import math
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qpipe.core.expression import (
    FUNCTIONS,
    ContextFunction,
    Expression,
    ExpressionError,
    ExpressionErrors,
    check_regex,
)
from qpipe.core.types import DataType

D = Decimal
FRAME = pl.DataFrame(
    {
        "i": [7, -7, 0, None, 2**40],
        "j": [2, 3, -5, 4, 1],
        "tiny": [100, -128, 5, None, 127],
        "x": [1.5, -2.5, 0.0, None, 1e10],
        "y": [0.1, 2.0, -3.25, 8.0, None],
        "amount": [D("1.25"), D("-2.50"), D("0.00"), None, D("9999.99")],
        "price": [D("2.5"), D("0.3"), D("1.0"), D("3.0"), None],
        "s": ["Héllo wörld", "", "a.b.c", None, "  x_y%  "],
        "t": ["lo", "b", "a", "x", None],
        "p": [True, False, None, True, False],
        "q": [True, None, None, False, False],
        "d": [dt.date(2024, 2, 29), dt.date(2023, 12, 31), dt.date(1999, 1, 4), None, dt.date(2026, 1, 1)],
        "e": [dt.date(2024, 3, 1), dt.date(2023, 1, 1), dt.date(1999, 1, 3), dt.date(2020, 5, 5), None],
        "ts": [dt.datetime(2024, 2, 29, 13, 5, 7, 250000), dt.datetime(2023, 12, 31), dt.datetime(1969, 12, 31, 23, 59, 59),
         None,
               dt.datetime(2026, 1, 1, 0, 30)],
        "l": [[1, 2], [], [None, 7], None, [2]],
    },
    schema_overrides={"tiny": pl.Int8, "amount": pl.Decimal(12, 2), "price": pl.Decimal(5, 1), "l": pl.List(pl.Int64)},
)  # fmt: skip
TYPES = {name: DataType.of(dtype) for name, dtype in FRAME.schema.items()}

LINES = (Path(__file__).parent / "data" / "expressions.txt").read_text(encoding="utf-8").splitlines()
CASES = [line for line in LINES if line and not line.startswith("#")]  # ours, or ours :: DuckDB's


def evaluate(text: str, frame: pl.DataFrame = FRAME) -> pl.Series:
    types = {name: DataType.of(dtype) for name, dtype in frame.schema.items()}
    expression = Expression.parse(text)
    made = frame.lazy().with_columns(expression.compile(types).alias("out")).collect(engine="in-memory")["out"]
    expected = expression.check(types)
    if expected.kind != "any":
        assert made.dtype == expected.polars(), (text, made.dtype, expected)
    return made


def plain(value: object) -> object:
    """12, 12.0 and 12.00 are the same answer."""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return pytest.approx(float(value), rel=1e-12, abs=1e-12)
    return value


def number(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


@pytest.fixture(scope="module")
def oracle() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.register("frame", FRAME.with_row_index("__n"))
    return connection


def test_there_are_many_cases() -> None:
    assert len(CASES) > 280


@pytest.mark.parametrize("case", CASES)
def test_against_duckdb(case: str, oracle: duckdb.DuckDBPyConnection) -> None:
    ours, _, theirs = case.partition(" :: ")
    expected = [row[0] for row in oracle.sql(f"select {theirs or ours} from frame order by __n").fetchall()]
    assert [number(v) for v in evaluate(ours).to_list()] == [plain(v) for v in expected]


OURS = [
    # an answer for every row, where others stop or go astray
    ("i / 0", [None] * 5), ("i % 0", [None] * 5), ("i // (j - j)", [None] * 5), ("x / 0.0", [None] * 5), ("amount / 0",
     [None] * 5),
    ("amount % 0", [None] * 5), ("amount % price", [D("1.25"), D("-0.10"), D("0.00"), None, None]),
    ("9223372036854775807 + j", [None, None, 2**63 - 6, None, None]), ("i * 9000000000", [63 * 10**9, -63 * 10**9, 0, None,
     None]),
    ("-7 // 2", [-3] * 5), ("-7 % 2", [-1] * 5), ("7 // -2", [-3] * 5), ("x // 2", [0.0, -1.0, 0.0, None, 5e9]),
    ("sqrt(j)", [math.sqrt(2), math.sqrt(3), None, 2.0, 1.0]), ("ln(x)", [math.log(1.5), None, None, None, math.log(1e10)]),
    ("cast('x' as int)", [None] * 5), ("cast(t as date)", [None] * 5), ("cast(x as int8)", [2, -2, 0, None, None]),
    ("cast(amount as decimal(3,2))", [D("1.25"), D("-2.50"), D("0.00"), None, None]),
    ("make_date(2023, 2, 30)", [None] * 5), ("to_date('2023-02-30', '%Y-%m-%d')", [None] * 5),
    ("regexp_extract(t, 'z')", [None] * 5), ("initcap('ada lovelace')", ["Ada Lovelace"] * 5),
    ("d + interval 1 month", [dt.date(2024, 3, 29), dt.date(2024, 1, 31), dt.date(1999, 2, 4), None, dt.date(2026, 2, 1)]),
    ("date_trunc('hour', d)", FRAME["d"].to_list()), ("power(-8, 0.5)", [None] * 5),
    ("99 <= coalesce(0, x)", [False] * 5), ("null ~ 'a'", [None] * 5), ("-null", [None] * 5), ("hour(null)", [None] * 5),
    ("l = null", [None] * 5), ("l is distinct from null", [True, True, True, False, True]),
    ("list_contains(l, 2.0)", [True, False, False, None, True]), ("cast(p as decimal(3,1))", [1.0, 0.0, None, 1.0, 0.0]),
    ("substr(s, 2, j)", ["él", "", "", None, " "]),
    ("null", [None] * 5), ("null + 1", [None] * 5), ("null and false", [False] * 5), ("i = null", [None] * 5), ("1", [1] * 5),
    ("strftime(ts, '%f')", ["250000", "000000", "000000", None, "000000"]),
    ("time '12:30' < cast(ts as time)", [True, False, True, None, False]), ("0.5", [0.5] * 5), ("1e3", [1000.0] * 5),
    ("case when true then '2024-01-01' else d end", [dt.date(2024, 1, 1)] * 5), ("coalesce(d, '2000-01-01')",
     [dt.date(2024, 2, 29), dt.date(2023, 12, 31), dt.date(1999, 1, 4), dt.date(2000, 1, 1), dt.date(2026, 1, 1)]),
]  # fmt: skip


@pytest.mark.parametrize("text, expected", OURS, ids=[text for text, _ in OURS])
def test_our_own_meaning(text: str, expected: list) -> None:
    assert [number(v) for v in evaluate(text).to_list()] == [plain(v) for v in expected]


@pytest.mark.parametrize(
    "text", ["i > 0 and s = ''", "amount * 0.19", "i in (7, null)", "not p or q", "i // 2", "coalesce(s, t) like 'a%'", "i / 2"]
)
def test_where_sql_expr_is_right_we_agree_with_it(text: str) -> None:
    assert evaluate(text).to_list() == FRAME.select(pl.sql_expr(text).alias("out"))["out"].to_list()


def test_no_rows_give_no_rows() -> None:
    for case in [*CASES, *(text for text, _ in OURS)]:
        assert evaluate(case.partition(" :: ")[0], FRAME.clear()).len() == 0


def test_the_page_of_the_package_is_true() -> None:
    import qpipe.core.expression as package

    assert doctest.testmod(package, optionflags=doctest.ELLIPSIS).failed == 0


def test_structs_and_quoted_names() -> None:
    frame = pl.DataFrame({"a": [{"b": {"c d": 1}}, None], "Order Id": [1, 2], "select": [1, 1]})
    assert evaluate('a.b."c d" + 1', frame).to_list() == [2, None]
    assert evaluate('"Order Id" * "select"', frame).to_list() == [1, 2]


def test_time_zones() -> None:
    frame = pl.DataFrame(
        {"at": [dt.datetime(2026, 7, 1, 12, tzinfo=dt.UTC)]}, schema={"at": pl.Datetime("us", "Europe/Berlin")}
    )
    assert evaluate("at = '2026-07-01T12:00:00Z'", frame).to_list() == [True]
    assert evaluate("at = '2026-07-01 14:00:00'", frame).to_list() == [True]  # as the clocks of the column's zone
    assert evaluate("hour(at)", frame).to_list() == [14]
    with pytest.raises(ExpressionErrors, match="One has a time zone, the other has none"):
        Expression.parse("at > TIMESTAMP '2026-01-01 00:00:00'").check({"at": DataType.parse("datetime(UTC)")})


def test_what_an_expression_tells_of_itself() -> None:
    expression = Expression.parse("lower(s) = t and failed(error, 'amount') and year(d) > i")
    assert expression.columns == ("s", "t", "d", "i")
    assert expression.calls == ("lower", "failed", "year")
    assert str(expression) == expression.text and expression == Expression.parse(expression.text)
    assert (expression.root.start, expression.root.end) == (0, len(expression.text))


def test_functions_of_the_caller() -> None:
    def unknown(*words: str) -> str | None:
        return None if set(words) <= {"error", "i"} else f"no check is named '{words[-1]}'"

    failed = ContextFunction(lambda *words: pl.lit("error" in words), DataType.parse("bool"), unknown)
    expression = Expression.parse("failed(error) and i > 0 and not failed('i')")
    assert FRAME.select(expression.compile(TYPES, {"failed": failed}))["literal"].to_list() == [True, False, False, None, True]
    assert Expression.parse("rows() > 3").check(TYPES, {"rows": pl.len}).kind == "bool"
    for text, offset, message in [
        ("i > 0 and failed(warnin)", 10, "no check is named 'warnin'"),
        ("failed(i > 0)", 7, "failed takes words or texts in quotes, no expressions"),
    ]:
        with pytest.raises(ExpressionErrors) as caught:
            Expression.parse(text).check(TYPES, {"failed": failed})
        assert [(e.offset, e.message) for e in caught.value.errors] == [(offset, message)]


SYNTAX = [
    ("", 0, "the expression is empty"),
    ("i +", 3, "the expression ends too early"),
    ("i + * 2", 4, "'*' does not belong here"),
    ("(i + 2", 6, "the expression ends where ')' was expected"),
    ("i + 2)", 5, "')' does not belong here"),
    ("i = 'abc", 4, "the text that starts here has no end"),
    ('i = "abc', 4, "the name that starts here has no end"),
    ("i > 1; drop table x", 5, "an expression is one value, not a statement"),
    ("i -- j", 2, "comments have no place in an expression"),
    ("i > 1 && j", 6, "'&&' is no operator here"),
    ("i = ${var.x}", 4, "'$' means nothing here"),
    ("1 < i < 3", 6, "comparisons cannot be chained"),
    ("case when i > 1 then 2", 22, "the expression ends where 'end' was expected"),
    ("i in 1", 5, "'1' stands where '(' was expected"),
    ("i is 5", 5, "'5' does not belong here"),
    ("i not 5", 6, "'5' does not belong here"),
    ("i j", 2, "'j' does not belong here"),
    ("12abc > 1", 0, "'12abc' is neither a number nor a name"),
    ("cast(i as intt)", 10, "no type is named 'intt'. Did you mean 'int'?"),
    ("d > DATE '2024-13-01'", 9, "'2024-13-01' is no date such as '2026-01-31'"),
    ("d + interval '1 fortnight'", 13, "'1 fortnight' is no interval such as '1 day'"),
    ("99999999999999999999", 0, "99999999999999999999 is too large for a whole number"),
    ("end = 1", 0, "'end' does not belong here"),
    ("i € 2", 2, "'€' means nothing here"),
    ("(1, 2) = i", 2, "a list stands only after in"),
    ("s like 'a' escape 'xy'", 18, "escape takes one letter in quotes"),
]
REFUSED = [
    ("sum(i) > 3", 0, "'sum' looks at many rows, an expression sees one"),
    ("i > max(j)", 4, "'max' looks at many rows, an expression sees one"),
    ("count(*) > 1", 0, "'count' looks at many rows, an expression sees one"),
    ("row_number() over (order by i)", 0, "'row_number' looks at many rows, an expression sees one"),
    ("d < now()", 4, "'now' would give another result with every run"),
    ("d < current_date", 4, "'current_date' would give another result with every run"),
    ("d < today()", 4, "'today' would give another result with every run"),
    ("random() < 0.5", 0, "'random' would give another result with every run"),
    ("i in (select 1)", 6, "queries are not allowed in an expression"),
    ("(select 1) = 1", 1, "queries are not allowed in an expression"),
    ("exists (select 1)", 0, "queries are not allowed in an expression"),
    ("select 1", 0, "queries are not allowed in an expression"),
    ("read_text('/etc/passwd')", 0, "'read_text' would reach outside the row"),
    ("i in (select a from read_csv('x'))", 6, "queries are not allowed in an expression"),
    ("glob('*')", 0, "'glob' would reach outside the row"),
    ("getenv('HOME')", 0, "'getenv' would reach outside the row"),
    ("s = sqlite_scan('a', 'b')", 4, "'sqlite_scan' would reach outside the row"),
]


@pytest.mark.parametrize("text, offset, message", SYNTAX + REFUSED, ids=[row[0] for row in SYNTAX + REFUSED])
def test_refused_by_the_parser(text: str, offset: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        Expression.parse(text)
    assert (caught.value.offset, caught.value.message) == (offset, message)


WRONG = [
    ("amuont > 1", [(0, 6, "there is no column 'amuont'", "Did you mean 'amount'?")]),
    ("I > 1", [(0, 1, "there is no column 'I'", "Did you mean 'i'?")]),
    ("lowr(s) = t", [(0, 4, "there is no function 'lowr'", "Did you mean 'lower'?")]),
    ("i > 'many'", [(0, 10, "cannot be compared: 'i' is a number, 'many' is text", "")]),
    ("i > '5'", [(0, 7, "cannot be compared: 'i' is a number, '5' is text", "Write 5 without quotes.")]),
    ("s > 5", [(0, 5, "cannot be compared: 's' is text, '5' is a number", "Write '5' in single quotes, or cast(s as int).")]),
    ("d > 5", [(0, 5, "cannot be compared: 'd' is a date, '5' is a number", "")]),
    ("d > s", [(0, 5, "cannot be compared: 'd' is a date, 's' is text", "cast(s as date) makes it one.")]),
    ("d > '2024-1-1'", [(4, 10, "'2024-1-1' is no date such as '2026-01-31'", "")]),
    ("p = 'true'", [(0, 10, "cannot be compared: 'p' is true or false, 'true' is text",
     "Write true or false without quotes.")]),
    ("i and p", [(0, 1, "and needs true or false; 'i' is a number", "Write i <> 0.")]),
    ("not s", [(4, 1, "not needs true or false; 's' is text", "Write column = 'value'.")]),
    ("s + t", [(0, 5, "+ has no meaning here: 's' is text, 't' is text", "Join texts with ||.")]),
    ("p || q", [(0, 6, "|| joins texts", "Write or.")]),
    ("-s", [(0, 2, "- needs a number; 's' is text", "")]),
    ("length(i)", [(7, 1, "length needs text; 'i' is a number", "It is length(text) -> int: how many letters.")]),
    ("substr(s)", [(0, 9, "substr takes 2 to 3 values, not 1",
                    "It is substr(text, int, int?) -> text: from that letter (the first is 1), that many.")]),
    ("case when p then 1 else 'x' end", [(24, 3, "case gives values of one type; '1' is a number, 'x' is text", "")]),
    ("coalesce(i, s)", [(12, 1, "coalesce gives values of one type; 'i' is a number, 's' is text", "")]),
    ("date_trunc('yeer', d)", [(11, 6, "'yeer' is no part of a date: year, quarter, month, week, day, hour, minute, second",
     "")]),
    ("strftime(d, '%Q')", [(12, 4, "'%Q' holds a %-letter that is not known: %Y %m %d %H %M %S %f %b %B %a %A %j %p %y %z",
     "")]),
    ("s ~ '(?=x)'", [(4, 7, "the regular expression cannot be used: look-around such as (?= is not supported: "
                      "matching takes time in proportion to the text", "")]),
    ("s like t", [(7, 1, "the pattern of like is written out, in quotes", "")]),
    ("cast(d as bool)", [(0, 15, "'d' is a date and cannot become bool", "")]),
    ("l > 1", [(0, 5, "cannot be compared: 'l' is a list, '1' is a number", "")]),
    ("i.x = 1", [(0, 3, "'i' is a number, it has no field 'x'", "")]),
    ("year('2024-01-01')", [(5, 12, "year needs a date or datetime; '2024-01-01' is text", "Write DATE '2024-01-01'.")]),
    # everything at once, in the order of the text
    ("nope > 1 and lowr(s) = t and i > 'x' and nope < 3", [
        (0, 4, "there is no column 'nope'", "There are i, j, tiny, x, y, amount, price, s, t, p, q, d, …."),
        (13, 4, "there is no function 'lowr'", "Did you mean 'lower'?"),
        (29, 7, "cannot be compared: 'i' is a number, 'x' is text", ""),
        (41, 4, "there is no column 'nope'", "There are i, j, tiny, x, y, amount, price, s, t, p, q, d, …."),
    ]),
]  # fmt: skip


@pytest.mark.parametrize("text, expected", WRONG, ids=[row[0] for row in WRONG])
def test_refused_by_the_check(text: str, expected: list) -> None:
    with pytest.raises(ExpressionErrors) as caught:
        Expression.parse(text).check(TYPES)
    assert [(e.offset, e.length, e.message, e.hint) for e in caught.value.errors] == expected
    with pytest.raises(ExpressionErrors):
        Expression.parse(text).compile(TYPES)


def test_a_condition_is_expected() -> None:
    assert Expression.parse("i > 1").check(TYPES, expect="bool").kind == "bool"
    with pytest.raises(ExpressionErrors, match="it must give true or false, and gives int"):
        Expression.parse("i + 1").check(TYPES, expect="bool")


def test_unknown_columns_are_of_any_type() -> None:
    assert Expression.parse("a > 1 and b like 'x%' and c = '2024-01-01'").check(None).kind == "bool"
    with pytest.raises(ExpressionErrors, match="there is no function 'lowr'"):
        Expression.parse("lowr(a)").check(None)


def test_every_function_is_called_by_a_case() -> None:
    called = {name for text in [*CASES, *(text for text, _ in OURS)] for name in Expression.parse(text.split(" :: ")[0]).calls}
    missing = {f.name for f in FUNCTIONS if not called & {f.name, *f.like}} - {"to_timestamp"}
    assert not missing
    assert evaluate("to_timestamp('1.2.2024 5:06', '%d.%m.%Y %H:%M')").to_list() == [dt.datetime(2024, 2, 1, 5, 6)] * 5


ALPHABET = [*"ijsdxplt()+-*/%=<>!~,.'\" 019|:$;[]{}\\é\0\n", " and ", " or ", " not ", " is ", " null ", " in (", " between ",
            "case when ", " then ", " else ", " end ", "cast(", " as ", "int", "decimal(5,2)", " like ", "'a%'",
             "DATE '2024-01-01'",
            "interval '1 day'", "lower(", "substr(", "select ", "round(", "coalesce(", "true", "'2024-01-01'", "::", "1e5",
             "amount"]  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(ALPHABET), max_size=14).map("".join) | st.text(max_size=30))
def test_random_text_gives_an_answer_or_a_place(text: str) -> None:
    try:
        evaluate(text)
    except ExpressionError as error:
        for found in error.errors:
            assert 0 <= found.offset <= len(text) and found.length >= 1 and found.message


@pytest.mark.parametrize(
    "text",
    ["(" * 5000, "not " * 5000, "-" * 5000, "i+" * 5000 + "i", "case " * 3000, "i" + "::int" * 3000, "a." * 3000, "9" * 15000,
     "((" * 60 + "i" + "+i)" * 60, "list(" * 100, "cast(i as " + "list(" * 1000, "abs(" * 151 + "i" + ")" * 151],
)  # fmt: skip
def test_depth_is_bounded(text: str) -> None:
    with pytest.raises(ExpressionError):
        Expression.parse(text).check(TYPES)


def test_a_long_list_of_alternatives_is_fine() -> None:
    text = " or ".join(f"i = {n}" for n in range(1000))
    assert evaluate(text).to_list() == [True, False, True, None, False]


def test_no_file_is_opened(tmp_path: Path) -> None:
    """Whatever names a file is refused before Polars or anybody sees it."""
    code = (
        "import sys\n"
        "opened = []\n"
        "sys.addaudithook(lambda e, a: opened.append(a[0]) if e == 'open' and 'secret' in str(a[0]) else None)\n"
        "from qpipe.core.expression import Expression, ExpressionError\n"
        "for text in sys.argv[1:]:\n"
        "    try:\n"
        "        Expression.parse(text).check(None)\n"
        "        sys.exit(text)\n"
        "    except ExpressionError:\n"
        "        pass\n"
        "assert not opened and 'polars' not in sys.modules and 'duckdb' not in sys.modules\n"
    )
    (tmp_path / "secret.csv").write_text("a\n1\n")
    path = str(tmp_path / "secret.csv")
    texts = [f"{f}('{path}')" for f in ("read_csv", "read_parquet", "scan_csv", "read_text", "read_csv_auto", "file_contents")]
    texts += [f"i in (select a from '{path}')", f"(from '{path}')", f"i = (table '{path}')"]
    subprocess.run([sys.executable, "-c", code, *texts], check=True)


REGEX = [
    ("^[a-z]+$", None), (r"\d{3}-\d{4}", None), ("(?i)abc|def", None), (r"(?P<year>\d{4})", None),
     (r"[\w.+-]{1,64}@[a-z.]{2,255}", None),
    ("(?=a)", "look-around such as (?= is not supported: matching takes time in proportion to the text"),
    ("a(?!b)", "look-around such as (?! is not supported: matching takes time in proportion to the text"),
    ("(?<=a)b", "look-around such as (?<= is not supported: matching takes time in proportion to the text"),
    ("(?<!a)b", "look-around such as (?<! is not supported: matching takes time in proportion to the text"),
    (r"(a)\1", r"a back-reference such as \1 is not supported: matching takes time in proportion to the text"),
    ("(?>a)", "an atomic group (?> is not supported"),
    ("a++", "a possessive repetition ++ is not supported"),
    ("(a", "the ( at letter 1 is not closed"), ("a)", "the ) at letter 2 closes nothing"), ("*a",
     "the * at letter 1 repeats nothing"),
    ("[a", "the [ at letter 1 is not closed; write \\[ for the letter, within […] too"), ("[z-a]",
     "the range z-a has no order"),
    (r"a\Z", r"\Z is not supported: \z is the end of the text here"), ("a{3,1}",
     "{3,1} repeats at least 3 and at most 1 times"),
]  # fmt: skip


@pytest.mark.parametrize("pattern, wrong", REGEX)
def test_regex(pattern: str, wrong: str | None) -> None:
    assert check_regex(pattern) == wrong


PIECES = [
    *"ab(|)[]^-*+?{}.,\\dwpP1:&~<>=!ix$_ ",
    "(?:",
    "(?i)",
    "[a-z]",
    "\\.",
    "{2}",
    "{1,300}",
    "(?P<n>",
    "[[:alpha:]]",
    "\\p{L}",
]


@settings(max_examples=600, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join))
def test_what_check_regex_lets_through_runs(pattern: str) -> None:
    if check_regex(pattern) is None:
        pl.select(pl.lit("x").str.contains(pattern))
