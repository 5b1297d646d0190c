"""What one would write by hand in Polars or DuckDB in place of a module: the other side of ``benchmarks.catalogue``.

A check by hand is an expression that is true for bad rows, a transform is a function of a lazy frame, and what looks at all
rows is a function of the frame: the number of bad rows, a figure, or a query written to a file, as the module's result is.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
from polars import col

Hand = pl.Expr | Callable[[Any], Any]
EMAIL = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$"
STATES = {"new": ["paid"], "paid": ["shipped"], "shipped": ["delivered"], "delivered": ["returned"]}
RATES = {"DE": 1.0, "US": 0.9, "FR": 1.0, "GB": 1.2, "CH": 1.1, "JP": 0.006}
READ = """select frame.*, try_cast(found[1] as bigint) as id, found[2] as city from (
    select *, case when json_valid(payload) then json_extract_string(payload, ['$.id', '$.city']) end as found from frame
) as frame"""
BELOW = """with recursive below as (
    select n from frame where parent is null union all select frame.n from frame join below on frame.parent = below.n
) select count(*) from frame
where n not in (select n from below) or (parent is not null and parent not in (select n from frame))"""
WORDS = ["", "-", "n/a", "na", "null", "none", "?", "unknown"]


# Why a module costs more than what is written here.
SLOWER = {
    "aggregate": "a median comes from a histogram that batches can add up",
    "cardinality": "hashes are kept that batches can add up, so that memory does not grow with the values",
    "covers": "the keys that arrived are added up batch by batch, as the journal keeps them",
    "detect_benford": "digits are found by logarithms, so that exponents of any size count; by hand in the text",
    "detect_typos": "frequent and rare values are compared up to two edits, swaps and digits looked at; by hand one edit",
    "distribution": "each value is looked up among the expected ones first, by hand values are counted",
    "json_is": "all texts that DuckDB takes for JSON and others do not are looked for, by hand trailing commas alone",
    "parse_json": "texts for which DuckDB may be mistaken (two equal keys, long numbers) are looked for, too",
    "parse_number": "that a text is written in the style is proven for each, by hand `1.2.3,4` is a number, too",
    "sample": "chance is ten steps of arithmetic, the same in every version; by hand Polars' hash, which may change",
    "sort": "the sorted rows are synced to disk as parts of 100,000, which the next pass reads one by one",
    "transitions": "states that nobody knows, first states and changes are told apart",
    "value_set": "values are collected batch by batch, sorted and cut",
    "window": "the result is synced to disk as parts of 100,000, which the next pass reads one by one",
}


@dataclass(frozen=True)
class Case:
    module: str
    written: Any  # its parameters, as a spec has them
    columns: str  # the columns of the frame, with blanks between them
    hand: Hand
    like: bool = True  # the results must be the same


def orders(file: Path) -> pl.DataFrame:
    """The orders, and columns made of them for modules that need other kinds of value."""
    local, whole = col("email").str.extract(r"^([^@]*)").str.replace(r"[0-9]+$", ""), col("amount").abs().floor().cast(pl.Int64)
    cents = ((col("amount").abs() * 100).round().cast(pl.Int64) % 100).cast(pl.String).str.zfill(2)
    number, key = col("order_id").cast(pl.String), col("order_id") % 997
    frame = pl.read_parquet(file)
    return frame.with_columns(pl.Series("n", range(frame.height))).with_columns(  # in order, but Polars is not told so
        col("amount").cast(pl.String).alias("amount_text"),
        (whole.cast(pl.String).str.replace(r"(\d)(\d{3})$", "${1}.${2}") + "," + cents).alias("amount_de"),
        col("order_date").cast(pl.String).alias("day_text"),
        col("order_date").dt.strftime("%d/%m/%Y").alias("day_eu"),
        (col("order_date").cast(pl.Datetime("us")) + pl.duration(minutes=col("n") % 1440)).alias("at"),
        (" " + local.str.replace(".", "   ", literal=True) + " ").alias("name"),
        ('{"id": ' + number + ', "city": "' + col("country") + '"}').alias("payload"),
        col("notes").str.split(" ").list.head(3).alias("tags"),
        (col("country") + "-" + number).alias("sku"),
        (number.str.zfill(8).str.tail(8) + "-0000-4000-8000-" + number.str.zfill(12).str.tail(12)).alias("uuid"),
        (key / 997 * 190 - 95).alias("lat"),
        (key / 997 * 360 - 180).alias("lon"),
        (col("amount") * 0.8).alias("net"),
        pl.when(col("n") > 0).then(col("n") // 2).alias("parent"),
        (col("amount") - col("amount") * 0.8).alias("tax"),
        pl.struct(col("country").alias("land"), col("quantity").alias("count")).alias("what"),
        ("030/" + (key + 123_000).cast(pl.String)).alias("call"),
    )


def cases(customers: pl.DataFrame, countries: Sequence[str]) -> list[Case]:
    """Every module for which Polars or DuckDB has a counterpart."""
    return [*_cells(countries), *_rows(customers), *_gates(customers), *_whole(), *_values(), *_shapes(), *_tables()]


def _cells(countries: Sequence[str]) -> list[Case]:
    """Checks of one column."""
    bare = col("amount_text").str.strip_chars()  # blanks around a value do not matter
    return [
        Case("not_null", {"columns": ["notes"]}, "notes", col("notes").is_null()),
        Case("not_null", {"columns": ["notes"], "blank": True}, "notes",
             col("notes").is_null() | (col("notes").str.strip_chars() == "")),
        Case("is_null", {"columns": ["notes"]}, "notes", col("notes").is_not_null()),
        Case("between", {"column": "amount", "min": 0, "max": 10000}, "amount",
             ~col("amount").is_between(0, 10000) | col("amount").is_nan()),
        Case("between", {"column": "order_date", "min": "2023-01-01", "max": "2025-12-31"}, "order_date",
             ~col("order_date").is_between(pl.date(2023, 1, 1), pl.date(2025, 12, 31))),
        Case("one_of", {"column": "country", "values": list(countries)}, "country", ~col("country").is_in(list(countries))),
        Case("one_of", {"column": "status", "values": ["NEW", "PAID"], "ignore_case": True}, "status",
             ~col("status").str.to_lowercase().is_in(["new", "paid"])),
        Case("matches", {"column": "email", "regex": EMAIL}, "email", ~col("email").str.contains(EMAIL)),
        Case("matches", {"column": "phone", "like": "+49%"}, "phone", ~col("phone").str.starts_with("+49")),
        Case("length", {"column": "notes", "max": 40}, "notes", col("notes").str.len_chars() > 40),
        Case("text_is", {"column": "status", "case": "lower", "trimmed": True}, "status",
             (col("status") != col("status").str.to_lowercase()) | (col("status") != col("status").str.strip_chars())),
        Case("type_is", {"column": "amount_text", "type": "int"}, "amount_text",
             col("amount_text").is_not_null() & bare.cast(pl.Int64, strict=False).is_null()),
        Case("type_is", {"column": "amount_text", "type": "float"}, "amount_text",
             col("amount_text").is_not_null() & bare.cast(pl.Float64, strict=False).is_null()),
        Case("type_is", {"column": "day_text", "type": "date"}, "day_text",
             col("day_text").is_not_null() & col("day_text").str.strip_chars().str.to_date("%Y-%m-%d", strict=False).is_null()),
        Case("format_is", {"column": "email", "kind": "email"}, "email",
             ~col("email").str.contains(r"^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}$")),
        Case("format_is", {"column": "uuid", "kind": "uuid"}, "uuid",
             ~col("uuid").str.contains(r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$")),
        Case("precision", {"column": "discount", "max_decimals": 1}, "discount",
             (col("discount") * 10 - (col("discount") * 10).round()).abs() > 1e-9),
        Case("date_is", {"column": "order_date", "weekdays": ["mon", "tue", "wed", "thu", "fri"]}, "order_date",
             col("order_date").dt.weekday() > 5),
        Case("json_is", {"column": "payload", "keys": ["id"]}, "payload",
             lambda frame: _one(frame, "not json_valid(payload) or not json_exists(payload, '$.id')"
                               r" or regexp_matches(payload, ',\s*[\]}]')")),  # which DuckDB takes for JSON
        Case("code_in", {"column": "country", "list": "iso3166-1-alpha-2"}, "country", ~col("country").is_in(_countries())),
    ]  # fmt: skip


def _rows(customers: pl.DataFrame) -> list[Case]:
    """Checks of several columns, and of one against a table."""
    ids = customers["customer_id"]
    return [
        Case("compare_columns", {"left": "ship_date", "op": ">=", "right": "order_date"}, "ship_date order_date",
             col("ship_date") < col("order_date")),
        Case("expression", "amount * (1 - discount) >= quantity * 0.5", "amount discount quantity",
             ~(col("amount") * (1 - col("discount")) >= col("quantity") * 0.5)),
        Case("if_then", {"if": "country = 'DE'", "then": "notes is not null"}, "country notes",
             (col("country") == "DE") & col("notes").is_null()),
        Case("any_of", [{"matches": {"column": "email", "regex": EMAIL}}, {"not_null": {"columns": ["phone"]}}], "email phone",
             ~col("email").str.contains(EMAIL) & col("phone").is_null()),
        Case("columns_sum_to", {"columns": ["net", "tax"], "equals": "amount", "within": 0.005}, "net tax amount",
             (col("net") + col("tax") - col("amount")).abs() > 0.005),
        Case("complete_together", {"columns": ["notes", "phone"]}, "notes phone",
             col("notes").is_null() != col("phone").is_null()),
        Case("delay", {"start": "order_date", "end": "ship_date", "max": "7d", "min": "0s"}, "order_date ship_date",
             ~(col("ship_date") - col("order_date")).is_between(pl.duration(days=0), pl.duration(days=7))),
        Case("geometry_is", {"latitude": "lat", "longitude": "lon"}, "lat lon",
             ~(col("lat").is_between(-90, 90) & col("lon").is_between(-180, 180))),
        Case("unique_within_row", ["email", "phone", "notes"], "email phone notes",
             (col("email") == col("phone")) | (col("email") == col("notes")) | (col("phone") == col("notes"))),
        Case("foreign_key", {"columns": ["customer_id"], "references": "customers.customer_id"}, "customer_id",
             ~col("customer_id").is_in(ids.implode())),
    ]  # fmt: skip


def _gates(customers: pl.DataFrame) -> list[Case]:
    """Figures of the whole data set."""
    return [
        Case("row_count", {"min": 1}, "order_id", lambda f: f.height),
        Case("null_share", {"column": "notes", "max": 0.5}, "notes", lambda f: f["notes"].null_count() / f.height),
        Case("aggregate", {"column": "amount", "function": "mean", "max": 6000}, "amount",
             lambda f: exact_sum(f["amount"]) / f["amount"].count()),
        Case("aggregate", {"column": "amount", "function": "sum", "max": 6000, "by": "country"}, "amount country",
             lambda f: [exact_sum(each["amount"]) for each in f.partition_by("country")]),
        Case("aggregate", {"column": "amount", "function": "median", "max": 6000}, "amount", lambda f: f["amount"].median()),
        Case("aggregate", {"column": "amount", "function": "stddev", "max": 6000}, "amount",
             lambda f: exact_sum((f["amount"] - exact_sum(f["amount"]) / f["amount"].count()) ** 2)),
        Case("cardinality", {"column": "country", "max": 300}, "country", lambda f: f["country"].n_unique()),
        Case("value_set", {"column": "status", "in": ["new", "paid"]}, "status", lambda f: f["status"].unique()),
        Case("distribution", {"column": "status", "shares": {"new": 0.5, "paid": 0.5}, "max": 0.1}, "status",
             lambda f: f["status"].value_counts()),
        Case("correlation", {"columns": ["amount", "quantity"], "max": 0.5}, "amount quantity",
             lambda f: f.select(pl.corr("amount", "quantity"))),
        Case("covers", {"columns": ["customer_id"], "references": "customers.customer_id"}, "customer_id",
             lambda f: customers.join(f.lazy().select("customer_id").unique().collect(), on="customer_id", how="anti").height),
        Case("detect_benford", {"column": "amount"}, "amount",
             lambda f: f.select(col("amount").abs().filter(col("amount") != 0).cast(pl.String).str.extract("([1-9])"))
             .to_series().value_counts()),
    ]  # fmt: skip


def _whole() -> list[Case]:
    """Checks that look at all rows before they know which are bad."""
    by, at = ["customer_id"], col("order_date")
    before = col("status").shift(1).over(by, order_by="n")
    states = [*STATES, "returned"]
    allowed = [a + ">" + b for a, to in STATES.items() for b in (a, *to)] + ["returned>returned"]
    return [
        Case("unique", ["order_id"], "order_id", lambda f: f.select(col("order_id").is_duplicated().sum()).item()),
        Case("unique", ["customer_id", "order_date"], "customer_id order_date",
             lambda f: f.select((pl.struct("customer_id", "order_date").is_duplicated()
                                 & pl.all_horizontal(pl.all().is_not_null())).sum()).item()),
        Case("unique", ["email"], "email",
             lambda f: f.select((col("email").is_duplicated() & col("email").is_not_null()).sum()).item()),
        Case("deduplicate", ["email"], "email",
             lambda f: f.select((~col("email").is_first_distinct() & col("email").is_not_null()).sum()).item()),
        Case("depends_on", {"determinant": "customer_id", "dependent": "country"}, "customer_id country",
             lambda f: f.with_columns(pl.len().over("customer_id", "country").alias("k"))
             .filter(col("k") < col("k").max().over("customer_id")), like=False),
        Case("each_group", {"by": "customer_id", "condition": "status = 'new'", "max": 3}, "customer_id status",
             lambda f: f.filter((col("status") == "new").sum().over("customer_id") > 3).height),
        Case("most_common", {"column": "country", "values": ["DE"]}, "country", _of_the_most_common),
        Case("no_gaps", "n", "n", lambda f: f.sort("n", "_row").filter(col("n").diff() > 1)["_row"].len()),
        Case("no_overlap", {"start": "order_date", "end": "ship_date", "by": "customer_id"}, "order_date ship_date customer_id",
             lambda f: f.sort("customer_id", "order_date").filter(
                 at < col("ship_date").cum_max().shift(1).over("customer_id")).height, like=False),
        Case("ordered", "order_id", "order_id", lambda f: f.filter(col("order_id") < col("order_id").shift(1))["_row"].len()),
        Case("ordered", {"column": "order_date", "by": "customer_id"}, "order_date customer_id",
             lambda f: f.filter(col("order_date") < col("order_date").shift(1).over("customer_id"))["_row"].len()),
        Case("transitions", {"state": "status", "by": "customer_id", "order": "n", "allowed": STATES}, "status customer_id n",
             lambda f: f.drop_nulls("status").filter(
                 ~(before + ">" + col("status")).is_in(allowed) | ~col("status").is_in(states))["_row"].len()),
        Case("reconcile", {"with": "ledger", "key": "n", "columns": ["amount"], "within": 0.01}, "n amount",
             lambda f: f.join(f, on="n", how="full", suffix="_2").filter(
                 (col("amount") - col("amount_2")).abs() > 0.01).height),
        Case("detect_outliers", {"column": "amount"}, "amount",
             lambda f: f.filter(((col("amount") - col("amount").median()).abs()
                                 / (col("amount") - col("amount").median()).abs().median() * 0.6745) > 3.5).height, like=False),
        Case("hierarchy", {"key": "n", "parent": "parent"}, "n parent", lambda f: _figure(f, BELOW)),
        Case("detect_typos", "country", "country", lambda f: f.filter(col("country").is_in(_misspelt(f["country"]))).height,
             like=False),
        Case("detect_rare_values", {"columns": ["status"]}, "status",
             lambda f: f.filter(pl.len().over("status") < f.height * 0.001).height, like=False),
    ]  # fmt: skip


def _values() -> list[Case]:
    """Transforms of values."""
    squeezed = col("name").str.strip_chars().str.replace_all(r"\s+", " ")
    return [
        Case("cast", {"amount_text": "float"}, "amount_text", _with(col("amount_text").cast(pl.Float64, strict=False))),
        Case("cast", {"day_text": "date"}, "day_text", _with(col("day_text").str.to_date("%Y-%m-%d", strict=False))),
        Case("cast", {"quantity": "string"}, "quantity", _with(col("quantity").cast(pl.String))),
        Case("parse_number", {"column": "amount_de", "locale": "de"}, "amount_de",
             _with(col("amount_de").str.strip_chars().str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
                   .cast(pl.Float64, strict=False))),
        Case("parse_date", {"column": "day_eu", "formats": ["%d/%m/%Y"]}, "day_eu",
             _with(col("day_eu").str.strip_chars().str.to_date("%d/%m/%Y", strict=False))),
        Case("clean_text", {"columns": ["name"], "collapse": True}, "name", _with(squeezed)),
        Case("clean_text", {"columns": ["name"], "case": "upper"}, "name",
             _with(col("name").str.strip_chars().str.to_uppercase())),
        Case("clip", {"column": "amount", "min": 0, "max": 5000}, "amount", _with(col("amount").clip(0, 5000))),
        Case("convert_timezone", {"column": "at", "from": "Europe/Berlin", "to": "UTC"}, "at",
             _with(col("at").dt.replace_time_zone("Europe/Berlin", ambiguous="earliest", non_existent="null")
                   .dt.convert_time_zone("UTC"))),
        Case("convert_units", {"column": "amount", "from": "lb", "to": "kg"}, "amount",
             _with(col("amount") * 0.45359237), like=False),
        Case("derive", {"total": "amount * quantity", "large": "total > 1000"}, "amount quantity",
             lambda lf: lf.with_columns(total=col("amount") * col("quantity")).with_columns(large=col("total") > 1000)),
        Case("fill_null", {"columns": ["notes"], "value": ""}, "notes", _with(col("notes").fill_null(""))),
        Case("filter", "amount > 100", "amount country", lambda lf: lf.filter(col("amount") > 100)),
        Case("extract_pattern", {"column": "sku", "pattern": r"^(?P<land>[A-Z]+)-(?P<number>\d+)"}, "sku",
             lambda lf: lf.with_columns(land=col("sku").str.extract(r"^([A-Z]+)-(\d+)", 1),
                                        number=col("sku").str.extract(r"^([A-Z]+)-(\d+)", 2))),
        Case("map_values", {"column": "status", "table": {"new": "N", "paid": "P", "shipped": "S"}}, "status",
             _with(col("status").replace({"new": "N", "paid": "P", "shipped": "S"}))),
        Case("mask", {"column": "phone", "method": "keep_ends", "show": 4}, "phone",
             _with(pl.when(col("phone").str.len_chars() > 4)
                   .then(col("phone").str.replace_all(r".", "*").str.head(-4) + col("phone").str.tail(4))
                   .otherwise(col("phone").str.replace_all(r".", "*"))), like=False),
        Case("mask", {"column": "phone", "method": "redact"}, "phone",
             _with(pl.when(col("phone").is_not_null()).then(pl.lit("***")).alias("phone"))),
        Case("normalize_nulls", {"columns": ["notes"]}, "notes",
             _with(pl.when(~col("notes").str.strip_chars().str.to_lowercase().is_in(WORDS)).then(col("notes")).alias("notes"))),
        Case("replace_pattern", {"column": "phone", "pattern": r"^\+(\d+)-", "to": "00$1 "}, "phone",
             _with(col("phone").str.replace_all(r"^\+(\d+)-", "00${1} "))),
        Case("round", {"column": "amount", "decimals": 1}, "amount",
             _with(col("amount").round(1, mode="half_away_from_zero")), like=False),
        Case("add_categories", {"into": "size", "column": "amount", "bins": [10, 100], "labels": ["small", "medium", "large"]},
             "amount",
             lambda lf: lf.with_columns(size=pl.when(col("amount") < 10).then(pl.lit("small")).when(col("amount") < 100)
                                        .then(pl.lit("medium")).when(col("amount").is_not_null()).then(pl.lit("large")))),
        Case("add_calendar", {"column": "order_date", "parts": ["week", "weekday", "is_weekend"]}, "order_date",
             lambda lf: lf.with_columns(order_date_week=col("order_date").dt.week(),
                                        order_date_weekday=col("order_date").dt.weekday(),
                                        order_date_is_weekend=col("order_date").dt.weekday() > 5), like=False),
        Case("add_keys", {"into": "key", "method": "number"}, "order_id", lambda lf: lf.with_columns(key=col("_row") + 1)),
    ]  # fmt: skip


def _shapes() -> list[Case]:
    """Transforms of columns and rows, batch by batch."""
    rates = pl.LazyFrame({"land": list(RATES), "rate": list(RATES.values())})
    return [
        Case("rename", {"amount": "sum"}, "amount quantity", lambda lf: lf.rename({"amount": "sum"})),
        Case("select", ["amount"], "amount quantity", lambda lf: lf.select("amount", "_row")),
        Case("split_column", {"column": "sku", "by": "-", "into": ["land", "number"]}, "sku",
             lambda lf: lf.with_columns(
                 col("sku").str.splitn("-", 2).struct.rename_fields(["land", "number"]).struct.unnest())
             .with_columns(col("land", "number").str.strip_chars())),
        Case("merge_columns", {"columns": ["country", "status"], "into": "both", "separator": ", "}, "country status",
             lambda lf: lf.with_columns(
                 both=pl.concat_str("country", "status", separator=", ", ignore_nulls=True)), like=False),
        Case("flatten", {"columns": ["what"]}, "what",
             lambda lf: lf.select("_row", what_land=col("what").struct.field("land"),
                                  what_count=col("what").struct.field("count"))),
        Case("parse_json", {"column": "payload", "take": {"id": "int", "city": "string"}}, "payload",
             lambda lf: _queried(lf, READ)),
        Case("lookup", {"from": "rates", "on": {"country": "land"}, "take": ["rate"], "unmatched": "null"}, "country",
             lambda lf: lf.join(rates, left_on="country", right_on="land", how="left", maintain_order="left")),
        Case("explode", {"column": "tags"}, "order_id tags", lambda lf: lf.explode("tags")),
        Case("unpivot", {"columns": ["net", "tax"], "names_to": "kind", "values_to": "value"}, "order_id net tax",
             lambda lf: lf.unpivot(["net", "tax"], index=["order_id", "_row"], variable_name="kind")
             .sort("_row", maintain_order=True).drop_nulls("value")),
    ]  # fmt: skip


def _tables() -> list[Case]:
    """What puts other rows in the place of all rows: queries, written to a file."""
    return [
        Case("group", {"by": "country", "make": {"orders": "count(*)", "total": "sum(amount)"}}, "country amount",
             written("select country, count(*) orders, sum(amount) total from frame group by 1"), like=False),
        Case("pivot", {"by": "country", "names_from": "status", "values_from": "amount", "values": ["new", "paid"],
                       "function": "sum"},
             "country status amount",
             written("select country, sum(amount) filter (status='new') n, "
                    "sum(amount) filter (status='paid') p from frame group by 1"),
             like=False),
        Case("sort", ["order_date", "order_id"], "order_date order_id amount",
             written("select * from frame order by order_date, order_id"), like=False),
        Case("window", {"by": "customer_id", "order": "n", "make": {"total": "running_sum(amount)"}}, "customer_id n amount",
             written("select *, sum(amount) over (partition by customer_id order by n) t from frame order by _row"),
             like=False),
        Case("sql", {"query": "select *, amount * 2 as double from data",
                     "columns": {"order_id": "int", "amount": "float", "double": "float"}},
             "order_id amount",
             written("select *, amount * 2 as double from frame order by _row"), like=False),
    ]  # fmt: skip


# ── pieces ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _with(*expressions: pl.Expr) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    return lambda frame: frame.with_columns(*expressions)


def _one(frame: pl.DataFrame, bad: str) -> Any:
    return _figure(frame, f"select count(*) from frame where {bad}")


def exact_sum(numbers: pl.Series) -> float:
    """The same in any order, as ours: a plain sum is not."""
    return math.fsum(numbers.drop_nulls())


def _of_the_most_common(frame: pl.DataFrame) -> int:
    """Rows with the most frequent value, or with one of several that are, unless DE is among them."""
    most = frame["country"].drop_nulls().mode()
    return 0 if "DE" in most else frame.filter(col("country").is_in(most.implode())).height


def _misspelt(texts: pl.Series) -> list[str]:
    from rapidfuzz import process
    from rapidfuzz.distance import OSA

    counts = texts.drop_nulls().value_counts(sort=True, name="n")
    names = counts[texts.name].to_list()
    near = process.cdist(names, names, scorer=OSA.distance, score_cutoff=1)
    often = counts["n"].to_list()
    return [
        name
        for at, name in enumerate(names)
        if len(name) > 3 and any(often[b] >= 4 * often[at] for b in (near[at] == 1).nonzero()[0])
    ]


def _figure(frame: pl.DataFrame, query: str) -> Any:
    found = duckdb.sql(query)
    assert found is not None
    return found.fetchall()[0][0]


def _queried(batch: pl.LazyFrame, query: str) -> pl.LazyFrame:
    frame = batch.collect(engine="in-memory")
    found = duckdb.sql(query)
    assert found is not None and frame.height
    return found.pl().lazy()


def written(query: str, **tables: pl.DataFrame) -> Callable[[pl.DataFrame], None]:
    """A query over the frame and other tables, its result in a file."""

    def run(frame: pl.DataFrame) -> None:
        with tempfile.TemporaryDirectory() as folder:
            connection = duckdb.connect()
            for name, table in {**tables, "frame": frame}.items():
                connection.register(name, table)
            connection.sql(query).write_parquet(f"{folder}/result.parquet", compression="lz4")

    return run


def _countries() -> list[str]:
    import pycountry

    return [country.alpha_2 for country in pycountry.countries]
