"""file_size"""

from __future__ import annotations

from collections.abc import Iterator

from qpipe.core.component import Context, Delivery, Inspection, Types, Verdict
from qpipe.core.params import Size, param


class FileSize(Inspection):
    """Every file of a source has a size in a range.

    Judged before a row is read. Packed files count as they are stored. A file whose size is not known, and a source without
    files, is not evaluated.

    Examples:
        ```yaml
        module:
          file_size: {min: 2, max: 1M}
        inputs: [{name: a.csv, content: "id,name"}]
        outcome: pass
        ```
        ```yaml
        module:
          file_size: {min: 2}
        inputs: [{name: a.csv, content: "id,name"}, {name: empty.csv}]
        outcome: fail
        ```
    """

    dimension = "completeness"
    like = (
        "file_size", "byte_count", "table_size", "bytes",
    )  # fmt: skip

    min: Size | None = param(None, help="the least size: 1, 10k, 5M")
    max: Size | None = param(None, help="the greatest size")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if self.min is None and self.max is None:
            yield "min", "a size needs min, max or both"
        if self.min is not None and self.max is not None and self.min > self.max:
            yield "min", "min is above max"

    def inspect(self, delivery: Delivery, context: Context) -> Verdict:
        sizes = {each.name: each.bytes for each in delivery.inputs if each.bytes is not None}
        if not sizes:
            return Verdict("not evaluated")
        observed = {"smallest": min(sizes.values()), "greatest": max(sizes.values())}
        for name, size in sizes.items():
            if self.min is not None and size < self.min:
                return Verdict("fail", observed, message=f"{name} has {size:,} bytes, expected at least {self.min:,}")
            if self.max is not None and size > self.max:
                return Verdict("fail", observed, message=f"{name} has {size:,} bytes, expected at most {self.max:,}")
        return Verdict("pass", observed)
