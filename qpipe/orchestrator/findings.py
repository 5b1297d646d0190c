"""What checks found, told of rows: counts, reasons beside quarantined rows, and the first samples of each check."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from qpipe.core.batch import FILE, LINE, ROW, SOURCE, Fault
from qpipe.core.lazy import pl
from qpipe.orchestrator.feed import Read
from qpipe.orchestrator.program import CONTRACT, Computed, Flag, Program, Stake

SAMPLES = 10  # failing rows kept of each check and column
_OFFSET = r":[0-9]{2}(?:[.][0-9]+)?\s*(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)\s*$"  # ends a moment that a type without a zone refuses
_REMEDY = "; it has an offset, which datetime(UTC) takes"


def remedy(expected: str, value: object) -> str:
    """What a contract would have to say for a value that breaks it; empty where nobody can tell."""
    return _REMEDY if expected == "datetime" and re.search(_OFFSET, str(value)) else ""


def reason_type() -> pl.DataType:
    """The type of ``_reasons``: what is said of a row that failed."""
    return pl.List(
        pl.Struct({"check": pl.String, "column": pl.String, "severity": pl.String, "message": pl.String, "value": pl.String})
    )


def tally(program: Program, computed: Computed) -> list[tuple[str, str, int, int]]:
    """(check, column, evaluated, failed) for every rule. A row that an earlier step dropped is not judged."""
    counts: dict[tuple[str, str], list[int]] = {}
    for frame in (computed.frame, *computed.removed):
        for flag in program.flags:
            if flag.bad not in frame.columns:
                continue
            evaluated, failed = _count(frame, flag)
            total = counts.setdefault((flag.check, flag.column), [0, 0])
            total[0] += evaluated
            total[1] += failed
    return [(check, column, evaluated, failed) for (check, column), (evaluated, failed) in counts.items()]


def _count(frame: pl.DataFrame, flag: Flag) -> tuple[int, int]:
    bad, judged = _judged_rows(frame, flag)
    return frame.height if judged is None else int(judged.sum() or 0), int(bad.sum() or 0)


def _judged_rows(frame: pl.DataFrame, flag: Flag) -> tuple[pl.Series, pl.Series | None]:
    """Which rows are bad, and which were judged at all (None: every one)."""
    bad, judged = frame[flag.bad], frame[flag.judged] if flag.judged else None
    gone = [frame[name] for name in flag.after if name in frame.columns]
    if gone:
        here = ~gone[0] if len(gone) == 1 else ~pl.DataFrame(gone).select(pl.any_horizontal(pl.all())).to_series()
        bad = bad & here
        judged = here if judged is None else judged & here
    return bad, judged


def stakes(program: Program, computed: Computed) -> list[tuple[str, str, str, int, int, float]]:
    """(check, column, group, evaluated, failed, impact) for checks that count by group or tell what is at stake."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for frame in (computed.frame, *computed.removed):
        for stake in program.stakes:
            for flag in [f for f in stake.flags if f.bad in frame.columns]:
                for group, evaluated, failed, impact in _staked(frame, stake, flag):
                    total = found.setdefault((flag.check, flag.column, group), [0, 0, 0.0])
                    total[:] = total[0] + evaluated, total[1] + failed, total[2] + impact
    return [(*key, int(evaluated), int(failed), impact) for key, (evaluated, failed, impact) in found.items() if evaluated]


def _staked(frame: pl.DataFrame, stake: Stake, flag: Flag) -> list[tuple[str, int, int, float]]:
    bad, judged = _judged_rows(frame, flag)
    rows = pl.DataFrame({"bad": bad.fill_null(False), "judged": True if judged is None else judged.fill_null(False)})
    rows = rows.with_columns((frame[stake.impact].fill_null(0.0) if stake.impact else pl.lit(0.0)).alias("impact"))
    sums = [pl.col("judged").sum(), pl.col("bad").sum(), pl.col("impact").filter(pl.col("bad")).sum().alias("impact")]
    if stake.group is None:
        return [("", *rows.select(sums).row(0))]
    grouped = rows.with_columns(frame[stake.group].alias("group")).group_by("group", maintain_order=True).agg(sums)
    return [(json.dumps(list(group.values()), ensure_ascii=False), *counts) for group, *counts in grouped.iter_rows()]


def reasons(flags: Sequence[Flag], frame: pl.DataFrame, raw: pl.DataFrame, faults: Mapping[int, Sequence[Fault]]) -> pl.Series:
    """Why each of these rows failed: a list of {check, column, severity, message, value}, in the order of the checks.

    ``frame`` holds the flags, ``raw`` the rows as they came, in the same order; ``faults`` what the reader said, by position.
    """
    told = _told(flags, _failures(flags, frame, raw))
    if not told.height and not faults:
        return pl.select(pl.repeat(pl.lit([], dtype=reason_type()), frame.height)).to_series().alias("_reasons")
    if faults:
        told = pl.concat([_fault_piece(faults), told])
    told = told.sort("at", maintain_order=True)  # the pieces come in the order of the checks
    lists = told.group_by("at", maintain_order=True).agg(pl.col("_reasons"))
    if lists.height < frame.height:
        every = pl.DataFrame({"at": pl.int_range(frame.height, eager=True, dtype=pl.UInt32)})
        lists = every.join(lists, on="at", how="left", maintain_order="left").with_columns(
            pl.col("_reasons").fill_null(pl.lit([], dtype=reason_type()))
        )
    return lists["_reasons"]


def with_reason(told: pl.Series, by: pl.Series, words: pl.Series) -> pl.Series:
    """One reason more, of a route or a decision, where there are words: no row is in quarantine without a reason."""
    none, info = pl.lit(None, dtype=pl.String), pl.lit("info", dtype=pl.String)
    more = pl.struct(check=by, column=none, severity=info, message=words, value=none)
    every = pl.DataFrame([told.alias("told"), words.alias("words")])
    made = pl.when(pl.col("words").is_null()).then("told").otherwise(pl.concat_list("told", pl.concat_list(more)))
    return every.select(made.alias(told.name)).to_series()


def _failures(flags: Sequence[Flag], frame: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    """All failures, flag by flag: the row they are at, the flag, the value, and what is said of that row alone."""
    there = [flag.bad in frame.columns and flag.bad != "__fault" for flag in flags]
    bad = {n: frame.get_column(flag.bad) for n, flag in enumerate(flags) if there[n]}
    found = [(n, rows.arg_true()) for n, rows in bad.items() if rows.any()]
    if not found:
        return pl.DataFrame(schema={"at": pl.UInt32, "order": pl.UInt32, "value": pl.String, "note": pl.String})
    rows = {
        "at": pl.concat([at for _, at in found]).cast(pl.UInt32),
        "order": pl.Series([n for n, at in found for _ in range(at.len())], dtype=pl.UInt32),
        "value": pl.concat([_values(flags[n], at, frame, raw) for n, at in found]),
    }
    if any(flags[n].notes for n, _ in found):
        notes = [_noted(flags[n], row) for n, at in found for row in frame[ROW].gather(at)]
        return pl.DataFrame({**rows, "note": pl.Series(notes, dtype=pl.String)})
    return pl.DataFrame(rows).with_columns(note=pl.lit(None, dtype=pl.String))


def _values(flag: Flag, at: pl.Series, frame: pl.DataFrame, raw: pl.DataFrame) -> pl.Series:
    """The texts of the values that a flag judged; null where there is none."""
    given, column = (frame, flag.said) if flag.said else (raw if flag.column in raw.columns else frame, flag.column)
    if column not in given.columns:
        return pl.Series("value", [None], dtype=pl.String).new_from_index(0, at.len())
    return _text(given.get_column(column).gather(at))


def _noted(flag: Flag, row: int) -> str | None:
    """What is said of this row and no other."""
    words = (flag.notes or {}).get(row)
    return _message(dataclasses.replace(flag, expected=words)) if words else None


def _told(flags: Sequence[Flag], found: pl.DataFrame) -> pl.DataFrame:
    """``at`` and ``_reasons``, a struct, of all failures."""
    about = {
        "check": [flag.check for flag in flags],
        "column": [flag.column for flag in flags],
        "severity": [flag.severity for flag in flags],
        "message": [_message(flag) for flag in flags],
    }
    named = pl.DataFrame(about, schema=dict.fromkeys(about, pl.String))[found["order"]].with_columns(
        found["value"], pl.coalesce(found["note"], pl.col("message")).alias("message")
    )
    said = pl.col("message").str.replace_all("{value}", pl.col("value").fill_null("missing"), literal=True)
    zoned = (pl.col("check") == CONTRACT) & said.str.ends_with(", expected datetime") & pl.col("value").str.contains(_OFFSET)
    said = pl.when(zoned).then(said + _REMEDY).otherwise(said).alias("message")
    return pl.DataFrame([found["at"], named.with_columns(said).to_struct("_reasons")])


def _message(flag: Flag) -> str:
    """What is said of a failure, with ``{value}`` where its value belongs."""
    if flag.message:
        return flag.message.replace("{column}", flag.column)
    return f"{flag.column} is {{value}}, expected {flag.expected}" if flag.column else f"expected {flag.expected}"


def _fault_piece(faults: Mapping[int, Sequence[Fault]]) -> pl.DataFrame:
    told = [
        {"check": CONTRACT, "column": f.column or "", "severity": f.severity, "message": f.message,
         "value": f.raw.rstrip("\r\n") or None}
        for fs in faults.values()
        for f in fs
    ]  # fmt: skip
    at = [row for row, fs in faults.items() for _ in fs]
    return pl.DataFrame([pl.Series("at", at, pl.UInt32), pl.Series("_reasons", told, reason_type().inner)])  # type: ignore[attr-defined]


def _text(values: pl.Series) -> pl.Series:
    if values.dtype == pl.String:
        return values.alias("value")
    if values.dtype.is_nested() or values.dtype == pl.Binary:
        return pl.Series("value", [None if v is None else str(v) for v in values.to_list()], dtype=pl.String)
    return values.cast(pl.String).alias("value")


class Samples:
    """Keeps the first failing rows of every check, in row order; a resumed run goes on where it stopped.

    Rows that an earlier step dropped were not judged, and are no samples.
    """

    def __init__(self, taken: Mapping[tuple[str, str], int], masked: Sequence[str] = ()) -> None:
        self._taken: dict[tuple[str, str], int] = defaultdict(int, taken)
        self._masked = set(masked)

    def of(
        self, program: Program, frame: pl.DataFrame, read: Read, failing: Collection[tuple[str, str]]
    ) -> list[dict[str, Any]]:
        """Rows for the journal's table ``sample``, of the checks and columns that have failures here. Costs nothing once every
        check has its samples."""
        found = []
        for flag in program.flags:
            name = flag.check, flag.column
            room = SAMPLES - self._taken[name]
            if room <= 0 or name not in failing or flag.bad not in frame.columns:
                continue
            bad, _ = _judged_rows(frame, flag)
            rows = frame[ROW].gather(bad.arg_true().head(room))
            self._taken[name] += rows.len()
            if rows.len():
                found += self._samples(flag, rows, read)
        return found

    def _samples(self, flag: Flag, rows: pl.Series, read: Read) -> list[dict[str, Any]]:
        offsets = read.offsets(rows)
        places = pl.DataFrame(read.whereabouts(offsets)).to_dicts()
        given = read.chunk.as_it_came(offsets).to_dicts()
        lines: dict[int | None, str] = {}
        if (flag.check, flag.column) == (CONTRACT, "") and not self._masked:
            lines = {f.row: f.raw.rstrip("\r\n") for f in read.chunk.faults if f.severity == "error"}
        made = []
        for row, offset, place, cells in zip(rows.to_list(), offsets.to_list(), places, given, strict=True):
            shown = {name: "***" if name in self._masked and value is not None else value for name, value in cells.items()}
            value = shown.get(flag.column, lines.get(offset) or None)
            made.append({"check": flag.check, "column": flag.column, "row": row, "source": place[SOURCE], "file": place[FILE],
                         "line": place[LINE], "value": None if value is None else str(value), "row_json": shown})  # fmt: skip
        return made
