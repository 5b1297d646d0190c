# ruff: noqa: RUF001  (letters of many alphabets)
"""Encodings of small files: told right where a person could tell them, and said to be a guess."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from running import Project

# words of a language, and the encodings that it was written in
WORDS = {
    "Gülşah Eskişehir Yıldırım Kağıthane Bağcılar İzmir Çiğdem": ["cp1254", "cp857"],
    "Jürgen Böhme Straßburg Lübeck Tübingen Bärbel Köpenick": ["cp1252", "mac_roman", "cp850", "cp437"],
    "Hélène Besançon Évreux Nîmes élève façade Gérard": ["cp1252", "mac_roman", "cp850"],
    "Señora Cancún Mérida Yáñez peón Álvaro Muñiz": ["cp1252", "mac_roman", "cp850"],
    "Владимир Ростов Кузнецов Анна Пермь Тюмень Фёдоров": ["cp1251", "koi8_r", "cp866", "iso8859_5"],
    "Tarnów Jarosław Grażyna Łomża Więcek Świdnica": ["cp1250", "iso8859_2", "cp852"],
    "Λάρισα Νικολάου Καλαμάτα Δημήτρης Σοφία": ["cp1253"],
    "福岡市 渡辺花子 神戸 コーヒー ありがとう": ["shift_jis", "euc_jp"],
    "南京 赵敏 武汉 数量 杭州市": ["gb18030"],
    "부천시 박지훈 울산 최수진": ["euc_kr"],
    "It’s|“so”|2010–2015|€20|12 m²|25°C|§ 5|naïve|5 µm|don’t|Nº 4": ["cp1252"],
}
CASES = [(words, encoding) for words, encodings in WORDS.items() for encoding in encodings]


@pytest.mark.parametrize("words, encoding", CASES, ids=[encoding for _, encoding in CASES])
@pytest.mark.parametrize("format", ["csv", "ndjson", "txt"])
def test_told_from_a_few_words(tmp_path: Path, words: str, encoding: str, format: str) -> None:
    cells = words.split("|" if "|" in words else " ")
    line = {"csv": '{},"{}"\n', "ndjson": '{{"id":"{}","name":"{}"}}\n', "txt": "{:<4}{:<9}\n"}[format]
    text = ("id,name\n" if format == "csv" else "") + "".join(line.format(n, cell) for n, cell in enumerate(cells))
    (tmp_path / f"in.{format}").write_bytes(text.encode(encoding))
    widths = ", format: fixed-width, widths: {id: 4, name: 9}" if format == "txt" else ""
    project = Project(tmp_path, f"sources: {{s: {{path: in.{format}{widths}}}}}\noutputs: {{out: {{path: out.parquet}}}}\n")
    assert project.run().state == "done"
    assert pl.read_parquet(tmp_path / "out.parquet")["name"].to_list() == cells
    told = [event.data for event in project.events if event.name == "source.note"]
    assert [note["code"] for note in told] == ["encoding-guessed"]
    assert "say encoding" in told[0]["message"] or "the likeliest" in told[0]["message"]


def test_a_word_that_could_be_two_is_told_so(tmp_path: Path) -> None:
    project = Project(tmp_path, "sources: {s: {path: in.csv}}\noutputs: {out: {path: out.csv}}\n")
    (tmp_path / "in.csv").write_bytes("id,name\n1,Łuk\n2,abc\n".encode("cp1250"))
    project.run()
    told = [event.data["message"] for event in project.events if event.name == "source.note"]
    assert len(told) == 1 and "or is it" in told[0] and "say encoding" in told[0]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("words", [words for words in WORDS if "|" not in words])
def test_utf_16_without_a_mark(tmp_path: Path, words: str, encoding: str) -> None:
    cells = words.split()
    text = "名,имя\n" + "".join(f"{n},{cell}\n" for n, cell in enumerate(cells))
    (tmp_path / "in.csv").write_bytes(text.encode(encoding))
    Project(tmp_path, "sources: {s: {path: in.csv}}\noutputs: {out: {path: out.parquet}}\n").run()
    assert pl.read_parquet(tmp_path / "out.parquet")["имя"].to_list() == cells


def test_a_mark_before_ndjson_is_no_part_of_it(tmp_path: Path) -> None:
    project = Project(tmp_path, "sources: {s: {path: in.ndjson}}\noutputs: {out: {path: out.csv}}\n")
    (tmp_path / "in.ndjson").write_bytes(b'\xef\xbb\xbf{"a":1}\n{"a":2}\n')
    project.run()
    assert (tmp_path / "out.csv").read_text() == "a\n1\n2\n"
    assert not [event for event in project.events if event.name == "source.note"]


@pytest.mark.parametrize("text, place, said", [
    ('[{"a": 1,},\n {"a": 2}]', "1:10", "a comma, and nothing after it"), 
    ('[{"a": 1},\n{"a": 2},\n]', "3:1", "a comma, and nothing after it"),
    ('[{"a": [1, 2,]}]', "1:14", "a comma, and nothing after it"), ('[{"a": 1}]\n[{"a": 2}]', "2:1", "text after the end"),
    ('{"a": 1} {"a": 2} 5', "1:19", "text after the end"),
])  # fmt: skip
def test_json_that_is_none_is_refused_by_its_place(tmp_path: Path, text: str, place: str, said: str) -> None:
    outcome = Project(tmp_path, "sources: {s: {path: in.json}}\noutputs: {out: {path: o.csv}}\n", {"in.json": text}).run()
    assert outcome.exit_code == 65 and f"in.json:{place}: not JSON: {said}" in outcome.message
