"""Other systems' names of types as ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

_TYPES = {
    "int": "int integer int64 int32 int16 int8 int4 int2 bigint smallint tinyint long short "
           "byteint hugeint integertype longtype"
           " shorttype bytetype int_ uint8 uint16 uint32 uint64 serial bigserial year number_integer",
    "float": "float float64 float32 double real number doubletype floattype float_ double_precision dbl",
    "string": "str string text varchar char nvarchar nchar object object_ any stringtype category character character_varying"
              " string_ clob uuid bpchar large_string name",
    "bool": "bool boolean booleantype bool_", "date": "date datetype",
    "datetime": "datetime timestamp datetime64 timestamptype datetime64[ns] datetime64[us] datetime2 smalldatetime "
                "timestamp_ntz timestamp_without_time_zone",
    "datetime(us, UTC)": "timestamp_tz timestamptz timestamp_ltz timestamp_with_time_zone datetimeoffset",
    "time": "time timetype", "decimal(38,9)": "decimal numeric decimaltype bignumeric", "list(string)": "array list",
    "json": "json jsonb variant", "duration": "duration timedelta timedelta64 interval",
    "binary": "binary varbinary bytea bytes blob",
}  # fmt: skip
_WORDS = {theirs: ours for ours, names in _TYPES.items() for theirs in names.split()}


def type_word(theirs: Any) -> str | None:
    """Our word for a type of theirs; None where there is none."""
    if zoned := re.fullmatch(r"datetime64\[\w+, ([\w/+-]+)\]", str(theirs)):
        return f"datetime({zoned[1]})"
    word = re.sub(r"\s+", "_", str(theirs or "").strip().lower())
    head, _, inside = word.partition("(")
    if head in ("decimal", "numeric", "number", "decimaltype") and re.fullmatch(r"\d+(?:,_?\d+)?\)", inside):
        return f"decimal({inside.replace('_', '')}"
    return _WORDS.get(word) or _WORDS.get(head) or _WORDS.get(re.sub(r"\[.*\]$", "", word))


def type_words(theirs: Iterable[Any]) -> set[str]:
    """Ours for several of theirs, as far as we have one."""
    return {word for word in map(type_word, theirs) if word}
