"""The report as JSON: everything the others show, and the distributions of every column."""

from __future__ import annotations

import json

from qpipe.report.collect import Report


def write(report: Report) -> str:
    return json.dumps(report.to_json(), ensure_ascii=False, indent=2, allow_nan=False) + "\n"
