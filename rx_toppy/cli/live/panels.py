"""What boards are made of: panels with rows that fit, whatever draws them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from ..text import counted

Pieces = Sequence[str | tuple[str, str]]
"""A text in pieces, those with a style as `(text, style)`."""

Row = tuple[Pieces, Pieces]
"""A line: what is on its left, and cut where there is no room, and what is on its right."""

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+*%#"


class Place(NamedTuple):
    """Where lines go: how much room there is, in characters, when, and what bars are made of."""

    width: int
    height: int
    now: datetime
    blocks: str


Rows = Callable[[Place], Iterable[Row]]


class Panel(NamedTuple):
    """A part of the board, with a frame around it where it has a title."""

    title: str
    rows: Rows


def course(
    counts: Sequence[int], what: str, right: Pieces, foot: str, place: Place
) -> Iterator[Row]:
    """A count's newest value and how it went; beside it and below it what else is to be said."""
    if not counts:
        yield [("not known yet", "dim")], ()
        return
    gained = counts[-1] - counts[0]
    change = f"  {gained:+,}", "bold red" if gained < 0 else "bold green"
    yield ((counted(counts[-1], what), "bold"), change), right
    for line in sparkline(counts, place.width, place.height - 2, place.blocks):
        yield [(line, "green")], ()
    yield [(foot, "dim")], ()


def sparkline(values: Sequence[int], width: int, height: int, blocks: str) -> list[str]:
    """The newest of the values as columns, the least of them low and the greatest of them high.

    Args:
        values: At least one.
        width: Characters there are; each value takes two.
        height: Lines there are.
        blocks: Nine characters, from an empty one to a full one.
    """
    shown = values[-max(1, width // 2) :]
    low, high = min(shown), max(shown)
    steps = 8 * height - 1
    levels = [1 + round(steps * (value - low) / (high - low or 1)) for value in shown]
    return [
        "".join(2 * blocks[max(0, min(8, level - 8 * row))] for level in levels)
        for row in reversed(range(height))
    ]
