"""What all displays look like: one panel, facts side by side, tables, badges, links.

Colours are the notebook's own: text inherits its colour, lines and grounds are a translucent grey,
which light and dark themes bear alike. Where a viewer strips styles (and several do), plain tables
and words are left, that read as well: spaces stand between things, and no meaning is in a style.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from .html import Element, Node, Url, shorten, web_url

# So many rows of a list are shown, and so many tags of a bot.
ROWS = 20
TAGS = 8

LONGEST_NAME = 40
LONGEST_TAG = 24
LARGEST = 10**15

GREY = "rgba(128,128,128,.35)"
PANEL = (
    f"display:inline-block;max-width:100%;box-sizing:border-box;border:1px solid {GREY};"
    "border-radius:6px;padding:.5em .8em;line-height:1.45;overflow-x:auto;overflow-wrap:anywhere;"
    "text-align:left"
)
TABLE = "border-collapse:collapse;margin:.3em 0;border:0;table-layout:auto"
ROW = "background:none"
CELL = (
    "padding:.1em 1.2em .1em 0;border:0;vertical-align:top;text-align:left;overflow-wrap:break-word"
)
NUMBER = "padding:.1em 1.2em .1em 0;border:0;vertical-align:top;text-align:right;white-space:nowrap"
LINE = f";border-bottom:1px solid {GREY}"
LABEL = ";font-weight:normal;opacity:.7;white-space:nowrap"
BADGE = f"border:1px solid {GREY};border-radius:1em;padding:0 .5em;font-size:85%;white-space:nowrap"
MUTED = "opacity:.7"
LINK = "color:inherit;text-decoration:underline"
# What Jupyter's MathJax, the old and the present one, leaves alone.
NO_TEX = "tex2jax_ignore mathjax_ignore"


class Column(NamedTuple):
    """A column of a table."""

    label: str
    is_number: bool = False


def panel(*children: Node) -> Element:
    """One display."""
    return Element("div", *children, class_=NO_TEX, style=PANEL)


def heading(*children: Node) -> Element:
    """A display's first line."""
    return Element("div", *spaced(*children))


def spaced(*children: Node) -> list[Node]:
    """What is there of these, with spaces between them."""
    spread: list[Node] = []
    for child in children:
        if child is not None:
            spread += [" ", child] if spread else [child]
    return spread


def facts(*pairs: tuple[str, Node]) -> Element | None:
    """Labels with their values below, side by side; a value that is None is left out."""
    known = [(label, value) for label, value in pairs if value is not None]
    if not known:
        return None
    columns = [Column(label) for label, _ in known]
    return table(columns, [[value for _, value in known]])


def table(columns: Sequence[Column], rows: Iterable[Sequence[Node]]) -> Element:
    """A table; the numbers of a column stand below one another."""
    head = [_cell("th", column, column.label, LABEL + LINE) for column in columns]
    body = [
        Element(
            "tr",
            *[_cell("td", column, value) for column, value in zip(columns, row, strict=True)],
            style=ROW,
        )
        for row in rows
    ]
    return Element(
        "table",
        Element("thead", Element("tr", *head, style=ROW)),
        Element("tbody", *body),
        style=TABLE,
    )


def _cell(name: str, column: Column, value: Node, more: str = "") -> Element:
    # The attribute is for those who strip styles, the style for those who style tables themselves.
    if column.is_number:
        return Element(name, value, align="right", style=NUMBER + more)
    return Element(name, value, align="left", style=CELL + more)


def listing(columns: Sequence[Column], rows: Sequence[Sequence[Node]], total: int) -> list[Node]:
    """The first rows of a list, and how many more there are."""
    if not rows:
        return []
    more = total - len(rows)
    return [table(columns, rows), muted(f"… {more:,} more") if more > 0 else None]


def badge(text: str, is_there: object = True) -> Element | None:
    """A word in a frame, where it applies."""
    return Element("span", text, style=BADGE) if is_there else None


def muted(*children: Node) -> Element:
    """What is said by the way."""
    return Element("span", *children, style=MUTED)


def quoted(text: str | None, limit: int) -> Element | None:
    """Somebody else's text, whichever way it is written; None where there is none to be seen."""
    seen = shorten(text or "", limit)
    return Element("bdi", seen) if seen else None


def named(name: str | None) -> Element:
    """A name, or that there is none."""
    return quoted(name, LONGEST_NAME) or muted("(no name)")


def tagged(tags: Sequence[str]) -> Element | None:
    """Tags, as many as there is room for."""
    shown = [text for tag in tags[:TAGS] if (text := quoted(tag, LONGEST_TAG)) is not None]
    if not shown:
        return None
    more = f", and {len(tags) - TAGS:,} more" if len(tags) > TAGS else None
    return muted(shown[0], *[part for text in shown[1:] for part in (", ", text)], more)


def link(label: str, url: Url | None) -> Element | None:
    """A link, where there is anything that it may lead to."""
    if url is None:
        return None
    return Element(
        "a", label, href=url, target="_blank", rel="noopener noreferrer nofollow", style=LINK
    )


def picture(address: str | None, size: int) -> Element | None:
    """A picture from the network. For those who have asked for pictures."""
    url = web_url(address)
    if url is None or not url.is_secure:
        return None
    return Element(
        "img",
        src=url,
        alt="",
        width=f"{size}",
        height=f"{size}",
        loading="lazy",
        referrerpolicy="no-referrer",
        style=f"width:{size}px;height:{size}px;object-fit:cover;border-radius:50%;margin:0;"
        "vertical-align:middle",
    )


def number(value: int | None) -> str | None:
    """A count, with its thousands apart."""
    if value is None:
        return None
    if abs(value) < LARGEST:
        return f"{value:,}"
    return f"{'-' if value < 0 else ''}10¹⁵ or more"


def moment(at: datetime | None) -> str | None:
    """A moment, in UTC, without saying so."""
    if at is None:
        return None
    with suppress(OverflowError):  # on the first or last day of all it says its own offset
        at = at.astimezone(UTC).replace(tzinfo=None)
    return at.isoformat(" ", "seconds")


def date(at: datetime | None) -> str | None:
    """The day of a moment, in UTC."""
    return None if at is None else (moment(at) or "")[:10]


def duration(seconds: float) -> str:
    """A length of time, as exactly as it matters."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    if seconds < 3600:
        return f"{seconds / 60:.3g} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{number(hours)} h {minutes} min" if minutes else f"{number(hours)} h"
