"""What the first pass has parsed is kept for the later ones: in memory, on disk, or not at all, with the same result."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Project

from qpipe.core import effects
from qpipe.orchestrator import kept
from qpipe.sources.file.text import delimited, typed

SPEC = """
    settings: {batch_size: 3}
    sources:
      o: {path: "o*.csv", schema: {id: int, amount: float, day: date, note: string}}
    modules:
      - not_null: {columns: amount}
      - unique: {columns: id}
    outputs:
      clean: {path: out/clean.ndjson}
      quarantine: {path: out/quarantine.ndjson}
"""
FILES = {
    "o1.csv": "id,amount,day,note\n" + "".join(f"{n:03},{n}.50,2026-01-{n + 1:02},a\n" for n in range(20)),
    "o2.csv": 'id,amount,day,note\n007,1,2026-02-01,"two\nlines"\n021,,2026-02-02,b\n022,x,2026-02-30,c\n023,1\n'
    + "024,1,2026-02-03,\n",
}


class Killed(BaseException):
    pass


@pytest.fixture(autouse=True)
def however_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed, "LEAST", 0)


def result(folder: Path) -> tuple[object, ...]:
    project = Project(folder, SPEC, FILES)
    outcome = project.run()
    assert outcome.state == "done", outcome
    assert not list(folder.rglob("kept/*"))
    return project.outputs(), project.tallies(), project.balance()


@pytest.fixture
def expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[object, ...]:
    with monkeypatch.context() as patch:
        patch.setattr("qpipe.orchestrator.reading.Reading.keeper", lambda self, start: None)
        return result(tmp_path / "again")


def test_in_memory_on_disk_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: tuple[object, ...]) -> None:
    assert b'"007"' in expected[0]["quarantine.ndjson"]  # type: ignore[index]
    opened: list[int] = []
    read = delimited.read_delimited
    monkeypatch.setattr(delimited, "read_delimited", lambda *a, **k: (opened.append(1), read(*a, **k))[1])
    for name, memory, share in (("memory", 1 << 20, 0.0), ("disk", 0, 0.5), ("both", 300, 0.5), ("neither", 0, 0.0)):
        monkeypatch.setattr(kept, "MEMORY", memory)
        monkeypatch.setattr(kept, "SHARE", share)
        opened.clear()
        assert result(tmp_path / name) == expected, name
        assert len(opened) >= (4 if name == "neither" else 2)


def test_a_full_disk_means_only_that_the_sources_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: tuple[object, ...]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept, "MEMORY", 300)
    monkeypatch.setattr(kept, "_written", full)
    assert result(tmp_path / "full") == expected


def test_a_run_stopped_in_its_last_pass_goes_on_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: tuple[object, ...]
) -> None:
    monkeypatch.setattr(kept, "MEMORY", 0)
    project = Project(tmp_path / "stopped", SPEC, FILES)
    seen: list[str] = []

    def stop(name: str) -> None:
        seen.append(name)
        if seen.count("journal.commit.batch.after") == 3:
            raise Killed

    with effects.listening(stop), pytest.raises(Killed):
        project.run()
    assert project.resume().state == "done"
    assert (project.outputs(), project.tallies(), project.balance()) == expected
