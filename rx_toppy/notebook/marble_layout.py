"""Where the marbles of a diagram lie. Pixels, and no drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .recorder import Kind

GAP = 2
END = 10  # how wide the end of a stream is


class Mark(NamedTuple):
    """What a stream did, and what is written there."""

    seconds: float
    kind: Kind
    text: str


@dataclass(frozen=True)
class Lane:
    """One stream."""

    name: str
    marks: Sequence[Mark]

    @property
    def end(self) -> Mark | None:
        """How it ended, if it has."""
        return self.marks[-1] if self.marks and self.marks[-1].kind != "next" else None


class Size(NamedTuple):
    """How large marbles are, and how many may be stacked; a width of None is that of the text."""

    height: float
    width: float | None
    rows: int


MARBLE = Size(22, None, 4)
BEAD = Size(10, 10, 6)
DOT = Size(5, 5, 10)
SIZES = (MARBLE, BEAD, DOT)


class Place(NamedTuple):
    """Where one marble lies: its middle (over its line), and its size."""

    number: int
    x: float
    y: float
    width: float
    height: float

    @property
    def has_text(self) -> bool:
        """Whether there is room for its label."""
        return self.height == MARBLE.height


class Crowd(NamedTuple):
    """Marbles of which some lie on others, and how many there are."""

    x: float
    y: float
    size: int


def arrange(
    middles: Sequence[float], widths: Sequence[float], end: float | None
) -> tuple[list[Place], list[Crowd]]:
    """Lays out the marbles of one line: what comes at one moment is stacked.

    Where a stack would be too high, those in it become beads, and then dots.

    Args:
        middles: Where each is, in order.
        widths: How wide each would be with its label.
        end: Where the stream ends; no marble lies on that.
    """
    places: list[Place] = []
    crowds: list[Crowd] = []
    edge = float("inf") if end is None else end - END / 2

    def lay(members: Sequence[int], sizes: Sequence[Size]) -> None:
        size = sizes[0]
        spans = [(index, middles[index], size.width or widths[index]) for index in members]
        for group in _touching(spans):
            rows = _rows(group, edge, size.rows)
            if max(rows) >= size.rows and len(sizes) > 1:
                lay([index for index, _, _ in group], sizes[1:])
                continue
            step = size.height + GAP
            places.extend(
                Place(index, x, min(row, size.rows - 1) * step, width, size.height)
                for (index, x, width), row in zip(group, rows, strict=True)
            )
            if max(rows) >= size.rows:
                middle = (group[0][1] + group[-1][1]) / 2
                crowds.append(Crowd(middle, size.rows * step, len(group)))

    lay(range(len(middles)), SIZES)
    return sorted(places), crowds


Span = tuple[int, float, float]


def _touching(spans: Sequence[Span]) -> Iterator[list[Span]]:
    """Neighbours that would lie on one another if nothing was stacked."""
    group: list[Span] = []
    right = 0.0
    for span in spans:
        _, x, width = span
        if group and x - width / 2 >= right + GAP:
            yield group
            group = []
        right = max(right, x + width / 2) if group else x + width / 2
        group.append(span)
    if group:
        yield group


def _rows(group: Sequence[Span], edge: float, most: int) -> list[int]:
    """The lowest row that is free for each, or `most`. The lowest of all ends at `edge`."""
    rights = [float("-inf")] * most
    rows = []
    for _, x, width in group:
        left, right = x - width / 2, x + width / 2
        is_free = (taken + GAP <= left for taken in rights)
        free = (row for row, is_so in enumerate(is_free) if is_so and (row or right <= edge))
        row = next(free, most)
        if row < most:
            rights[row] = right
        rows.append(row)
    return rows
