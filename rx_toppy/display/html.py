"""HTML in which text is always text.

Markup comes from `Element` alone: its names are of a short list, whatever else it is given is
escaped and made harmless, and links and pictures take a `Url` only. There is no way to hand in
markup as text, so that there is nothing to forget. Other people's words become one line of bounded
length and height, and their URLs a link or a picture only where they are what they seem.
"""

from __future__ import annotations

import re
from unicodedata import category
from urllib.parse import quote, urlsplit

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


# No text of a display is longer, whatever it is.
LONGEST_TEXT = 500
# Nobody reads on where there is nothing to be seen in so many characters.
MOST_READ = 2_000

# So many marks may stand over or under a letter. Languages need two or three.
MOST_MARKS = 3

MARKS = frozenset({"Mn", "Me"})
# They make one of several characters: families of emoji, Persian words.
JOINERS = frozenset("\u200c\u200d")
# Letters and symbols that are nothing but blank: the Hangul fillers, and Braille without a dot.
BLANKS = frozenset("\u115f\u1160\u3164\uffa0\u2800")


def shorten(text: str, limit: int) -> str:
    """A text in at most `limit` characters: what is longer ends with "…"."""
    return clean(text, limit).strip()


def clean(text: str, limit: int = LONGEST_TEXT) -> str:
    """A text without what is not to be seen but changes what is.

    Control and direction characters and what has no width go, white space of any kind is one space,
    halves of a character are U+FFFD, and marks don't pile up. Twice is the same as once.
    """
    if len(text) <= limit and text.isascii() and text.isprintable() and "  " not in text:
        return text
    kept: list[str] = []
    marks = 0
    for character in map(_seen, text[:MOST_READ]):
        last = kept[-1] if kept else ""
        if not character or _is_too_much(character, last, marks):
            continue
        if category(character) in MARKS:
            marks += 1
        elif character not in JOINERS:
            marks = 0
        kept.append(character)
        if len(kept) > limit:
            break
    if len(kept) > limit or len(text) > MOST_READ:
        kept[limit - 1 :] = "…"
    return "".join(kept)


def _seen(character: str) -> str:
    """What is to be seen of a character."""
    kind = category(character)
    if kind in ("Zs", "Zl", "Zp") or character.isspace() or character in BLANKS:
        return " "
    if kind == "Cs":
        return "\ufffd"
    is_unseen = kind in ("Cc", "Cf") and character not in JOINERS
    return "" if is_unseen or _is_reserved(character) else character


def _is_reserved(character: str) -> bool:
    """Whether it is none and never will be, or is reserved for what is not to be seen."""
    number = ord(character)
    is_for_variants = 0xE0100 <= number <= 0xE01EF
    return (
        number & 0xFFFE == 0xFFFE
        or 0xFDD0 <= number <= 0xFDEF
        or (0xE0000 <= number <= 0xE0FFF and not is_for_variants)
    )


def _is_too_much(character: str, last: str, marks: int) -> bool:
    """Whether a character, after others, is one more than is good."""
    if character == " ":
        return last == " "
    if character in JOINERS:
        return last in ("", " ") or last in JOINERS
    return category(character) in MARKS and (last in ("", " ") or marks >= MOST_MARKS)


LONGEST_URL = 1_000

HOST = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
INVITE = re.compile(r"[A-Za-z0-9-]{2,32}")


class Url(str):
    """A URL that was looked at: of http or https, and to the host that it seems to lead to."""

    __slots__ = ()

    @property
    def host(self) -> str:
        """Where it leads."""
        return urlsplit(self).hostname or ""

    @property
    def is_secure(self) -> bool:
        """Whether it is of https."""
        return self.startswith("https:")


def web_url(text: str | None) -> Url | None:
    """A text as a URL that is safe to follow, or None where it is none.

    Refused is whatever a browser could read in another way: control characters, white space,
    backslashes, a user before the host, a host that is not plain ASCII.
    """
    if (
        not text
        or len(text) > LONGEST_URL
        or not text.isprintable()
        or set(' "<>\\^`{|}') & set(text)
    ):
        return None
    try:
        parts = urlsplit(text)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return None
    host = parts.hostname or ""
    is_web = parts.scheme in ("http", "https") and HOST.fullmatch(host) and "@" not in parts.netloc
    if not is_web:
        return None
    try:
        tail = quote(parts._replace(scheme="", netloc="").geturl(), safe="/%:?#[]@!$&'()*+,;=~-._")
    except UnicodeEncodeError:
        return None
    slash = "" if tail.startswith("/") else "/"
    url = f"{parts.scheme}://{host}{port}{slash}{tail}"
    return Url(url) if len(url) <= LONGEST_URL else None


def discord_invite(text: str | None) -> Url | None:
    """Where an invite leads: a code, or the whole URL."""
    if text and INVITE.fullmatch(text):
        return Url(f"https://discord.gg/{text}")
    return web_url(text)
