"""What the check understands: columns through the modules, references, words of the mission, values from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from qpipe.core.params import build
from qpipe.core.registry import Registry
from qpipe.core.secrets import Secret
from qpipe.spec.check import check
from qpipe.spec.document import Document
from qpipe.spec.load import Spec

HERE = Path(__file__).parent
BASE = """\
version: 1
sources:
  orders:
    type: file
    path: orders.csv
    schema: {id: int, amount: "decimal(12,2)", status: string, day: date}
  customers: {type: file, path: customers.csv, schema: {id: int, country: string}, role: reference}
modules:
  - foreign_key: {column: id, references: customers.id}
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return Registry()


def checked(
    modules: str = "", rest: str = "outputs: {clean: {type: file, path: clean.csv}}", **options
) -> tuple[list[str], Document]:
    """Problems as 'line:column code', and the document."""
    spec = Spec.load(BASE + modules + rest + "\n", env=options.pop("env", {}), **options)
    problems, document = check(spec)
    return [f"{p.line}:{p.column} {p.code}" for p in problems], document


@pytest.mark.parametrize(
    ("modules", "expected"),
    [
        ("  - not_null: [id, amount]\n", []),
        ("  - not_null: [id, amuont]\n", ["10:20 unknown-column"]),
        ("  - derive: {total: amount * 2, twice: total * 2}\n  - between: {column: twice, min: 0}\n", []),
        ("  - derive: {total: amount * 2, twice: totl * 2}\n", ["10:40 unknown-column"]),
        ("  - derive: {__x: amount}\n", ["10:14 reserved-column"]),
        ("  - sql: {failing: select _row from data join customers using (id)}\n", []),
        ("  - sql: {failing: select _row from custmers}\n", ["10:20 unknown-source"]),
        ("  - sql: {failing: select _row from orders}\n", ["10:20 not-a-reference"]),
        ("  - sql: {failing: with t as (select _row from data) select _row from t}\n", []),
        ("  - rename: {amount: price}\n  - not_null: [price]\n", []),
        ("  - rename: {amount: price}\n  - not_null: [amount]\n", ["11:16 unknown-column"]),
        ("  - select: [id]\n  - not_null: [status]\n", ["11:16 unknown-column"]),
        ("  - not_null: [nope]\n  - not_null: [nope]\n", ["10:16 undeclared-column"]),
        ("  - expression: status > day\n", ["10:17 expression-type"]),
        ("  - expression: >-\n      amount > 0\n      and  amuont < 9\n", ["12:12 unknown-column"]),
        ("  - expression: |\n      amount >\n        nope\n", ["12:9 undeclared-column"]),
        ("  - expression: 'amount > 0 and status = ''new'' and nope = 1'\n", ["10:54 undeclared-column"]),
        ('  - expression: "amount > 0 \\u0061nd nope = 1"\n', ["10:38 undeclared-column"]),
        ("  - not_null: {columns: [id], where: amount}\n", ["10:38 expression-type"]),
        ("  - row_count: {min: 5, tolerance: 1}\n", ["10:36 bad-value"]),  # one group may fail: it would always pass
        ("  - row_count: {min: 5, tolerance: 1, by: status}\n", []),
    ],
)
def test_columns_through_the_modules(modules, expected):
    assert checked(modules)[0] == expected


def test_a_closed_contract_lets_no_other_column_through():
    closed = BASE.replace("path: orders.csv", "path: orders.csv\n    on_new_column: fail")
    rest = "  - not_null: [region]\n  - expression: region > ''\noutputs: {clean: {type: file, path: clean.csv}}\n"
    problems = check(Spec.load(closed + rest.replace("''", "'x'")))[0]
    assert [(p.line, p.code) for p in problems] == [(11, "unknown-column"), (12, "unknown-column")]


def test_without_a_contract_columns_are_not_judged():
    text = "version: 1\nsources: {o: {type: file, path: o.csv}}\nmodules: [not_null: [anything]]\n"
    text += "outputs: {c: {type: file, path: c.csv}}\n"
    assert check(Spec.load(text))[0] == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("failed(error)", []),
        ("failed('foreign_key')", []),
        ("failed(error, 'amount') and confidence < 0.8", []),
        ("batch_rows() > 10 and batch_share(error) > 0.5", []),
        ("failed('foreign_kee')", ["11:13 unknown-check"]),
        ("failed(erorr)", ["11:13 unknown-check"]),
        ("amount", ["11:13 expression-type"]),
        ("amuont > 1", ["11:13 unknown-column"]),
        ("1 = 0", ["11:12 unreachable-route"]),
    ],
)
def test_conditions_of_routes(condition, expected):
    rest = f'routes:\n  - {{when: "{condition}", to: clean}}\n'
    found = checked("", rest + "  - {to: clean}\noutputs: {clean: {type: file, path: clean.csv}}")[0]
    assert found == expected


def test_ids_are_given_in_order():
    _, document = checked("  - not_null: [id]\n  - not_null: [status]\n  - between: {id: not_null-2, column: amount, min: 0}\n")
    assert [entry.id for entry in document.modules] == ["foreign_key", "not_null", "not_null-3", "not_null-2"]


def test_a_group_is_switched_off_as_one():
    _, document = checked("  - quality: {enabled: false, modules: [not_null: [id]]}\n  - validation: [not_null: [status]]\n")
    assert [(entry.id, entry.group) for entry in document.modules] == [("foreign_key", None), ("not_null", "validation")]


def test_text_from_outside_may_mean_a_number():
    rest = (
        "outputs: {clean: {type: file, path: clean.csv}}\nvars: {n: 1}\nsettings: {workers: '${env:N}', batch_size: '${var.n}'}"
    )
    problems, document = checked("", rest, env={"N": "4"}, vars={"n": "100"})
    assert problems == [] and document.settings == {"workers": 4, "batch_size": 100}
    assert checked("", rest, env={"N": "four"})[0] == ["12:21 wrong-type"]


def test_settings_are_seconds_and_bytes():
    rest = "outputs: {c: {type: file, path: c.csv}}\nsettings: {memory_limit: 512M, decision_timeout: 5m, parallel_modules: 2}"
    _, document = checked("", rest)
    assert document.settings == {"memory_limit": 512 << 20, "decision_timeout": 300.0, "workers": 2}


def test_a_parameter_that_is_a_secret_is_one_whatever_its_name(monkeypatch):
    monkeypatch.chdir(HERE / "data" / "bad_specs")
    text = (
        'version: 1\nplugins: [parts.py]\nsources: {o: {type: shop, user: me, password: "${env:X}"}}\n'
        + "outputs: {c: {type: file, path: c.csv}}\n"
    )
    problems, document = check(Spec.load(text, env={"X": "s3cr3t"}))
    assert problems == []
    source = document.sources["o"].build()
    assert isinstance(source.password, Secret) and source.password.reveal() == "s3cr3t" and "s3cr3t" not in repr(source)


def test_every_entry_builds(registry):
    _, document = checked("  - between: {column: amount, min: 0, tolerance: 0.5%}\n")
    between = document.modules[-1]
    assert build(between.component, between.values).tolerance == 0.005
    assert str(between.types["amount"]) == "decimal(12,2)"


def test_an_import_that_fails_is_a_problem_not_a_traceback(tmp_path, monkeypatch):
    (tmp_path / "broken.py").write_text("raise RuntimeError('no database here')\n")
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "version: 1\nplugins: [broken.py]\nsources: {o: {type: file, path: o.csv}}\noutputs: {c: {type: file, path: c.csv}}\n"
    )
    (problem,) = check(Spec.load(spec))[0]
    assert (problem.code, problem.line, problem.column) == ("bad-plugin", 2, 11) and "no database here" in problem.message


def test_the_check_needs_no_heavy_package():
    import subprocess
    import sys

    code = (
        "import sys\nfrom qpipe.spec.load import Spec\nfrom qpipe.spec.check import check\n"
        f"assert check(Spec.load({str(HERE / 'data' / 'good_specs' / 'orders.yaml')!r}))[0] == []\n"
        "print({'polars', 'duckdb', 'numpy', 'jsonschema', 'rich', 'pyarrow', 'fsspec', 'httpx'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=HERE.parent, check=True)
    assert done.stdout.strip() == "set()"
