"""What a run came to is counted rightly, said alike in every format, and never becomes markup, a leak or a false success."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from journals import STEPS, Told, frame, plan, step, write

from qpipe.orchestrator.journal import Journal
from qpipe.orchestrator.summary import Summary, load, summarise
from qpipe.report import FORMATS, report, words
from qpipe.report.collect import without_secrets
from qpipe.report.distributions import merged_sample, shapes, shift
from qpipe.report.text import plain

HOSTILE = "</td><script>alert('x')</script><img src=http://evil.example/a.png onerror=1>\x00\ud800|`@all"
CLEAN = HOSTILE.replace("\ud800", "")  # what SQLite and Polars can hold outside JSON


def summary_of(home: Path, told: Told | None = None, **more) -> Summary:
    run = write(home, told, **more)
    return summarise(Journal(home), run, more.get("made") or plan())


def rendered(home: Path, format: str, told: Told | None = None, **more) -> str:
    run = write(home, told, more.pop("made", None))
    journal = Journal(home)
    return report(journal, journal.run(run), format, **more)


# ── the balance ──

BATCH = {"rows": 100, "routes": {"clean": 90, "quarantine": 8}, "dropped": {"dedup": 2}}
PARTS = {"clean": 90, "copy": 90, "quarantine": 8}


@pytest.mark.parametrize(
    ("told", "difference", "missing"),
    [
        pytest.param(Told(), 0, {}, id="balanced"),
        pytest.param(Told(batches=[{**BATCH, "rows": 101}]), 1, {}, id="a row is nowhere"),
        pytest.param(Told(batches=[{**BATCH, "rows": 99}]), -1, {}, id="a row from nowhere"),
        pytest.param(Told(parts={**PARTS, "copy": 89}), 0, {"copy": 1}, id="an output staged too few"),
        pytest.param(Told(parts={**PARTS, "other": 5}), 0, {"other": -5}, id="an output got rows of no route"),
        pytest.param(Told(batches=[{**BATCH, "rows": 95, "created": {"explode": 5}}]), 0, {}, id="rows made by a step"),
        pytest.param(
            Told(batches=[{**BATCH, "rows": 103, "routes": {**BATCH["routes"], "held:doubt": 3}}], held=[("q", 3, "held")]),
            0,
            {},
            id="rows wait",
        ),
        pytest.param(
            Told(batches=[{**BATCH, "rows": 103, "routes": {**BATCH["routes"], "held:doubt": 3}}]),
            3,
            {},
            id="held rows are lost",
        ),
        pytest.param(
            Told(
                batches=[
                    {**BATCH, "rows": 103, "routes": {**BATCH["routes"], "held": 3}},
                    {"rows": 3, "start": {"held": ["q"]}, "routes": {"clean": 2, "drop": 1}},
                ],
                held=[("q", 3, "done")],
                parts={"clean": 92, "copy": 92, "quarantine": 8},
            ),
            0,
            {},
            id="held rows came back",
        ),
        pytest.param(Told(batches=[], parts={}), 0, {}, id="no rows"),
    ],
)
def test_balance(tmp_path: Path, told: Told, difference: int, missing: dict[str, int]) -> None:
    balance = summary_of(tmp_path, told).balance
    assert balance.difference == difference
    assert {a.id: a.rows for a in balance.missing} == missing
    assert balance.balanced == (difference == 0 and not missing)


def test_routes_know_their_outputs_and_what_they_are(tmp_path: Path) -> None:
    routes = {r.id: (r.kind, r.outputs) for r in summary_of(tmp_path).balance.routes}
    assert routes == {"quarantine": ("quarantined", ("quarantine",)), "clean": ("delivered", ("clean", "copy"))}


# ── verdicts and scores ──


@pytest.mark.parametrize(
    ("params", "evaluated", "failed", "outcome"),
    [
        ({}, 10, 0, "pass"),
        ({}, 10, 1, "fail"),
        ({"severity": "warning"}, 10, 1, "warn"),
        ({"tolerance": 0.1}, 10, 1, "pass"),
        ({"tolerance": 0.1}, 10, 2, "fail"),
        ({"tolerance": 2}, 10, 2, "pass"),
        ({}, 0, 0, "not evaluated"),
        ({"tolerance": 0.5}, 0, 0, "not evaluated"),
    ],
)
def test_verdict(tmp_path: Path, params: dict, evaluated: int, failed: int, outcome: str) -> None:
    made = plan(steps=[step("only", "not_null", 3, columns=["id"], **params)])
    found = summary_of(tmp_path, Told(tally=[("only", "id", evaluated, failed)]), made=made)
    check = found.checks[0]
    assert (check.outcome, check.share, check.file, check.line) == (
        outcome,
        failed / evaluated if evaluated else None,
        "orders.yaml",
        3,
    )


def test_a_check_that_counted_nothing_is_not_evaluated(tmp_path: Path) -> None:
    found = {c.check: c.outcome for c in summary_of(tmp_path).checks}
    assert found["notes"] == "not evaluated"
    assert summary_of(tmp_path / "none", Told(tally=[])).score is None


def test_score_is_the_weighted_share_of_what_was_judged(tmp_path: Path) -> None:
    found = {s.dimension: s for s in summary_of(tmp_path).scores}
    weights = [(1, 100, 0), (1, 100, 3), (1, 97, 5), (0.5, 40, 1)]
    assert found["overall"].value == pytest.approx(sum(w * (e - f) for w, e, f in weights) / sum(w * e for w, e, f in weights))
    assert found["completeness"].value == pytest.approx(197 / 200)
    assert (found["validity"].checks, found["validity"].not_evaluated) == (3, 1)


def test_json_gives_the_summary_back(tmp_path: Path) -> None:
    found = summary_of(tmp_path, Told(questions=[{"id": "q1", "rows": 3}]))
    assert Summary.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_load_takes_what_the_engine_left_and_the_state_of_now(tmp_path: Path) -> None:
    run = write(tmp_path, Told(questions=[{"id": "q1", "rows": 3}], state="waiting"))
    journal = Journal(tmp_path)
    journal.answer("q1", "keep", by="eve", via="cli")
    found = load(journal, journal.run(run))
    assert [c.severity for c in found.checks][:1] == ["error"]  # known from the stored summary: no plan is at hand
    assert (found.run.state, found.questions[0].choice, found.questions[0].by) == ("waiting", "keep", "eve")


def test_columns_without_a_fault_share_a_line_in_print(tmp_path: Path) -> None:
    tally = [("filled", f"c{n}", 100, 0) for n in range(200)] + [("filled", "bad", 100, 1)]
    text = plain(summary_of(tmp_path, Told(tally=tally, samples=())))
    assert "filled · 200 columns" in text and "filled · bad" in text and "c17" not in text


def test_a_key_names_all_its_columns(tmp_path: Path) -> None:
    made = plan(steps=[step("key", "unique", 3, columns=["id", "amount", "mail", "note"])])
    found = summary_of(tmp_path, Told(tally=[("key", "id", 100, 2)]), made=made).checks[0]
    assert found.title == "key · id, amount, mail +1"


def test_rows_dropped_by_a_person_and_by_a_route_are_told_apart(tmp_path: Path) -> None:
    batches = [
        {"rows": 10, "routes": {"clean": 5, "drop": 2, "held": 3}},
        {"rows": 3, "start": {"held": ["q"]}, "routes": {"drop": 3}},
    ]
    found = summary_of(tmp_path, Told(batches=batches, parts={"clean": 5, "copy": 5})).balance
    assert found.balanced and {a.id: a.rows for a in found.dropped} == {"a route": 2, "an answer": 3}


def test_notes_of_one_kind_are_counted_and_each_line_is_named(tmp_path: Path) -> None:
    def at(file: str, line: int) -> tuple[str, dict[str, object]]:
        return "source.note", {"source": "orders", "file": file, "line": line, "code": "blank", "message": "a blank line"}

    told = [at("a.csv", line) for line in (2, 4, 6, 7, 9, 10, 11)] + [at("b.csv", 2)]
    summary = summary_of(tmp_path, Told(events=told))
    assert [(n.file, n.line, n.lines, n.times) for n in summary.notes] == [
        ("a.csv", 2, (2, 4, 6, 7, 9, 10, 11), 7), ("b.csv", 2, (2,), 1),
    ]  # fmt: skip
    text = plain(summary)
    assert "a.csv:2, 4, 6, 7, 9 and 2 more: a blank line\n" in text and "b.csv:2: a blank line\n" in text


# ── formats ──


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_tells_the_same_numbers(tmp_path: Path, format: str) -> None:
    told = Told(
        batches=[{"rows": 71_234, "routes": {"clean": 61_111, "quarantine": 10_123}}],
        parts={"clean": 61_111, "copy": 61_111, "quarantine": 10_123},
        tally=[("filled", "id", 71_234, 4_321)],
        samples=(),
    )
    text = rendered(tmp_path, format, told).replace(",", "")
    for number in ("71234", "61111", "10123", "4321"):
        assert number in text, number


def test_json_holds_everything(tmp_path: Path) -> None:
    found = json.loads(rendered(tmp_path, "json"))
    assert found["balance"]["balanced"] is True and found["balance"]["delivered"] == 90
    assert {d["column"] for d in found["data"]["distributions"]} == {"id", "amount", "mail", "note", "day"}
    assert found["checks"][0]["line"] == 11


class Page(HTMLParser):
    """Reads a page strictly: every tag closed in order, and what it points to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.words = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.open.append(tag)
        self._note(tag, attrs)

    def handle_startendtag(self, tag: str, attrs: list) -> None:
        self._note(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data

    def _note(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action", "xlink:href")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.ids += [value for name, value in attrs if name == "id"]


def test_html_stands_alone(tmp_path: Path) -> None:
    text = rendered(tmp_path, "html")
    page = Page(text)
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links), page.links
    assert not re.search(r"https?:|url\(|@import|<link|<img|<iframe", text)
    assert page.tags.count("script") == 1 and not page.handlers
    assert len(set(page.ids)) == len(page.ids)
    assert {
        "balance",
        "scores",
        "flow",
        "failures",
        "gates",
        "missing",
        "distributions",
        "samples",
        "outputs",
        "notes",
        "spec",
    } <= set(page.ids)


def hostile_told() -> Told:
    sample = {
        "check": "filled",
        "column": HOSTILE,
        "row": 1,
        "file": HOSTILE,
        "line": 2,
        "value": HOSTILE,
        "row_json": {HOSTILE: HOSTILE},
    }
    told = Told(
        tally=[("filled", HOSTILE, 10, 5)],
        samples=[sample],
        types={HOSTILE: HOSTILE},
        error=HOSTILE,
        state="failed",
        questions=[{"id": "q" + CLEAN, "text": HOSTILE, "rows": 1, "choices_json": [HOSTILE]}],
        events=[
            ("source.note", {"source": "orders", "message": HOSTILE, "code": "x"}),
            ("gate.judged", {"gate": "enough", "outcome": "fail", "observed": {HOSTILE: HOSTILE}, "message": HOSTILE}),
        ],
        sample={0: frame().with_columns(pl.lit(CLEAN).alias(CLEAN))},
    )
    return sanitised(told)


def sanitised(told: Told) -> Told:
    """SQLite holds no lone surrogate outside JSON; JSON may hold one."""
    told.tally = [(c, CLEAN, e, f) for c, _, e, f in told.tally]
    told.samples = [{**s, "column": CLEAN, "file": CLEAN, "value": CLEAN} for s in told.samples]
    told.error = CLEAN
    told.questions = [{**q, "text": CLEAN} for q in told.questions]
    return told


def test_hostile_values_stay_text(tmp_path: Path) -> None:
    made = plan(name="<b>orders</b>", text=f"# {CLEAN}\nversion: 1\n")
    text = rendered(tmp_path, "html", hostile_told(), made=made)
    page = Page(text)
    assert page.tags.count("script") == 1 and "img" not in page.tags and "b" not in page.tags and not page.handlers
    assert "alert('x')" in page.words  # shown, not run
    assert "\x00" not in text
    text.encode()


def test_hostile_values_in_the_other_formats(tmp_path: Path) -> None:
    run = write(tmp_path, hostile_told())
    journal = Journal(tmp_path)
    found = journal.run(run)
    ET.fromstring(report(journal, found, "junit").encode())
    json.loads(report(journal, found, "json"))
    markdown = report(journal, found, "md")
    assert "<script" not in markdown.replace("\\<", "") and "@all" not in markdown
    for line in [line for line in markdown.splitlines() if line.startswith("|")]:
        assert len(re.findall(r"(?<!\\)\|", line)) == len(re.findall(r"(?<!\\)\|", line.replace("\\|", "")))
    report(journal, found, "text").encode("utf-8", "backslashreplace")


def test_personal_columns_are_masked_unless_asked_for(tmp_path: Path) -> None:
    run = write(tmp_path)
    journal = Journal(tmp_path)
    for format in FORMATS:
        text = report(journal, journal.run(run), format)
        assert "private-" not in text and "secret-mail" not in text and "eve@" not in text, format
    assert "secret-mail" in report(journal, journal.run(run), "html", unmask=True)


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("dsn: postgresql://me:hunter2@db/x", "hunter2"),
        ('{type: rest, client_secret: "s3cr3t!"}', "s3cr3t!"),
        ("url: https://u:pa55w0rd@host/a?token=t0ken", "pa55w0rd"),
        ("url: https://host/a?token=t0ken", "t0ken"),
    ],
)
def test_secrets_of_a_spec_are_not_shown(tmp_path: Path, text: str, secret: str) -> None:
    assert secret not in without_secrets(text)
    assert secret not in rendered(tmp_path, "html", made=plan(text=text))


def test_references_to_secrets_stay(tmp_path: Path) -> None:
    text = "dsn: ${env:SHOP_DSN}\npath: data/orders.csv\nvalues: [a, b]\n"
    assert without_secrets(text) == text


def test_junit_has_a_case_for_each_check(tmp_path: Path) -> None:
    root = ET.fromstring(rendered(tmp_path, "junit").encode())
    cases = {c.get("name"): [child.tag for child in c] for c in root.iter("testcase")}
    assert cases == {
        "every row is accounted for": [],
        "filled · id": [],
        "filled · amount": ["failure"],
        "amounts · amount": [],
        "mails · mail": ["system-out"],
        "notes": ["skipped"],
        "enough": [],
    }
    suite = root.find("testsuite")
    assert suite is not None and (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("7", "1", "1")
    failure = root.find(".//failure")
    assert failure is not None and "orders.csv:9" in (failure.text or "")


def test_markdown_of_a_huge_run_fits_a_comment(tmp_path: Path) -> None:
    tally = [("filled", f"column_{n}_{'x' * 60}", 10, 1) for n in range(900)]
    assert len(rendered(tmp_path, "md", Told(tally=tally, samples=()))) < 65_000


@pytest.mark.parametrize("width", [80, 120])
def test_text_keeps_its_width(tmp_path: Path, width: int) -> None:
    told = Told(tally=[("filled", "a_rather_long_name_of_a_column_" * 3, 1_000_000, 5)], samples=())
    tables = [line for line in plain(summary_of(tmp_path, told), width).splitlines() if "  " in line]
    assert max(map(len, tables)) <= width


def test_an_unbalanced_run_says_so_in_every_format(tmp_path: Path) -> None:
    run = write(tmp_path, Told(batches=[{**BATCH, "rows": 107}]))
    journal = Journal(tmp_path)
    for format in ("html", "md", "text"):
        assert "DOES NOT BALANCE" in report(journal, journal.run(run), format)
    assert json.loads(report(journal, journal.run(run), "json"))["balance"]["difference"] == 7
    assert 'failures="2"' in report(journal, journal.run(run), "junit")


@pytest.mark.parametrize("format", FORMATS)
def test_a_run_that_left_nothing_has_a_report(tmp_path: Path, format: str) -> None:
    told = Told(
        batches=[], parts={}, tally=[], samples=(), events=(), types={}, sample={}, state="failed", error="the disk is full"
    )
    text = rendered(tmp_path, format, told, made=plan(steps=()))
    assert "orders" in text
    if format == "html":
        Page(text)


def test_the_last_print_needs_no_rich_and_no_polars(tmp_path: Path) -> None:
    run = write(tmp_path)
    code = (
        "import sys; from pathlib import Path; from qpipe.orchestrator.journal import Journal; "
        "from qpipe.orchestrator.summary import load; from qpipe.report.text import show; "
        f"journal = Journal(Path({str(tmp_path)!r})); print(show(load(journal, journal.run({run!r})))); "
        "print([m for m in ('rich', 'polars', 'numpy', 'duckdb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# ── the data's shapes ──


@settings(max_examples=25, deadline=None)
@given(rows=st.integers(0, 300), cuts=st.lists(st.integers(0, 300), max_size=5), keep=st.integers(1, 40))
def test_the_sample_does_not_depend_on_the_batches(tmp_path_factory, rows: int, cuts: list[int], keep: int) -> None:
    folder = tmp_path_factory.mktemp("sample")
    whole = frame(rows + 2)
    edges = sorted({0, rows, *(c for c in cuts if c < rows)})
    for n, (a, b) in enumerate(pairwise(edges)):
        whole.slice(a, b - a).write_parquet(folder / f"{n:06d}.parquet")
    hashes = {r: r * 2654435761 % 2**32 for r in range(rows)}
    found = merged_sample(folder, ["quarantine"], keep)
    if found is None:
        assert rows == 0
        return
    for sample, mine in zip(found, (lambda r: r >= 8, lambda r: r < 8), strict=True):
        assert sample["_row"].to_list() == sorted(filter(mine, hashes), key=hashes.__getitem__)[:keep]


def test_distributions(tmp_path: Path) -> None:
    every = frame()
    bad = pl.col("_route") == "quarantine"
    found = shapes((every.filter(~bad), every.filter(bad)), (90, 8), {"mail"})
    kinds = {d.column: d.kind for d in found.distributions}
    assert kinds == {"id": "number", "amount": "number", "mail": "masked", "note": "text", "day": "time"}
    for each in found.distributions:
        for side in (0, 1) if each.bins else ():
            assert sum(b.shares[side] for b in each.bins) == pytest.approx(1)
    assert found.missing.columns == ("note", "amount")
    assert found.missing.shares == pytest.approx((6 / 98, 4 / 98))
    assert found.missing.together[0][1] == pytest.approx(4 / 6)
    assert dict(found.missing.patterns) == pytest.approx({(): 92 / 98, (0, 1): 4 / 98, (0,): 2 / 98})


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([1.5, float("inf"), float("nan"), -2.0], id="not finite"),
        pytest.param([5, 5, 5, 5], id="one value"),
        pytest.param([2**62, -(2**62), 0, 1], id="wide"),
        pytest.param([True, False, None, True], id="true or false"),
        pytest.param([[1], [2, 3], None, []], id="lists"),
        pytest.param([{"a": 1}, {"a": None}, None, {"a": 2}], id="structs"),
        pytest.param([b"\x00", b"\xff", None, b""], id="bytes"),
        pytest.param(["", " ", "\n", "é" * 500], id="odd texts"),
        pytest.param([None, None, None, None], id="nothing"),
        pytest.param([pl.Series([1]).cast(pl.Duration)[0]] * 4, id="spans of time"),
    ],
)
def test_any_column_can_be_drawn(tmp_path: Path, values: list) -> None:
    sample = frame(6).with_columns(pl.Series("odd", values, strict=False))
    Page(rendered(tmp_path, "html", Told(sample={0: sample})))


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8))
def test_shift_is_symmetric_and_zero_for_equals(counts: list[tuple[int, int]]) -> None:
    one, two = [a for a, _ in counts], [b for _, b in counts]
    found = shift(one, two)
    if not sum(one) or not sum(two):
        assert found is None
        return
    assert found is not None and found >= -1e-12
    assert found == pytest.approx(shift(two, one))
    assert shift(one, one) == pytest.approx(0)


# ── numbers in words ──


@pytest.mark.parametrize(
    ("share", "told"),
    [
        (0, "0%"),
        (1, "100%"),
        (0.5, "50%"),
        (0.1234, "12.34%"),
        (0.99996, ">99.99%"),
        (0.9999, "99.99%"),
        (0.99985, "99.98%"),
        (0.00001, "<0.01%"),
        (1 / 3, "33.33%"),
        (None, "-"),
    ],
)
def test_percent(share: float | None, told: str) -> None:
    assert words.percent(share) == told


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_what_is_not_all_is_never_told_as_all(share: float) -> None:
    assert words.percent(share) not in ("0%", "100%")


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.004, "4 ms"),
        (1.25, "1.2 s"),
        (61, "1 min 1 s"),
        (3725, "1 h 2 min"),
        (7202, "2 h"),
        (200_000, "2 d 7 h"),
        (None, "-"),
    ],
)
def test_duration(seconds: float | None, told: str) -> None:
    assert words.duration(seconds) == told


def test_the_plan_of_these_tests_has_a_gate() -> None:
    assert STEPS[-1].module.name == "row_count"
