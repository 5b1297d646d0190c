"""What a person sees while a run goes on: a picture that changes on a terminal, a line now and then elsewhere.

A view listens to events. ``close`` ends it; ``paused`` lets someone else use the terminal. The picture is drawn at most four
times a second, whatever the number of events, so that looking costs less than a hundredth of a core.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

from qpipe.core.events import Event
from qpipe.report.words import count, duration, percent, plural

if TYPE_CHECKING:
    from rich.console import RenderableType

DRAWN = 0.25  # seconds between two pictures
LOGGED = 10.0  # seconds between two lines
WINDOW = 5.0  # seconds over which the speed is taken
ENDS = {"run.done", "run.failed", "run.refused", "run.waiting", "run.interrupted"}


def progress(*, quiet: bool = False, events: bool = False, verbose: bool = False, stream: TextIO | None = None) -> View:
    """The view that fits: JSON lines, nothing, a picture on a terminal, or a plain log on stderr."""
    if events:
        return EventLines(sys.stdout)
    if quiet:
        return View()
    stream = stream or sys.stderr
    if verbose:
        return EveryLine(stream)
    plain = not stream.isatty() or os.environ.get("TERM") == "dumb" or "CI" in os.environ
    return LogLines(stream) if plain else Picture(stream)


class View:
    """Sees nothing: what all views have in common."""

    def __call__(self, event: Event) -> None:
        pass

    def close(self) -> None:
        pass

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to someone else for a while."""
        yield


class EventLines(View):
    """Every event as one line of JSON."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __call__(self, event: Event) -> None:
        told = {
            "id": event.id,
            "at": event.at,
            "run": event.run,
            "name": event.name,
            "parent": event.parent_id,
            "data": event.data,
        }
        self._stream.write(json.dumps(told, ensure_ascii=False, default=str) + "\n")
        self._stream.flush()


@dataclass
class Seen:
    """What the events have told so far."""

    run: str = ""
    now: dict[str, Any] = field(default_factory=dict)  # the last event called progress
    began: float = 0.0
    at: float = 0.0
    questions: set[str] = field(default_factory=set)
    done: str = ""  # how the run ended
    trouble: str = ""  # what is out of reach, until something moves again
    every: int = 0  # rows of a pass that is through: the next one reads the same
    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, event: Event) -> None:
        self.run, self.at = event.run, event.at
        self.began = self.began or event.at
        if event.name == "progress":
            self._progress(event)
        elif event.name == "run.retrying":
            self.trouble = f"{event.data['message']}; again in {duration(event.data['wait'])}"
        elif event.name == "pass.started":
            self._marks.clear()
        elif event.name == "question.opened":
            self.questions.add(str(event.data.get("question") or event.data.get("id") or event.id))
        elif event.name == "question.answered":
            self.questions.discard(str(event.data.get("question")))
        elif event.name in ENDS:
            self.done = event.name.removeprefix("run.")

    def _progress(self, event: Event) -> None:
        if event.data.get("pass") != self.now.get("pass"):
            self._marks.clear()
            self.every = int(self.now.get("rows") or 0)
        self.now, self.trouble = event.data, ""
        self._marks.append((event.at, int(event.data.get("rows") or 0)))
        while len(self._marks) > 2 and event.at - self._marks[0][0] > WINDOW:
            self._marks.popleft()

    @property
    def share(self) -> float | None:
        """How much of this pass is done, by rows, else by bytes."""
        if self.total:
            return min(int(self.now.get("rows") or 0) / self.total, 1.0)
        part, whole = self.now.get("bytes"), self.now.get("bytes_total")
        return min(float(part) / float(whole), 1.0) if part and whole else None

    @property
    def total(self) -> int:
        """Rows to come in this pass; 0: unknown."""
        return int(self.now.get("rows_total") or 0) or self.every

    @property
    def speed(self) -> float | None:
        """Rows a second, of late."""
        if len(self._marks) < 2:
            return None
        (t0, n0), (t1, n1) = self._marks[0], self._marks[-1]
        return (n1 - n0) / (t1 - t0) if t1 > t0 else None

    @property
    def left(self) -> float | None:
        """Seconds until this pass is through, if it goes on like this."""
        share, speed, rows = self.share, self.speed, int(self.now.get("rows") or 0)
        if not share or not speed or speed < 0:
            return None
        return rows * (1 - share) / share / speed

    @property
    def open(self) -> int:
        return int(self.now.get("questions") or 0) or len(self.questions)

    @property
    def findings(self) -> Mapping[str, int]:
        return self.now.get("findings") or {}

    @property
    def worst(self) -> list[tuple[str, int]]:
        """The checks that failed most."""
        return sorted((self.now.get("checks") or {}).items(), key=lambda c: -c[1])


# ── lines ──


class LogLines(View):
    """A line at the start, about every ten seconds, and at the end."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock, self._seen = stream, clock, Seen()
        self._last = self._clock()

    def __call__(self, event: Event) -> None:
        self._seen.add(event)
        if event.name in ("run.started", "run.resumed"):
            self._say(event.at, f"{event.run} {event.name.removeprefix('run.')}")
        elif event.name == "progress" and self._clock() - self._last >= LOGGED:
            self._say(event.at, line(self._seen))
        elif event.name == "run.retrying":
            self._say(event.at, f"{event.run} {self._seen.trouble}")
        elif event.name == "question.opened" and self._seen.open == 1:
            self._say(event.at, f"{event.run} has questions: `qpipe decisions`")
        elif event.name in ENDS:
            self._say(
                event.at, f"{event.run} {self._seen.done} after {duration(event.at - self._seen.began)}{_asked(self._seen)}"
            )

    def _say(self, at: float, words: str) -> None:
        self._last = self._clock()
        self._stream.write(f"{time.strftime('%H:%M:%S', time.localtime(at))} {' '.join(words.split())}\n")
        self._stream.flush()


class EveryLine(LogLines):
    """A line for each event: for looking closely."""

    def __call__(self, event: Event) -> None:
        self._seen.add(event)
        if event.name == "progress":
            self._say(event.at, line(self._seen))
        else:
            self._say(event.at, " ".join([event.name, *(f"{name}={_told(value)}" for name, value in event.data.items())]))


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _asked(seen: Seen) -> str:
    return f", {plural(seen.open, 'question')} waiting" if seen.open else ""


def line(seen: Seen) -> str:
    """Where a run is, in one line."""
    now = seen.now
    parts = [f"pass {now.get('pass', 1)} of {now.get('passes', 1)}", plural(int(now.get("rows") or 0), "row")]
    parts += [f"{percent(seen.share)} done"] if seen.share is not None else []
    parts += [f"{count(seen.speed)} rows/s"] if seen.speed else []
    parts += [f"{duration(seen.left)} left"] if seen.left else []
    parts += [f"{name} {count(rows)}" for name, rows in (now.get("routes") or {}).items()]
    parts += [f"{plural(n, name)}" for name, n in seen.findings.items() if n]
    parts += [_asked(seen).removeprefix(", ")] if seen.open else []
    parts += [f"{count(now['memory_mb'])} MB"] if now.get("memory_mb") else []
    return ", ".join(parts)


# ── the picture ──


class Picture(View):
    """The live picture on a terminal; it goes when the pass is through, so that questions have the screen."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock, self._seen = stream, clock, Seen()
        self._live: Any = None
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        self._seen.add(event)
        if event.name in ENDS or (event.name == "pass.done" and self._is_last(event)):
            self.close()
        elif event.name == "progress":
            if self._live is None:
                self._open()
            if self._clock() - self._last >= DRAWN:
                self._last = self._clock()
                self._live.refresh()

    def close(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    @contextmanager
    def paused(self) -> Iterator[None]:
        was_open = self._live is not None
        self.close()
        yield
        if was_open:
            self._open()

    def _is_last(self, event: Event) -> bool:
        return event.data.get("number") == self._seen.now.get("passes")

    def _open(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console(file=self._stream, highlight=False)
        # its own thread draws once a second, so that the clock goes on while a long step works
        self._live = Live(get_renderable=lambda: picture(self._seen, console.width), console=console, refresh_per_second=1,
                          redirect_stdout=False, redirect_stderr=False)  # fmt: skip
        self._live.start()


def picture(seen: Seen, width: int) -> RenderableType:
    """Pass and bar, routes filling, findings, memory, questions, stages."""
    from rich.text import Text

    trouble = [Text(f"  {seen.trouble}", style="bold yellow")] if seen.trouble else []
    lines = [_title(seen), _done(seen, width), *_routes(seen, width), *_found(seen), *trouble, _state(seen)]
    for words in lines:
        words.no_wrap, words.overflow = True, "ellipsis"
    return Text("\n").join(lines)


def _title(seen: Seen) -> Any:
    from rich.text import Text

    now = seen.now
    source = f" · {now['source']}" if now.get("source") else ""
    elapsed = duration(max(time.time() - seen.began, 0)) if seen.began else ""
    return Text.assemble(
        (seen.run, "bold"), (f"  pass {now.get('pass', 1)} of {now.get('passes', 1)}{source} · {elapsed}", "dim")
    )


def _done(seen: Seen, width: int) -> Any:
    from rich.text import Text

    rows, total = int(seen.now.get("rows") or 0), seen.total
    told = f" of {count(total)}" if total else ""
    words = f"{count(rows)}{told} rows" + (f" · {count(seen.speed)} rows/s" if seen.speed else "")
    if seen.share is None:
        return Text.assemble("  ", words)
    words += f" · {duration(seen.left)} left" if seen.left and seen.share < 1 else ""
    return Text.assemble(
        "  ", *_bar(seen.share, max(10, min(40, width - len(words) - 14)), "cyan"), f" {percent(seen.share):>6}  {words}"
    )


def _routes(seen: Seen, width: int) -> list[Any]:
    from rich.text import Text

    routes = seen.now.get("routes") or {}
    every = sum(routes.values())
    if not every:
        return []
    long = min(max(map(len, routes)), 28)
    tones = {name: "yellow" if name.startswith("held") else "red" if "quarantine" in name else "green" for name in routes}
    return [
        Text.assemble(f"  {name[:long]:<{long}} ", *_bar(rows / every, max(8, min(30, width - long - 30)), tones[name]),
                      f" {count(rows):>13} {percent(rows / every):>7}")
        for name, rows in list(routes.items())[:8]
    ]  # fmt: skip


def _found(seen: Seen) -> list[Any]:
    from rich.text import Text

    tones = {"error": "red", "warning": "yellow", "info": "blue"}
    parts = [(f"{plural(n, name)}  ", tones.get(name, "")) for name, n in seen.findings.items() if n]
    worst = "  ".join(f"{check} {count(n)}" for check, n in seen.worst[:6])
    return [Text.assemble("  findings  ", *parts, (worst, "dim"))] if parts or worst else []


def _state(seen: Seen) -> Any:
    from rich.text import Text

    now = seen.now
    parts = [f"memory {count(now['memory_mb'])} MB"] if now.get("memory_mb") else []
    parts += [f"{stage} {duration(s)}" for stage, s in (now.get("seconds") or {}).items()]
    asked = (f"  {plural(seen.open, 'question')} waiting", "bold yellow") if seen.open else ("", "")
    return Text.assemble(("  " + " · ".join(parts), "dim"), asked)


def _bar(share: float, width: int, tone: str) -> list[tuple[str, str]]:
    full = min(int(share * width), width)
    half = "╸" if full < width and share * width - full >= 0.5 else ""
    return [("━" * full + half, tone), ("─" * (width - full - len(half)), "grey35")]
