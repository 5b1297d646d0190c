"""files_present"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from pathlib import PurePath

from qpipe.core.component import Context, Delivery, Inspection, Types, Verdict
from qpipe.core.params import Regex, param
from qpipe.modules.source._content import digest


class FilesPresent(Inspection):
    """The files that should be there are there: so many, with these names, none that was delivered before.

    Judged before a row is read. `names` may hold patterns such as `orders-*.csv`; each must be met by a file. One with a `/`
    speaks of the end of the path, so that expected partitions can be named: `day=${var.day}/country=*/*.parquet`. With
    `repeated: fail` a file whose content an earlier, published run of this spec has read fails, whatever it is called now.
    A source without files, such as a table, is not evaluated.

    Examples:
        ```yaml
        module:
          files_present: {names: ["orders-*.csv", refunds.csv], min_count: 2}
        inputs: [{name: orders-1.csv}, {name: refunds.csv}]
        outcome: pass
        ```
        ```yaml
        module:
          files_present: {name_pattern: '^orders-\\d+\\.csv$', max_count: 1}
        inputs: [{name: orders-1.csv}, {name: orders-b.csv}]
        outcome: fail
        ```
        ```yaml
        module:
          files_present: {names: ["day=2026-11-20/*.csv", "day=2026-11-21/*.csv"]}
        inputs: [{name: in/day=2026-11-20/a.csv}]
        outcome: fail
        ```
    """

    dimension = "completeness"
    like = (
        "files_present", "file_count", "table_availability", "reload_lag", "row_count_of_files", "byte_count",
    )  # fmt: skip

    names: list[str] = param((), help="files, partitions or patterns that must be met", short=True)
    min_count: int | None = param(None, help="the least number of files", minimum=0)
    max_count: int | None = param(None, help="the greatest number of files", minimum=0)
    name_pattern: Regex | None = param(None, help="a regular expression that every file's name must have")
    repeated: str = param("accept", help="accept, or fail: a file with the content of one that a published run has read",
                          enum=["accept", "fail"])  # fmt: skip

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.min_count is not None and self.max_count is not None and self.min_count > self.max_count:
            yield "min_count", "min_count is above max_count"

    def inspect(self, delivery: Delivery, context: Context) -> Verdict:
        if not delivery.inputs:
            return Verdict("not evaluated")
        named = [PurePath(each.name).name for each in delivery.inputs]
        observed = {"files": len(named)}
        wrong = next(self._wrong(named, delivery), None)
        return Verdict("fail", observed, message=wrong) if wrong else Verdict("pass", observed)

    def _wrong(self, named: list[str], delivery: Delivery) -> Iterator[str]:
        paths = [PurePath(each.name).as_posix() for each in delivery.inputs]
        for pattern in self.names:
            held, ends = (paths, (pattern, f"*/{pattern}")) if "/" in pattern else (named, (pattern,))
            if not any(fnmatch.fnmatchcase(name, end) for name in held for end in ends):
                yield f"no file is named {pattern}"
        if self.min_count is not None and len(named) < self.min_count:
            yield f"{len(named)} files, expected at least {self.min_count}"
        if self.max_count is not None and len(named) > self.max_count:
            yield f"{len(named)} files, expected at most {self.max_count}"
        for name in named:
            if self.name_pattern and not re.search(self.name_pattern, name):
                yield f"{name} is no name that matches {self.name_pattern}"
        for each in delivery.inputs if self.repeated == "fail" else ():
            if run := delivery.read_before(digest(each)):
                yield f"{each.name} has the content of a file that the run {run} has read"
