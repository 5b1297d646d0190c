"""Which cells and rows fail under each check: null, NaN, an empty text, a value of the wrong type."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import polars as pl
import pytest
from one_module import REGISTRY, column, judged, with_column

from qpipe.core.component import Check, Relational
from qpipe.testing.examples import frame_of

NAN, INF = math.nan, math.inf


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
    ("columns_sum_to", {"columns": ["a", "b"], "equals": "c", "nulls": "fail"}, "int int int",
     [(None, 2, 2), (1, 1, 2), (None, None, 0), (1, 1, None)], [0, 2]),
    ("columns_sum_to", {"columns": ["a", "b"], "equals": 300}, "uint8 uint8", [(200, 100), (22, 22)], [1]),
    ("columns_sum_to", {"columns": ["a", "b"], "equals": "-2"}, "int int", [(2**63 - 1, 2**63 - 1), (-1, -1)], [0]),
    ("columns_sum_to", {"columns": ["a", "b"], "equals": 0.3}, "float float", [(0.1, 0.2), (NAN, 1), (INF, 1)], [1, 2]),
    ("columns_sum_to", {"columns": ["a", "b"], "equals": "0.3"}, "decimal(9,2) decimal(9,2)",
     [("0.10", "0.20"), ("0.10", "0.21")], [1]),
    ("unique_within_row", {"columns": ["a", "b"]}, "int int", [(1, 1), (1, 2), (None, None), (None, 1)], [0]),
    ("unique_within_row", {"columns": ["a", "b", "c"], "nulls_equal": True}, "int int int",
     [(None, None, 1), (None, 1, 2), (1, 1, None)], [0, 2]),
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


@pytest.mark.parametrize("name, params, words, rows, failed", ROWS, ids=lambda value: None)
def test_rows(name: str, params: dict[str, Any], words: str, rows: list[tuple[Any, ...]], failed: list[int]) -> None:
    types = dict(zip(("id", "name") if name == "reconcile" else "abcde", words.split(), strict=False))
    frame = frame_of([dict(zip(types, row, strict=True)) for row in rows], types)
    given = {"columns": list(types), **params} if name == "complete_together" else params
    for batch_size in (None, 1, 3):
        assert judged(name, given, frame, batch_size).failed == failed, batch_size
    empty = judged(name, given, frame.clear())
    assert (empty.failed, empty.verdict.outcome) == ([], "not evaluated")


@pytest.mark.parametrize("name, params, word, cells, failed", CELLS, ids=lambda value: None)
def test_cells(name: str, params: dict[str, Any], word: str, cells: list[Any], failed: list[int]) -> None:
    for batch_size in (None, 1, 2):
        seen = judged(name, with_column(name, params), column(word, cells), batch_size)
        assert seen.failed == failed, batch_size
        assert seen.verdict.outcome == ("fail" if failed else "pass"), batch_size
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
    assert judged("depends_on", {"determinant": "k", "dependent": "v", **params}, frame).failed == failed


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
    assert judged("compare_columns", {"left": "a", "right": "b", **params}, frame).failed == failed
