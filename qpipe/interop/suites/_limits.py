"""What passes, in the words of Soda and of contracts: a range with ends that are in or out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qpipe.interop.suites import bounds, share


@dataclass(frozen=True)
class Limits:
    """From ``low`` to ``high``; None: without an end."""

    low: float | None = None
    high: float | None = None
    open_low: bool = False
    open_high: bool = False
    percent: bool = False

    def figure(self) -> dict[str, Any]:
        """Of a figure: min, max, exclusive."""
        open_ends = [side for side, end in (("min", self.open_low), ("max", self.open_high)) if end]
        return bounds(self.low, self.high, exclusive=(open_ends[0] if len(open_ends) == 1 else True) if open_ends else None)

    def count(self) -> dict[str, int]:
        """Of whole numbers: above 3 is at least 4."""
        low = None if self.low is None else math.floor(self.low) + 1 if self.open_low else math.ceil(self.low)
        high = None if self.high is None else math.ceil(self.high) - 1 if self.open_high else math.floor(self.high)
        return bounds(None if low is None else max(low, 0), high)

    def failures(self) -> dict[str, Any] | None:
        """Of failures: the tolerance; None where they must be more than some. A share below 5 % is one of up to 5 % here."""
        if self.high is None or (self.low or 0) > 0 or (self.low == 0 and self.open_low):
            return None
        most = share(self.high / 100) if self.percent else self.count()["max"]
        return {"tolerance": most} if most else {}


NONE = Limits(0, 0)


def range_of(found: Mapping[str, str | None], *, percent: bool = False) -> Limits | None:
    """Of a text's groups not, op, n, from, low, high, to, pct; None for what is two ranges: ``!= 3``, ``not between``."""
    percent = percent or bool(found.get("pct"))
    if found.get("low") is not None:
        ends = (float(found["low"] or 0), float(found["high"] or 0), found.get("from") == "(", found.get("to") == ")", percent)
        return None if found.get("not") else Limits(*ends)
    n, op = float(found["n"] or 0), found["op"]
    return {"=": Limits(n, n, percent=percent), ">=": Limits(low=n, percent=percent), "<=": Limits(high=n, percent=percent),
            ">": Limits(low=n, open_low=True, percent=percent),
            "<": Limits(high=n, open_high=True, percent=percent)}.get(op or "")  # fmt: skip


def threshold(told: Mapping[str, Any]) -> Limits | None:
    """Of a contract: ``must_be…``; without any, there must be no failure. None for what is two ranges."""
    percent = str(told.get("metric") or told.get("unit") or "") == "percent"
    ends: dict[str, Any] = {}
    between = told.get("must_be_between") or told.get("fail_when_not_between")
    if isinstance(between, list):
        ends = {"greater_than_or_equal": between[0], "less_than_or_equal": between[1]}
    elif between:
        ends = dict(between)
    for key, value in told.items():
        if found := re.fullmatch(r"must_be_((?:greater|less)_than(?:_or_equal(?:_to)?)?)", key):
            ends[found[1].removesuffix("_to")] = value
    if told.get("must_be") is not None:
        ends = {"greater_than_or_equal": told["must_be"], "less_than_or_equal": told["must_be"]}
    if any(key in told for key in ("must_not_be", "must_be_not_between", "must_not_be_between")):
        return None
    if not ends:
        return Limits(0, 0, percent=percent)
    low, high = ends.get("greater_than_or_equal"), ends.get("less_than_or_equal")
    return Limits(
        ends.get("greater_than", low), ends.get("less_than", high), "greater_than" in ends, "less_than" in ends, percent
    )


def valid(column: str, options: Mapping[str, Any]) -> list[dict[str, Any]] | str:
    """The modules for what is said of valid values, or why there are none. ``options``: as SodaCL or a contract calls them."""
    told = {str(key).replace("_", " "): value for key, value in options.items() if value is not None}
    made: list[dict[str, Any]] = []
    for key, turn in _VALID.items():
        if key in told:
            made.append(turn(column, told[key]))
    for module, names in (("between", ("valid min", "valid max")), ("length", ("valid min length", "valid max length"))):
        if limits := bounds(*(told.get(name) for name in names)):
            made.append({module: {"column": column, **limits}})
    if (form := told.get("valid format")) is not None:
        name = form["name"] if isinstance(form, Mapping) and "name" in form else form
        regex = form.get("regex") if isinstance(form, Mapping) else None
        if regex is None and str(name).lower() not in _FORMATS:
            return f"the format {name} has no counterpart"
        made.append({"matches": {"column": column, "regex": regex}} if regex else _named(column, _FORMATS[str(name).lower()]))
    return made or "its notion of valid has no counterpart"


def _named(column: str, form: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    ((module, values),) = form.items()
    return {module: {"column": column, **values}}


_VALID: dict[str, Any] = {
    "valid values": lambda c, v: {"one_of": {"column": c, "values": [one for one in v if one is not None]}},
    "invalid values": lambda c, v: {"one_of": {"column": c, "values": list(v), "negate": True}},
    "valid regex": lambda c, v: {"matches": {"column": c, "regex": v}},
    "invalid regex": lambda c, v: {"matches": {"column": c, "regex": v, "negate": True}},
    "invalid format": lambda c, v: {"matches": {"column": c, "regex": v["regex"], "negate": True}},
    "valid length": lambda c, v: {"length": {"column": c, "equals": v}},
}
_FORMATS: dict[str, dict[str, dict[str, str]]] = {
    "email": {"format_is": {"kind": "email"}}, "uuid": {"format_is": {"kind": "uuid"}},
    "ip address": {"format_is": {"kind": "ip"}}, "ipv4 address": {"format_is": {"kind": "ipv4"}},
    "ipv6 address": {"format_is": {"kind": "ipv6"}}, "date iso 8601": {"format_is": {"kind": "date"}},
    "integer": {"type_is": {"type": "int"}}, "decimal": {"type_is": {"type": "float"}},
    "decimal point": {"type_is": {"type": "float"}}, "positive integer": {"matches": {"regex": r"^\+?\d+$"}},
    "negative integer": {"matches": {"regex": r"^-\d+$"}},
}  # fmt: skip
