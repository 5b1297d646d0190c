"""What is written is read back as it was: by qpipe under the same contract, and by others' readers."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from running import Project

JSON = [
    '{"a": 1.10, "b": [1E5, -0, 123456789012345678901234567890, 1e400]}', "[]", "1.50", "true", '"a text"', '"5"',
    '{"t": "two, \\"quoted\\" \\u00e9 \\n"}', '[{"deep": {"er": [null, 0.10]}}]', None,
]  # fmt: skip


@pytest.mark.parametrize("path", ["out.ndjson", "out.json", "out.ndjson.gz", "parts/", "by/"])
def test_json_is_a_value_in_json(tmp_path: Path, path: str) -> None:
    pl.DataFrame({"n": range(len(JSON)), "p": JSON, "s": ['{"s": 1}'] * len(JSON)}).write_csv(tmp_path / "in.csv")
    more = {"parts/": ", format: ndjson", "by/": ", format: ndjson, partition_by: s"}.get(path, "")
    schema = "schema: {n: int, p: json, s: string}"
    spec = f"sources:\n  a: {{path: in.csv, {schema}}}\noutputs:\n  out: {{path: {path}{more}}}\n"
    assert Project(tmp_path, spec).run().state == "done"
    found = sorted((tmp_path / path).rglob("*.ndjson")) if path.endswith("/") else [tmp_path / path]
    if path == "out.ndjson":
        rows = [line.removeprefix(f'{{"n":{n},"p":').removesuffix(r',"s":"{\"s\": 1}"}') for n, line in
                enumerate(found[0].read_text().splitlines())]  # fmt: skip
        assert rows == [json.dumps(text) if str(text).startswith('"') else text or "null" for text in JSON]
    there = f"path: {found[0].relative_to(tmp_path)}, on_missing_column: warn"
    Project(tmp_path, f"sources:\n  a: {{{there}, {schema}}}\noutputs: {{out: {{path: back.parquet}}}}\n").run()
    assert pl.read_parquet(tmp_path / "back.parquet").sort("n")["p"].to_list() == JSON


def test_json_over_lines_is_one_line_of_ndjson(tmp_path: Path) -> None:
    text = '{\n  "a": 1,\n  "b": "x"\n}'
    pl.DataFrame({"p": [text, "[1]"]}).write_csv(tmp_path / "in.csv")
    Project(tmp_path, "sources: {a: {path: in.csv, schema: {p: json}}}\noutputs: {out: {path: out.ndjson}}\n").run()
    assert (tmp_path / "out.ndjson").read_text() == '{"p":{   "a": 1,   "b": "x" }}\n{"p":[1]}\n'


def test_what_is_no_json_any_more_is_a_text(tmp_path: Path) -> None:
    Project(tmp_path, """\
        sources: {a: {path: in.csv, schema: {p: json}}}
        modules: [{replace_pattern: {columns: p, pattern: '\\d', to: '}'}}]
        outputs: {out: {path: out.ndjson}}
        """, {"in.csv": 'p\n"{""a"": 1}"\n[]\n'}).run()  # fmt: skip
    assert (tmp_path / "out.ndjson").read_text() == '{"p":"{\\"a\\": }}"}\n{"p":[]}\n'
