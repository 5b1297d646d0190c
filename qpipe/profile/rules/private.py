"""Rules about personal data: none has a person's value in it, neither in what it asks nor in its reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from qpipe.analysis.patterns import without_words
from qpipe.analysis.semantic import ADDRESS, forms
from qpipe.analysis.semantic import ENOUGH as USUAL
from qpipe.core.lazy import pl
from qpipe.profile.model import ColumnProfile, TableProfile
from qpipe.profile.rules.seen import FEWEST, Seen, Suggestion, certainty

GUESS = 0.5
_UNSAID = "personal data: no value is written here"


def unsaid(found: Sequence[Suggestion], table: TableProfile, columns: Sequence[Seen]) -> Iterator[Suggestion]:
    """The rules, those of personal columns without their values: forms in place of lists, and a search in place of slips."""
    personal = {c.name: c for c in table.columns if c.personal}
    searched: set[str] = set()
    for s in found:
        mine = [personal[c] for c in s.columns if c in personal]
        if not mine:
            yield s
        elif _names_values(s, mine[0]):
            if s.module == "between":
                yield _digits(s)
            if s.about in ("misspelt", "misspelt words") and s.columns[0] not in searched:
                searched.add(s.columns[0])
                yield _search(s, mine[0])
        else:
            yield _without_examples(s)
    shaped = {s.columns[0] for s in found if s.module in ("matches", "format_is") and s.columns and not s.about}
    yield from (s for c in columns if c.name in personal and c.name not in shaped for s in _form(c))


def _names_values(s: Suggestion, c: ColumnProfile) -> bool:
    """Whether values of the column stand in the parameters. Words for nothing are nobody's."""
    if s.module == "one_of":
        return not s.about.startswith("not ")
    if s.module == "matches":
        common = c.meaning == ADDRESS  # a slip of a word that many addresses have tells of nobody
        return s.about == "run together" or (s.about == "misspelt words" and not common) or c.distinct < 2
    return s.module == "between" and s.about != "by name" and c.type not in ("date", "datetime", "datetime(UTC)")


def _digits(s: Suggestion) -> Suggestion:
    """As many digits as the limits have, in place of the limits."""
    few, many = (len(str(abs(int(s.params[end])))) for end in ("min", "max"))
    params = {"column": s.columns[0], "min": 10 ** (few - 1), "max": 10**many - 1}
    reason = f"numbers of {few}{'' if few == many else f' to {many}'} digits; {_UNSAID}"
    return dataclasses.replace(s, params=params, reason=reason)


def _search(s: Suggestion, c: ColumnProfile) -> Suggestion:
    """Names that are alike are two persons' as a rule: that they are slips is a guess."""
    reason = f"values are nearly a frequent one, {s.broken:,} times; {_UNSAID}"
    sure = s.confidence if c.meaning == ADDRESS else min(s.confidence, GUESS)
    return dataclasses.replace(
        s, module="detect_typos", params={"columns": list(s.columns)}, reason=reason, about="", confidence=sure
    )


def _without_examples(s: Suggestion) -> Suggestion:
    """Reasons end with examples, or have them behind a colon; shares and counts before them stay."""
    if s.module == "matches" and s.about == "odd writing":
        return dataclasses.replace(s, reason=f"{s.broken:,} are written unlike the others; {_UNSAID}")
    if s.module == "matches" and not s.about:
        params = {**s.params, "regex": _wordless(s.params["regex"])}
        return dataclasses.replace(
            s, params=params, reason=f"{1 - s.broken / max(1, s.support):.1%} are written alike; {_UNSAID}"
        )
    return s


def _wordless(regex: str | list[str]) -> str | list[str]:
    return without_words(regex) if isinstance(regex, str) else [without_words(one) for one in regex]


def _form(c: Seen) -> Iterator[Suggestion]:
    """The form that such data has, where the values suggest none that is tighter. Addresses have too many forms."""
    if not c.is_text or c.every < FEWEST or c.told.meaning == ADDRESS:
        return
    fits = {one: int(c.counts.filter(pl.col("value").str.contains(one))["count"].sum()) for one in forms(c.told.meaning or "")}
    tight = min(((n, one) for one, n in fits.items() if n >= USUAL * c.every), default=None)
    if tight is None:
        return
    broken = c.every - tight[0]
    params = {"column": c.name, "regex": tight[1]}
    reason = f"{1 - broken / c.every:.1%} have the form of a {c.told.meaning}; {_UNSAID}"
    yield Suggestion(c.table, "matches", params, (c.name,), reason, c.every, broken, certainty(c.every, broken, 0.9))
