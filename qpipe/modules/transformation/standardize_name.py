"""standardize_name"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from qpipe.core.component import Context, Transform, Types
from qpipe.core.extras import needed
from qpipe.core.lazy import pl
from qpipe.core.params import Column, param
from qpipe.core.types import DataType
from qpipe.modules._by_value import part, parts_by_value
from qpipe.modules._prepared import prepared
from qpipe.modules.transformation._text import not_text, text

if TYPE_CHECKING:
    import polars as pl

_PARTS = ("title", "first", "middle", "last", "suffix", "nickname")


class StandardizeName(Transform):
    """A person's name is taken apart: title, first, middle and last name, suffix.

    By the library nameparser, which knows names as they are written in English and much of Europe ("Dr. Juan Q. de la Vega
    III", "de la Vega, Juan"). New columns are named after the column, `name_first`. What a name has not is null. With
    `write`, the column itself is written anew from its parts, `"{last}, {first}"`. Each different name is read once. Null
    gives nulls.

    Examples:
        ```yaml
        module:
          standardize_name: {column: name, parts: [title, first, last]}
        rows: [{name: "Dr. Ada Lovelace"}, {name: "Lovelace, Ada"}, {name: null}]
        gives:
          - {name: Dr. Ada Lovelace, name_title: Dr., name_first: Ada, name_last: Lovelace}
          - {name: "Lovelace, Ada", name_title: null, name_first: Ada, name_last: Lovelace}
          - {name: null, name_title: null, name_first: null, name_last: null}
        ```
        ```yaml
        module:
          standardize_name: {column: name, parts: [], write: "{last}, {first}", capitalize: true}
        rows: [{name: ADA LOVELACE}]
        gives: [{name: "Lovelace, Ada"}]
        ```
    """

    extra = "standards"
    packages = ("nameparser",)
    like = ("nameparser", "HumanName", "split name", "parse name", "name standardization", "probablepeople")

    column: Column = param(help="the column of names", short=True)
    parts: tuple[str, ...] = param(
        ("first", "last"), help="what becomes a column: title, first, middle, last, suffix, nickname"
    )
    write: str | None = param(None, help='how the name itself is written anew: "{last}, {first}"')
    capitalize: bool = param(False, help="names all in one case get capitals where they belong")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        yield from not_text((self.column,), types)
        for name in self.parts:
            if name not in _PARTS:
                yield "parts", f"a name has no '{name}'; it has {', '.join(_PARTS)}"
        if self.write is not None:
            try:
                self.write.format(**dict.fromkeys(_PARTS, ""))
            except (KeyError, IndexError, ValueError) as error:
                yield "write", f"{error} is none of {', '.join(_PARTS)}"

    def output_types(self, types: Types) -> Types:
        return {**types, **{f"{self.column}_{part}": DataType.parse("string") for part in self.parts}}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        read = prepared(self, context, self._read)
        made = [part(read, name, pl.String()).alias(f"{self.column}_{name}") for name in self.parts]
        if self.write is not None:
            made.append(pl.coalesce(part(read, _WHOLE, pl.String()), text(self.column)).alias(self.column))
        return frame.with_columns(made)

    def _read(self, context: Context) -> pl.Expr:
        forms = {name: "{" + name + "}" for name in self.parts} | ({_WHOLE: self.write} if self.write is not None else {})
        read = partial(_formatted, forms=tuple(forms.values()), capitalize=self.capitalize)
        return parts_by_value(text(self.column), read, dict.fromkeys(forms, pl.String()))


_WHOLE = "\x00whole"


@lru_cache(1 << 16)  # the same names come batch by batch, and to read one takes as long as a thousand rows
def _formatted(value: str, forms: tuple[str, ...], capitalize: bool) -> tuple[str | None, ...]:
    nameparser = needed("nameparser", "take names apart", "standards")
    name = nameparser.HumanName(value)
    if capitalize:
        name.capitalize(force=value.isupper() or value.islower())
    parts = {part: getattr(name, part) for part in _PARTS}
    return tuple(form.format(**parts).strip(" ,") or None for form in forms)
