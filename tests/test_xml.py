"""XML files: which elements are rows, what their cells are, what is refused and where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from running import Project

from qpipe.core.component import Context
from qpipe.core.errors import DataRefused
from qpipe.core.params import build
from qpipe.sources.file import File


def read(path: Path, data: str | bytes, **given: Any) -> list[dict[str, Any]]:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    chunks = build(File, {"path": str(path), **given}).read(Context(), None, 2)
    return [row for chunk in chunks for row in chunk.frame.to_dicts()]


# the document, what is said of it, its rows
ROWS: list[tuple[str, dict[str, Any], list[dict[str, Any]]]] = [
    ("<r><i a='1'><n>x</n></i><i a='2'><n>y</n></i></r>", {}, [{"@a": "1", "n": "x"}, {"@a": "2", "n": "y"}]),
    ("<r><v>1</v><v>2</v></r>", {}, [{"value": "1"}, {"value": "2"}]),
    ("<r><c><title>t</title><i><n>1</n></i><i><n>2</n></i></c></r>", {}, [{"n": "1"}, {"n": "2"}]),
    ("<r><list><i><n>1</n></i></list></r>", {}, [{"n": "1"}]),
    ("<r><a>1</a><b>2</b></r>", {}, [{"a": "1", "b": "2"}]),
    ("<r/>", {}, []),
    ("<r></r>", {"records": "r/i"}, []),
    ("<r><x k='1'/><x k='2'/><y k='3'/><y k='4'/></r>", {"records": "r.y"}, [{"@k": "3"}, {"@k": "4"}]),
    ("<r><g><i n='1'/></g><g><i n='2'/></g></r>", {"records": "/r/g/i"}, [{"@n": "1"}, {"@n": "2"}]),
    # cells: as they are written, nothing for nothing, what is nested as JSON
    ("<r><i><n> 1.10 </n></i><i><n/></i><i><n></n></i></r>", {}, [{"n": " 1.10 "}, {"n": None}, {"n": None}]),
    ("<r><i><n>a&amp;&#xe9;<![CDATA[<b>]]></n></i><i><n>2</n></i></r>", {}, [{"n": "a&é<b>"}, {"n": "2"}]),
    ('<r xmlns:xsi="u"><i><n xsi:nil="true"/></i><i><n>2</n></i></r>', {}, [{"n": None}, {"n": "2"}]),
    ("<r><i><t>a</t><t>b</t></i><i><t>c</t></i></r>", {}, [{"t": '["a","b"]'}, {"t": "c"}]),
    ("<r><i><p c='EUR'>1.50</p></i><i><p><q>1</q></p></i></r>", {},
     [{"p": '{"@c":"EUR","#text":"1.50"}'}, {"p": '{"q":"1"}'}]),
    ("<r xmlns='u' xmlns:g='v'><g:i><g:n>1</g:n></g:i><g:i><g:n>2</g:n></g:i></r>", {}, [{"g:n": "1"}, {"g:n": "2"}]),
]  # fmt: skip


@pytest.mark.parametrize(("document", "given", "rows"), ROWS)
def test_rows(tmp_path: Path, document: str, given: dict[str, Any], rows: list[dict[str, Any]]) -> None:
    assert read(tmp_path / "x.xml", document, **given) == rows


@pytest.mark.parametrize("declared", ["ISO-8859-1", "windows-1251", "utf-16", "UTF-8"])
def test_the_encoding_is_the_declared_one(tmp_path: Path, declared: str) -> None:
    text = "Ж" if "1251" in declared else "ø"
    document = f'<?xml version="1.0" encoding="{declared}"?>\n<r><i><n>{text}</n></i><i><n>2</n></i></r>'
    assert read(tmp_path / "x.xml", document.encode(declared)) == [{"n": text}, {"n": "2"}]


REFUSED = [
    ("<r><i><n>1</n></i>\n<i><n>2</m></i></r>", {}, "x.xml:2:10: not XML: mismatched tag"),
    ("<r><i><n>1</n></i>\n<i>", {}, "x.xml:2:4: not XML: no element found"),
    ("", {}, "x.xml: the file is empty"),
    (
        '<!DOCTYPE r [<!ENTITY a "b">]>\n<r><i>&a;</i></r>',
        {},
        "x.xml:1:25: not XML: it declares the entity a: entities are not",
    ),
    ('<!DOCTYPE r SYSTEM "x.dtd">\n<r><i>&nbsp;</i></r>', {}, "x.xml:2:7: not XML: the entity nbsp is not defined in it"),
    ("<r>" + "<a>" * 300 + "</a>" * 300 + "</r>", {"records": "r.a"}, "not XML: elements are nested too deeply"),
    ("<r><x k='1'/><x k='2'/><y k='3'/><y k='4'/></r>", {}, "the elements r.x and r.y repeat: which are the rows?"),
    ("<r><i/></r>", {"records": "feed.i"}, "there is no element feed"),
]


@pytest.mark.parametrize(("document", "given", "message"), REFUSED)
def test_what_is_no_xml_is_refused_with_its_place(tmp_path: Path, document: str, given: dict[str, Any], message: str) -> None:
    with pytest.raises(DataRefused) as refused:
        read(tmp_path / "x.xml", document, **given)
    assert message in str(refused.value)


def test_malformed_cells_and_what_stands_beside_the_rows_are_told(tmp_path: Path) -> None:
    document = "<r day='1'><title>t</title>\n<i><n>1</n></i>\n<i><n>x</n><extra>2</extra></i>\n<i><n>3</n></i>\n</r>"
    (tmp_path / "x.xml").write_text(document)
    project = Project(tmp_path, """
        name: orders
        sources: {orders: {path: x.xml, schema: {n: int}}}
        outputs: {clean: {path: clean.csv}, quarantine: {path: bad.csv}}
        settings: {batch_size: 1}
    """)  # fmt: skip
    assert project.run().state == "done"
    assert (tmp_path / "clean.csv").read_text() == "n,extra\n1,\n3,\n"
    assert 'x.xml,3,"contract(n): n is x, expected int' in (tmp_path / "bad.csv").read_text()
    notes = [event.data["message"] for event in project.journal.events(project.journal.run()["id"], 0)
             if event.name == "source.note"]  # fmt: skip
    assert notes.count("r.@day, r.title: beside the rows, which are the elements r.i; left out") == 1


def test_every_position_restarts_exactly_with_its_lines(tmp_path: Path) -> None:
    rows = "".join(f"<i n='{n}'>\n<t>zwölf {n}</t></i>" + "<j/>" * (n % 3) + "\n" * (n % 4) for n in range(50))
    (tmp_path / "x.xml").write_text(f"<?xml version='1.0'?>\n<r>\n<list>{rows}</list></r>")
    source = build(File, {"path": str(tmp_path / "x.xml"), "records": "r.list.i"})
    for size in (1, 7, 100):
        chunks = list(source.read(Context(), None, size))
        whole = [(*row, line) for chunk in chunks for row, line in zip(chunk.frame.rows(), chunk.lines, strict=True)]
        assert len(whole) == 50 and whole[1][-1] > whole[0][-1]
        for n, chunk in enumerate(chunks):
            rest = [(*row, line) for later in source.read(Context(), chunk.position, 3)
                    for row, line in zip(later.frame.rows(), later.lines, strict=True)]  # fmt: skip
            assert rest == whole[(n + 1) * size :]
