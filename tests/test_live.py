"""What a person sees while a run goes on: the right numbers, seldom enough, and nothing where nobody looks."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from qpipe.cli.live import EventLines, LogLines, Picture, Seen, View, line, picture, progress
from qpipe.core.events import Event


class Screen(io.StringIO):
    """A stream that says whether it is a terminal."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


class Clock:
    """Time as a test tells it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def going(rows: int, at: float = 0.0, **data) -> Event:
    told = {"pass": 2, "passes": 2, "source": "orders", "rows": rows, "rows_total": 1000, "routes": {"clean": rows}, **data}
    return Event("progress", "orders-1", told, at=at)


# ── what has been seen ──


@pytest.mark.parametrize(
    ("data", "share"),
    [
        ({}, 0.25),
        ({"rows_total": None}, None),
        ({"rows_total": None, "bytes": 10, "bytes_total": 40}, 0.25),
        ({"rows_total": None, "bytes": 0, "bytes_total": 40}, None),  # a source that does not tell its place
        ({"rows_total": 100}, 1.0),
        ({"rows_total": 0}, None),
    ],
)
def test_share_done(data: dict, share: float | None) -> None:
    seen = Seen()
    seen.add(going(250, **data))
    assert seen.share == share


def test_speed_and_time_left_are_of_late() -> None:
    seen = Seen()
    for second, rows in enumerate([0, 0, 0, 0, 100, 200, 300, 400, 500]):
        seen.add(going(rows, at=100.0 + second))
    assert seen.speed == pytest.approx(100)
    assert seen.left == pytest.approx(5)


def test_a_new_pass_starts_the_speed_anew() -> None:
    seen = Seen()
    seen.add(going(900, at=1.0))
    seen.add(Event("progress", "orders-1", {"pass": 3, "rows": 10}, at=2.0))
    assert seen.speed is None and seen.left is None


def test_a_later_pass_reads_as_many_rows_as_the_one_before() -> None:
    seen = Seen()
    seen.add(going(800, **{"pass": 1, "rows_total": None}))
    assert seen.share is None
    seen.add(going(200, **{"pass": 2, "rows_total": None}))
    assert seen.share == 0.25


def test_questions_are_counted_until_answered() -> None:
    seen = Seen()
    for name, question in [("opened", "a"), ("opened", "b"), ("answered", "a")]:
        seen.add(Event(f"question.{name}", "orders-1", {"question": question}))
    assert seen.open == 1


@pytest.mark.parametrize(
    "data", [{}, {"pass": 1}, {"rows": None}, {"routes": {}}, {"checks": None, "findings": None, "seconds": None}]
)
def test_little_is_enough(data: dict) -> None:
    seen = Seen()
    seen.add(Event("progress", "orders-1", data))
    assert line(seen) and str(picture(seen, 80))


# ── the plain log ──


def test_a_line_at_the_start_every_ten_seconds_and_at_the_end() -> None:
    screen, clock = Screen(False), Clock()
    view = LogLines(screen, clock)
    view(Event("run.started", "orders-1", at=1.0))
    for second in range(35):
        clock.now = float(second)
        view(going(second * 10, at=1.0 + second, memory_mb=55.0))
    view(Event("run.done", "orders-1", at=36.0))
    lines = screen.getvalue().splitlines()
    assert len(lines) == 1 + 3 + 1
    assert "orders-1 started" in lines[0]
    assert "pass 2 of 2, 100 rows, 10% done, 10 rows/s" in lines[1] and "55 MB" in lines[1]
    assert "orders-1 done after 35 s" in lines[-1]


def test_values_cannot_forge_lines() -> None:
    screen, clock = Screen(False), Clock()
    view = LogLines(screen, clock)
    clock.now = 20.0
    view(going(1, routes={"clean\n12:00:00 orders-1 done": 1}))
    assert len(screen.getvalue().splitlines()) == 1


def test_many_questions_are_one_line() -> None:
    screen = Screen(False)
    view = LogLines(screen)
    for n in range(50):
        view(Event("question.opened", "orders-1", {"question": f"q{n}"}))
    view(Event("run.waiting", "orders-1"))
    lines = screen.getvalue().splitlines()
    assert len(lines) == 2 and "50 questions waiting" in lines[1]


# ── events ──


def test_every_event_is_a_line_of_json() -> None:
    screen = Screen(False)
    view = EventLines(screen)
    view(Event("run.started", "orders-1", {"text": "é\n"}, at=1.0, id=7))
    view(going(5))
    told = [json.loads(text) for text in screen.getvalue().splitlines()]
    assert told[0] == {"id": 7, "at": 1.0, "run": "orders-1", "name": "run.started", "parent": None, "data": {"text": "é\n"}}
    assert told[1]["data"]["rows"] == 5


# ── the picture ──


def test_the_picture_tells_everything() -> None:
    seen = Seen()
    seen.add(going(0, at=1.0))
    seen.add(
        going(
            500,
            at=2.0,
            routes={"clean": 450, "quarantine": 40, "held:doubt": 10},
            checks={"filled": 40},
            memory_mb=321.0,
            findings={"error": 40, "warning": 2, "info": 0},
            questions=3,
            seconds={"read": 0.5},
        )
    )
    words = str(picture(seen, 100))
    for part in (
        "orders-1",
        "pass 2 of 2",
        "orders",
        "50%",
        "500 of 1,000 rows",
        "500 rows/s",
        "1 s left",
        "clean",
        "450",
        "90%",
        "quarantine",
        "held:doubt",
        "40 errors",
        "2 warnings",
        "filled 40",
        "321 MB",
        "3 questions waiting",
        "read 500 ms",
    ):
        assert part in words, part
    assert "0 info" not in words


@pytest.mark.parametrize("width", [40, 80, 200])
def test_bars_fill_with_their_share(width: int) -> None:
    seen = Seen()
    seen.add(going(500, routes={"all": 100, "half": 0}))
    full, empty = str(picture(seen, width)).splitlines()[2:4]
    assert "─" not in full and "━" not in empty


def test_a_thousand_events_are_few_pictures() -> None:
    screen, clock = Screen(True), Clock()
    view = Picture(screen, clock)
    for n in range(1000):
        clock.now = n * 0.001
        view(going(n))
    view.close()
    assert screen.getvalue().count("orders-1") <= 8  # 4 in that second, the first, the last, and one of its own thread


def test_the_picture_makes_room_for_questions() -> None:
    screen = Screen(True)
    view = Picture(screen)
    view(going(10))
    with view.paused():
        before = screen.getvalue()
        view._stream.write("a question?")
        assert screen.getvalue() == before + "a question?"
    view(Event("pass.done", "orders-1", {"number": 2}))
    after = screen.getvalue()
    view(Event("question.opened", "orders-1", {"question": "a"}))
    view.close()
    assert screen.getvalue() == after


# ── which view ──


@pytest.mark.parametrize(
    ("options", "terminal", "environment", "kind"),
    [
        ({}, True, {"TERM": "xterm"}, Picture),
        ({}, True, {"TERM": "dumb"}, LogLines),
        ({}, True, {"TERM": "xterm", "CI": "true"}, LogLines),
        ({}, False, {"TERM": "xterm"}, LogLines),
        ({"quiet": True}, True, {"TERM": "xterm"}, View),
        ({"events": True}, True, {"TERM": "xterm"}, EventLines),
        ({"events": True, "quiet": True}, False, {}, EventLines),
    ],
)
def test_the_view_fits(options: dict, terminal: bool, environment: dict, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TERM", "CI"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert type(progress(stream=Screen(terminal), **options)) is kind


def test_plain_runs_do_not_import_rich() -> None:
    code = (
        "import sys; from qpipe.cli.live import progress; from qpipe.core.events import Event; "
        "view = progress(); view(Event('run.started', 'r')); view(Event('progress', 'r', {'rows': 1})); view.close(); "
        "print([m for m in ('rich', 'polars', 'typer') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
