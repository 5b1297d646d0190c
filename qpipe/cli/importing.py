"""qpipe import"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qpipe.cli.common import AsJson, print_json, tell
from qpipe.core.errors import UsageError


def register(app: typer.Typer) -> None:
    app.command("import")(import_suite)


def import_suite(
    kind: Annotated[str, typer.Argument(help="gx, soda, dbt, odcs, frictionless or pandera.")],
    file: Annotated[Path, typer.Argument(help="Their file.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write the spec here instead of stdout.")] = None,
    table: Annotated[str | None, typer.Option(help="Of a file with several tables: which one.")] = None,
    as_json: AsJson = False,
) -> int:
    """Turn another system's suite of checks into a spec, and name what could not be turned.

    Example: qpipe import gx orders_suite.json -o orders.yaml
    """
    from qpipe.interop.suites import read_suites, spec_of

    suites = read_suites(kind, file)
    if table is not None or len(suites) > 1:
        chosen = [suite for suite in suites if suite.table == table]
        if not chosen:
            names = ", ".join(suite.table for suite in suites)
            raise UsageError(f"there is no table {table}" if table else f"{file} has {len(suites)} tables",
                             hint=f"choose one with --table: {names}")  # fmt: skip
        suites = chosen
    suite, text = suites[0], spec_of(suites[0])
    lost = [claim for claim in suite.claims if not claim.module]
    if as_json:
        print_json({"table": suite.table, "spec": text, "turned": len(suite.claims) - len(lost),
                    "not_turned": [{"check": claim.origin, "why": claim.why} for claim in lost]})  # fmt: skip
        return 0
    if output is None:
        print(text, end="")
    else:
        output.write_text(text)
    tell(f"{len(suite.claims) - len(lost)} of {len(suite.claims)} checks turned"
         + (f", wrote {output}; now `qpipe validate {output}`" if output else ""))  # fmt: skip
    for claim in lost:
        tell(f"  not turned: {claim.origin}: {claim.why}")
    return 0
