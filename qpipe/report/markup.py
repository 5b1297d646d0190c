"""HTML by construction: text is escaped unless it was made here, so that no value of the data can become markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

_VOID = frozenset({"meta", "br", "hr", "rect", "line", "path", "circle", "col"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | int | None | Iterable["Child"]


def el(tag: str, *children: Child, **attributes: Any) -> Html:
    """An element: ``el("td", "<b>", class_="x")`` → ``<td class="x">&lt;b&gt;</td>``.

    Underscores become hyphens; None and False leave an attribute out, True gives it without a value.
    """
    told = "".join(_attribute(name.rstrip("_").replace("_", "-"), value) for name, value in attributes.items())
    if tag in _VOID and not children:
        return Html(f"<{tag}{told}/>")
    return Html(f"<{tag}{told}>{join(children)}</{tag}>")


def join(children: Iterable[Child]) -> Html:
    """Several pieces one after the other; lists in lists are flattened."""
    return Html("".join(_one(child) for child in children))


def _one(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, (str, int)):
        return escape(_visible(str(child)), quote=True)
    return join(child)


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    return f" {name}" if value is True else f' {name}="{escape(_visible(str(value)), quote=True)}"'


def _visible(text: str) -> str:
    """Control characters and lone surrogates are shown as signs: a document may not hold them."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else _sign(c) for c in text)


def _sign(character: str) -> str:
    code = ord(character)
    return chr(0x2400 + code) if code < 0x20 else f"\\u{code:04x}"
