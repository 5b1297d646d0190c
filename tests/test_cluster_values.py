"""cluster_values: spellings that mean one value, and questions about those that may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from commands import qpipe
from one_module import made, run

from qpipe.core.component import REJECTED


@pytest.mark.parametrize("methods, values, becomes, doubtful", [
    (["fingerprint"], ["A B", "A B", "b, a"], ["A B", "A B", "A B"], {}),
    (["fingerprint"], ["a b", "B A"], ["a b", "a b"], {}),  # as frequent: the first stands
    (["fingerprint"], ["A B", "A BB", "", None, " "], ["A B", "A BB", "", None, " "], {}),
    (["ngram"], ["Haupt strasse", "Hauptstrasse", "Hauptstrasse"], ["Hauptstrasse"] * 3, {}),
    (["phonetic"], ["Smith", "Smith", "Smyth"], ["Smith", "Smith", "Smyth"], {"Smyth": ["Smith"]}),
    (["distance"], ["Main St 10"] * 3 + ["Main St 11"], ["Main St 10"] * 3 + ["Main St 11"], {}),  # another number
    (["distance"], ["Hamburg"] * 3 + ["Hambrug"], ["Hamburg"] * 3 + ["Hambrug"], {"Hambrug": ["Hamburg"]}),
    (["distance"], ["Hamburg Altona"] * 12 + ["Hamburg Altonna"], ["Hamburg Altona"] * 13, {}),
    (["fingerprint", "distance"], ["Hamburg"] * 4 + ["hamburg", "Hambrug"], ["Hamburg"] * 5 + ["Hambrug"],
     {"Hambrug": ["Hamburg"]}),
])  # fmt: skip
def test_clusters(methods: list[str], values: list[Any], becomes: list[Any], doubtful: dict[str, list[str]]) -> None:
    frame = pl.DataFrame({"x": pl.Series(values, dtype=pl.String)})
    seen = run(made("cluster_values", column="x", methods=methods), frame)
    assert (seen.frame["x"].to_list(), dict(seen.asks)) == (becomes, doubtful)
    assert run(made("cluster_values", column="x", methods=methods, unsure="keep"), frame).asks == {}
    strict = run(made("cluster_values", column="x", methods=methods, unsure="quarantine"), frame)
    assert [values[row] for row in strict.failed] == list(doubtful)


@pytest.mark.parametrize("said, becomes, failed", [
    ("Hamburg", "Hamburg", False), ("Hambrug", "Hambrug", False), ("Bremen", "Bremen", False), ("", None, False),
    (REJECTED, None, True),
])  # fmt: skip
def test_what_a_person_says_of_a_spelling_counts(said: str, becomes: str | None, failed: bool) -> None:
    frame = pl.DataFrame({"x": ["Hamburg"] * 3 + ["Hambrug"]})
    seen = run(made("cluster_values", column="x"), frame, answers={("cluster_values", "Hambrug"): said})
    assert (seen.frame["x"][3], bool(seen.failed), dict(seen.asks)) == (becomes, failed, {})


def test_a_run_asks_about_a_spelling_once_and_remembers(tmp_path: Path) -> None:
    rows = ["Hamburg"] * 3 + ["Hambrug", "hamburg", "Bonn"]
    (tmp_path / "in.csv").write_text("n,city\n" + "".join(f"{n},{city}\n" for n, city in enumerate(rows)))
    (tmp_path / "spec.yaml").write_text(
        "sources: {in: {path: in.csv}}\nsettings: {batch_size: 2}\n"
        "modules:\n  - cluster_values: city\n  - one_of: {column: city, values: [Hamburg, Bonn]}\n"
        "outputs: {clean: {path: out.csv}}\n"
    )
    qpipe(tmp_path, "run", "spec.yaml", "--no-ask", code=75)
    assert "Hambrug" in qpipe(tmp_path, "decisions").stdout
    qpipe(tmp_path, "decide", "cluster_values", "Hamburg", "--all", "--remember")
    qpipe(tmp_path, "resume", "latest")
    wanted = ["Hamburg"] * 5 + ["Bonn"]
    assert pl.read_csv(tmp_path / "out.csv").sort("n")["city"].to_list() == wanted
    (tmp_path / "out.csv").unlink()
    qpipe(tmp_path, "run", "spec.yaml", "--no-ask")  # the answer is remembered
    assert pl.read_csv(tmp_path / "out.csv").sort("n")["city"].to_list() == wanted
