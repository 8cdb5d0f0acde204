"""A marble diagram in characters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from string import ascii_letters

from ..display.html import shorten
from .marble_layout import Lane, Mark

COLUMNS = 60
BRACKETS = 8  # as wide as they may be
ENDS = {"error": "X", "completed": "|"}
SEVERAL = "*"  # more items than there is room for
OTHER = "@"  # labels for which no letter is left
MOST = 12  # labels that are explained
LONGEST_LABEL = 20
LONGEST_NAME = 24


def written(lanes: Sequence[Lane], seconds: float) -> str:
    """A line for each stream, and what a stroke and the letters mean.

    Column n is what happened from n strokes' time on. Several items of one column stand in
    brackets where the next columns are free, or else are an asterisk.
    """
    stroke = _nice(max(seconds, 1e-3) / COLUMNS)
    symbols = _symbols(lanes)
    names = [f"{shorten(lane.name, LONGEST_NAME)}:" for lane in lanes]
    width = max(map(len, names)) + 1
    end = _column(seconds, stroke)
    strokes = [_line(lane, stroke, end, symbols) for lane in lanes]
    lines = [f"{name:<{width}}{line}" for name, line in zip(names, strokes, strict=True)]
    meanings = [
        f"{letter}: {shorten(text, LONGEST_LABEL)}"
        for text, letter in symbols.items()
        if letter not in (text, OTHER)
    ]
    said = [*meanings[:MOST], *(["…"] if len(meanings) > MOST else [])]
    if any(SEVERAL in line for line in strokes):
        said.append(f"{SEVERAL}: several")
    return "\n".join([*lines, f"({', '.join([*said, f'- is {stroke:g} s'])})"])


def _line(lane: Lane, stroke: float, end: int, symbols: Mapping[str, str]) -> str:
    columns = [
        (column, list(marks))
        for column, marks in groupby(lane.marks, lambda mark: _column(mark.seconds, stroke))
    ]
    line = ""
    for place, (column, marks) in enumerate(columns):
        free = columns[place + 1][0] - column if place + 1 < len(columns) else math.inf
        line = line.ljust(column, "-") + _cell(marks, free, symbols)
    if lane.end is not None:
        return line
    return line.ljust(end, "-") + ">"


def _cell(marks: Sequence[Mark], free: float, symbols: Mapping[str, str]) -> str:
    cell = "".join(ENDS.get(mark.kind) or symbols[mark.text] for mark in marks)
    if len(marks) == 1:
        return cell
    if len(marks) + 2 <= min(free, BRACKETS):
        return f"({cell})"
    return SEVERAL + ("" if marks[-1].kind == "next" else cell[-1])


def _symbols(lanes: Sequence[Lane]) -> dict[str, str]:
    """A character for each label: itself if it is one, or else a letter, in order of appearance."""
    marks = sorted(
        (mark for lane in lanes for mark in lane.marks if mark.kind == "next"),
        key=lambda mark: mark.seconds,
    )
    texts = list(dict.fromkeys(mark.text for mark in marks))
    own = {text: text for text in texts if len(text) == 1 and text.isalnum() and text != "X"}
    letters = iter(letter for letter in ascii_letters if letter not in own and letter != "X")
    return {text: own.get(text) or next(letters, OTHER) for text in texts}


def _column(seconds: float, stroke: float) -> int:
    return math.floor(seconds / stroke + 1e-6)


def _nice(least: float) -> float:
    """The least of 1, 2 and 5, and of these times a power of ten, that is no less."""
    power = 10.0 ** math.floor(math.log10(least))
    step = next(step for step in (1, 2, 5, 10) if step * power >= least * (1 - 1e-9))
    return step * power
