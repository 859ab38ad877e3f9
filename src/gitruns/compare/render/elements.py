"""HTML by construction: text becomes harmless when it is put into an element, so that it cannot be forgotten."""

from __future__ import annotations

import html
from collections.abc import Iterable

from gitruns.entities.showing import printable

_EMPTY = frozenset({"meta", "br", "hr"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = "str | Markup | Iterable[Child] | None"


def escape(text: str) -> Markup:
    """Returns text as HTML that shows it; control characters are spelled as escapes."""
    return text if isinstance(text, Markup) else Markup(html.escape(printable(text, keep="\n\t")))


def join(children: object) -> Markup:
    """Returns children one after the other; text among them is escaped, None left out."""
    if children is None:
        return Markup("")
    if isinstance(children, str):
        return escape(children)
    if isinstance(children, Iterable):
        return Markup("".join(join(child) for child in children))
    return escape(str(children))


def el(name: str, /, *children: object, **attributes: str | None) -> Markup:
    """Returns an element; attributes that are None are left out, `class_` is `class`, `_` in names is `-`."""
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _EMPTY:
        return Markup(f"<{name}{written}>")
    return Markup(f"<{name}{written}>{join(children)}</{name}>")
