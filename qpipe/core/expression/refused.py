"""Names that an expression may not use, and what to use instead."""

from __future__ import annotations

import re

_AGGREGATES = frozenset(
    [
        "sum",
        "avg",
        "mean",
        "count",
        "min",
        "max",
        "median",
        "mode",
        "stddev",
        "stddev_pop",
        "stddev_samp",
        "variance",
        "var_pop",
        "var_samp",
        "first",
        "last",
        "any_value",
        "array_agg",
        "list_agg",
        "string_agg",
        "group_concat",
        "count_star",
        "bool_and",
        "bool_or",
        "quantile",
        "quantile_cont",
        "quantile_disc",
        "approx_count_distinct",
        "corr",
        "covar_pop",
        "covar_samp",
        "product",
        "histogram",
    ]
)
_WINDOWS = frozenset(
    [
        "row_number",
        "rank",
        "dense_rank",
        "percent_rank",
        "cume_dist",
        "ntile",
        "lag",
        "lead",
        "first_value",
        "last_value",
        "nth_value",
    ]
)
_CLOCK = frozenset(
    [
        "now",
        "today",
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "getdate",
        "sysdate",
        "transaction_timestamp",
        "get_current_timestamp",
    ]
)
_CHANCE = frozenset(["random", "rand", "uuid", "gen_random_uuid", "setseed", "uuidv4", "uuidv7"])
_FILES = re.compile(
    r"(?:read|scan|write|sniff|copy|load|import|export)_\w+|\w+_scan|glob|getenv|query|query_table|parquet_\w+|\w+_secrets?"
    r"|attach|install|pragma_\w+|duckdb_\w+|pg_read_\w+|lo_import|lo_export|currval|nextval|current_setting|set_config"
)


def refusal(name: str, *, called: bool) -> tuple[str, str] | None:
    """(message, hint) for a name that is refused whatever its arguments. ``called``: it is followed by a parenthesis."""
    if name in _CLOCK and (called or name.startswith(("current_", "local"))):
        return f"'{name}' would give another result with every run", "Use ${run.started} or a variable: ${var.day}."
    if not called:
        return None
    if name in _CHANCE:
        return f"'{name}' would give another result with every run", "Derive it from columns."
    if name in _AGGREGATES or name in _WINDOWS:
        other = " Of several values in one row: greatest or least." if name in ("max", "min") else ""
        hint = f"A rule over many rows is a module (aggregate, unique, ordered, sql).{other}"
        return f"'{name}' looks at many rows, an expression sees one", hint
    if _FILES.fullmatch(name):
        return f"'{name}' would reach outside the row", "Files and tables are sources; lookup brings their columns to the row."
    return None
