"""qpipe profile: every row is read once; figures, keys, foreign keys, drift; on the terminal, as HTML and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from commands import qpipe

from qpipe.core.component import Context
from qpipe.core.registry import Registry
from qpipe.profile.drift import drift
from qpipe.profile.model import Profile
from qpipe.profile.profile import Profiled, profile

DATA = Path(__file__).parent / "data" / "profile"


def profiled(*paths: Path, nulls: tuple[str, ...] = (), quick: bool = False) -> Profiled:
    cls = Registry().get("source", "file")
    sources = {path.stem: cls(path=str(path), nulls=nulls) for path in paths}  # type: ignore[call-arg]
    return profile(sources, Context(), quick=quick)  # type: ignore[arg-type]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_figures_of_a_column(tmp_path: Path) -> None:
    rows = "\n".join(f"{n},{n % 4},{'N/A' if n == 7 else n / 2},2026-01-{n % 28 + 1:02d}," for n in range(1, 101))
    table = profiled(write(tmp_path / "t.csv", f"id,kind,price,day,nothing\n{rows}\n")).profile.tables[0]
    id, kind, price, day, nothing = table.columns
    assert (table.rows, id.type, id.distinct, id.repeated, id.least, id.greatest) == (100, "int", 100, 0, 1, 100)
    assert (kind.distinct, dict(kind.frequent)) == (4, {"0": 25, "1": 25, "2": 25, "3": 25})
    assert (price.type, price.unfit, price.placeholders[0][:2]) == ("decimal(18,1)", 1, ("N/A", 1))
    assert price.mean == pytest.approx((sum(range(1, 101)) - 7) / 2 / 99)
    assert price.quantiles["0.5"] == pytest.approx(25.5, abs=0.6)
    assert (day.type, day.format, day.least, day.greatest) == ("date", "%Y-%m-%d", "2026-01-01", "2026-01-28")
    assert (nothing.nulls, nothing.values) == (100, 0)
    assert sum(b.count for b in id.bins) == 100


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_figures_over_many_chunks_are_those_of_the_whole(tmp_path: Path, format: str) -> None:
    frame = pl.DataFrame(
        {"id": range(250_000), "x": [(n * 7919) % 1000 / 8 for n in range(250_000)], "k": [n % 3 for n in range(250_000)]}
    )
    path = tmp_path / f"t.{format}"
    frame.write_csv(path) if format == "csv" else frame.write_parquet(path)
    id, x, k = profiled(path, quick=True).profile.tables[0].columns
    assert (id.distinct, id.repeated, id.least, id.greatest) == (250_000, 0, 0, 249_999)
    assert (x.distinct, x.greatest, x.mean) == (1000, frame["x"].max(), pytest.approx(frame["x"].mean()))
    assert x.deviation == pytest.approx(frame["x"].std())
    assert [n for _, n in k.frequent] == [] or dict(k.frequent)


def test_what_was_sampled_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qpipe.profile.scan.CELLS", 10)
    path = tmp_path / "t.parquet"
    pl.DataFrame({"a": range(50_000), "b": [str(n % 20_000) for n in range(50_000)]}).write_parquet(path)
    table = profiled(path).profile.tables[0]
    assert (table.rows, table.looked) == (50_000, 20_000)
    assert "quantiles" in table.columns[0].estimated and "distinct" not in table.columns[0].estimated
    assert "distinct" in table.columns[1].estimated and abs(table.columns[1].distinct - 20_000) < 1200
    assert table.keys[0].columns == ("a",) and table.keys[0].exact


def test_an_empty_table_and_an_empty_file_with_a_header(tmp_path: Path) -> None:
    table = profiled(write(tmp_path / "t.csv", "a,b\n")).profile.tables[0]
    assert (table.rows, [c.name for c in table.columns], table.keys) == (0, ["a", "b"], ())


def test_keys_and_foreign_keys_of_flights_with_those_that_are_broken(tmp_path: Path) -> None:
    flights = "\n".join(
        f"{day},{carrier},{number},{tail},{origin}"
        for day in range(1, 29)
        for number, (carrier, tail, origin) in enumerate(
            [
                ("UA", "N14228", "EWR"),
                ("AA", "N619AA", "JFK"),
                ("B6", "N804JB", "JFK"),
                ("DL", "N668DN", "LGA"),
                ("WN", "N0000X", "EWR"),
            ]
        )
    )
    path = write(tmp_path / "flights.csv", f"day,carrier,flight,tailnum,origin\n{flights}\n")
    found = profiled(path, *(DATA / f"{n}.csv" for n in ("planes", "airports", "airlines")), nulls=("NA",)).profile
    keys = {t.name: [k.columns for k in t.keys if k.holds] for t in found.tables}
    assert keys["planes"] == [("tailnum",)] and keys["airports"][0] == ("faa",) and keys["airlines"][0] == ("carrier",)
    told = {(f.columns, f.references): f.missing for f in found.foreign_keys if f.table == "flights"}
    assert told == {(("carrier",), "airlines"): 0, (("tailnum",), "planes"): 28, (("origin",), "airports"): 0}
    broken = next(f for f in found.foreign_keys if f.missing)
    assert (broken.missing_keys, broken.examples) == (1, ("N0000X",))


def test_numbers_that_are_keys_by_accident_are_no_foreign_keys(tmp_path: Path) -> None:
    a = write(tmp_path / "parts.csv", "part_id,weight\n" + "".join(f"{n},{n * 3}\n" for n in range(1, 60)))
    b = write(tmp_path / "orders.csv", "order_id,quantity\n" + "".join(f"{n},{n % 9 + 1}\n" for n in range(1, 50)))
    assert profiled(a, b).profile.foreign_keys == ()


def test_drift_names_what_changed_and_nothing_else(tmp_path: Path) -> None:
    def made(name: str, status: list[str], factor: float, extra: str = "") -> Profile:
        rows = "".join(f"{n},{n % 100 * factor},{status[n % len(status)]}{',1' if extra else ''}\n" for n in range(2000))
        return profiled(write(tmp_path / f"{name}.csv", f"id,amount,status{extra}\n{rows}")).profile

    before = made("orders", ["new", "paid"], 1)
    assert drift(before, made("orders", ["new", "paid"], 1)) == []
    changes = {(c.column, c.what) for c in drift(before, made("orders", ["new", "void"], 3, ",more"))}
    assert {("more", "new column"), ("amount", "distribution"), ("status", "new values")} <= changes


def test_a_profile_is_read_back_from_its_json(tmp_path: Path) -> None:
    told = qpipe(tmp_path, "profile", str(DATA / "elements92.csv"), "--json").stdout
    back = Profile.from_dict(json.loads(told))
    assert back.tables[0].column("Z").repeated == 0 and back == Profile.from_dict(back.as_dict())
    write(tmp_path / "before.json", told)
    text = qpipe(tmp_path, "profile", str(DATA / "elements118.csv"), "--against", "before.json").stdout
    assert "Changed since the earlier profile" in text and "greatest value" in text


def test_the_terminal_tells_what_matters(tmp_path: Path) -> None:
    text = qpipe(tmp_path, "profile", str(DATA / "planes.csv"), "--null", "NA").stdout
    assert "planes: 3,322 rows, 9 columns" in text and "Keys\n    tailnum" in text
    write(tmp_path / "one.csv", "id\n7\n")
    assert "one: 1 row, 1 column\n" in qpipe(tmp_path, "profile", "one.csv").stdout


def test_html_is_one_file_without_network_and_escapes(tmp_path: Path) -> None:
    write(tmp_path / "t.csv", "id,<b>name\n" + "".join(f"{n},<script>{n % 5}</script>\n" for n in range(60)))
    qpipe(tmp_path, "profile", "t.csv", "--format", "html", "-o", "t.html")
    page = (tmp_path / "t.html").read_text()
    assert "<script>1" not in page and "&lt;script&gt;" in page and "http://" not in page and "https://" not in page


def test_the_map_of_relations_is_drawn(tmp_path: Path) -> None:
    write(tmp_path / "orders.csv", "order_id,customer_id,city\n" + "".join(f"{n},{n % 12 + 1},x\n" for n in range(100)))
    write(tmp_path / "customers.csv", "id,shop_id\n" + "".join(f"{n},{n % 3 + 1}\n" for n in range(1, 11)))
    write(tmp_path / "shops.csv", "id,name\n1,A\n2,B\n3,C\n")
    qpipe(tmp_path, "profile", "orders.csv", "customers.csv", "shops.csv", "--format", "html", "-o", "p.html")
    page = (tmp_path / "p.html").read_text()
    first = page.partition('<section id="doubts">')[2].partition("</section>")[0]
    assert "To look at" in first and "keys are not there" in first, "what is broken comes first"
    picture = page[page.index('aria-label="3 tables, 2 foreign keys, 1 of them broken"') :].partition("</svg>")[0]
    assert "orders (customer_id) → customers (id): 16 of 100 rows without" in picture and ">16%<" in picture
    assert "customers (shop_id) → shops (id): every key is there" in picture
    left = [float(picture.rpartition(f">{name}</text>")[0].rpartition(' x="')[2].split('"')[0]) for name in
            ("orders", "customers", "shops")]  # fmt: skip
    assert left == sorted(left) and len(set(left)) == 3, "who refers stands left of what is referred to"


def test_columns_may_have_any_name(tmp_path: Path) -> None:
    names = ["n", "count", "value", "found", "usual", "rows", "having", "_at", "shape", "rank", "x", "y", "at", "g"]
    lines = [",".join([str(n)] + [str(n % (k + 2)) + "abc"[k % 3] for k in range(1, len(names))]) for n in range(300)]
    write(tmp_path / "t.csv", "\n".join([",".join(names), *lines, "5" + ",1b" * (len(names) - 1)]) + "\n")
    write(tmp_path / "u.csv", "n,count\n" + "".join(f"{n},{n % 3}b\n" for n in range(1, 300)))
    found = profiled(tmp_path / "t.csv", tmp_path / "u.csv").profile
    assert [len(t.columns) for t in found.tables] == [len(names), 2]
    assert any(f.columns == ("n",) and f.missing == 1 for f in found.foreign_keys)


def test_times_with_a_zone_are_moments(tmp_path: Path) -> None:
    write(
        tmp_path / "t.csv",
        "at,b\n"
        + "".join(f"2026-01-{n % 28 + 1:02}T06:00:0{n % 10}Z,2026-01-0{n % 9 + 1}T06:00:00.5+01:00\n" for n in range(50)),
    )
    table = profiled(tmp_path / "t.csv").profile.tables[0]
    assert [c.type for c in table.columns] == ["datetime(UTC)"] * 2 and str(
        table.column("b").least
    ) == "2026-01-01 05:00:00.500000"
    qpipe(tmp_path, "profile", "t.csv", "--suggest", "--confidence", "0.9", "-o", "t.yaml")
    qpipe(tmp_path, "run", "t.yaml", "--quiet")


MISTAKES = [
    (["profile", "no.csv"], None),
    (["profile", "t.csv", "--format", "pdf"], 2),
    (["profile", "t.csv", "--against", "t.csv"], 2),
    (["profile", "t.csv", "--type", "oracle"], 2),
    (["profile", "t.csv", "--set", "delimiter"], 2),
]


@pytest.mark.parametrize(("arguments", "code"), MISTAKES, ids=lambda v: str(v)[:40])
def test_mistakes_end_as_sentences(tmp_path: Path, arguments: list[str], code: int | None) -> None:
    write(tmp_path / "t.csv", "a\n1\n")
    done = qpipe(tmp_path, *arguments, code=code)
    assert done.code not in (0, 1) and done.stderr.startswith("error:")


def test_what_is_told_of_a_file_by_the_way_is_no_malformed_line(tmp_path: Path) -> None:
    (tmp_path / "x.xml").write_text("<r><title>t</title><i><n>1</n></i><i><n>2</n></i></r>")
    (tmp_path / "x.csv").write_text("a,b\n1,2\n1,2,3\n")
    assert "malformed" not in qpipe(tmp_path, "profile", "x.xml").stdout
    assert "1 malformed line" in qpipe(tmp_path, "profile", "x.csv").stdout


def test_one_value_is_told_as_one(tmp_path: Path) -> None:
    rows = "".join(f"{n},2026-01-{n:02}\n" for n in range(10, 20))
    write(tmp_path / "x.csv", f"id,day\n{rows}20,2026-13-01\n")
    assert "! 1 value is no date" in qpipe(tmp_path, "profile", "x.csv").stdout


def test_json_has_no_value_of_a_person(tmp_path: Path) -> None:
    people = [("Ada Rossini", "+39 06 5550101", "1961-05-07"), ("Bruno Verdini", "+39 06 5550202", "1972-03-01")] * 30
    lines = [f"{n},{name},{phone},{born},{'AB'[n % 2]}" for n, (name, phone, born) in enumerate(people)]
    write(tmp_path / "staff.csv", "\n".join(["id,full_name,phone,birth_date,site", *lines, "60,Ada Rossinni,,,A"]) + "\n")
    told = qpipe(tmp_path, "profile", "staff.csv", "--json").stdout
    assert not [word for word in ("Ross", "Verd", "Ada", "555", "1961-05-07", "1972-03-01") if word in told]
    assert '"A"' in told and Profile.from_dict(json.loads(told)).tables[0].column("full_name").personal
    write(tmp_path / "before.json", told)
    text = qpipe(tmp_path, "profile", "staff.csv", "--against", "before.json").stdout
    assert "changed" not in text.lower() and "new values" not in text
