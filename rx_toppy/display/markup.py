"""HTML in which text is always text.

Markup comes from `Element` alone: its names are of a short list, whatever else it is given is
escaped and made harmless, and links and pictures take a `Url` only. There is no way to hand in
markup as text, so that there is nothing to forget.
"""

from __future__ import annotations

from .text import clean
from .urls import Url

__all__ = ["Element", "Node"]

ELEMENTS = frozenset(
    {"a", "bdi", "div", "img", "span", "strong", "table", "tbody", "td", "th", "thead", "tr"}
)
ATTRIBUTES = frozenset(
    {
        "align",
        "alt",
        "class",
        "height",
        "href",
        "loading",
        "referrerpolicy",
        "rel",
        "src",
        "style",
        "target",
        "width",
    }
)
LINKING = frozenset({"href", "src"})

# Besides HTML's own: what template engines look for.
ENTITIES = {ord(character): f"&#{ord(character)};" for character in "&<>\"'`{}"}
# What begins and ends TeX is an entity, for those who read the source, and stands in an element of
# its own: MathJax, which Jupyter runs over what is on the page, looks for no end beyond that.
TEX = {ord(character): f"<span>&#{ord(character)};</span>" for character in "$\\"}
IN_TEXT = ENTITIES | TEX
IN_VALUES = ENTITIES | {ord(character): f"&#{ord(character)};" for character in "$\\"}


class Element:
    """An element of HTML; `str()` of it is its source.

    Args:
        name: Its name.
        children: Elements, text, and None, which is nothing.
        attributes: Its attributes; `class_` stands for `class`.

    Raises:
        ValueError: nothing of ours has such a name.
        TypeError: an address is no `Url`.

    Example:
        >>> str(Element("strong", "a < b"))
        '<strong>a &#60; b</strong>'
    """

    __slots__ = ("_attributes", "_children", "_name")

    def __init__(self, name: str, *children: Node, **attributes: str) -> None:
        self._name = name
        self._children = children
        self._attributes = {key.removesuffix("_"): value for key, value in attributes.items()}
        unknown = {name} - ELEMENTS | self._attributes.keys() - ATTRIBUTES
        if unknown:
            raise ValueError(f"no display has {', '.join(sorted(unknown))}")
        for key in LINKING & self._attributes.keys():
            if not isinstance(self._attributes[key], Url):
                raise TypeError(f"{key} takes a Url, not {type(self._attributes[key]).__name__}")

    def __str__(self) -> str:
        attributes = "".join(
            f' {key}="{clean(value, len(value)).translate(IN_VALUES)}"'
            for key, value in self._attributes.items()
        )
        if self._name == "img":
            return f"<img{attributes}>"
        inside = "".join(_source(child) for child in self._children)
        return f"<{self._name}{attributes}>{inside}</{self._name}>"


Node = Element | str | None


def _source(node: Node) -> str:
    if node is None:
        return ""
    return str(node) if isinstance(node, Element) else clean(node).translate(IN_TEXT)
