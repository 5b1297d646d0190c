"""Texts that hold JSON: whether they do, and what stands at a path, for a column at once.

Polars says what is JSON and what stands there, one path and text at a time. DuckDB reads a text once for all paths and says
the same several times as fast, but for some texts: it takes trailing commas and NaN for JSON, nests without end, writes some
numbers in another way, and takes the first of two equal keys. Where a text may be one of these, Polars is asked.
"""

from __future__ import annotations

import functools
import json
import operator
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qpipe.core.lazy import duckdb, pl

if TYPE_CHECKING:
    import polars as pl

_MANY = 2_000  # rows from which asking DuckDB is worth its beginning
_PLAIN = re.compile(r"""\$(\.[A-Za-z_][A-Za-z0-9_]*|\[[0-9]{1,6}\]|\['[^'"\\]+'\])*""")
_KEYS = re.compile(r"""\.([A-Za-z_][A-Za-z0-9_]*)|\['([^'"\\]+)'\]""")
# a comma before an end; bare words; -0, exponents, long numbers, zeros at an end or after the point; letters of keys as
# escapes, and halves of characters
_DOUBTFUL = (
    r",\s*[\]}]|(?:^|[:,\[\s])-?(?:[nNiI]|[0-9][0-9.]*[eE]|[0-9.]{16}|[0-9]+[.][0-9]*0(?:[^0-9]|$)|0[.]000)"
    r"|(?:^|[:,\[\s])-0|\\u(?:00[0-7]|[dD][89a-fA-F])"
)
_HUGE = r"[0-9][eE][+]?[0-9]{3,}"  # 1e400: no number to Polars
_WRITTEN = r"-0|[0-9][.eE]|[0-9]{16}"  # numbers that are not written out as they stand
_TOKENS = r'("(?:[^"\\]|\\.)*")|(-?[0-9][0-9.eE+-]*)'
_BEGIN, _END = "\ufdd0", "\ufdd1"  # signs that are for no one's texts
_VALID = "select json_valid(t) as v from texts"
_DEEP = 128  # brackets within each other, from which Polars finds no JSON; each has two ends


def valid_json(texts: pl.Series) -> pl.Series:
    """Whether a text is JSON; null where there is none."""
    return read_json(texts, ())[0]


def read_json(texts: pl.Series, paths: Sequence[str]) -> list[pl.Series]:
    """Whether a text is JSON, and what stands at each path, as text: lists and objects as JSON.

    Null in no JSON, where nothing is, and where null is.
    """
    if texts.len() < _MANY or not all(map(_PLAIN.fullmatch, paths)):
        return _by_polars(texts, paths)
    listed = ", ".join(f"'{_path(path)}'" for path in paths)
    columns = [f"f[{n}] as f{n}" for n in range(1, len(paths) + 1)]
    valid, *found = _read(texts, f"json_extract_string(t, [{listed}])", columns) if paths else _asked(texts, _VALID)
    found = [_without_null(each) for each in found]
    whole = [each.str.starts_with(bracket) for each in found for bracket in "[{"]  # objects: keys may be twice in them
    where = _doubtful(texts, paths, *whole).arg_true()
    if not where.len():
        return [valid, *found]
    exact = _by_polars(texts.gather(where), paths)
    return [each.scatter(where, right) for each, right in zip([valid, *found], exact, strict=True)]


def surely_with_keys(texts: pl.Series, keys: Sequence[str]) -> pl.Series:
    """True where a text is JSON beyond doubt, and an object with these keys. Not true says nothing."""
    paths = [f"$['{key}']" for key in keys]
    if texts.len() < _MANY or not all(map(_PLAIN.fullmatch, paths)):
        return pl.repeat(False, texts.len(), eager=True)
    there = " and ".join(f"json_exists(t, '{_path(path)}')" for path in paths) or "json_valid(t)"
    _, sure = _read(texts, there, ["f"])
    return (sure & ~_doubtful(texts)).fill_null(False)


def _by_polars(texts: pl.Series, paths: Sequence[str]) -> list[pl.Series]:
    valid = texts.str.json_path_match("$").is_not_null() | (texts.str.strip_chars() == "null")
    huge = (texts.str.contains(_HUGE) & ~valid).fill_null(False).arg_true()
    if huge.len():
        valid = valid.scatter(huge, pl.Series([_is_json(text) for text in texts.gather(huge)], dtype=pl.Boolean))
    written = (texts.str.contains(_WRITTEN) & valid).fill_null(False).arg_true()
    if paths and written.len():
        marked = numbers_quoted(texts.gather(written), f'"{_BEGIN}', f'{_END}"')
        texts = marked if written.len() == texts.len() else texts.clone().scatter(written, marked)
    found = [texts.str.json_path_match(path).str.replace_all(f'"?{_BEGIN}|{_END}"?', "") for path in paths]
    return [valid.set(texts.is_null(), None), *map(_without_null, found)]


def numbers_quoted(texts: pl.Series, begin: str = '"', end: str = '"') -> pl.Series:
    """JSON whose numbers are texts: each number and text gets marks, and those of a text, right beside each other, go."""
    marked = texts.str.replace_all(_TOKENS, "${1}\0${2}\1").str.replace_all("\0\1", "", literal=True)
    return marked.str.replace_all("\0", begin, literal=True).str.replace_all("\1", end, literal=True)


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_no_constant, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _without_null(found: pl.Series) -> pl.Series:
    return found.set(found == "null", None)


def _read(texts: pl.Series, found: str, columns: Sequence[str]) -> list[pl.Series]:
    """Whether a text is JSON, null where there is none, and ``columns`` of ``f``: what an expression over ``t`` finds in it.

    Where all is JSON, the usual case, each text is read once: DuckDB gives up at the first that is none.
    """
    listed = "".join(f", {column}" for column in columns)
    try:
        return _asked(texts, f"select t is not null or null as v{listed} from (select t, {found} as f from texts)")
    except duckdb.InvalidInputException:
        careful = f"select json_valid(t) as v, case when v then {found} end as f from texts"
        return _asked(texts, f"select v{listed} from ({careful})")


def _asked(texts: pl.Series, query: str) -> list[pl.Series]:
    """The columns of a query over ``texts``, whose column is ``t``."""
    connection = _database().cursor()
    try:
        connection.register("texts", pl.DataFrame({"t": texts}).to_arrow(compat_level=pl.CompatLevel.newest()))
        return list(connection.sql(query).pl().get_columns())
    finally:
        connection.close()


def _doubtful(texts: pl.Series, paths: Sequence[str] = (), *more: pl.Series) -> pl.Series:
    """Where DuckDB may say something else than Polars."""
    doubtful = functools.reduce(operator.or_, (each.fill_null(False) for each in more), texts.str.contains(_DOUBTFUL))
    if (texts.str.len_bytes().max() or 0) >= 2 * _DEEP:  # type: ignore[operator]
        doubtful |= texts.str.count_matches(r"[\[{]") >= _DEEP
    for key in {plain or quoted for path in paths for plain, quoted in _KEYS.findall(path)}:
        doubtful |= texts.str.count_matches(f'"{key}"', literal=True) > 1
    return doubtful.fill_null(False)


def _path(path: str) -> str:
    """As DuckDB writes it."""
    return re.sub(r"\['([^']+)'\]", r'."\1"', path)


@functools.lru_cache(1)
def _database() -> Any:
    return duckdb.connect(config={"threads": 1})
