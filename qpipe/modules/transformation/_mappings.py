"""Tables of values in files: YAML (old: new) or CSV (a column of old values, one of new ones)."""

from __future__ import annotations

import csv
from pathlib import Path

from qpipe.core.errors import Problem, QpipeError, SpecError, Unavailable


def read_mapping(path: Path) -> dict[str, str | None]:
    """Old value → new value, as text; an empty new value means: no value. SpecError names every line that is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise Unavailable(
            "there is no such table of values", file=str(path), hint="paths start at the spec's folder"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"the table of values cannot be read: {error}", file=str(path)) from error
    pairs = _from_csv(text, path) if path.suffix.lower() in (".csv", ".tsv") else _from_yaml(text, path)
    mapping: dict[str, str | None] = {}
    problems = []
    for old, new, line in pairs:
        if mapping.setdefault(old, new or None) != (new or None):
            problems.append(
                _problem(path, line, f"'{old}' becomes '{new}' here and '{mapping[old] or ''}' before", "Keep one.")
            )
    if problems:
        raise SpecError(problems)
    return mapping


def _from_yaml(text: str, path: Path) -> list[tuple[str, str, int]]:
    """Every scalar is the text that stands there: no, 007 and 1e3 are not read as something else."""
    import yaml

    try:
        root = yaml.compose(text, Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise SpecError([_problem(path, mark.line + 1 if mark else 0, f"this is no YAML: {error.problem}")]) from error
    except yaml.YAMLError as error:
        raise SpecError([_problem(path, 0, f"this is no YAML: {error}")]) from error
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise SpecError([_problem(path, 1, "a table of values is written old: new, one a line")])
    pairs, problems = [], []
    for key, value in root.value:
        if isinstance(key, yaml.ScalarNode) and isinstance(value, yaml.ScalarNode):
            empty = not value.style and value.value in ("~", "null")
            pairs.append((key.value, "" if empty else value.value, key.start_mark.line + 1))
        else:
            problems.append(_problem(path, key.start_mark.line + 1, "expected old: new, one value each"))
    if problems:
        raise SpecError(problems)
    return pairs


def _from_csv(text: str, path: Path) -> list[tuple[str, str, int]]:
    """Columns from and to where the header has them, otherwise the first two; the first line is the header."""
    lines = csv.reader(text.splitlines(keepends=True), delimiter="\t" if path.suffix.lower() == ".tsv" else ",")
    header = [name.strip().lower() for name in next(lines, [])]
    if len(header) < 2:
        raise SpecError([_problem(path, 1, "a table of values has two columns: from and to")])
    old, new = (header.index("from"), header.index("to")) if {"from", "to"} <= set(header) else (0, 1)
    pairs, problems = [], []
    try:
        for row in lines:
            if len(row) > max(old, new):
                pairs.append((row[old], row[new], lines.line_num))
            elif row:
                problems.append(_problem(path, lines.line_num, f"expected {len(header)} cells, got {len(row)}"))
    except csv.Error as error:
        raise QpipeError(f"the table of values is no CSV: {error}", file=str(path), line=lines.line_num) from error
    if problems:
        raise SpecError(problems)
    return pairs


def _problem(path: Path, line: int, message: str, hint: str = "") -> Problem:
    return Problem(str(path), line, 1, "", "bad-mapping", message, hint)
