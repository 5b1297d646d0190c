"""Delimited text whose cells are parsed as values at once: never another row, value or text than the slow way gives."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal
from running import Project

from qpipe.core.texts import reader
from qpipe.core.types import DataType
from qpipe.orchestrator.feed import lines_of
from qpipe.sources.file.text import delimited, typed
from qpipe.sources.file.text.delimited import read_delimited
from qpipe.sources.file.text.options import DelimitedOptions

TYPES = {"n": "int", "x": "float", "d": "date", "t": "string", "b": "bool", "m": "decimal(8,2)", "s": "int8"}
CONTRACT = {name: DataType.parse(type) for name, type in TYPES.items()}
OPTIONS = DelimitedOptions(delimiter=",", quote='"', encoding="utf-8", header=True)
CELLS = {
    "n": ["1", "-7", "007", "+5", "", "9223372036854775807", "9223372036854775808", " 5", "5 ", "1.0", "x", '""', "\u0661"],
    "x": ["1.5", ".5", "5.", "1e5", "", "inf", "NaN", "1e400", "-0", " 2.5 ", "1,5", '"1.5"', "1_000", "abc", '" "'],
    "d": ["2026-01-31", "2026-1-31", "31.01.2026", "", "2026-02-30", "+2026-1-02", "0000-01-01", '"2026-01-31"'],
    "t": ["plain", "", '""', '"a,,b"', '"a ""b"" c"', '"two\nlines"', "ümläut", '"', 'a"b', '"a"b', "\xa0", "\x00", '"a\r\nb"'],
    "b": ["true", "false", "yes", "", "1", "maybe"],
    "m": ["1.25", "1.255", "", "1e2", "123456789.00"],
    "s": ["1", "127", "128", "", "x"],
}  # fmt: skip
_LINE = st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in CELLS.items()}).map(
    lambda row: ",".join(row.values())
)
_GOOD = st.just("5,1.5,2026-01-31,good,true,1.25,7")
_ODD = st.sampled_from(["", "1,2", "1,2,3,4,5,6,7,8", ",,,,,,", "# a comment", "n,x,d,t,b,m,s", "total,,,,,,", '"', "5,1.5"])
_TEXT = st.tuples(
    st.lists(st.one_of(_GOOD, _GOOD, _GOOD, _LINE, _ODD), min_size=1, max_size=12),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
)


WANTED = typed.Wanted(None, CONTRACT)


def chunks(data: bytes, wanted: typed.Wanted | None, rows: int = 4, block: int = 1 << 20) -> list[Any]:
    return list(read_delimited(lambda: io.BytesIO(data), OPTIONS, None, rows, block_size=block, wanted=wanted))


@pytest.fixture(autouse=True)
def however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed, "LEAST", 0)


@pytest.fixture(autouse=True, params=[False, True], ids=["in turn", "side by side"])
def whoever_parses(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are parsed side by side from a size on that tests do not have."""
    if request.param:
        monkeypatch.setattr(delimited, "BLOCK", 1)


def as_bytes(made: tuple[list[str], str, bool]) -> bytes:
    lines, newline, ended = made
    text = newline.join(["n,x,d,t,b,m,s", *lines]) + (newline if ended else "")
    return text.encode()


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@example((["1,1.5,2026-01-31,a,true,1.25,7", 'x,1e400,2026-1-31,"a,b",maybe,1.255,128'], "\n", True))
@example((["1,1.5,2026-01-31,a,true,1.25,7", "1,2", "1,2,3,4,5,6,7,8,9,10,11,12"], "\n", True))  # delimiters enough
@example((["5,1.5,2026-01-31,good,true,1.25,7"] * 3, "\r\n", False))
@example((["5,1.5,2026-01-31,good,true,1.25,7", " ,,2026-01-31,good,true,1.25,7"], "\n", True))  # blank is not empty
@example((["5,1.5,2026-01-31,good,true,1.25,7", ',\t,2026-01-31,"a ""b""",true,1.25,7'], "\n", True))
@example((["5,1.5,2026-01-31,good,true,1.25,7", ',"  ",2026-01-31,good,true,1.25,7'], "\n", True))
@example((["5,1.5,2026-01-31,good,true,1.25,7", '"",,2026-01-31,good,true,1.25,7'], "\n", True))
@example((["5,1.5,2026-01-31,good,true,1.25,7", ' ,1.5,2026-01-31,"a,,b",true,1.25,7'], "\n", True))  # as many are empty
@given(_TEXT)
def test_the_same_rows_values_and_texts(made: tuple[list[str], str, bool]) -> None:
    data = as_bytes(made)
    for block in (1 << 20, 64):
        slow, fast = chunks(data, None, block=block), chunks(data, typed.Wanted(None, CONTRACT), block=block)
        assert [c.frame.height for c in fast] == [c.frame.height for c in slow]
        for one, other in zip(slow, fast, strict=True):
            every = pl.int_range(one.frame.height, eager=True)
            assert_frame_equal(other.as_it_came(every), one.frame)
            if other.let_go:
                other.let_go()
                assert_frame_equal(other.as_it_came(every), one.frame)
            assert (other.position["offset"], other.faults) == (one.position["offset"], one.faults)
            assert lines_of(other, every).to_list() == lines_of(one, every).to_list()
            for name in other.frame.columns:
                if other.frame.schema[name] == pl.String:
                    assert_series_equal(other.frame[name], one.frame[name])
                else:
                    assert_series_equal(other.frame[name], reader(CONTRACT[name])(one.frame[name]))


@given(_TEXT, st.sets(st.sampled_from(list(TYPES)), min_size=1))
@settings(max_examples=100, deadline=None)
def test_some_columns_only_are_the_same_rows(made: tuple[list[str], str, bool], names: set[str]) -> None:
    data = as_bytes(made)
    whole, some = chunks(data, typed.Wanted(None, CONTRACT)), chunks(data, typed.Wanted(sorted(names), CONTRACT))
    for one, other in zip(whole, some, strict=True):
        assert other.frame.height == one.frame.height
        assert other.position == one.position
        for name in names & set(other.frame.columns):
            assert_series_equal(other.frame[name], one.frame[name])


def test_a_clean_block_has_values_and_a_column_with_a_misfit_stays_text() -> None:
    data = b"n,x,d,t,b,m,s\n" + b'5,1.5,2026-01-31,"a, b",yes,1.25,7\n' * 3 + b",,,,,,\n"
    (clean,) = chunks(data, typed.Wanted(None, CONTRACT))
    assert clean.original is not None
    assert dict(clean.frame.schema) == {name: type.polars() for name, type in CONTRACT.items()}
    (spoilt,) = chunks(data + b"five,1.5,2026-01-31,a,yes,1.25,7\n", typed.Wanted(None, CONTRACT), rows=9)
    assert spoilt.frame.schema["n"] == pl.String
    assert spoilt.frame["n"].to_list() == ["5", "5", "5", None, "five"]
    assert spoilt.frame.schema["x"] == pl.Float64
    assert spoilt.as_it_came(pl.Series([4, 0])).rows() == [
        ("five", "1.5", "2026-01-31", "a", "yes", "1.25", "7"),
        ("5", "1.5", "2026-01-31", "a, b", "yes", "1.25", "7"),
    ]


SPEC = """
    sources:
      o: {path: o.csv, schema: {id: int, amount: float, day: date, note: string}}
    modules:
      - unique: {columns: id}
      - between: {column: amount, min: 0}
    routes:
      - {when: failed(error), to: quarantine}
      - {to: clean}
    outputs:
      clean: {path: out/clean.ndjson}
      quarantine: {path: out/quarantine.ndjson}
"""
ROWS = (
    b"id,amount,day,note\n001,+1.50,2026-01-31,a\n002,-2.50,2026-01-31,b\n003,3,2026-01-31,\n003,3.0,2026-01-31,c\n"
    b'four,1,2026-01-31,"d, e"\n005,,2026-13-01,\n'
)


def test_quarantine_keeps_the_text_of_rows_that_were_parsed_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for least in (0, 1 << 30):
        monkeypatch.setattr(typed, "LEAST", least)
        project = Project(tmp_path / str(least), SPEC, {"o.csv": ROWS.decode()})
        assert project.run().exit_code == 0
        results.append(project.outputs())
    assert results[0] == results[1]
    assert b'"id":"003","amount":"3.0"' in results[0]["quarantine.ndjson"]


def test_a_file_that_changes_between_its_two_readings_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = Project(tmp_path, SPEC, {"o.csv": ROWS.decode()})
    from qpipe.orchestrator import execution

    judge = execution.Collectors.judge

    def meddled(self: Any) -> Any:
        path = project.folder / "o.csv"
        path.write_bytes(ROWS + b"006,1,2026-01-31,late\n")
        os.utime(path, (1, 1))
        return judge(self)

    monkeypatch.setattr(execution.Collectors, "judge", meddled)
    outcome = project.run()
    assert outcome.exit_code == 65, outcome
    assert "changed" in outcome.message
    assert not (project.folder / "out" / "clean.ndjson").exists()


class _Breaking(io.BytesIO):
    """A file that can be read to a place, and no further."""

    def readinto(self, target: Any) -> int:
        if self.tell() >= 4000:
            raise OSError("the disk is gone")
        return super().readinto(memoryview(target)[: 4000 - self.tell()])


def test_rows_before_a_failing_read_are_delivered_before_it_is_told() -> None:
    data = b"n,x,d,t,b,m,s\n" + b"5,1.5,2026-01-31,good,true,1.25,7\n" * 200
    rows = 0
    with pytest.raises(OSError, match="the disk is gone"):
        for chunk in read_delimited(lambda: _Breaking(data), OPTIONS, None, 1000, block_size=1000, wanted=WANTED):
            rows += chunk.frame.height
            assert chunk.position["offset"] <= 4000
    assert rows == 87  # of three blocks; what came of the fourth was not all of a block
