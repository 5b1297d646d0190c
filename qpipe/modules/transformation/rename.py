"""rename"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from qpipe.core.batch import RESERVED
from qpipe.core.component import Context, Transform, Types
from qpipe.core.lazy import pl
from qpipe.core.params import param

if TYPE_CHECKING:
    import polars as pl


class Rename(Transform):
    """Columns get other names; values, order and types stay.

    Give old and new names, or a `case` for all of them, or both: a name given wins. `case: snake` makes "Order Date",
    "orderDate" and "Größe (cm)" to order_date, order_date and groesse_cm. Two columns that would get the same name are refused.

    Examples:
        ```yaml
        module:
          rename: {cust: customer_id}
        rows: [{cust: 7, amount: 1}]
        gives: [{customer_id: 7, amount: 1}]
        ```
        ```yaml
        module:
          rename: {case: snake, columns: {ID: order_id}}
        rows: [{ID: 1, "Order Date": a, unitPrice: 2, "Größe (cm)": 3}]
        gives: [{order_id: 1, order_date: a, unit_price: 2, groesse_cm: 3}]
        ```
    """

    like = ("rename_columns", "withColumnRenamed", "field_update", "column rename", "clean_names", "alias")

    columns: dict[str, str] | None = param(None, help="old name: new name", short=True)
    case: Literal["snake", "kebab", "camel", "lower", "upper"] | None = param(None, help="how all other names are spelled")

    def problems(self, types: Types | None) -> Iterator[tuple[str, str]]:
        if not self.columns and not self.case:
            yield "columns", "there is nothing to rename; write old: new, or case: snake"
        for old, new in (self.columns or {}).items():
            if not new.strip():
                yield "columns", f"the new name of '{old}' is empty"
            elif new in RESERVED or new.startswith("__"):
                yield "columns", f"'{new}' is a name that qpipe keeps for itself"
        known = list(types if types is not None else self.columns or ())
        for new, count in Counter(self._names(known).values()).items():
            if count > 1:
                yield "columns", f"{count} columns would be named '{new}'"

    def reads(self) -> Iterator[tuple[str, str]]:
        return (("columns", old) for old in self.columns or ())

    def output_types(self, types: Types) -> Types:
        names = self._names(types)
        return {names[old]: type_ for old, type_ in types.items()}

    def apply(self, frame: pl.LazyFrame, context: Context) -> pl.LazyFrame:
        changed = {old: new for old, new in self._names(context.types).items() if old != new}
        return frame.rename(changed) if changed else frame

    def _names(self, columns: Iterable[str]) -> dict[str, str]:
        """Old name → new name, for every column there is."""
        return {old: (self.columns or {}).get(old) or (respelled(old, self.case) if self.case else old) for old in columns}


def respelled(name: str, case: str) -> str:
    """A name in another case. A name of nothing but signs stays as it is."""
    if case in ("lower", "upper"):
        return name.lower() if case == "lower" else name.upper()
    words = [word.lower() for word in re.split(r"[\W_]+", _SEAM.sub(" ", _plain(name))) if word]
    if not words:
        return name
    if case == "camel":
        return words[0] + "".join(word.capitalize() for word in words[1:])
    return {"snake": "_", "kebab": "-"}[case].join(words)


# a word ends where a capital follows a small letter (unitPrice) and before the last of several capitals (HTTPCode)
_SEAM = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_SPELLED = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "æ": "ae", "Æ": "Ae",
                          "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "œ": "oe", "Œ": "Oe"})  # fmt: skip


def _plain(name: str) -> str:
    """Letters with marks as plain letters: é as e, ß as ss. Other alphabets stay."""
    spelled = unicodedata.normalize("NFC", name).translate(_SPELLED)
    apart = unicodedata.normalize("NFD", spelled)
    return unicodedata.normalize("NFC", "".join(c for c in apart if not ("\u0300" <= c <= "\u036f")))
