"""Rules that the data suggests, each with its reason, its support and how sure it is. One function a kind of rule."""

from __future__ import annotations

from collections.abc import Iterator

from qpipe.profile.model import ForeignKeyFound, TableProfile
from qpipe.profile.relations import Known
from qpipe.profile.rules import local, numbers, private, relations, spelling, values, writing
from qpipe.profile.rules.across import across
from qpipe.profile.rules.conditional import completed
from qpipe.profile.rules.meant import doubted
from qpipe.profile.rules.seen import OF_SOURCE, Seen, Suggestion, look

__all__ = ["OF_SOURCE", "Seen", "Suggestion", "suggestions"]


LOOKED = 50_000  # rows that rules of several columns are looked for in
OF_ONE_COLUMN = (
    values.nothing, values.of_type, values.not_null, values.one_date, values.allowed, spelling.misspelt, writing.odd,
    numbers.nearly_key, spelling.words, writing.pattern, writing.unit, writing.semantic, numbers.within, numbers.decimals,
    local.numbers,
)  # fmt: skip


def suggestions(table: Known, keys: tuple[ForeignKeyFound, ...] = ()) -> list[Suggestion]:
    """All rules for a table, in the order in which a spec has them."""
    found = list(_written_for_null(table))
    null = [word for s in found for word in s.params["nulls"]]
    sample = table.scan.sample.frame()
    words = tuple(dict.fromkeys([*_words_for_nothing(table.profile), *null]))
    rows = sample.head(LOOKED)
    columns: list[Seen] = []
    single: list[Suggestion] = []
    for told in table.profile.columns:
        if "${" in told.name:  # a spec cannot name it
            continue
        if told.stored.startswith(("List", "Struct", "Binary")) or not told.rows:
            continue
        seen = look(table, told, sample, words, null)
        columns.append(seen)
        for rule in OF_ONE_COLUMN:
            single += rule(seen)
        if table.scan.sample.is_whole:
            single += numbers.in_order(seen)
    found += doubted(single, columns, rows)
    found += across(table, rows)
    found += relations.unique_keys(table.profile)
    found += relations.copies(table.profile, rows)
    found += relations.run_together(table.profile, rows)
    dependent = list(relations.dependent(table.profile))
    known = {s.key for s in dependent}
    found += [
        *completed(dependent, table.profile, rows),
        *(s for s in relations.reports(table.profile, rows) if s.key not in known),
    ]
    found += [relations.foreign(table.profile.name, f) for f in keys if f.table == table.profile.name]
    found = [s for s in found if not any("${" in c for c in s.columns)]
    return _without_doubles(list(private.unsaid(found, table.profile, columns)))


def _written_for_null(table: Known) -> Iterator[Suggestion]:
    """Words that are most of some column: how a file writes that there is no value, wherever they stand."""
    if not hasattr(table.source, "nulls"):
        return
    told: set[str] = set()
    for c in table.profile.columns:
        for word, count, reason, _ in c.placeholders:
            if reason.startswith("a word") and 0.5 * c.rows < count < c.rows and word not in told:
                told.add(word)
                why = f"{word!r} is {reason}, and {count / c.rows:.1%} of {c.name}: so the file writes that there is no value"
                yield Suggestion(table.profile.name, "nulls", {"nulls": [word]}, (c.name,), why, c.rows, count, 0.85, word)


def _words_for_nothing(profile: TableProfile) -> tuple[str, ...]:
    """Those of any column that are surely ones there."""
    told = (p for c in profile.columns for p in c.placeholders)
    words = (value for value, _, reason, sure in told if reason.startswith("a word") and sure >= 0.85)
    return tuple(dict.fromkeys(words))


def _without_doubles(found: list[Suggestion]) -> list[Suggestion]:
    """A list of allowed values makes a list of misspelt ones, a search and a pattern of the same column needless."""
    twice: set[tuple[str, ...]] = set()
    found = [s for s in found if s.module != "unique" or not (s.columns in twice or twice.add(s.columns))]  # type: ignore[func-returns-value]
    listed = {s.columns for s in found if s.module == "one_of" and not s.about}
    sure: dict[tuple[str, ...], float] = {}  # of a list, or a form, that says how all values are written
    for s in found:
        if s.module == "format_is" or (s.module in ("one_of", "matches") and not s.about):
            sure[s.columns] = max(sure.get(s.columns, 0.0), s.confidence)
    shaped = {s.columns for s in found if s.about == "number alone"}
    numeric = {s.columns for s in found if s.module == "parse_number" and s.confidence >= 0.8}

    running = {s.columns for s in found if s.module == "ordered"}
    referring = {s.columns for s in found if s.module == "foreign_key"}

    def needless(s: Suggestion) -> bool:
        if s.columns in numeric and s.module in ("matches", "detect_typos", "one_of") and not s.about.startswith("not "):
            return True  # what is read as a number is written like one
        if s.columns in running and ((s.module == "unique" and s.broken) or (s.module == "between" and not s.broken)):
            return True  # what rises occurs once, and goes on
        if s.columns in referring and s.module in ("between", "one_of", "matches"):
            return True  # the other table says what is allowed
        if s.about == "odd writing" and not s.broken and sure.get(s.columns, 0.0) >= 0.8:
            return True
        within = s.about == "misspelt" or s.module == "detect_typos" or (s.module == "matches" and not s.about)
        if within and s.columns in listed:
            return True
        other = s.module in ("matches", "one_of") and s.about in ("", "misspelt", "odd writing")
        return s.columns in shaped and other

    return [s for s in found if not needless(s)]
