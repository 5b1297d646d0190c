"""What a YAML parser complains of, said in one sentence; and what libyaml lets pass although YAML forbids it.

The second matters because a file that libyaml alone accepts means something else, or nothing, in every other tool.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from qpipe.spec.nodes import Flaw, Node


def explain(error: Any, text: str) -> Flaw:
    """A parser's error as a Flaw: the place that a person must look at, and what to do there."""
    problem, context = error.problem or "", error.context or ""
    at = _index(error.problem_mark, text)
    opened = _index(error.context_mark, text) if error.context_mark else at
    for words, explainer in _EXPLANATIONS:
        if words in problem:
            found = explainer(text, at, opened, context)
            if found:
                return found
    return Flaw(at, "yaml-syntax", f"this is not YAML: {problem or 'it cannot be read'}.", _missing_space(text, at))


def _tab(text: str, at: int, opened: int, context: str) -> Flaw | None:
    start = text.rfind("\n", 0, at) + 1
    tab = text.find("\t", start)
    if tab < 0 or text[start:tab].strip() or (at < len(text) and text[at] not in "\t \r\n" and text[start:at].strip()):
        return None
    return Flaw(tab, "yaml-tab", "a tab is used for indentation.", "Use spaces only.")


def _cannot_start(text: str, at: int, opened: int, context: str) -> Flaw:
    sign = text[at : at + 1]
    if sign == "\t":
        return Flaw(at, "yaml-tab", "a tab stands where YAML wants spaces.", "Use spaces only.")
    return Flaw(at, "yaml-syntax", f"text cannot start with '{sign}' unless it is quoted.", "Put it in quotes.")


def _second_colon(text: str, at: int, opened: int, context: str) -> Flaw:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    if ": " in line or re.search(r"-\s+\S+:\s", line):
        return Flaw(at, "yaml-syntax", "there is a second ': ' in one line.", "Put text that holds ': ' in quotes.")
    return Flaw(at, "yaml-syntax", "a key stands where none can be.",
                "Is the line indented too far, or is a quote missing before it?")  # fmt: skip


def _entry_not_allowed(text: str, at: int, opened: int, context: str) -> Flaw:
    return Flaw(at, "yaml-syntax", "a list item '- ' stands where none can be.",
                "Start the list on a line of its own, indented alike; quote text that starts with '- '.")  # fmt: skip


def _no_colon(text: str, at: int, opened: int, context: str) -> Flaw:
    return Flaw(opened, "yaml-syntax", "this line is neither 'key: value' nor a list item '- …'.",
                _missing_space(text, opened) or "Is a ':' missing, or is it text that belongs in quotes?")  # fmt: skip


def _anchor_name(text: str, at: int, opened: int, context: str) -> Flaw:
    sign = text[opened : opened + 1]
    kind = "an alias" if sign == "*" else "an anchor"
    return Flaw(opened, "yaml-alias", f"'{sign}' starts {kind}, and no name follows.",
                f"Put text that starts with '{sign}' in quotes.")  # fmt: skip


def _escape(text: str, at: int, opened: int, context: str) -> Flaw:
    slash = text.rfind("\\", 0, at + 1)
    return Flaw(slash, "yaml-escape", f"YAML knows no escape '{text[slash : slash + 2].strip()}' in double quotes.",
                "Use single quotes, in which a backslash is a backslash.")  # fmt: skip


def _end_of_stream(text: str, at: int, opened: int, context: str) -> Flaw | None:
    if "quoted" in context:
        quote = text[opened : opened + 1]
        hint = "A quote inside single quotes is written twice: 'it''s'." if quote == "'" else "Add the closing quote."
        return Flaw(opened, "yaml-syntax", f"the quote {quote} is opened here and never closed.", hint)
    return None


def _not_closed(text: str, at: int, opened: int, context: str) -> Flaw:
    bracket = text[opened : opened + 1]
    if text[at - 1 : at + 1] == "${" or text[opened - 1 : opened + 1] == "${":
        place = at if text[at - 1 : at + 1] == "${" else opened
        return Flaw(place - 1, "yaml-syntax", "a reference ${…} inside brackets must be quoted.", 'Write "${…}".')
    closing = {"[": "]", "{": "}"}.get(bracket, "]")
    line_start = text.rfind("\n", 0, at) + 1
    next_key = opened < line_start and re.match(r"\s*(- )?[\w-]+:(\s|$)", text[line_start:].partition("\n")[0])
    if at >= len(text.rstrip()) or next_key:
        return Flaw(opened, "yaml-syntax", f"'{bracket}' is opened here and never closed.", f"Add '{closing}'.")
    line = text.count("\n", 0, opened) + 1
    return Flaw(at, "yaml-syntax", f"',' or '{closing}' is missing before this ('{bracket}' was opened in line {line}).",
                "Put text that holds ',', ':', brackets or quotes in quotes.")  # fmt: skip


def _wrong_indent(text: str, at: int, opened: int, context: str) -> Flaw:
    line = text.count("\n", 0, opened) + 1
    sign = text[at : at + 1]
    before = text[text.rfind("\n", 0, at) + 1 : at].strip()
    if sign in ("'", '"') or before[-1:] in ("'", '"'):
        return Flaw(at, "yaml-syntax", "text follows a value that has ended with its quote.",
                    "Put the whole value in one pair of quotes; a quote in single quotes is written twice.")  # fmt: skip
    if sign in "]}":
        return Flaw(at, "yaml-syntax", f"'{sign}' closes a bracket that was not opened.")
    return Flaw(at, "yaml-syntax", f"this does not fit into the block that begins in line {line}.",
                "Indent it like its neighbours.")  # fmt: skip


def _no_content(text: str, at: int, opened: int, context: str) -> Flaw:
    sign = text[at : at + 1].strip()
    what = f"'{sign}' stands" if sign else "the file ends"
    return Flaw(at, "yaml-syntax", f"{what} where a value is expected.", "Write the value, or put it in quotes.")


def _extra_document(text: str, at: int, opened: int, context: str) -> Flaw:
    return Flaw(at, "yaml-syntax", "this stands outside of everything before it.",
                _missing_space(text, at) or "Is it indented less than its block?")  # fmt: skip


def _tag(text: str, at: int, opened: int, context: str) -> Flaw:
    return Flaw(opened, "yaml-tag", "'!' starts a YAML tag.", "Put text that starts with '!' in quotes.")


def _directive(text: str, at: int, opened: int, context: str) -> Flaw | None:
    if "directive" not in context:
        return None
    return Flaw(opened, "yaml-directive", "a line that starts with '%' is a YAML directive, which a spec has no use for.",
                "Take the line out, or put the text in quotes.")  # fmt: skip


def _block_header(text: str, at: int, opened: int, context: str) -> Flaw | None:
    if "block scalar" not in context:
        return None
    return Flaw(at, "yaml-syntax", "only a line break or a comment may follow '|' or '>'.",
                "Write the text on the next line, indented.")  # fmt: skip


_EXPLANATIONS = [
    ("", _directive),
    ("found a tab character", _tab),
    ("did not find expected", _tab),
    ("could not find expected", _tab),
    ("cannot start any token", _cannot_start),
    ("mapping values are not allowed", _second_colon),
    ("block sequence entries are not allowed", _entry_not_allowed),
    ("sequence entries are not allowed", _entry_not_allowed),
    ("could not find expected ':'", _no_colon),
    ("alphabetic or numeric", _anchor_name),
    ("unknown escape", _escape),
    ("escape sequence", _escape),
    ("hexdecimal", _escape),
    ("Unicode character escape", _escape),
    ("end of stream", _end_of_stream),
    ("unexpected document", _end_of_stream),
    ("tag handle", _tag),
    ("tag URI", _tag),
    ("expected '!'", _tag),
    ("',' or", _not_closed),
    ("<document start>", _extra_document),
    ("node content", _no_content),
    ("expected key", _wrong_indent),
    ("<block end>", _wrong_indent),
    ("'-' indicator", _wrong_indent),
    ("incompatible YAML document", lambda text, at, opened, context: _directive(text, at, at, "directive")),
    ("comment or line break", _block_header),
    ("indentation indicator", _block_header),
    ("duplicate %YAML", lambda text, at, opened, context: _directive(text, at, at, "directive")),
    (
        "unexpected ':'",
        lambda text, at, opened, context: Flaw(
            at, "yaml-syntax", "':' ends this text inside brackets.", "Put text that holds ':' in quotes."
        ),
    ),
    ("", lambda text, at, opened, context: _tag(text, at, opened, context) if "tag" in context else None),
]


def _index(mark: Any, text: str) -> int:
    return min(mark.index, len(text)) if mark else 0


def _missing_space(text: str, at: int) -> str:
    """The commonest slip: ``name:orders``."""
    start = text.rfind("\n", 0, at) + 1
    found = re.match(r"\s*(?:- )?([A-Za-z_][\w-]*):[^\s/]", text[start:].partition("\n")[0])
    return f"A space is missing after '{found[1]}:'." if found else ""


# ── what libyaml lets pass ────────────────────────────────────────────────────────────────────────────────────────────


def loose(root: Node, text: str) -> Iterator[Flaw]:
    """Places that YAML forbids and libyaml accepts: comments stuck to a token, lines indented less than their block."""
    pending: list[tuple[Node, int, bool]] = [(root, -1, False)]  # node, indentation of the block around it, inside [ ]
    while pending:
        node, indent, in_flow = pending.pop()
        yield from _loose_node(node, indent, in_flow, text)
        inner = indent if node.flow or in_flow else _own_indent(node, text)
        pending += [(child, inner, in_flow or node.flow) for child in (*node.keys, *node.items)]


def _loose_node(node: Node, indent: int, in_flow: bool, text: str) -> Iterator[Flaw]:
    quoted = node.style in ("'", '"') and node.style
    if (quoted or node.flow) and text[node.end : node.end + 1] == "#":
        yield Flaw(node.end, "yaml-syntax", "a comment starts right after a value.", "Put a space before '#'.")
    if node.flow:
        yield from _stuck_comments(node, text)
        yield from _stuck_question_marks(node, text)
    if node.anchor:
        yield from _cut_anchor(node, text)
    if quoted or (node.flow and not in_flow):
        yield from _outdented(node, indent, text)
    if node.style in ("|", ">") and node.style:
        yield from _loose_block(node, indent, text)
    if node.kind == "scalar" and not node.style and node.value == "-":
        yield Flaw(node.start, "yaml-syntax", "a '-' alone is not a value.", "Put it in quotes: '-'.")


def _stuck_comments(node: Node, text: str) -> Iterator[Flaw]:
    """``[a,#comment``: looked for between the values, never inside of them."""
    parts = sorted((c.start, c.end) for c in (*node.keys, *node.items))
    for start, end in zip([node.start + 1, *(e for _, e in parts)], [*(s for s, _ in parts), node.end], strict=True):
        found = re.search(r"[,\[{]#", text[max(start - 1, 0) : end]) if start < end else None
        if found:
            yield Flaw(max(start - 1, 0) + found.start() + 1, "yaml-syntax", "a comment starts right after a ',' or a bracket.",
                       "Put a space before '#'.")  # fmt: skip


def _outdented(node: Node, indent: int, text: str) -> Iterator[Flaw]:
    """A later line of a quoted or bracketed value that is not indented more than its block; a closing bracket may be."""
    position = text.find("\n", node.start, node.end)
    while position >= 0:
        position += 1
        end = text.find("\n", position, node.end)
        line = text[position : end if end >= 0 else node.end]
        spaces = len(line) - len(line.lstrip(" "))
        content = line.strip()
        free = not content or (node.flow and (content[0] in "]}#"))
        if not free and spaces <= indent:
            if line[spaces : spaces + 1] == "\t":
                yield Flaw(position + spaces, "yaml-tab", "a tab is used for indentation.", "Use spaces only.")
            else:
                yield Flaw(position + spaces, "yaml-syntax", "this line goes on with the value above and must be indented more "
                           "than its key.", "Indent it, or is a quote or bracket not closed?")  # fmt: skip
            return
        position = text.find("\n", position, node.end)


def _stuck_question_marks(node: Node, text: str) -> Iterator[Flaw]:
    """``[?x]``: libyaml takes the '?' for a sign and drops it."""
    for child in (*node.keys, *node.items):
        start = child.keys[0].start if child.kind == "mapping" and child.keys else child.start
        if text[start - 1 : start] == "?":
            yield Flaw(start - 1, "yaml-syntax", "text that starts with '?' must be quoted in brackets.", "Put it in quotes.")


def _cut_anchor(node: Node, text: str) -> Iterator[Flaw]:
    """``&an:chor x``: libyaml ends the name at the first odd character and takes the rest for the value."""
    anchor = f"&{node.anchor}"
    after = text.find(anchor, node.start) + len(anchor)
    if text.startswith(anchor, after - len(anchor)) and text[after : after + 1] not in ("", " ", "\n", "\t", ",", "]", "}"):
        yield Flaw(node.start, "yaml-alias", "an anchor's name may hold letters, digits, '-' and '_' only.",
                   "Put text that starts with '&' in quotes.")  # fmt: skip


def _loose_block(node: Node, indent: int, text: str) -> Iterator[Flaw]:
    end = text.find("\n", node.start)
    head = text[node.start : end if end >= 0 else node.end]
    mark = re.search(r"[|>][-+0-9]*", head)
    if not mark:
        return
    if head[mark.end() : mark.end() + 1] == "#":
        yield Flaw(
            node.start + mark.end(), "yaml-syntax", "a comment starts right after '|' or '>'.", "Put a space before '#'."
        )
    if re.search(r"\d", mark[0]) or end < 0:
        return
    empty = re.compile(r"(?: *\n)*").match(text, end + 1)
    deepest = max(map(len, empty[0].split("\n")), default=0) if empty else 0
    first = text[empty.end() :].partition("\n")[0] if empty else ""
    spaces = len(first) - len(first.lstrip(" "))
    if first and indent < spaces < deepest:
        yield Flaw(node.start, "yaml-syntax", "an empty line at the top of this text is indented more than the text.",
                   "Take the spaces out of the empty line.")  # fmt: skip


def _own_indent(node: Node, text: str) -> int:
    """The column in which the entries of a block stand."""
    if node.kind == "sequence" and node.items:
        dash = text.rfind("-", 0, node.items[0].start)
        return _column(text, dash if dash >= 0 else node.start)
    if node.kind == "mapping" and node.keys:
        start = node.keys[0].start
        line = text.rfind("\n", 0, start) + 1
        question = re.search(r"\?\s+$", text[line:start])
        return line + question.start() - line if question else _column(text, start)
    return -1


def _column(text: str, offset: int) -> int:
    return offset - (text.rfind("\n", 0, offset) + 1)
