"""Loading a spec: places, YAML's traps, references, secrets."""

from __future__ import annotations

import copy
import json
import os
import pickle
import re
from pathlib import Path

import pytest

from qpipe.core.errors import SpecError
from qpipe.core.secrets import Redactor, Secret, looks_secret
from qpipe.spec.load import Spec

DATA = Path(__file__).parent / "data"


def load(text: str, **options: object) -> Spec:
    return Spec.load(text + "\n", **({"env": {}} | options))  # type: ignore[arg-type]


def found(text: str, **options: object) -> list[tuple[str, int, int]]:
    """(code, line, column) of every problem of loading."""
    try:
        problems = load(text, **options).problems
    except SpecError as error:
        problems = error.problems
    return [(p.code, p.line, p.column) for p in problems]


# ── places ────────────────────────────────────────────────────────────────────────────────────────────────────────────

PLACES = """\
version: 1
modules:
  - not_null: [id, amount]
  - between:
      column: amount
      where: >-
        status = 'new'
        and   amount > 0
  - derive:
      a: 'it''s ${var.x} here'
      b: "tab\\there \\u0041nd"
      c: |
        select
          total
vars: {x: value}
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("version",), (1, 10)),
        (("modules", 0), (3, 5)),
        (("modules", 0, "not_null"), (3, 15)),
        (("modules", 0, "not_null", 1), (3, 20)),
        (("modules", 1, "between", "column"), (5, 15)),
        (("modules", 1, "between", "absent"), (4, 5)),  # what is not written stands where it would stand in
        (("absent",), (1, 1)),
    ],
)
def test_every_value_has_a_place(path, place):
    assert load(PLACES).place(path) == place


def test_keys_have_places_and_spans_have_ends():
    spec = load(PLACES)
    assert spec.place(("modules", 1, "between", "column"), key=True) == (5, 7)
    span = spec.span(("modules", 0, "not_null"))
    assert (span.line, span.column, span.end_line, span.end_column) == (3, 15, 3, 27)


@pytest.mark.parametrize(
    ("path", "word", "place"),
    [
        (("modules", 1, "between", "where"), "status", (7, 9)),
        (("modules", 1, "between", "where"), "amount", (8, 15)),  # folded, and indented by more than one blank
        (("modules", 2, "derive", "a"), "s value", (10, 15)),
        (("modules", 2, "derive", "a"), "here", (10, 26)),  # after a reference of another length
        (("modules", 2, "derive", "b"), "And", (11, 21)),
        (("modules", 2, "derive", "c"), "total", (14, 11)),
    ],
)
def test_a_character_inside_of_a_value_has_a_place(path, word, place):
    spec = load(PLACES)
    assert spec.place(path, offset=spec.get(path).index(word)) == place


def test_columns_count_characters_whatever_the_line_ends():
    text = "\ufeffname: é😀\r\nvars: {a: 1, a: 2}\r\n"
    assert found(text) == [("duplicate-key", 2, 14)]


# ── traps ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("12", 12), ("-3", -3), ("+4", 4),
        ("0x1F", 31), ("1.5", 1.5), (".5", 0.5), ("1.5e+3", 1500.0), ("2026-11-23", "2026-11-23"), ("12:30:00", "12:30:00"),
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"), ("4h", "4h"), ("0.5%", "0.5%"), ("1000/min", "1000/min"), ("y", "y"),
        ("1.0.0", "1.0.0"), ("1,000", "1,000"), ("'no'", "no"), ('"0777"', "0777"), ("!!str 12", "12"), ("=", "="),
    ],
)  # fmt: skip
def test_plain_words_are_read_as_yaml_1_2_does(word, value):
    spec = load(f"name: {word}")
    assert spec.problems == ()
    assert spec.tree["name"] == value and type(spec.tree["name"]) is type(value)


@pytest.mark.parametrize("word", ["yes", "No", "ON", "off"])
def test_words_that_some_read_as_booleans_are_refused(word):
    assert found(f"name: {word}") == [("yaml-bool", 1, 7)]
    assert found(f"{word}: 1") == []  # a key is always text


@pytest.mark.parametrize(
    "word",
    [
        "0777",
        "007",
        "0o17",
        "0b11",
        "1_000",
        "1e3",
        "1E-3",
        "1.5e3",
        ".inf",
        "-.Inf",
        ".nan",
        "1.23456789012345678901",
        "9" * 50,
    ],
)
def test_numbers_that_are_read_in_different_ways_are_refused(word):
    assert found(f"name: {word}") == [("yaml-number", 1, 7)]
    assert found(f"name: '{word}'") == []


@pytest.mark.parametrize("word", ["7e+39", "-1e3", "1E-3", "2e-7", "1.5e3", "0777", "1_000", "12345678901e30", "5e-324"])
def test_the_number_that_is_advised_is_read_as_that_number(word: str) -> None:
    (problem,) = load(f"name: {word}").problems
    advised = re.match(r"Write (\S+) if it is a number", problem.hint)
    assert advised and load(f"name: {advised[1]}").tree["name"] == float(word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3", [("duplicate-key", 3, 1)]),
        ("a: 1\n\tb: 2", [("yaml-tab", 2, 1)]),
        ("a: [1, 2", [("yaml-syntax", 1, 4)]),
        ("a: 'text", [("yaml-syntax", 1, 4)]),
        ("a: b: c", [("yaml-syntax", 1, 5)]),
        ("a: *.csv", [("yaml-alias", 1, 4)]),
        ("a: *there", [("yaml-alias", 1, 4)]),
        ("a: &x [*x]", [("yaml-alias", 1, 8)]),
        ("a: &x\nb: 1", [("yaml-alias", 1, 4)]),
        ("a: @home", [("yaml-syntax", 1, 4)]),
        ('a: "\\d+"', [("yaml-escape", 1, 5)]),
        ('a: "\\bword"', [("yaml-escape", 1, 4)]),
        ("a: !!python/object:os.system x", [("yaml-tag", 1, 4)]),
        ("a: !secret x", [("yaml-tag", 1, 4)]),
        ("a: 1\n---\nb: 2", [("yaml-documents", 2, 1)]),
        ("%YAML 1.1\n---\na: 1", [("yaml-directive", 1, 1)]),
        ("<<: [1]\na: 1", [("yaml-merge", 1, 6)]),
        ("? [a]\n: 1", [("yaml-key", 1, 3)]),
        ("{: 1}", [("yaml-syntax", 1, 2)]),
        ("a: \x00", [("control-character", 1, 4)]),
        ("a: x\u2028y", [("control-character", 1, 5)]),
        ("a: x\u00a0y", [("invisible-character", 1, 4)]),
        ("a: “x”", [("yaml-quotes", 1, 4)]),
        ("", [("empty-spec", 1, 1)]),
        ("# nothing", [("empty-spec", 1, 1)]),
        ("- a", [("not-a-mapping", 1, 1)]),
        ("name:orders", [("not-a-mapping", 1, 1)]),
        ("a: {b: ${var.x}}", [("yaml-syntax", 1, 8)]),
        ("a: [x, y]#no", [("yaml-syntax", 1, 10)]),
        ("a: [?x]", [("yaml-syntax", 1, 5)]),
        ("a: " + "[" * 50, [("yaml-too-deep", 1, 43)]),
    ],
)
def test_traps(text, expected):
    assert found(text) == expected


def test_all_problems_at_once():
    assert found("a: no\nb: 1e3\nc: ${var.x}\nd: 1\nd: 2") == [
        ("yaml-bool", 1, 4), ("yaml-number", 2, 4), ("unknown-variable", 3, 4), ("duplicate-key", 5, 1)]  # fmt: skip


def test_alias_bombs_are_refused_at_once():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert [code for code, *_ in found("\n".join(lines))] == ["yaml-bomb"]
    merges = ["a0: &a0 {k: 1}", *(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}" for i in range(1, 10))]
    assert [code for code, *_ in found("\n".join(merges))] == ["yaml-bomb"]
    grown = ["vars:", "  v0: xxxxxxxxxx", *(f'  v{i}: "{f"${{var.v{i - 1}}}" * 10}"' for i in range(1, 9))]
    assert {code for code, *_ in found("\n".join(grown))} == {"yaml-bomb"}


def test_merge_keys():
    spec = load("base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\nx: {<<: [*base, *more], a: 9}")
    assert spec.tree["x"] == {"a": 9, "b": 2, "c": 4}
    assert spec.place(("x", "c")) == (2, 23)


@pytest.mark.parametrize(
    ("data", "code", "line"),
    [
        (b"a: 1\nb: caf\xe9\n", "not-utf8", 2),
        ("a: 1\n".encode("utf-16"), "not-utf8", 1),
        (b"a: \xed\xa0\x80\n", "not-utf8", 1),
        (b"\x7fELF\x02\x01\x01\x00", "control-character", 1),
        (b"a: " + b"x" * (5 << 20), "too-large", 1),
    ],
)
def test_bytes_that_are_no_text(tmp_path, data, code, line):
    path = tmp_path / "spec.yaml"
    path.write_bytes(data)
    with pytest.raises(SpecError) as raised:
        Spec.load(path)
    assert [(p.code, p.line, p.file) for p in raised.value.problems] == [(code, line, str(path))]


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "absent.yaml", tmp_path, "\0"):
        with pytest.raises(SpecError) as raised:
            Spec.load(path)
        assert [p.code for p in raised.value.problems] == ["cannot-read"]


# ── references ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_references():
    spec = load(
        'vars: {day: "2026-11-23", n: 10, both: "${var.day}-${env:HOST:-local}"}\n'
        "a: x-${var.day}.csv\nb: ${var.n}\nc: ${env:HOST}\nd: ${env:NONE:-a b}\ne: $${var.x} $5 ${run.started}\nf: ${var.both}",
        env={"HOST": "h"},
    )
    assert spec.problems == ()
    expected = {"a": "x-2026-11-23.csv", "b": 10, "c": "h", "d": "a b", "e": "${var.x} $5 ${run.started}", "f": "2026-11-23-h"}
    assert {key: spec.tree[key] for key in "abcdef"} == expected
    assert spec.written["a"] == "x-${var.day}.csv"


def test_what_is_filled_in_is_never_yaml():
    evil = "x}\nroutes: [{to: evil}]\n# *a !!python ${env:HOME}"
    spec = load(
        "vars: {v: null}\na: ${var.v}\nb: [\"${env:E}\", 'is ${var.v}']", vars={"v": evil}, env={"E": evil, "HOME": "h"}
    )
    assert spec.problems == ()
    assert spec.tree["a"] == evil and spec.tree["b"] == [evil, f"is {evil}"] and "routes" not in spec.tree


@pytest.mark.parametrize(
    ("text", "expected", "hint"),
    [
        ("vars: {day: 1}\na: x ${var.dya}", ("unknown-variable", 2, 6), "Did you mean 'day'?"),
        ("a: ${env:NOPE}", ("missing-env", 1, 4), "Set it (export NOPE=…), or write ${env:NOPE:-default}."),
        ("vars: {day: null}\na: ${var.day}", ("missing-variable", 2, 4), "Give one with --var day=… or under vars:."),
        ("vars: {day: 1}\na: ${day}", ("bad-reference", 2, 4), "Did you mean ${var.day}?"),
        ("a: x${var.b", ("bad-reference", 1, 5), "Add '}', or write '$${' for the two characters themselves."),
        (
            "a: ${file:not/here}",
            ("missing-secret-file", 1, 4),
            "Relative paths start where the spec is; a file holds one secret and nothing else.",
        ),
        ("a: ${run.begun}", ("bad-reference", 1, 4), "Known are ${run.id} and ${run.started}."),
        ("${var.x}: 1", ("bad-reference", 1, 1), "Write the key out."),
    ],
)
def test_references_that_lead_nowhere(text, expected, hint):
    (problem,) = load(text).problems
    assert (problem.code, problem.line, problem.column) == expected
    assert problem.hint == hint


def test_a_variable_that_the_spec_does_not_have():
    (problem,) = load("vars: {day: 1}\na: ${var.day}", vars={"dya": "2"}).problems
    assert (problem.code, problem.hint) == ("unknown-variable", "Did you mean 'day'?")


# ── secrets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_shows_nothing():
    secret = Secret("s3cr3t!")
    shown = [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret:>9}",
        "%s" % secret,  # noqa: UP031
        secret + "",
        json.dumps([secret]),
        repr({"a": secret}),
    ]
    assert not any("s3cr3t" in text for text in shown)
    assert secret.reveal() == copy.deepcopy({"a": secret})["a"].reveal() == "s3cr3t!"
    assert secret == Secret("s3cr3t!") and secret != Secret("other") and secret != "***"
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_a_secret_from_a_file(tmp_path):
    (tmp_path / "word").write_text("s3cr3t!\n")
    (tmp_path / "spec.yaml").write_text("vars: {v: '${file:word}'}\na: x${file:word}\nb: ${var.v}")
    spec = Spec.load(tmp_path / "spec.yaml")
    assert spec.problems == () and [spec.tree[key].reveal() for key in "ab"] == ["xs3cr3t!", "s3cr3t!"]
    assert isinstance(spec.tree["a"], Secret) and spec.redact("xs3cr3t!") == "***"


@pytest.mark.parametrize("name", ["password", "DB_PASSWORD", "client_secret", "clientSecret", "api_key", "SHOP_DSN", "token"])
def test_names_of_secrets(name):
    assert looks_secret(name)


@pytest.mark.parametrize("name", ["key", "keys", "primary_key", "token_url", "sort_key", "path", "passwords_file"])
def test_names_of_no_secrets(name):
    assert not looks_secret(name)


SECRETS = """\
sources:
  shop: {type: postgresql, dsn: "${env:SHOP_DSN}", query: select 1}
  rates:
    url: https://api.example.com/${env:PLACE}
    auth: {method: oauth2, client_id: me, client_secret: "${env:RATES}", more: "x-${env:OTHER}"}
    headers: {X-Thing: "Bearer ${env:TOK}"}
  old: {password: hunter2-in-clear}
"""
ENV = {
    "SHOP_DSN": "postgresql://bob:p%40ss%2Fw0rd@db/shop",
    "PLACE": "eu-west",
    "RATES": "r4tes-v4lue",
    "OTHER": "0ther-one",
    "TOK": "t0k3n-x",
}


def test_secrets_reach_neither_repr_nor_problems():
    spec = load(SECRETS + "a: [no]", env=ENV)
    sources = spec.tree["sources"]
    assert sources["shop"]["dsn"].reveal() == ENV["SHOP_DSN"]
    assert sources["rates"]["headers"]["X-Thing"].reveal() == "Bearer t0k3n-x"
    assert sources["rates"]["url"] == "https://api.example.com/eu-west"  # no secret
    told = repr(spec) + repr(spec.tree) + json.dumps(spec.tree) + str(spec.problems) + spec.safe_text
    for value in ("p%40ss", "p@ss", "r4tes", "0ther", "t0k3n", "hunter2"):
        assert value not in told
    assert [p.code for p in spec.problems] == ["secret-in-spec", "yaml-bool"]


def test_the_redactor_knows_secrets_in_disguise():
    import base64

    redact = load(SECRETS, env=ENV).redact
    for value in ("p@ss/w0rd", "p%40ss%2Fw0rd", ENV["SHOP_DSN"], "r4tes-v4lue", "hunter2-in-clear"):
        assert redact(f"connection with {value} failed") == "connection with *** failed"
    for user in ("a", "ab", "abc", "bob"):  # whatever stands before it in the same base64
        coded = base64.b64encode(f"{user}:p@ss/w0rd".encode()).decode()
        assert "***" in redact(f"Authorization: Basic {coded}") and coded not in redact(coded)
    assert redact("nothing of it: eu-west") == "nothing of it: eu-west"


def test_short_secrets_do_not_blank_every_text():
    redact = Redactor(["a"])
    assert redact("a bad day: pw=a.") == "*** bad day: pw=***."


def test_a_missing_secret_names_its_variable():
    problems = load(SECRETS, env={k: v for k, v in ENV.items() if k != "RATES"}).problems
    assert [(p.code, p.line) for p in problems if p.severity == "error"] == [("missing-env", 5)]
    assert "RATES" in problems[0].message


# ── the YAML test suite ───────────────────────────────────────────────────────────────────────────────────────────────


def yaml_cases(root: Path):
    """(id, text, must fail, JSON) of the YAML test suite (MIT licence), whose files mark invisible characters."""
    import re

    import yaml

    for path in sorted(root.glob("*.yaml")):
        for i, case in enumerate(yaml.load(path.read_text("utf-8"), Loader=yaml.BaseLoader)):
            text = re.sub("—*»", "\t", case["yaml"].replace("␣", " "))
            text = text.replace("⇔", "\ufeff").replace("↵", "").replace("←", "\r").replace("∎\n", "").replace("∎", "")
            yield f"{path.stem}/{i}", text, case.get("fail") == "true", case.get("json")


def read_any(text: str):
    """(value, codes): any YAML document, also one that is no spec."""
    from qpipe.spec.compose import compose
    from qpipe.spec.locate import Lines
    from qpipe.spec.nodes import Flaw
    from qpipe.spec.syntax import loose
    from qpipe.spec.traps import check_characters, normal
    from qpipe.spec.tree import grow

    text = normal(text)
    try:
        check_characters(text)
        root = compose(text)
        if root is None:
            return None, []
        tree = grow(root, Lines(text))
        return tree.value, [flaw.code for flaw in (*loose(root, text), *tree.flaws)]
    except Flaw as flaw:
        assert 0 <= flaw.offset <= len(text) and flaw.message
        return None, [flaw.code]


REFUSED_ON_PURPOSE = {
    "yaml-syntax",
    "yaml-tab",
    "yaml-directive",
    "yaml-key",
    "yaml-tag",
    "yaml-documents",
    "yaml-alias",
    "yaml-escape",
}


def check_suite(root: Path) -> dict[str, int]:
    counts = {"loaded": 0, "refused": 0, "rightly refused": 0}
    for name, text, must_fail, wanted in yaml_cases(root):
        value, codes = read_any(text)
        if must_fail:
            assert codes, f"{name} is not YAML and was read"
            counts["rightly refused"] += 1
        elif codes:
            assert set(codes) <= REFUSED_ON_PURPOSE, (name, codes)
            counts["refused"] += 1
        else:
            counts["loaded"] += 1
            if wanted is not None and wanted.strip().count("\n\n") == 0:
                assert value == (json.loads(wanted) if wanted.strip() else None), name
    return counts


def test_a_sample_of_the_yaml_test_suite():
    counts = check_suite(DATA / "yaml-test-suite")
    assert counts["loaded"] >= 10 and counts["rightly refused"] >= 10


@pytest.mark.skipif(
    "QPIPE_YAML_TEST_SUITE" not in os.environ,
    reason="git clone https://github.com/yaml/yaml-test-suite, QPIPE_YAML_TEST_SUITE=yaml-test-suite/src",
)
def test_the_whole_yaml_test_suite():
    counts = check_suite(Path(os.environ["QPIPE_YAML_TEST_SUITE"]))
    assert counts["loaded"] >= 190 and counts["rightly refused"] == 94, counts
