"""What null, NaN, an empty text, a value of the wrong type, zero rows, only bad rows and a tolerance mean to every check."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qpipe.core.component import Check, Context, Gate, Relational, Verdict
from qpipe.core.errors import QpipeError
from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.core.types import DataType
from qpipe.modules.validation._formats import FORMATS, postcode
from qpipe.testing.alone import Seen, run_alone
from qpipe.testing.examples import STARTED, frame_of, types_of

REGISTRY = Registry()
NAN, INF = math.nan, math.inf
TABLES = {"t": [{"id": 1, "name": "a", "day": "2026-01-01"}, {"id": 2, "name": "", "day": "2026-01-02"}]}


def run(name: str, params: dict[str, Any], frame: pl.DataFrame, batch_size: int | None = None, **context: Any) -> Seen:
    module = build(REGISTRY.get("module", name), params)
    tables = {id: frame_of(rows, {"day": "date"}) for id, rows in TABLES.items()}
    return run_alone(module, frame, Context(types=types_of(frame), tables=tables, started=STARTED, **context), batch_size)


def column(word: str, cells: list[Any], name: str = "x") -> pl.DataFrame:
    return frame_of([{name: cell} for cell in cells], {name: word})


# ── which cells fail ──────────────────────────────────────────────────────────────────────────────────────────────────

CELLS: list[tuple[str, dict[str, Any], str, list[Any], list[int]]] = [
    # check          parameters                               type       cells                                    bad
    ("not_null", {}, "float", [1.0, None, NAN], [1]),
    ("not_null", {}, "string", ["a", None, "", "  "], [1]),
    ("not_null", {"blank": True}, "string", ["a", None, "", " \t"], [1, 2, 3]),
    ("not_null", {"blank": True}, "int", [0, None], [1]),
    ("not_null", {"placeholders": ["n/a", "-", 999]}, "string", ["N/A ", "-", "999", "", None, "n"], [0, 1, 2, 4]),
    ("not_null", {"placeholders": ["n/a", 999]}, "int", [999, 1, None], [0, 2]),
    ("not_null", {"placeholders": ["nan", -1]}, "float", [NAN, -1, 0, None], [0, 1, 3]),
    ("not_null", {"placeholders": ["1900-01-01", "n/a"]}, "date", ["1900-01-01", "2026-01-01", None], [0, 2]),
    ("not_null", {"placeholders": ["x"]}, "bool", [True, None], [1]),
    ("between", {"min": 0, "max": 10}, "float", [0, 10, None, NAN, -0.1, 10.1, INF, -INF], [3, 4, 5, 6, 7]),
    ("between", {"min": 0}, "float", [0, None, NAN, -1, INF], [2, 3]),
    ("between", {"max": 0}, "float", [0, None, NAN, 1, -INF], [2, 3]),
    ("between", {"min": 0, "max": 10, "exclusive": True}, "int", [0, 1, 10], [0, 2]),
    ("between", {"min": 0, "max": 10, "exclusive": "min"}, "int", [0, 10], [0]),
    ("between", {"min": 0.5}, "int", [0, 1], [0]),
    ("between", {"min": "9007199254740993"}, "int", [9007199254740992, 9007199254740993], [0]),
    ("between", {"max": 0.1}, "decimal(9,2)", ["0.10", "0.11", None], [1]),
    ("between", {"max": "0.105"}, "decimal(9,2)", ["0.10", "0.11"], [1]),
    ("between", {"min": "2026-01-02"}, "date", ["2026-01-01", "2026-01-02", None], [0]),
    ("between", {"max": "2026-01-01"}, "datetime", ["2026-01-01T00:00:00", "2026-01-01T00:00:01"], [1]),
    ("between", {"max": "2026-01-01T00:00:00+01:00"}, "datetime(UTC)",
     [dt.datetime(2025, 12, 31, 23), dt.datetime(2025, 12, 31, 23, 1)], [1]),
    ("between", {"min": "08:00:00", "max": "18:00"}, "time", ["08:00:00", "07:59:59", "18:00:00"], [1]),
    ("between", {"max": "1h"}, "duration", [dt.timedelta(minutes=60), dt.timedelta(minutes=61)], [1]),
    ("between", {"min": "b"}, "string", ["a", "b", "", "B", None], [0, 2, 3]),
    ("one_of", {"values": ["a", "b"]}, "string", ["a", "A", "", None, " a"], [1, 2, 4]),
    ("one_of", {"values": ["a", "b"], "ignore_case": True}, "string", ["A", "c"], [1]),
    ("one_of", {"values": ["a"], "negate": True}, "string", ["a", "b", "", None], [0]),
    ("one_of", {"values": [1, 2]}, "string", ["1", "2", "1.0"], [2]),
    ("one_of", {"values": ["1", 2]}, "int", [1, 2, 3, None], [2]),
    ("one_of", {"values": [1, 1.5]}, "float", [1, 1.5, NAN, None], [2]),
    ("one_of", {"values": ["1.50", 2]}, "decimal(9,2)", ["1.5", "2.00", "2.01"], [2]),
    ("one_of", {"values": ["1.505"]}, "decimal(9,2)", ["1.50", "1.51"], [0, 1]),
    ("one_of", {"values": ["2026-01-01"]}, "date", ["2026-01-01", "2026-01-02"], [1]),
    ("one_of", {"values": ["2026-01-01T12:00:00Z"]}, "datetime(Europe/Berlin)",
     [dt.datetime(2026, 1, 1, 12), dt.datetime(2026, 1, 1, 13)], [1]),
    ("one_of", {"values": [True]}, "bool", [True, False, None], [1]),
    ("matches", {"regex": "b+"}, "string", ["abc", "ac", "", None], [1, 2]),
    ("matches", {"regex": "b+", "whole": True}, "string", ["bb", "abc", ""], [1, 2]),
    ("matches", {"regex": "a|b", "whole": True}, "string", ["a", "b", "ab"], [2]),
    ("matches", {"regex": ["a", "b"]}, "string", ["a", "b", "ab", "c"], [3]),
    ("matches", {"regex": ["a", "b"], "match": "all"}, "string", ["a", "b", "ab", "c", None], [0, 1, 3]),
    ("matches", {"regex": ["a", "b"], "negate": True}, "string", ["a", "b", "c", None, ""], [0, 1]),
    ("matches", {"like": "a%"}, "string", ["a", "ab", "ba", ""], [2, 3]),
    ("matches", {"like": "%a"}, "string", ["a", "ba", "ab"], [2]),
    ("matches", {"like": "%a%"}, "string", ["bab", "b"], [1]),
    ("matches", {"like": "a"}, "string", ["a", "ab"], [1]),
    ("matches", {"like": "a_c"}, "string", ["abc", "ac", "abbc", "a\nc"], [1, 2]),
    ("matches", {"like": r"100\%"}, "string", ["100%", "1000"], [1]),
    ("matches", {"like": "%"}, "string", ["", "a", None], []),
    ("matches", {"like": "A%", "ignore_case": True}, "string", ["ab", "b"], [1]),
    ("matches", {"like": "a.c_"}, "string", ["a.cd", "abcd"], [1]),
    ("matches", {"like": "a.c%"}, "string", ["a.cd", "abcd"], [1]),
    ("format_is", {"kind": "email"}, "string", ["a@b.co", "", " a@b.co", None], [1, 2]),
    ("format_is", {"kind": "email", "negate": True}, "string", ["a@b.co", "", None], [0]),
    ("format_is", {"kind": "country_code"}, "string", ["NA", "na", "XX", "", None], [1, 2, 3]),
    ("length", {"min": 2, "max": 3}, "string", ["ab", "äöü", "a", "", "abcd", None], [2, 3, 4]),
    ("length", {"max": 3, "unit": "bytes"}, "string", ["äö", "abc"], [0]),
    ("length", {"equals": 2, "unit": "words"}, "string", [" a  b ", "a", ""], [1, 2]),
    ("length", {"equals": 0}, "string", ["", "a", None], [1]),
    ("length", {"min": 1}, "binary", [b"a", b"", None], [1]),
    ("length", {"min": 1}, "list(int)", [[1], [], None, [None]], [1]),
    ("type_is", {"type": "int"}, "string", ["1", "-2", "1.0", "1e3", "", "x", None, " 7 "], [2, 3, 4, 5]),
    ("type_is", {"type": "float"}, "string", ["1.5", "NaN", "", "1,5"], [2, 3]),
    ("type_is", {"type": "date"}, "string", ["2026-02-28", "2026-02-30", "28.02.2026", ""], [1, 2, 3]),
    ("type_is", {"type": "bool"}, "string", ["true", "No", "maybe", ""], [2, 3]),
    ("expression", {"condition": "x > 0"}, "float", [1, 0, None, NAN], [1]),
    ("expression", {"condition": "x > 0", "nulls": "fail"}, "float", [1, 0, None], [1, 2]),
    ("expression", {"condition": "x <> ''"}, "string", ["a", "", None], [1]),
    ("if_then", {"if": "x > 0", "then": "x < 5"}, "int", [1, 9, -9, None], [1]),
    ("if_then", {"if": "x is null", "then": "x is null or x > 0"}, "int", [None, 1], []),
    ("if_then", {"if": "x is null", "then": "x > 0", "nulls": "fail"}, "int", [None, 1], [0]),
    ("unique", {}, "int", [1, 2, 1, None, None, 1], [0, 2, 5]),
    ("unique", {"keep": "first"}, "int", [1, 2, 1, 1], [2, 3]),
    ("unique", {"keep": "last"}, "int", [1, 2, 1, 1], [0, 2]),
    ("unique", {"nulls_equal": True}, "int", [0, None, 1, None, 0], [0, 1, 3, 4]),
    ("unique", {"nulls_equal": True}, "int", [0, None], []),
    ("unique", {}, "string", ["a", "A", "a", "", ""], [0, 2, 3, 4]),
    ("unique", {"nulls_equal": True}, "string", ["a", None, None], [1, 2]),
    ("unique", {}, "float", [NAN, NAN, 0.0, -0.0, 1.0], [0, 1, 2, 3]),
    ("unique", {}, "uint64", [2**64 - 1, 2**64 - 1, 0], [0, 1]),
    ("unique", {}, "decimal(9,2)", ["1.0", "1.00", "1.01"], [0, 1]),
    ("ordered", {}, "int", [1, 5, 2, 3, None, 3, None, 2], [2, 7]),
    ("ordered", {"strict": True}, "int", [1, 1, 2], [1]),
    ("ordered", {"direction": "desc"}, "int", [3, 1, 2], [2]),
    ("ordered", {"fewest": True}, "int", [1, 5, 2, 3, None, 3, None, 2], [1, 7]),
    ("ordered", {"fewest": True, "strict": True}, "int", [1, 9, 2, 3, 3, 4], [1, 3]),
    ("ordered", {"fewest": True, "direction": "desc"}, "int", [3, 9, 2, 1, 0], [1]),
    ("ordered", {"fewest": True}, "float", [1, NAN, 2, 3], [1]),
    ("ordered", {}, "float", [1, NAN, 2], [2]),
    ("ordered", {}, "string", ["", "a", "B"], [2]),
    ("ordered", {}, "date", ["2026-01-02", "2026-01-01"], [1]),
    ("foreign_key", {"references": "t.id"}, "int", [1, 3, None, -(2**63), 2**63 - 1], [1, 3, 4]),
    ("foreign_key", {"references": "t.id"}, "uint64", [1, 2**64 - 1], [1]),
    ("foreign_key", {"references": "t.id"}, "int8", [1, 3], [1]),
    ("foreign_key", {"references": "t.id"}, "float", [1, 1.5, NAN, None], [1, 2]),
    ("foreign_key", {"references": "t.id"}, "decimal(9,2)", ["1.00", "1.01"], [1]),
    ("foreign_key", {"references": "t.name"}, "string", ["a", "", "A", None], [2]),
    ("foreign_key", {"references": "t.day"}, "date", ["2026-01-01", "2026-01-03"], [1]),
    ("foreign_key", {"references": "t.id", "negate": True}, "int", [1, 3, None], [0]),
    ("is_null", {}, "string", ["a", None, "", " "], [0, 2, 3]),
    ("most_common", {"values": [1]}, "int", [1, 1, 2, 2, 3, None, None, None], []),
    ("most_common", {"values": [1], "ties": "all"}, "int", [1, 1, 2, 2, 3], [2, 3]),
    ("most_common", {"values": [1, 2], "ties": "all"}, "int", [1, 1, 2, 2, 3], []),
    ("most_common", {"values": [1, 2], "ties": "forbid"}, "int", [1, 1, 2, 2, 3], [0, 1, 2, 3]),
    ("most_common", {"values": [3]}, "int", [1, 1, 2, 2, 3], [0, 1, 2, 3]),
    ("most_common", {"values": ["a"]}, "string", ["", "", "a", None], [0, 1]),
    ("most_common", {"values": [1]}, "float", [NAN, NAN, 1], [0, 1]),
    ("most_common", {"values": [1]}, "int", [None, None], []),
    ("is_null", {"blank": True}, "string", ["a", None, "", " "], [0]),
    ("is_null", {}, "float", [NAN, None, 0], [0, 2]),
    ("code_in", {"list": "iso4217"}, "string", ["EUR", "eur", "XYZ", "", None], [1, 2, 3]),
    ("code_in", {"list": "iso3166-1-numeric"}, "string", ["276", "999"], [1]),
    ("code_in", {"list": "iso639-2"}, "string", ["deu", "xx"], [1]),
    ("precision", {"max_decimals": 2}, "float", [1.0, 1.25, 1.255, NAN, INF, None, 1e-7, 1e20], [2, 3, 4, 6, 7]),
    ("precision", {"max_decimals": 1}, "float", [0.1 + 0.2, 0.3, 1e300, -1e23, 4503599627370497.5, 1e-300], [0]),
    ("precision", {"max_digits": 3}, "float", [1e300, 123.0, 1234.0], [0, 2]),
    ("precision", {"max_decimals": 1}, "decimal(9,3)", ["1.500", "1.250", None], [1]),
    ("precision", {"max_digits": 3}, "int", [999, -999, 1000, None], [2]),
    ("precision", {"max_decimals": 1}, "string", ["1.5", "1.50", "", "x", "1e3", ".5", None], [1, 2, 3, 4]),
    ("text_is", {"case": "upper"}, "string", ["AB", "Ab", "", "12", "ß", None], [1, 4]),
    ("text_is", {"case": "lower"}, "string", ["ab", "Ab", "É"], [1, 2]),
    ("text_is", {"case": "title"}, "string", ["Ann O'Neill", "ann", "ANN", "Ann-Marie", "", "Ann's"], [0, 1, 2]),
    ("text_is", {"trimmed": True}, "string", ["a b", " a", "a\t", "", " ", None], [1, 2, 4]),
    ("text_is", {"ascii": True}, "string", ["abc", "äbc", "", None], [1]),
    ("text_is", {"printable": True}, "string", ["abc", "a\nb", "a\x7fb", ""], [1, 2]),
    ("text_is", {"cut_at": 3}, "string", ["ab", "abc", "äöü", "abcd", None], [1, 2, 3]),
    ("json_is", {}, "string", ['{"a": 1}', "null", "", "NaN", "{", " 1 ", None], [2, 3, 4]),
    ("json_is", {"keys": ["a"]}, "string", ['{"a": null}', "{}", "[]", "null"], [1, 2, 3]),
    ("json_is", {"schema": {"type": "integer"}}, "string", ["1", "1.5", '"1"', None], [1, 2]),
    ("date_is", {"not_future": True}, "date", ["2027-01-15", "2027-01-16", None], [1]),
    ("date_is", {"not_future": True}, "datetime", ["2027-01-15T08:00:00", "2027-01-15T08:00:01"], [1]),
    ("date_is", {"not_past": True}, "date", ["2027-01-15", "2027-01-14"], [1]),
    ("date_is", {"max_age": "1d"}, "datetime(UTC)",
     [dt.datetime(2027, 1, 14, 8), dt.datetime(2027, 1, 14, 7, 59)], [1]),
    ("date_is", {"weekdays": ["sat", "sun"]}, "date", ["2026-01-31", "2026-01-30", None], [1]),
    ("date_is", {"hours": ["22:00", "06:00"]}, "datetime", ["2026-01-01T23:00:00", "2026-01-01T06:00:00"], [1]),
    ("date_is", {"not_holiday": "DE-BY"}, "date", ["2026-01-06", "2026-01-07", None], [0]),
    ("any_of", {"checks": [{"between": {"column": "x", "min": 5}}, {"one_of": {"column": "x", "values": [1]}}]}, "int",
     [1, 5, 2, None], [2]),
]  # fmt: skip

# checks of several columns: parameters, types of a, b, c, rows, which fail
ROWS: list[tuple[str, dict[str, Any], str, list[tuple[Any, ...]], list[int]]] = [
    ("complete_together", {}, "int int", [(1, 1), (None, None), (1, None), (None, 1)], [2, 3]),
    ("complete_together", {"require": "any"}, "int int", [(1, 1), (None, None), (1, None)], [1]),
    ("complete_together", {"require": "all"}, "int int", [(1, 1), (None, None), (1, None)], [1, 2]),
    ("complete_together", {"blank": True}, "string string", [("a", " "), ("a", ""), ("a", "b"), (None, " ")], [0, 1]),
    ("complete_together", {}, "float string", [(NAN, ""), (NAN, None)], [1]),
    ("geometry_is", {"latitude": "a", "longitude": "b"}, "float float",
     [(90, 180), (90.1, 0), (0, -180.1), (NAN, 0), (None, 0), (None, None), (0, 0)], [1, 2, 3, 4]),
    ("geometry_is", {"latitude": "a", "longitude": "b", "bounds": [170, -20, -170, 20]}, "float float",
     [(0, 175), (0, -175), (0, 0), (30, 175), (None, None)], [2, 3]),
    ("columns_sum_to", {"columns": ["a", "b"], "equals": "c"}, "int int int",
     [(1, 2, 3), (1, 2, 4), (None, 2, 2), (1, 2, None)], [1]),
    ("columns_sum_to", {"columns": ["a", "b"], "equals": "c", "nulls": "zero"}, "int int int",
     [(None, 2, 2), (None, 2, 3)], [1]),
    ("columns_sum_to", {"columns": ["a", "b"], "equals": 0.3}, "float float", [(0.1, 0.2), (NAN, 1), (INF, 1)], [1, 2]),
    ("columns_sum_to", {"columns": ["a", "b"], "equals": "0.3"}, "decimal(9,2) decimal(9,2)",
     [("0.10", "0.20"), ("0.10", "0.21")], [1]),
    ("unique_within_row", {"columns": ["a", "b"]}, "int int", [(1, 1), (1, 2), (None, None), (None, 1)], [0]),
    ("unique_within_row", {"columns": ["a", "b"]}, "float float", [(NAN, NAN), (0.0, -0.0), (1, 2)], [0, 1]),
    ("unique_within_row", {"columns": ["a", "b"]}, "string string", [("", ""), ("a", "A")], [0]),
    ("each_group", {"by": "a", "condition": "b > 0"}, "string int", [("x", 1), ("x", 0), ("y", 1), (None, None)], [0, 1, 3]),
    ("each_group", {"by": "a", "condition": "b > 0", "min": 1}, "string int", [("x", 1), ("x", 0), ("y", None), ("", 1)], [2]),
    ("each_group", {"condition": "b > 0", "min": 2}, "string int", [("x", 1), ("y", 0)], [0, 1]),
    ("each_group", {"condition": "b > 0", "min": "50%"}, "string int", [("x", 1), ("y", 0)], []),
    ("each_group", {"condition": "b > 0", "where": "a = 'x'"}, "string int", [("x", 1), ("x", 0), ("y", 0)], [0, 1]),
    ("each_group", {"by": "a", "condition": "b > 0", "max": "50%"}, "int int", [(1, 1), (1, 0), (2, 1)], [2]),
    ("each_group", {"by": "a", "condition": "b > 0", "min": 2, "max": 2}, "int int", [(1, 1), (1, 1), (2, 1), (3, 0)], [2, 3]),
    ("no_gaps", {"column": "a"}, "int", [(5,), (3,), (3,), (4,), (None,), (7,)], [5]),
    ("no_gaps", {"column": "a", "step": 2}, "int", [(1,), (3,), (6,)], [2]),
    ("no_gaps", {"column": "a"}, "int", [(-(2**63),), (2**63 - 1,)], [1]),
    ("no_gaps", {"column": "a", "grain": "month"}, "date", [("2026-01-31",), ("2026-02-01",), ("2026-04-01",)], [2]),
    ("no_gaps", {"column": "a", "grain": "hour"}, "datetime", [("2026-01-01T00:59:00",), ("2026-01-01T01:00:00",)], []),
    ("no_gaps", {"column": "b", "by": "a"}, "string int", [("x", 1), ("y", 2), ("x", 3), (None, 1), (None, 2)], [2]),
    ("no_overlap", {"start": "a", "end": "b"}, "int int", [(1, 5), (5, 9), (8, 10)], [1, 2]),
    ("no_overlap", {"start": "a", "end": "b", "touching": False}, "int int", [(1, 5), (5, 9), (20, 21)], [0, 1]),
    ("no_overlap", {"start": "a", "end": "b"}, "int int", [(1, None), (0, 1), (7, 8)], [0, 2]),
    ("no_overlap", {"start": "a", "end": "b"}, "int int", [(None, 3), (2, 5), (6, 7), (None, None)], [0, 1]),
    ("no_overlap", {"start": "a", "end": "b"}, "int int", [(5, 3), (1, 2)], [0]),
    ("no_overlap", {"start": "a", "end": "b"}, "int int", [(1, 100), (2, 3), (50, 60), (100, 101)], [0, 1, 2]),
    ("no_overlap", {"start": "a", "end": "b"}, "date date",
     [("2026-01-01", "2026-01-03"), ("2026-01-02", "2026-01-04")], [0, 1]),
    ("no_overlap", {"start": "a", "end": "b", "by": "c"}, "int int string", [(1, 5, "x"), (2, 3, "y"), (4, 6, "x")], [0, 2]),
    ("transitions", {"state": "a", "by": "b", "order": "c", "allowed": {"n": "p", "p": ["s"]}}, "string int int",
     [("n", 1, 1), ("p", 1, 2), ("p", 1, 3), ("n", 1, 4), ("x", 2, 1), ("x", 2, 2), (None, 1, 9)], [3, 4, 5]),
    ("transitions", {"state": "a", "by": "b", "order": "c", "allowed": {"n": "p"}, "initial": ["n"]}, "string int int",
     [("p", 1, 1), ("n", 2, 2), ("p", 2, 3), ("p", 3, None), ("n", 3, 1)], [0, 3, 4]),
    ("hierarchy", {"key": "a", "parent": "b"}, "int int",
     [(1, None), (2, 1), (3, 9), (4, 4), (5, 4), (6, 3), (None, 1)], [2, 3, 4]),
    ("hierarchy", {"key": "a", "parent": "b"}, "string string", [("", None), ("x", ""), ("y", "z"), ("z", "y")], [2, 3]),
    ("hierarchy", {"key": "a", "parent": "b", "one_root": True}, "int int", [(1, None), (2, None), (3, 1)], [1]),
    ("reconcile", {"with": "t", "key": "id"}, "int string", [(1, "a"), (2, "x"), (3, "a"), (None, "a")], [1, 2, 3]),
    ("delay", {"start": "a", "end": "b", "max": "1d"}, "datetime datetime",
     [("2026-01-01T00:00:00", "2026-01-02T00:00:00"), ("2026-01-01T00:00:00", "2026-01-02T00:00:01"),
      ("2026-01-01T00:00:00", None), (None, "2026-01-01T00:00:00")], [1]),
    ("delay", {"start": "a", "end": "b", "min": 0}, "date date",
     [("2026-01-02", "2026-01-01"), ("2026-01-01", "2026-01-01")], [0]),
    ("delay", {"start": "a", "end": "b", "max": "1d", "max_if_open": True}, "date date",
     [("2026-01-02", None), ("2027-01-15", None), (None, None)], [0]),
]  # fmt: skip


@pytest.mark.parametrize("batch_size", [None, 1, 3])
@pytest.mark.parametrize("name, params, words, rows, failed", ROWS, ids=lambda value: None)
def test_rows(
    name: str, params: dict[str, Any], words: str, rows: list[tuple[Any, ...]], failed: list[int], batch_size: int | None
) -> None:
    types = dict(zip(("id", "name") if name == "reconcile" else "abcde", words.split(), strict=False))
    frame = frame_of([dict(zip(types, row, strict=True)) for row in rows], types)
    given = {"columns": list(types), **params} if name == "complete_together" else params
    assert run(name, given, frame, batch_size).failed == failed
    empty = run(name, given, frame.clear())
    assert (empty.failed, empty.verdict.outcome) == ([], "not evaluated")


@pytest.mark.parametrize("batch_size", [None, 1, 2])
@pytest.mark.parametrize("name, params, word, cells, failed", CELLS, ids=lambda value: None)
def test_cells(
    name: str, params: dict[str, Any], word: str, cells: list[Any], failed: list[int], batch_size: int | None
) -> None:
    seen = run(name, _with_column(name, params), column(word, cells), batch_size)
    assert seen.failed == failed
    assert seen.verdict.outcome == ("fail" if failed else "pass")
    assert seen.frame.height == len(cells)


def test_every_check_has_cells() -> None:
    checks = {m.name for m in REGISTRY.all("module") if issubclass(m, (Check, Relational)) and m.category == "validation"}
    assert checks - {name for name, *_ in (*CELLS, *ROWS)} == {"compare_columns", "depends_on"}  # which have tables of pairs


DEPENDS: list[tuple[dict[str, Any], list[tuple[Any, Any]], list[int]]] = [
    ({}, [("a", "1"), ("a", "1"), ("a", "2"), ("b", "9")], [2]),
    ({}, [("a", "1"), ("a", "2")], [0, 1]),
    ({"undecided": "pass"}, [("a", "1"), ("a", "2")], []),
    ({}, [("a", "1"), ("a", None), (None, "2"), (None, "3")], []),
    ({}, [("", ""), ("", ""), ("", "x")], [2]),
    ({}, [], []),
]


@pytest.mark.parametrize("params, pairs, failed", DEPENDS, ids=lambda value: None)
def test_depends_on(params: dict[str, Any], pairs: list[tuple[Any, Any]], failed: list[int]) -> None:
    frame = pl.DataFrame({"k": [k for k, _ in pairs], "v": [v for _, v in pairs]}, schema={"k": pl.String, "v": pl.String})
    assert run("depends_on", {"determinant": "k", "dependent": "v", **params}, frame).failed == failed


PAIRS: list[tuple[str, str, dict[str, Any], list[tuple[Any, Any]], list[int]]] = [
    ("int", "int", {"op": "<="}, [(1, 1), (2, 1), (None, 1), (1, None), (None, None)], [1]),
    ("int", "int", {"op": "=="}, [(1, 1), (2, 1)], [1]),
    ("int", "int", {"op": "!="}, [(1, 1), (2, 1), (None, 1)], [0]),
    ("float", "float", {"op": "="}, [(NAN, NAN), (NAN, 1), (0.0, -0.0)], [1]),
    ("float", "float", {"op": "=", "within": 0.5}, [(1, 1.5), (1, 1.6), (NAN, NAN)], [1, 2]),
    ("uint8", "uint8", {"op": "=", "within": 1}, [(1, 2), (1, 3)], [1]),
    ("uint8", "uint8", {"op": "<", "within": 1}, [(2, 1), (1, 1), (0, 5)], [0]),
    ("int", "int", {"op": ">", "within": 2}, [(1, 3), (2, 3)], [0]),
    ("int", "int", {"op": ">=", "within": 2}, [(1, 3), (0, 3)], [1]),
    ("int", "int", {"op": "<=", "within": 2}, [(3, 1), (4, 1)], [1]),
    ("decimal(9,2)", "decimal(9,2)", {"op": "=", "within": 0.1}, [("1.10", "1.00"), ("1.11", "1.00")], [1]),
    ("date", "date", {"op": ">=", "within": "1d"}, [("2026-01-01", "2026-01-02"), ("2026-01-01", "2026-01-03")], [1]),
    ("datetime", "datetime", {"op": "<>", "within": "1h"},
     [("2026-01-01T00:00:00", "2026-01-01T01:00:00"), ("2026-01-01T00:00:00", "2026-01-01T01:00:01")], [0]),
    ("string", "string", {"op": "="}, [("", ""), ("a", ""), (None, "")], [1]),
]  # fmt: skip


@pytest.mark.parametrize("left, right, params, pairs, failed", PAIRS)
def test_pairs(left: str, right: str, params: dict[str, Any], pairs: list[tuple[Any, Any]], failed: list[int]) -> None:
    frame = frame_of([{"a": a, "b": b} for a, b in pairs], {"a": left, "b": right})
    assert run("compare_columns", {"left": "a", "right": "b", **params}, frame).failed == failed


# ── zero rows, only nulls, only bad rows, tolerance ───────────────────────────────────────────────────────────────────

NEEDED: dict[str, dict[str, Any]] = {
    "between": {"min": 1, "max": 3}, "one_of": {"values": [1, 2, 3]}, "foreign_key": {"references": "t.id"},
    "expression": {"condition": "x between 1 and 3"}, "if_then": {"if": "x <> 0", "then": "x between 1 and 3"},
    "compare_columns": {"left": "x", "op": "<=", "right": "3"},
}  # fmt: skip


@pytest.mark.parametrize("batch_size", [None, 1])
@pytest.mark.parametrize("name", NEEDED)
def test_a_check_passes_only_what_it_has_judged(name: str, batch_size: int | None) -> None:
    def outcome(cells: list[Any], **more: Any) -> str:
        params = _with_column(name, NEEDED[name]) | more
        return run(name, params, column("int", cells), batch_size).verdict.outcome

    assert outcome([]) == "not evaluated"
    assert outcome([None, None]) == "not evaluated"
    assert outcome([1, 2], where="x > 100") == "not evaluated"
    assert outcome([1, 2, None]) == "pass"
    assert outcome([9, 8]) == "fail"
    assert outcome([1, 9], where="x < 5") == "pass"
    assert outcome([1, 9], where="x > 5") == "fail"
    assert outcome([1, 9], severity="warning") == "warn"
    # a share is of the rows that were judged: nulls are not
    assert outcome([9, 1, 1, 1], tolerance="25%") == "pass"
    assert outcome([9, 1, 1, 1], tolerance="24%") == "fail"
    assert outcome([9, 1, 1, None], tolerance="25%") == "fail"
    assert outcome([9, 9, 1], tolerance=2) == "pass"
    assert outcome([9, 9, 9], tolerance=2) == "fail"
    assert outcome([9], tolerance="100%") == "pass"


@pytest.mark.parametrize("name, word, cell", [("not_null", "int", 1), ("unique", "int", 1), ("ordered", "int", 1)])
def test_zero_rows_of_checks_that_judge_nulls(name: str, word: str, cell: Any) -> None:
    assert run(name, {"columns": "x"}, column(word, [])).verdict.outcome == "not evaluated"
    assert run(name, {"columns": "x"}, column(word, [cell])).verdict.outcome == "pass"


def test_where_says_which_rows_are_compared() -> None:
    frame = frame_of([{"x": 1, "live": True}, {"x": 1, "live": False}, {"x": 2, "live": True}, {"x": 2, "live": True}])
    assert run("unique", {"columns": "x", "where": "live"}, frame).failed == [2, 3]
    ordered = frame_of([{"x": 5, "live": True}, {"x": 9, "live": False}, {"x": 6, "live": True}])
    assert run("ordered", {"columns": "x", "where": "live"}, ordered).failed == []
    assert run("ordered", {"columns": "x"}, ordered).failed == [2]


def test_keys_of_several_columns() -> None:
    frame = frame_of([{"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 1, "b": "x"}, {"a": 1, "b": None}, {"a": 1, "b": None}])
    assert run("unique", {"columns": ["a", "b"]}, frame).failed == [0, 2]
    assert run("unique", {"columns": ["a", "b"], "nulls_equal": True}, frame, 1).failed == [0, 2, 3, 4]
    pairs = frame_of([{"a": 1, "b": "a"}, {"a": 2, "b": "a"}, {"a": 2, "b": None}])
    params = {"columns": ["a", "b"], "references": ["t.id", "t.name"]}
    assert run("foreign_key", params, pairs).failed == [1]
    assert run("foreign_key", params | {"negate": True}, pairs).failed == [0]
    both = frame_of([{"a": 1, "b": 5}, {"a": 1, "b": 4}, {"a": 2, "b": 0}, {"a": 1, "b": 9}])
    assert run("ordered", {"columns": ["a", "b"]}, both).failed == [1, 3]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 5), st.integers(-(2**63), 2**63 - 1)), max_size=40), st.integers(1, 9))
def test_unique_and_foreign_key_agree_with_sets(cells: list[int | None], size: int) -> None:
    frame = column("int", cells)
    twice = [i for i, c in enumerate(cells) if c is not None and cells.count(c) > 1]
    assert run("unique", {"columns": "x"}, frame, size).failed == twice
    strange = [i for i, c in enumerate(cells) if c is not None and c not in (1, 2)]
    assert run("foreign_key", {"columns": "x", "references": "t.id"}, frame, size).failed == strange


@pytest.mark.parametrize("few", [0, 100_000])
@settings(max_examples=30, deadline=None)
@given(cells=st.lists(st.none() | st.integers(0, 9)), keys=st.lists(st.none() | st.integers(0, 9)), size=st.integers(1, 5))
def test_covers_agrees_with_sets(few: int, cells: list[int | None], keys: list[int | None], size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("qpipe.modules.validation.covers._FEW", few)
        frame, known = column("int", cells), {"t": column("int", keys, "id")}
        module = build(REGISTRY.get("module", "covers"), {"columns": "x", "references": "t.id"})
        verdict = run_alone(module, frame, Context(types=types_of(frame), tables=known), size).verdict
    missing = set(keys) - set(cells) - {None}
    judged = bool(cells) and any(key is not None for key in keys)
    assert verdict is not None and verdict.outcome == ("not evaluated" if not judged else "fail" if missing else "pass")
    assert not judged or verdict.observed["missing"] == len(missing)


def test_a_large_key_set_is_found_by_hash() -> None:
    keys = pl.DataFrame({"id": [f"k{n}" for n in range(3000)], "n": [n * 2**40 for n in range(3000)]})
    frame = pl.DataFrame({"id": [f"k{n}" for n in range(6000)], "n": [n * 2**39 for n in range(6000)]})
    context = Context(types=types_of(frame), tables={"t": keys})
    for name, bad in (("id", list(range(3000, 6000))), ("n", list(range(1, 6000, 2)))):
        module = build(REGISTRY.get("module", "foreign_key"), {"columns": name, "references": f"t.{name}"})
        assert run_alone(module, frame, context, 1000).failed == bad


@pytest.mark.parametrize(
    "reference, word", [("t.nope", "has no column"), ("u.id", "no reference table"), ("t.name", "cast one")]
)
def test_a_foreign_key_that_cannot_be_looked_up_says_so(reference: str, word: str) -> None:
    with pytest.raises(QpipeError, match=word):
        run("foreign_key", {"columns": "x", "references": reference}, column("int", [1]))


# ── gates ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

GATES: list[tuple[str, dict[str, Any], str, list[Any], str]] = [
    ("row_count", {"min": 2}, "int", [1, None], "pass"),
    ("row_count", {"min": 2}, "int", [1], "fail"),
    ("row_count", {"max": 1}, "int", [1, 2], "fail"),
    ("row_count", {"equals": 0}, "int", [], "pass"),
    ("row_count", {"min": 1}, "int", [], "fail"),
    ("row_count", {"min": 1, "severity": "warning"}, "int", [], "warn"),
    ("row_count", {"min": 2, "where": "x > 0"}, "int", [1, -1], "fail"),
    ("null_share", {"column": "x", "max": "50%"}, "float", [1, None, NAN, None], "pass"),
    ("null_share", {"column": "x", "max": 0.49}, "float", [1, None], "fail"),
    ("null_share", {"column": "x", "max": 0}, "string", ["", "a"], "pass"),
    ("null_share", {"column": "x", "max": 0, "blank": True}, "string", ["", "a"], "fail"),
    ("null_share", {"column": "x", "min": 0.5}, "int", [1, 2, None], "fail"),
    ("null_share", {"column": "x", "max": "100%"}, "int", [None, None], "pass"),
    ("null_share", {"column": "x", "max": "100%"}, "int", [], "not evaluated"),
    ("value_set", {"column": "x", "in": ["a", "b"]}, "string", ["a", None], "pass"),
    ("value_set", {"column": "x", "in": ["a", "b"]}, "string", ["a", ""], "fail"),
    ("value_set", {"column": "x", "contains": ["a", "b"]}, "string", ["a", "b", "c"], "pass"),
    ("value_set", {"column": "x", "contains": ["a", "b"]}, "string", ["a", None], "fail"),
    ("value_set", {"column": "x", "equals": ["1.1", "2"]}, "decimal(9,2)", ["1.10", "2.00"], "pass"),
    ("value_set", {"column": "x", "equals": ["2026-01-01"]}, "date", ["2026-01-01", "2026-01-02"], "fail"),
    ("value_set", {"column": "x", "in": [1]}, "float", [1, NAN], "fail"),
    ("value_set", {"column": "x", "contains": ["2026-01-01T00:00:00Z"]}, "datetime(UTC)", [dt.datetime(2026, 1, 1)], "pass"),
    ("value_set", {"column": "x", "in": ["a"]}, "string", [None], "not evaluated"),
    ("value_set", {"column": "x", "in": ["a"]}, "string", [], "not evaluated"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime", ["2027-01-15T07:00:00", None], "pass"),
    ("freshness", {"column": "x", "max_age": "59m"}, "datetime", ["2027-01-15T07:00:00", None], "fail"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime(Europe/Berlin)", [dt.datetime(2027, 1, 15, 7)], "pass"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime", ["2027-01-16T07:00:00"], "fail"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime", ["2027-01-16T07:00:00", "2027-01-15T07:30:00"], "pass"),
    ("freshness", {"column": "x", "max_age": "8h"}, "date", ["2027-01-14"], "pass"),
    ("freshness", {"column": "x", "max_age": "7h"}, "date", ["2027-01-14"], "fail"),
    ("freshness", {"column": "x", "max_age": 0}, "date", ["2027-01-15"], "pass"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime", [None], "not evaluated"),
    ("freshness", {"column": "x", "max_age": "1h"}, "datetime", [], "not evaluated"),
    ("control_totals", {"rows": 2}, "int", [1, None], "pass"),
    ("control_totals", {"rows": 2}, "int", [1], "fail"),
    ("control_totals", {"rows": 0}, "int", [], "pass"),
    ("control_totals", {"sums": {"x": 3}}, "int", [1, None, 2], "pass"),
    ("control_totals", {"sums": {"x": "0.3"}}, "float", [0.1, 0.2], "pass"),
    ("control_totals", {"sums": {"x": "0.31"}, "within": 0.01}, "decimal(9,2)", ["0.10", "0.20"], "pass"),
    ("control_totals", {"sums": {"x": "0.32"}, "within": 0.01}, "decimal(9,2)", ["0.10", "0.20"], "fail"),
    ("control_totals", {"sums": {"x": 0}}, "int", [None], "pass"),
    ("covers", {"columns": "x", "references": "t.id"}, "int", [1, 2, 2, 9, None], "pass"),
    ("covers", {"columns": "x", "references": "t.id"}, "int", [1, None], "fail"),
    ("covers", {"columns": "x", "references": "t.id", "min": "50%"}, "int", [1, None], "pass"),
    ("covers", {"columns": "x", "references": "t.id"}, "int", [], "not evaluated"),
    ("cardinality", {"column": "x", "max": 1}, "float", [NAN, NAN, None], "pass"),
    ("cardinality", {"column": "x", "min": 2}, "string", ["", "a", None], "pass"),
    ("cardinality", {"column": "x", "min": 2}, "int", [1, 1], "fail"),
    ("cardinality", {"column": "x", "min_share": 1.0}, "int", [1, 2, None], "pass"),
    ("cardinality", {"column": "x", "max_share": 0.5}, "int", [1, 2, 2], "fail"),
    ("cardinality", {"column": "x", "max": 1}, "int", [None], "not evaluated"),
    ("cardinality", {"column": "x", "max": 1}, "int", [], "not evaluated"),
    ("correlation", {"columns": ["x", "x"], "min": 0.999}, "float", [1, 2, 3, NAN, None], "pass"),
    ("correlation", {"columns": ["x", "x"], "max": 0.5}, "int", [1, 2, 3], "fail"),
    ("correlation", {"columns": ["x", "x"], "max": 0.5}, "int", [1, 1, 1], "not evaluated"),
    ("correlation", {"columns": ["x", "x"], "max": 0.5}, "int", [], "not evaluated"),
    ("correlation", {"columns": ["x", "x"], "max": 0.5, "method": "cramers_v"}, "string", ["a", "b", "a", "b", None], "fail"),
    ("schema", {"columns": ["x"]}, "int", [], "pass"),
    ("schema", {"columns": ["x", "y"]}, "int", [1], "fail"),
    ("schema", {"columns": ["x", "y"], "optional": ["y"], "extra": "forbid"}, "int", [1], "pass"),
    ("schema", {"columns": {"x": "int"}}, "int32", [1], "pass"),
    ("schema", {"columns": {"x": "int64"}}, "int32", [1], "fail"),
    ("schema", {"columns": {"x": "decimal"}}, "decimal(9,2)", [1], "pass"),
    ("schema", {"columns": {"x": "decimal(9,3)"}}, "decimal(9,2)", [1], "fail"),
    ("schema", {"columns": {"x": "string"}}, "int", [1], "fail"),
    ("schema", {"columns": {"x": "list"}}, "list(int)", [[1]], "pass"),
    ("schema", {"min_columns": 1, "max_columns": 1}, "int", [], "pass"),
    ("distribution", {"column": "x", "shares": {"a": 0.5, "b": 0.5}, "max": 0}, "string", ["a", "b", None], "pass"),
    ("distribution", {"column": "x", "shares": {"a": 0.5, "b": 0.5}, "max": 9}, "string", ["a", "b", ""], "fail"),
    (
        "distribution",
        {"column": "x", "shares": {"a": 0.5, "b": 0.25}, "other": 0.25, "max": 0},
        "string",
        ["a", "b", "a", ""],
        "pass",
    ),
    (
        "distribution",
        {"column": "x", "shares": {"1": 0.5, "2": 0.5}, "measure": "difference", "max": 0.25},
        "int",
        [1, 2, 2, 2],
        "pass",
    ),
    (
        "distribution",
        {"column": "x", "shares": {"1": 0.5, "2": 0.5}, "measure": "difference", "max": 0.24},
        "int",
        [1, 2, 2, 2],
        "fail",
    ),
    ("distribution", {"column": "x", "shares": {"1": 0.5, "2": 0.5}, "measure": "js", "max": 0.99}, "int", [3], "fail"),
    ("distribution", {"column": "x", "shares": {"1": 1}, "max": 1}, "int", [], "not evaluated"),
    ("distribution", {"column": "x", "shares": {"1": 1}, "max": 1}, "int", [None, None], "not evaluated"),
    (
        "distribution",
        {"column": "x", "bins": [0, 1], "shares": [0.5, 0.25, 0.25], "max": 0},
        "float",
        [-1, -1, 1, NAN, None],
        "pass",
    ),
    ("distribution", {"column": "x", "bins": [0, 1], "shares": [0, 1, 0], "max": 9}, "float", [INF], "fail"),
    ("reconcile_totals", {"with": "t"}, "int", [1, None], "pass"),
    ("reconcile_totals", {"with": "t"}, "int", [1], "fail"),
    ("reconcile_totals", {"with": "t"}, "int", [], "fail"),
    ("reconcile_totals", {"with": "t", "compare": "at_most"}, "int", [], "pass"),
    ("reconcile_totals", {"with": "t", "compare": "at_most"}, "int", [1, 2, 3], "fail"),
    ("reconcile_totals", {"with": "t", "within": "50%"}, "int", [1], "pass"),
    ("reconcile_totals", {"with": "t", "within": "49%"}, "int", [1], "fail"),
    ("reconcile_totals", {"with": "t", "within": 1}, "int", [1], "pass"),
    ("reconcile_totals", {"with": "t", "factor": 2}, "int", [1, 2, 3, 4], "pass"),
    ("reconcile_totals", {"with": "t", "function": "sum", "column": "x", "their": "id"}, "float", [1.5, 1.5, None], "pass"),
    ("reconcile_totals", {"with": "t", "function": "sum", "column": "x", "their": "id"}, "float", [3, NAN], "fail"),
    ("reconcile_totals", {"with": "t", "function": "sum", "column": "x", "their": "id"}, "decimal(9,2)", ["3.01"], "fail"),
    ("reconcile_totals", {"with": "t", "function": "mean", "column": "x", "their": "id"}, "int", [1, 2], "pass"),
    ("reconcile_totals", {"with": "t", "function": "max", "column": "x", "their": "id"}, "int", [3], "fail"),
    ("reconcile_totals", {"with": "t", "function": "mean", "column": "x", "their": "id"}, "int", [None], "not evaluated"),
    ("reconcile_totals", {"with": "t", "function": "mean", "column": "x", "their": "id"}, "int", [], "not evaluated"),
    ("distinct_columns", {}, "int", [1], "not evaluated"),  # the columns are compared below
    ("schema", {"min_columns": 2}, "int", [1], "fail"),
    ("schema", {"max_columns": 0}, "int", [1], "fail"),
]


@pytest.mark.parametrize("batch_size", [None, 1])
@pytest.mark.parametrize("name, params, word, cells, outcome", GATES, ids=lambda value: None)
def test_gates(name: str, params: dict[str, Any], word: str, cells: list[Any], outcome: str, batch_size: int | None) -> None:
    verdict = run(name, params, column(word, cells), batch_size).verdict
    assert verdict.outcome == outcome
    assert bool(verdict.message) == (outcome in ("fail", "warn"))  # a failure says what was seen and what was expected


def test_every_gate_has_cases() -> None:
    gates = {m.name for m in REGISTRY.all("module") if issubclass(m, Gate) and m.category != "quality"}  # see their own tests
    assert gates - {name for name, *_ in GATES} == {"aggregate"}  # which has a table of statistics


SAME: list[tuple[dict[str, Any], list[tuple[Any, Any]], str]] = [
    ({}, [(1, 1), (None, None), (2, 2)], "fail"),
    ({}, [(1, 1), (2, 3)], "pass"),
    ({}, [(1, 1), (2, None)], "pass"),
    ({"share": 0.4}, [(1, 1), (2, 3), (None, None)], "fail"),
    ({"share": "50%"}, [(1, 1), (2, 3)], "pass"),
    ({}, [(1, "1"), (2, "2")], "fail"),
    ({}, [(NAN, NAN)], "fail"),
    ({}, [(None, None)], "not evaluated"),
    ({}, [], "not evaluated"),
]


@pytest.mark.parametrize("batch_size", [None, 1])
@pytest.mark.parametrize("params, rows, outcome", SAME, ids=lambda value: None)
def test_columns_of_the_same_content(params: dict[str, Any], rows: list[Any], outcome: str, batch_size: int | None) -> None:
    frame = pl.DataFrame({"a": [r[0] for r in rows], "b": [r[1] for r in rows]})
    verdict = run("distinct_columns", {"columns": ["a", "b"], **params}, frame, batch_size).verdict
    assert verdict.outcome == outcome
    assert ("a and b" in verdict.message) == (outcome == "fail")


@pytest.mark.parametrize("batch_size", [None, 1])
def test_totals_are_compared_group_by_group(batch_size: int | None) -> None:
    theirs = frame_of([{"shop": "a", "day": 1, "x": 5}, {"shop": "a", "day": 1, "x": 1}, {"shop": None, "day": 2, "x": 4}])
    mine = [{"shop": "a", "day": 1, "x": 2.0}, {"shop": None, "day": 2, "x": None}, {"shop": "a", "day": 1, "x": 4.0},
            {"shop": None, "day": 2, "x": 4.0}]  # fmt: skip

    def judged(rows: list[dict[str, Any]], **given: Any) -> Verdict:
        frame = frame_of(rows)
        module = build(REGISTRY.get("module", "reconcile_totals"), {"with": "r", "each": ["shop", "day"], **given})
        verdict = run_alone(module, frame, Context(types=types_of(frame), tables={"r": theirs}), batch_size).verdict
        assert verdict is not None
        return verdict

    assert judged(mine, function="sum", column="x").outcome == "pass"
    assert judged(mine, function="count", column="x").outcome == "pass"
    assert judged(mine).message == "rows by shop, day: (null, 2) 2 here, 1 there, expected what r has"
    lost = judged(mine[:1], function="sum", column="x")
    assert lost.message == "sum of x by shop, day: (a, 1) 2 here, 6 there; (null, 2) 0 here, 4 there, expected what r has"
    assert lost.observed == {"groups": 2, "apart": 2}
    assert judged(mine[:1], function="sum", column="x", compare="at_most").outcome == "pass"


STATISTICS: list[tuple[dict[str, Any], str, list[Any], Any]] = [
    ({"function": "sum"}, "int", [2**62, 2**62, 2**62, None], 3 * 2**62),
    ({"function": "sum"}, "decimal(9,2)", ["0.10", "0.20", None], Decimal("0.3")),
    ({"function": "sum"}, "float", [0.1] * 10, 1.0),
    ({"function": "sum"}, "float", [1e300, 1.0, -1e300], 1.0),
    ({"function": "sum"}, "float", [1e-300, 1e-300], 2e-300),
    ({"function": "mean"}, "int", [1, 2], Decimal("1.5")),
    ({"function": "mean"}, "float", [1e15, 1.0, -1e15], 1 / 3),
    ({"function": "min"}, "float", [3.0, NAN, None, 1.0], 1.0),
    ({"function": "max"}, "float", [NAN, 3.0, NAN], 3.0),
    ({"function": "max"}, "string", ["a", "b", ""], "b"),
    ({"function": "max"}, "date", ["2026-01-01", "2026-01-02"], dt.date(2026, 1, 2)),
    ({"function": "stddev"}, "float", [1e9 + 1, 1e9 + 2, 1e9 + 3], 1.0),
    ({"function": "variance"}, "float", [1.7e15, 1.7e15 + 1, 1.7e15 + 2], 1.0),
    ({"function": "variance"}, "int", [2**62, -(2**62)], 2.0**125),
    ({"function": "variance"}, "decimal(9,2)", ["0.10", "0.20", "0.30"], 0.01),
    ({"function": "variance"}, "int", [2, 4, 4, 4, 5, 5, 7, 9, None], 32 / 7),
    ({"function": "median"}, "int", [3, 1, 2, None], 2.0),
    ({"function": "median"}, "int", [1, 2], 1.5),
    ({"function": "median"}, "float", [-INF, 1, INF, INF], INF),
    ({"function": "median"}, "int", [1, 9, 3, 3], 3.0),
    ({"function": "quantile", "q": 0.95}, "int", list(range(1, 101)), 95.0),
    ({"function": "quantile", "q": 0}, "float", [-2.0, 5.0, NAN], -2.0),
    ({"function": "skewness"}, "int", [1, 2, 3], 0.0),
    ({"function": "skewness"}, "int", [2, 8, 0, 4, 1, 9, 9, 0, None], 0.26505541227),
    ({"function": "skewness"}, "decimal(9,2)", ["0.01", "0.01", "0.05"], 0.707106781187),
    ({"function": "kurtosis"}, "float", [2.0, 8.0, 0.0, 4.0, 1.0, 9.0, 9.0, 0.0], -1.66600107528),
    ({"function": "kurtosis"}, "int", [2001, 2002, 2003, 2004, 2005], -1.3),
    ({"function": "kurtosis"}, "int", [7, 7, 7], None),
    ({"function": "skewness"}, "float", [NAN, 1.0], None),
    ({"function": "entropy"}, "string", ["a", "b", "", "b", None], 1.0397207708399179),
    ({"function": "entropy"}, "int", [1, 1], 0.0),
    ({"function": "entropy"}, "int", [None], None),
    ({"function": "count"}, "int", [1, None], 1),
    ({"function": "count"}, "int", [None], 0),
    ({"function": "count_distinct"}, "string", ["a", "b", "a", "", None], 3),
    ({"function": "null_count"}, "int", [1, None], 1),
    ({"function": "null_share"}, "int", [1, None], 0.5),
    ({"function": "true_share"}, "bool", [True, False, False, True, None], 0.5),
    ({"function": "zero_share"}, "float", [0.0, -0.0, 1.0, None], 2 / 3),
    ({"function": "sum"}, "float", [None], None),
    ({"function": "stddev"}, "float", [1.0], None),
    ({"function": "median"}, "float", [NAN], None),
    ({"function": "mean"}, "float", [], None),
    ({"function": "count"}, "int", [], None),
]


@pytest.mark.parametrize("batch_size", [None, 1, 2])
@pytest.mark.parametrize("params, word, cells, value", STATISTICS, ids=lambda value: None)
def test_statistics(params: dict[str, Any], word: str, cells: list[Any], value: Any, batch_size: int | None) -> None:
    low = {"string": "", "date": "1900-01-01"}.get(word, -1) if params["function"] == "max" else -(10**20)
    verdict = run("aggregate", {"column": "x", "min": low, **params}, column(word, cells), batch_size).verdict
    if value is None:
        assert verdict.outcome == "not evaluated"
        return
    assert verdict.outcome == "pass"
    found = verdict.observed[params["function"]]
    assert (found == value and not isinstance(found, float)) or found == pytest.approx(value, rel=1e-15, abs=0)


@pytest.mark.parametrize("function", ["sum", "mean", "stddev", "variance"])
def test_nan_and_infinity_lie_in_no_range(function: str) -> None:
    for cells in ([1.0, NAN], [INF, -INF, 1.0]):
        for bound in ({"min": -1e300}, {"max": 1e300}):
            assert (
                run("aggregate", {"column": "x", "function": function, **bound}, column("float", cells)).verdict.outcome
                == "fail"
            )


finite = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e100, max_value=1e100)


@settings(max_examples=60, deadline=None)
@given(st.lists(finite, min_size=2, max_size=30), st.integers(1, 7))
def test_sums_and_variances_are_exact_whatever_the_batches(cells: list[float], size: int) -> None:
    frame = column("float", cells)
    exact = sum(map(Fraction, cells))
    variance = statistics.variance(map(Fraction, cells))
    for batch in (None, size):
        found = run("aggregate", {"column": "x", "function": "sum", "min": 0}, frame, batch).verdict.observed["sum"]
        # beyond the grids (2**55) figures are added as floats
        scale = math.fsum(map(abs, cells))
        assert found == float(exact) or (scale > 2**55 and abs(found - exact) <= 1e-14 * scale)
        if scale < 2**40:
            seen = run("aggregate", {"column": "x", "function": "variance", "min": 0}, frame, batch).verdict.observed[
                "variance"
            ]
            assert seen == pytest.approx(float(variance), rel=1e-12, abs=1e-30)


def test_many_distinct_values_are_counted_within_two_percent() -> None:
    frame = pl.DataFrame({"x": [f"v{n % 50_000}" for n in range(100_000)]})
    params = {"column": "x", "function": "count_distinct", "min": 1}
    counts = {run("aggregate", params, frame, size).verdict.observed["count_distinct"] for size in (None, 30_000)}
    assert len(counts) == 1 and abs(counts.pop() - 50_000) < 1000


def test_a_bound_within_the_error_of_a_quantile_is_kept() -> None:
    frame = column("float", [100_000.3] * 3)
    params = {"column": "x", "function": "median"}
    assert run("aggregate", params | {"min": 100_000.3, "max": 100_000.3}, frame).verdict.outcome == "pass"
    assert run("aggregate", params | {"min": 100_200}, frame).verdict.outcome == "fail"


@pytest.mark.parametrize("exclusive, outcome", [(False, "pass"), ("max", "pass"), ("min", "fail"), (True, "fail")])
def test_a_statistic_on_its_bound(exclusive: Any, outcome: str) -> None:
    params = {"column": "x", "function": "mean", "min": 2, "max": 5, "exclusive": exclusive}
    assert run("aggregate", params, column("int", [1, 3])).verdict.outcome == outcome


def test_groups_are_judged_on_their_own() -> None:
    frame = frame_of([{"g": "a", "x": 1}, {"g": "b", "x": 5}, {"g": "b", "x": 7}, {"g": None, "x": 9}])
    params = {"column": "x", "function": "mean", "max": 6, "by": "g"}
    for size in (None, 1):
        assert run("aggregate", params, frame, size).verdict.outcome == "fail"
        assert run("aggregate", params | {"tolerance": 1}, frame, size).verdict.outcome == "pass"
        assert run("aggregate", params | {"tolerance": "30%"}, frame, size).verdict.outcome == "fail"
        assert run("row_count", {"min": 1, "by": ["g"]}, frame, size).verdict.outcome == "pass"


HISTORY: list[tuple[list[float], dict[str, Any], int, str]] = [
    ([100, 100, 100], {"within": "20%"}, 119, "pass"),
    ([100, 100, 100], {"within": "20%"}, 121, "fail"),
    ([100], {"within": "20%"}, 80, "pass"),
    ([], {"within": "20%"}, 80, "not evaluated"),
    ([90, 100, 110], {"within": "3 sigma"}, 130, "pass"),
    ([90, 100, 110], {"within": "3 sigma"}, 131, "fail"),
    ([90, 100], {"within": "3 sigma"}, 100, "not evaluated"),
    ([100, 100, 100], {"within": "3 sigma"}, 101, "fail"),
    ([9, 9, 9, 100, 100], {"runs": 2, "within": "5%"}, 104, "pass"),
]


@pytest.mark.parametrize("earlier, vs_history, rows, outcome", HISTORY)
def test_history(earlier: list[float], vs_history: dict[str, Any], rows: int, outcome: str) -> None:
    frame = column("int", [1] * rows)
    seen = run("row_count", {"vs_history": vs_history}, frame, history=lambda check, measure: earlier)
    assert seen.verdict.outcome == outcome
    summed = run("aggregate", {"column": "x", "function": "sum", "vs_history": vs_history}, frame, history=lambda *_: earlier)
    assert summed.verdict.outcome == outcome


# ── parameters that cannot work ───────────────────────────────────────────────────────────────────────────────────────

PROBLEMS: list[tuple[str, dict[str, Any], str, str]] = [
    # check       parameters                              type      the parameter that is wrong
    ("between", {}, "int", "min"),
    ("between", {"min": 3, "max": 1}, "int", "min"),
    ("between", {"min": 1, "max": 1, "exclusive": True}, "int", "min"),
    ("between", {"min": "2026-13-01"}, "date", "min"),
    ("between", {"min": 5}, "date", "min"),
    ("between", {"min": True}, "int", "min"),
    ("between", {"max": "ten"}, "int", "max"),
    ("between", {"max": 1.5}, "string", "max"),
    ("between", {"max": 10}, "string", "max"),
    ("between", {"max": True}, "bool", "columns"),
    ("matches", {"regex": "a"}, "int", "columns"),
    ("format_is", {"kind": "email"}, "date", "columns"),
    ("length", {"max": 1}, "int", "columns"),
    ("type_is", {"type": "int"}, "int", "columns"),
    ("one_of", {}, "int", "values"),
    ("one_of", {"values": [1], "file": "a.txt"}, "int", "values"),
    ("one_of", {"values": []}, "int", "values"),
    ("one_of", {"values": [1, "two"]}, "int", "values"),
    ("one_of", {"values": ["new", True]}, "string", "values"),
    ("matches", {}, "string", "regex"),
    ("matches", {"regex": "(", "like": None}, "string", "regex"),
    ("matches", {"regex": "(?=a)"}, "string", "regex"),
    ("matches", {"regex": ["a", "*"]}, "string", "regex"),
    ("matches", {"regex": "a", "like": "a"}, "string", "regex"),
    ("format_is", {"kind": "postcode"}, "string", "country"),
    ("format_is", {"kind": "email", "country": "DE"}, "string", "country"),
    ("format_is", {"kind": "national_id"}, "string", "country"),
    ("format_is", {"kind": "tax_id", "country": "XX"}, "string", "country"),
    ("format_is", {"kind": "vin", "country": "DE"}, "string", "country"),
    ("format_is", {"kind": "phone", "country": "GERMANY"}, "string", "country"),
    ("length", {}, "string", "min"),
    ("length", {"min": 3, "max": 2}, "string", "min"),
    ("length", {"min": 3, "equals": 2}, "string", "equals"),
    ("length", {"min": 3, "unit": "items"}, "string", "unit"),
    ("type_is", {"type": "integr"}, "string", "type"),
    ("type_is", {"type": "string"}, "string", "type"),
    ("type_is", {"type": "int", "format": "%Y"}, "string", "format"),
    ("unique", {"columns": ["x", "x"]}, "int", "columns"),
    ("ordered", {"by": "x"}, "int", "by"),
    ("foreign_key", {"references": ["t.id", "t.name"]}, "int", "references"),
    ("foreign_key", {"columns": ["x", "y"], "references": ["t.id", "u.id"]}, "int", "references"),
    ("compare_columns", {"left": "x", "right": "1", "within": 1}, "string", "within"),
    ("compare_columns", {"left": "x", "right": "1", "within": -1}, "int", "within"),
    ("compare_columns", {"left": "x", "right": "x", "within": "soon"}, "date", "within"),
    ("null_share", {}, "int", "max"),
    ("null_share", {"max": 5}, "int", "max"),
    ("null_share", {"min": 0.5, "max": 0.4}, "int", "min"),
    ("row_count", {}, "int", "min"),
    ("row_count", {"min": 3, "max": 2}, "int", "min"),
    ("row_count", {"vs_history": {"within": "lots"}}, "int", "vs_history"),
    ("row_count", {"vs_history": {"within": "3 sigma", "days": 2}}, "int", "vs_history"),
    ("row_count", {"vs_history": {"within": "3 sigma"}, "by": "x"}, "int", "vs_history"),
    ("aggregate", {"function": "mean"}, "int", "min"),
    ("aggregate", {"function": "mean", "min": 1}, "string", "function"),
    ("aggregate", {"function": "mean", "min": 2, "max": 1}, "int", "min"),
    ("aggregate", {"function": "quantile", "min": 2}, "int", "q"),
    ("aggregate", {"function": "mean", "q": 0.5, "min": 2}, "int", "q"),
    ("aggregate", {"function": "max", "min": "soon"}, "date", "min"),
    ("aggregate", {"function": "median", "equals": 1}, "int", "equals"),
    ("value_set", {}, "int", "equals"),
    ("value_set", {"in": ["x"]}, "int", "in"),
    ("schema", {"columns": {"x": "integr"}}, "int", "columns"),
    ("schema", {"columns": [], "min_columns": 3, "max_columns": 2}, "int", "min_columns"),
    ("schema", {"columns": []}, "int", "columns"),
    ("distribution", {"shares": {"x": 1}, "max": 1}, "int", "shares"),
    ("distribution", {"shares": {"1": 0.5}, "max": 1}, "int", "shares"),
    ("distribution", {"bins": [1, 0], "shares": [0, 1, 0], "max": 1}, "int", "bins"),
    ("distribution", {"bins": [1, 2], "shares": [0.5, 0.5], "max": 1}, "int", "shares"),
    ("distribution", {"bins": [1], "shares": [0.5, 0.5], "max": 1}, "string", "bins"),
    ("schema", {"columns": ["x", "x"]}, "int", "columns"),
    ("schema", {"columns": ["x"], "optional": ["y"]}, "int", "optional"),
    ("freshness", {"max_age": "1h"}, "int", "column"),
]


@pytest.mark.parametrize("name, params, word, parameter", PROBLEMS, ids=lambda value: None)
def test_problems(name: str, params: dict[str, Any], word: str, parameter: str) -> None:
    module = build(REGISTRY.get("module", name), _with_column(name, params))
    problems = list(module.problems({"x": DataType.parse(word), "y": DataType.parse(word)}))
    assert [where for where, _ in problems] == [parameter], problems
    assert all(words and words == words.strip() for _, words in problems)


@pytest.mark.parametrize("name, params, word", [
    ("between", {"min": 5}, "string"), ("between", {"min": 5}, "date"), ("one_of", {"values": ["a"]}, "int"),
])  # fmt: skip
def test_a_misfit_that_shows_at_run_time_is_told(name: str, params: dict[str, Any], word: str) -> None:
    with pytest.raises(QpipeError, match=r"is text|is no (date|integer)"):
        run(name, {"columns": "x", **params}, column(word, []))


# ── formats ───────────────────────────────────────────────────────────────────────────────────────────────────────────

# kind: good ones, bad ones
FORMAT_CELLS: dict[str, tuple[list[str], list[str]]] = {
    "email": (
        ["a@b.co", "first.last+tag@sub.example.com", "o'neil@example.museum", "x" * 64 + "@b.co",
         "a@xn--bcher-kva.example"],
        ["", "a", "a@b", "a@@b.co", ".a@b.co", "a.@b.co", "a..b@c.co", "a b@c.co", "a@-b.co", "a@b.c", "a@b.co ",
         "a@b.co\n", "x" * 65 + "@b.co", "a@" + "b." * 127 + "co", "a@1.2.3.4"],
    ),
    "url": (
        ["https://example.com", "http://localhost:8080/a?b=c#d", "ftp://u:p@h.example/x", "https://[::1]/",
         "s3://bucket/key", "https://1.2.3.4", "https://example.com/ü"],
        ["", "example.com", "http://", "http:// a", "https://exa mple.com", "http://-a.com", "mailto:a@b.co",
         "https://a.com/<b>"],
    ),
    "uuid": (
        ["123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000"],
        ["", "123e4567e89b12d3a456426614174000", "{123e4567-e89b-12d3-a456-426614174000}",
         "123e4567-e89b-12d3-a456-42661417400g"],
    ),
    "ipv4": (
        ["0.0.0.0", "255.255.255.255", "192.168.1.10"],
        ["", "256.1.1.1", "1.2.3", "1.2.3.4.5", "01.2.3.4", "1.2.3.4/8"],
    ),
    "ipv6": (
        ["::", "::1", "2001:db8::1", "1:2:3:4:5:6:7:8", "fe80::1:2:3:4", "::ffff:1.2.3.4", "1:2:3:4:5:6:1.2.3.4",
         "1::", "1:2:3:4:5:6:7::"],
        ["", ":", ":::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::g", "1.2.3.4",
         "1:2:3:4:5:6:7:8::"],
    ),
    "ip": (
        ["1.2.3.4", "::1"],
        ["", "1.2.3.4 ::1", "localhost"],
    ),
    "cidr": (
        ["10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::/128"],
        ["10.0.0.0", "10.0.0.0/33", "::/129", "10.0.0.0/08"],
    ),
    "mac": (
        ["00:1a:2B:3c:4d:5e", "00-1A-2B-3C-4D-5E", "001a.2b3c.4d5e"],
        ["", "00:1a:2b:3c:4d", "00:1a-2b:3c:4d:5e", "001a2b3c4d5e"],
    ),
    "hostname": (
        ["localhost", "a", "example.com", "a-b.c-d.example"],
        ["", "-a.com", "a-.com", "a..b", "a_b.com", "1.2.3.4", "a.com."],
    ),
    "phone_e164": (
        ["+4930123456", "+12025550123"],
        ["", "4930123456", "+0123456789", "+49 30 123456", "+123456", "+1234567890123456"],
    ),
    "iban": (
        ["GB82WEST12345698765432", "GB82 WEST 1234 5698 7654 32", "DE89370400440532013000", "NO9386011117947",
         "MT84MALT011000012345MTLCAST001S"],
        ["", "GB82WEST12345698765433", "gb82west12345698765432", "GB82 WEST12345698765432", "DE8937040044053201300",
         "XX82WEST12345698765432", "GB82WEST1234569876543A"],
    ),
    "bic": (
        ["DEUTDEFF", "DEUTDEFF500", "NBKOXKPR"],
        ["", "DEUTDEF", "deutdeff", "DEUTZZFF", "DEUTDEFF5"],
    ),
    "card": (
        ["4111111111111111", "4111 1111 1111 1111", "378282246310005", "5555-5555-5555-4444", "6304000000000000"],
        ["", "4111111111111112", "0000000000000000", "411111111111111a", "4111", "4111  1111 1111 1111"],
    ),
    "isbn": (
        ["0306406152", "0-306-40615-2", "9780306406157", "978-0-306-40615-7", "080442957X"],
        ["", "0306406153", "9780306406158", "9770306406157", "X804429570", "978030640615", "030640615x"],
    ),
    "issn": (
        ["0378-5955", "2434-561X"],
        ["", "0378-5954", "03785955", "2434-561x"],
    ),
    "ean": (
        ["73513537", "012345678905", "4006381333931", "10614141000415"],
        ["", "73513536", "4006381333932", "123", "40063813339a1"],
    ),
    "vin": (
        ["1HGCM82633A004352"],
        ["", "1HGCM82633A00435", "1HGCM82633A00435I", "1hgcm82633a004352"],
    ),
    "country_code": (
        ["DE", "US", "NA"],
        ["", "de", "EU", "UK", "DEU"],
    ),
    "country_code_3": (
        ["DEU", "USA"],
        ["", "DE", "GER"],
    ),
    "currency_code": (
        ["EUR", "USD", "JPY"],
        ["", "eur", "DEM", "€"],
    ),
    "language_code": (
        ["de", "en"],
        ["", "DE", "xx", "deu"],
    ),
    "date": (
        ["2026-01-31", "2024-02-29"],
        ["", "2026-02-29", "2026-1-31", "31.01.2026", "2026-01-31T00:00", "20260131", "2026-13-01"],
    ),
    "datetime": (
        ["2026-01-31T12:00:00Z", "2026-01-31 12:00", "2026-01-31T12:00:00.123+01:00", "2026-01-31T23:59:60Z"],
        ["", "2026-01-31", "2026-02-30T12:00:00", "2026-01-31T24:00:00", "2026-01-31T12:60",
         "2026-01-31T12:00:00+25:00"],
    ),
    "time": (
        ["12:00", "23:59:59.999", "12:00:00Z"],
        ["", "24:00", "12", "12:0", "1:00"],
    ),
}  # fmt: skip


def test_every_format_is_tried() -> None:
    assert set(FORMAT_CELLS) == set(FORMATS)


@pytest.mark.parametrize("kind", FORMAT_CELLS)
def test_formats(kind: str) -> None:
    good, bad = FORMAT_CELLS[kind]
    frame = column("string", [*good, *bad, None])
    found = frame.lazy().select(FORMATS[kind](pl.col("x"))).collect(engine="in-memory").to_series().to_list()
    assert {cell: seen for cell, seen in zip(good, found, strict=False) if seen is not True} == {}
    assert {cell: seen for cell, seen in zip(bad, found[len(good) :], strict=False) if seen is not False} == {}
    assert found[-1] is None


@pytest.mark.parametrize("country, good, bad", [
    ("US", "02134-1000", "2134"), ("GB", "SW1A 1AA", "SW1A1A"), ("CA", "K1A 0B1", "D1A 0B1"), ("DE", "01067", "1067"),
    ("NL", "1234 AB", "0234 AB"), ("JP", "100-0001", "1000-001"), ("BR", "01310-100", "0131-0100"),
])  # fmt: skip
def test_postcodes(country: str, good: str, bad: str) -> None:
    cells = column("string", [good, bad])
    assert cells.select(postcode(country)(pl.col("x"))).to_series().to_list() == [True, False]


# kind, country, a good one, a bad one
IDENTIFIERS: list[tuple[str, str | None, str, str]] = [
    ("phone", None, "+49 30 123456", "030 123456"), ("phone", "DE", "030 123456", "030"),
    ("phone", "US", "(202) 555-0123", "555"), ("vat", None, "DE136695976", "DE136695978"),
    ("vat", "DE", "136695976", "136695978"), ("isin", None, "US0378331005", "US0378331004"),
    ("lei", None, "213800KUD8LAJWSQ9D15", "213800KUD8LXJWSQ9D15"), ("imei", None, "49-015420-323751-8", "49-015420-323751-7"),
    ("cusip", None, "037833100", "037833101"), ("isni", None, "0000-0001-2281-955X", "0000-0001-2281-9550"),
    ("container", None, "CSQU3054383", "CSQU3054384"), ("cas_number", None, "7732-18-5", "7732-18-6"),
    ("creditor_reference", None, "RF18539007547034", "RF18539007547035"), ("national_id", "US", "536-90-4399", "000-90-4399"),
    ("national_id", "PL", "44051401359", "44051401358"), ("national_id", "ES", "54362315K", "54362315L"),
    ("national_id", "SE", "880320-0016", "880320-0018"), ("tax_id", "PL", "8567346215", "8567346216"),
    ("tax_id", "AU", "83 914 571 673", "99 999 999 999"), ("vin", "US", "1HGCM82633A004352", "1HGCM82643A004352"),
    ("vin", None, "1HGCM82643A004352", "1HGCM82643A00435"), ("vin", "CA", "1M8GDM9AXKP042788", "1M8GDM9A1KP042788"),
]  # fmt: skip


@pytest.mark.parametrize("kind, country, good, bad", IDENTIFIERS)
def test_identifiers(kind: str, country: str | None, good: str, bad: str) -> None:
    frame = column("string", [good, bad, "", None, good])
    assert run("format_is", {"columns": "x", "kind": kind, "country": country}, frame).failed == [1, 2]
    assert run("format_is", {"columns": "x", "kind": kind, "country": country, "negate": True}, frame).failed == [0, 4]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=20), st.sampled_from(sorted(FORMATS)))
def test_formats_answer_any_text(cells: list[str], kind: str) -> None:
    found = column("string", cells).lazy().select(FORMATS[kind](pl.col("x"))).collect(engine="in-memory").to_series()
    assert found.dtype == pl.Boolean and found.null_count() == 0


# ── what reports say ──────────────────────────────────────────────────────────────────────────────────────────────────

EXPECTED: list[tuple[str, dict[str, Any], str]] = [
    ("not_null", {}, "a value"),
    ("between", {"min": 0, "max": 10}, "between 0 and 10"),
    ("between", {"min": 0}, "at least 0"),
    ("between", {"max": 10, "exclusive": True}, "below 10"),
    ("between", {"min": 0, "max": 1, "exclusive": "min"}, "above 0 and at most 1"),
    ("one_of", {"values": [1, 2]}, "one of 1, 2"),
    ("one_of", {"values": list(range(20)), "negate": True}, "none of 0, 1, 2, 3, 4, 5, 6, 7 … (20 values)"),
    ("matches", {"regex": "^a"}, "matching ^a"),
    ("matches", {"like": ["a%", "b%"]}, "matching any of like a%, like b%"),
    ("format_is", {"kind": "email"}, "a valid email"),
    ("length", {"max": 3}, "a length of at most 3"),
    ("length", {"min": 1, "max": 3, "unit": "words"}, "1 to 3 words"),
    ("type_is", {"type": "date", "format": "%d.%m.%Y"}, "a value of type date written %d.%m.%Y"),
    ("foreign_key", {"references": "t.id"}, "in t.id"),
    ("unique", {}, "a value that occurs once"),
    ("ordered", {}, "not below the row before"),
]


@pytest.mark.parametrize("name, params, words", EXPECTED)
def test_what_is_expected_reads_well(name: str, params: dict[str, Any], words: str) -> None:
    bad = {"string": ["zz", "yy", "zz"], "int": [99, 98, 99]}
    word = "string" if name in ("matches", "format_is", "length", "type_is") else "int"
    cells = [None] if name == "not_null" else [0] if params.get("negate") or params.get("min") == 0 else bad[word]
    if words in ("at least 0",):
        cells = [-1]
    if words in ("below 10",) or words.startswith(("a length", "1 to 3")):
        cells = [99] if word == "int" else ["a b c d e"]
    if words == "between 0 and 10":
        cells = [-3]
    told = {finding.expected for finding in run(name, _with_column(name, params), column(word, cells)).findings}
    assert told == {words}


def _with_column(name: str, params: dict[str, Any]) -> dict[str, Any]:
    """The column x where the module takes columns and the case names none."""
    from qpipe.core.params import params_of

    known = params_of(REGISTRY.get("module", name))
    key = "columns" if "columns" in known else "column" if "column" in known else None
    return params if key is None or key in params else {key: "x", **params}
