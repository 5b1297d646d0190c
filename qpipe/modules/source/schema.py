"""schema"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from qpipe.core.component import Context, Gate, Measure, Types, Verdict
from qpipe.core.params import Role, param

if TYPE_CHECKING:
    from qpipe.core.types import DataType

_NAMES_OR_TYPES = {"oneOf": [{"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1},
                             {"type": "array", "items": {"type": "string"}, "minItems": 1}]}  # fmt: skip


class Schema(Gate):
    """The columns are those that are expected, with their types.

    Judged on the columns as they are where the step stands, not on rows: zero rows are judged, nulls do not matter. A type
    without details is any of its kind: int is an integer of any width, decimal any decimal; int32 is just that.

    Examples:
        ```yaml
        module:
          schema: {columns: {id: int, name: string}, extra: forbid}
        rows: [{id: 1, name: a}]
        outcome: pass
        ```
        ```yaml
        module:
          schema: [id, name, email]
        rows: [{id: 1, name: a}]
        outcome: fail
        ```
        ```yaml
        module:
          schema: {columns: {name: string, id: int}, order: exact}
        rows: [{id: 1, name: a}]
        outcome: fail
        ```
    """

    dimension = "consistency"
    like = (
        "expect_column_to_exist", "expect_table_columns_to_match_set", "expect_table_columns_to_match_ordered_list",
        "expect_table_column_count_to_equal", "expect_column_values_to_be_of_type", "col_schema_match", "col_exists",
        "expect_table_column_count_to_be_between", "SchemaMatch", "has_valid_schema", "columns_match", "schema_changes",
        "missing-label", "extra-label", "incorrect-label", "strict", "col_count_match", "hasColumnCount", "required columns",
        "forbidden columns", "ColumnNamesMatchPattern", "blank-label", "duplicate-label", "field-count", "column_count",
        "name_pattern",
    )  # fmt: skip

    columns: Annotated[dict[str, str] | tuple[str, ...], Role("names-or-types", _NAMES_OR_TYPES)] = param(
        (), help="the columns: a list of names, or a mapping of column to type", short=True
    )
    optional: tuple[str, ...] = param((), help="of these columns, those that may be absent")
    order: Literal["any", "exact"] = param("any", help="whether they come in the order written")
    extra_: Literal["allow", "forbid"] = param("allow", help="whether there may be others")
    min_columns: int | None = param(None, help="the least number of columns", minimum=0)
    max_columns: int | None = param(None, help="the greatest number of columns", minimum=0)

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if not self.columns and self.min_columns is None and self.max_columns is None:
            yield "columns", "there are no columns"
        if self.min_columns is not None and self.max_columns is not None and self.min_columns > self.max_columns:
            yield "min_columns", "min_columns is above max_columns"
        if len(set(self.columns)) < len(self.columns):
            yield "columns", "a column is named twice"
        for column in sorted(set(self.optional) - set(self.columns)):
            yield "optional", f"{column} is not among the columns"
        for column, word in self._words.items():
            try:
                _type(word)
            except ValueError as error:
                yield "columns", f"{column}: {error}"

    def measures(self, context: Context) -> dict[str, Measure]:
        return {}

    def verdict(self, values: Mapping[str, Any], context: Context) -> Verdict:
        faults = list(self._faults({c: t for c, t in context.types.items() if not c.startswith("_")}))
        observed = {"columns": [f"{column} {type_}" for column, type_ in context.types.items()]}
        parts = [f"{column} {self._words.get(column, '')}".strip() for column in self.columns]
        parts += [] if self.min_columns is None else [f"at least {self.min_columns} columns"]
        parts += [] if self.max_columns is None else [f"at most {self.max_columns} columns"]
        expected = ", ".join(parts)
        return Verdict("fail" if faults else "pass", observed, expected, "; ".join(faults))

    def _faults(self, types: Types) -> Iterator[str]:
        for column in self.columns:
            if column not in types and column not in self.optional:
                yield f"column {column} is missing"
            elif column in types and column in self._words and not _is(types[column], _type(self._words[column])):
                yield f"column {column} is {types[column]}, expected {self._words[column]}"
        if self.extra_ == "forbid":
            yield from (f"column {column} is not expected" for column in types if column not in self.columns)
        if not (self.min_columns or 0) <= len(types) <= (len(types) if self.max_columns is None else self.max_columns):
            yield f"there are {len(types)} columns"
        here = [column for column in types if column in self.columns]
        if self.order == "exact" and here != [column for column in self.columns if column in types]:
            yield f"the columns come in the order {', '.join(here)}"

    @property
    def _words(self) -> Mapping[str, str]:
        return self.columns if isinstance(self.columns, Mapping) else {}


def _type(word: str) -> DataType:
    from qpipe.core.types import DataType

    return DataType.parse(word)


def _is(found: DataType, wanted: DataType) -> bool:
    if wanted.name in ("int", "float", "any") or str(wanted) in _WHOLE_KINDS:
        return found.kind == wanted.kind or wanted.kind == "any"
    same = {"int64": "int", "float64": "float"}  # two words for one type
    return str(found) == same.get(str(wanted), str(wanted))


_WHOLE_KINDS = ("decimal(38,10)", "datetime", "list(any)", "struct")  # the words without details, as they are parsed
