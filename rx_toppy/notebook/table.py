"""`table`: the last items of a stream as a table."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, TypeVar

from reactivex import Observable

from ..arguments import Seconds, count
from ..display.html import shorten
from ..display.style import Column, panel
from ..display.style import table as table_of
from .checks import checked_observable
from .fields import fields_of, said
from .live import EVERY, Live
from .output import Bundle, muted

T = TypeVar("T")

LONGEST = 60  # characters of a cell
WIDEST = 12  # columns


def table(
    observable: Observable[T],
    rows: int = 20,
    *,
    every: Seconds = EVERY,
    seconds: Seconds | None = None,
) -> Live[T]:
    """Shows the last items of a stream as a table, the newest on top.

    Models, events, dataclasses, dictionaries and named tuples have their fields as columns (models
    and requests those that matter); anything else has one column. Where items of several types
    come, as from `client.events`, the first column says which. It is updated, awaited and stopped
    as `live` is.

    Args:
        observable: Any observable, on any thread.
        rows: How many items are kept.
        every: Seconds (or a `timedelta`) from one frame to the next, at least.
        seconds: When to stop, if the stream has not ended by then.

    Raises:
        TypeError, ValueError: an argument can't be.
        RuntimeError: no event loop runs here.
        ImportError: IPython is missing.

    Example:
        >>> table(client.events.pipe(of_type(RequestEvent)), rows=10)
        >>> await table(client.bulk_fetch_bots(100).pipe(ops.filter(lambda bot: bot.certified)))
    """
    checked_observable(observable, "table()")
    return Live(observable, _Rows(count(rows, "rows", least=1)), "table()", every, seconds)


class _Rows:
    """The last items."""

    ticks = False

    def __init__(self, most: int) -> None:
        self._items: deque[Any] = deque(maxlen=most)

    def add(self, item: Any, at: float) -> None:
        self._items.append(item)

    def state(self, at: float) -> list[Any]:
        return list(reversed(self._items))

    def draw(self, items: list[Any]) -> Bundle:
        if not items:
            return muted("nothing has come yet")
        head, body = grid(items)
        numbers = [all(_is_number(row[place]) for row in body) for place in range(len(head))]
        html = panel(table_of(list(map(Column, head, numbers)), body))
        lines = ["  ".join(cells).rstrip() for cells in _aligned([head, *body])]
        return Bundle({"text/html": str(html), "text/plain": "\n".join(lines)}, {})


def grid(items: Sequence[Any]) -> tuple[list[str], list[list[str]]]:
    """The head of a table, and the texts of its rows."""
    found = [(item, fields_of(item)) for item in items]
    records = [{"value": item} if fields is None else fields for item, fields in found]
    names = list(dict.fromkeys(name for fields in records for name in fields))
    # A column of which no row knows anything says nothing.
    names = [name for name in names if any(fields.get(name) is not None for fields in records)]
    names = names[:WIDEST]
    body = [
        [shorten(said(fields.get(name), name), LONGEST) for name in names] for fields in records
    ]
    names = [shorten(name, LONGEST) for name in names]
    if len({type(item) for item in items}) > 1:
        names = ["type", *names]
        body = [[type(item).__name__, *cells] for item, cells in zip(items, body, strict=True)]
    return names, body


def _is_number(text: str) -> bool:
    return not text or text.removesuffix(" ms").lstrip("-").replace(".", "", 1).isdigit()


def _aligned(lines: list[list[str]]) -> list[list[str]]:
    widths = [max(len(cells[place]) for cells in lines) for place in range(len(lines[0]))]
    return [
        [cell.ljust(width) for cell, width in zip(cells, widths, strict=True)] for cells in lines
    ]
