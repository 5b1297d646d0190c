"""Is a claim, as a module, what our own checks would take? ``qpipe validate`` then has nothing to say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qpipe.core.types import DataType


def types_of(words: Mapping[str, Any]) -> dict[str, DataType]:
    """The types that a source's schema says, by column."""
    from qpipe.core.types import DataType

    found = {}
    for column, word in words.items():
        try:
            word, form = (word["type"], word.get("format")) if isinstance(word, Mapping) else (word, None)
            found[column] = DataType.parse(word, form)
        except (ValueError, TypeError):  # which validate says
            continue
    return found


def wrong_with(name: str, values: Mapping[str, Any], types: Mapping[str, DataType]) -> str:
    """Why the module would be refused; empty where it would not."""
    from qpipe.core.component import Gate
    from qpipe.core.params import build
    from qpipe.core.registry import Registry

    try:
        kind = Registry().get("module", name)
        module: Any = build(kind, dict(values))
        flaws = [*_flaws(kind, values), *(message for _, message in module.problems(types))]
    except KeyError:
        return f"there is no module {name}"
    except (ValueError, TypeError) as error:
        return str(error)
    if issubclass(kind, Gate) and values.get("tolerance") and not values.get("by"):
        flaws.append("it judges the whole at once: there are no failures to tolerate")
    return next(iter(flaws), "")


def _flaws(kind: type, values: Mapping[str, Any]) -> Iterator[str]:
    """Expressions and regular expressions that are none of ours."""
    from qpipe.core.expression import Expression, ExpressionError, ExpressionErrors, check_regex
    from qpipe.core.params import params_of

    for name, declared in params_of(kind).items():
        role, value = declared.role.name if declared.role else "", values.get(name)
        if role in ("expression", "condition") and isinstance(value, str):
            try:
                Expression.parse(value).check(None, expect="bool" if role == "condition" else None)
            except (ExpressionError, ExpressionErrors) as error:
                yield f"{value}: {str(error).splitlines()[0]}"
        if role == "regex" and value is not None:
            patterns = [value] if isinstance(value, str) else value
            yield from (f"{pattern}: {wrong}" for pattern in patterns if (wrong := check_regex(str(pattern))))
