"""What notebooks show: a reader of its HTML that is stricter than any browser."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec

from rx_toppy.models import Socials

__all__ = ["HOSTILE", "Page", "filled"]

ELEMENTS = {
    *("a", "bdi", "div", "img", "span", "strong"),
    *("table", "tbody", "td", "th", "thead", "tr"),
}
ATTRIBUTES = {
    "a": {"href", "target", "rel", "style"},
    "img": {
        *("src", "alt", "width", "height", "loading", "referrerpolicy", "style"),
    },
}
ANYWHERE = {"class", "style", "align"}
# What a style of ours is made of: no colon-slash, no string, no escape, no comment, no at-rule.
STYLE = set("Cabcdefghijklmnopqrstuvwxyz0123456789-:;.,%#() ")

ZALGO = "Z" + "\u0316\u0317\u0352\u035b\u0489" * 200 + "lgo"

HOSTILE = {
    "closes the table": "</td></tr></table><script>alert(1)</script>",
    "closes an attribute": "\" onmouseover=alert(1) x='",
    "an image": "<img src=x onerror=alert(1)>",
    "a style": "</style><style>*{display:none}</style>",
    "a comment": "<!-- --!> <![CDATA[ ]]> <?php ?>",
    "an entity": "&lt;script&gt; &#60;b&#62; &amp",
    "TeX in dollars": "$x^2$ and $$\\frac{1}{2}$$",
    "TeX in brackets": "\\(a\\) \\[b\\] \\begin{equation}c\\end{equation}",
    "templates": "${7*7} {{7*7}} #{7*7} <%= 7*7 %> `7*7`",
    "overrides of direction": "\u202egpj.exe\u2066\u2067\u200f\u061c",
    "zero width": "\u200b\u200d\u2060\ufeff\u00ad\u180e" * 5_000,
    "control characters": "".join(map(chr, [*range(32), *range(127, 160)])),
    "zalgo": ZALGO,
    "zalgo with joiners": "a" + "\u200d\u0300\u200b\u0301" * 500,
    "marks without a letter": "\u0300\u20dd" * 100,
    "halves of characters": "\ud83d \udc00 a\ud800b",
    "noncharacters and tags": "\ufffe\uffff\ufdd0\U000e0041\U0001fffe",
    "blanks": "\u3164\u2800\u3000\u00a0" * 500,
    "very long": "W" * 100_000,
    "very long, and astral": "\U0001f600" * 100_000,
    "many lines": "line\r\n\u2028\u2029\x85" * 5_000,
    "javascript": "javascript:alert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "another host": "https://discord.gg@evil.example/\\evil.example",
    "nothing": "",
}


class Page(HTMLParser):
    """A display, read; an AssertionError where it is not as it must be.

    Attributes:
        text: What is to be seen, one line.
        links: Where links lead.
        images: Where pictures lie.
        cells: The text of each cell of each row.
    """

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        html.encode()
        assert not set("$\\`{}\n") & set(html)
        self.text = ""
        self.links: list[str] = []
        self.images: list[str] = []
        self.cells: list[list[str]] = []
        self._open: list[str] = []
        self._tags = 0
        self.feed(html)
        self.close()
        assert self._open == []
        assert html.count("<") == html.count(">") == self._tags

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tags += 1
        assert tag in ELEMENTS
        assert len({name for name, _ in attrs}) == len(attrs)
        for name, value in attrs:
            assert name in ATTRIBUTES.get(tag, set()) | ANYWHERE
            assert value is not None
            if name == "style":
                assert set(value) <= STYLE
                assert "url" not in value
            if name in ("href", "src"):
                assert urlsplit(value).scheme in ("https", "http")
                assert value.isprintable()
                assert value.isascii()
        given = dict(attrs)
        if tag == "img":
            assert given["alt"] == ""
            assert given["loading"] == "lazy"
            assert given["referrerpolicy"] == "no-referrer"
            self.images.append(given["src"] or "")
        else:
            self._open.append(tag)
        if tag == "a":
            assert set((given["rel"] or "").split()) == {"noopener", "noreferrer", "nofollow"}
            self.links.append(given["href"] or "")
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._tags += 1
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self._open):
            self.cells[-1][-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("there is a comment")

    handle_decl = handle_pi = unknown_decl = handle_comment


def filled(model: Any, text: str) -> Any:
    """A model with a text wherever one can stand, and something everywhere else."""
    hints = get_type_hints(model, include_extras=False)
    values = {
        field.name: _value(hints[field.name], text)
        for field in msgspec.structs.fields(model)
        if field.name not in ("received_at", "results")
    }
    if "results" in hints:
        bot = get_args(hints["results"])[0]
        values["results"] = (filled(bot, text),) * 3
    return model(**values)


def _value(hint: Any, text: str) -> Any:
    kinds = [hint, *get_args(hint)]
    if "dict" in str(hint):
        return {text: text}
    if Socials in kinds:
        return filled(Socials, text)
    if str in kinds or "Literal" in str(hint):
        return text
    if "tuple[str" in str(hint):
        return (text,) * 20
    if "tuple" in str(hint):
        return (1, 2, None)
    if bool in kinds:
        return True
    return None if "datetime" in str(hint) else 5
