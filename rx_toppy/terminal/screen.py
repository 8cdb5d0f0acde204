"""The board, drawn for terminals. It needs rich: import this only where it is to be drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel as Frame
from rich.text import Text

from ..events import Event
from .board import BUDGET, Board
from .lines import is_unicode, writable
from .telling import counted

__all__ = [
    "BLOCKS",
    "Panel",
    "Pieces",
    "Place",
    "Row",
    "Screen",
    "course",
    "drawn",
    "requests",
    "sparkline",
    "voters",
]

WIDE = 110  # columns, from which on the panels stand beside the events

Pieces = Sequence[str | tuple[str, str]]
"""A text in pieces, those with a style as `(text, style)`."""

Row = tuple[Pieces, Pieces]
"""A line: what is on its left, and cut where there is no room, and what is on its right."""

BLOCKS = " ▁▂▃▄▅▆▇█"
ASCII_BLOCKS = " .:-=+*%#"

STYLES = {
    "request": "dim",
    "post": "green",
    "autopost": "cyan",
    "failed": "bold red",
    "growth": "bold green",
    "stats": "green",
    "spent": "yellow",
    "budget": "yellow",
    "vote": "magenta",
    "voters": "magenta",
    "no page": "red",
    "page": "blue",
    "top": "blue",
}


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


class Screen:
    """The board, drawn anew several times a second; the terminal's own content comes back.

    Args:
        out: The terminal.
        board: What is drawn.
    """

    def __init__(self, out: TextIO, board: Board) -> None:
        self._board = board
        # Its own refresher would draw on a thread, while the loop changes the board.
        console = Console(file=out, highlight=False)
        self._live = Live(self, console=console, screen=True, auto_refresh=False)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield drawn(self._board, console)

    def show(self, event: Event) -> None:
        """Nothing: the next frame has it."""

    def refresh(self) -> None:
        """Draws a frame."""
        self._live.refresh()

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._live.stop()


def drawn(board: Board, console: Console) -> Layout:
    """The board and its four panels as they are now, to fill the console."""
    now = datetime.now(UTC)
    blocks = BLOCKS if is_unicode(console.encoding) else ASCII_BLOCKS

    def area(panel: Panel, **size: Any) -> Layout:
        title = f"[not dim]{panel.title}[/]"
        content = _Area(panel.rows, now, blocks, console.encoding)
        frame = Frame(content, title=title, title_align="left", border_style="dim")
        return Layout(frame if panel.title else content, **size)

    def split(*parts: Layout, as_row: bool, **size: Any) -> Layout:
        layout = Layout(**size)
        (layout.split_row if as_row else layout.split_column)(*parts)
        return layout

    head = area(Panel("", lambda _: [_head(board, now)]), size=1)
    events = area(Panel("events", lambda place: _events(board, place)))
    first, second, third, fourth = (area(panel) for panel in board.panels())
    if console.width >= WIDE:
        first.size, second.size = 9, 8
        side = split(first, second, third, fourth, as_row=False, size=46)
        body = split(events, side, as_row=True)
    else:
        upper = split(first, second, as_row=True, size=7)
        lower = split(third, fourth, as_row=True, size=6)
        body = split(events, upper, lower, as_row=False)
    return split(head, body, as_row=False)


class _Area:
    """Lines that are made to fit, once it is known how much room there is."""

    def __init__(self, rows: Rows, now: datetime, blocks: str, encoding: str) -> None:
        self._rows = rows
        self._now = now
        self._blocks = blocks
        self._encoding = encoding
        self._overflow: Literal["crop", "ellipsis"] = "ellipsis" if is_unicode(encoding) else "crop"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or options.max_height
        place = Place(options.max_width, height, self._now, self._blocks)
        lines = []
        for left, right in islice(self._rows(place), height):
            tail = Text.assemble(*right)
            line = Text.assemble(*left)
            line.plain = writable(line.plain, self._encoding)
            room = max(0, place.width - tail.cell_len)
            line.truncate(room, overflow=self._overflow, pad=True)
            lines.append(line + tail)
        yield Text("\n", no_wrap=True, overflow="crop").join(lines)


def _head(board: Board, now: datetime) -> Row:
    elapsed = _clock(now - board.began)
    if board.seconds is not None:
        elapsed += f" of {_clock(timedelta(seconds=board.seconds))}"
    name = board.page.username or "" if board.page else ""
    address = board.url.partition("://")[2]
    left = (" rx_toppy  ", "bold cyan"), (f"{name}  ", "bold"), (address, "dim")
    return left, ("  ", (elapsed, "bold"), ("  Ctrl-C ends it ", "dim"))


def _clock(time: timedelta) -> str:
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    return f"{minutes}:{seconds:02}"


def _events(board: Board, place: Place) -> Iterator[Row]:
    for at, kind, what in list(board.log)[-place.height :]:
        time = f"{at.astimezone():%H:%M:%S}  "
        yield ((time, "dim"), (f"{kind:<8}  ", STYLES.get(kind, "")), what), ()


def requests(board: Board, place: Place) -> Iterator[Row]:
    """How much of the budget is used, and by which routes."""
    spent = board.spent(place.now)
    tail = f"  {spent} of {BUDGET.calls} a minute"
    room = max(0, place.width - len(tail) - len("budget  "))
    filled = min(room, round(room * spent / BUDGET.calls))
    bar = (place.blocks[-1] * filled, "yellow"), (place.blocks[1] * (room - filled), "dim")
    yield ("budget  ", *bar), [tail]
    for route, count in board.routes.most_common():
        mean = f"{1000 * board.elapsed[route] / count:.1f} ms"
        yield [route], ((f"{count:>5}", "bold"), (f"{mean:>9}", "dim"))


def voters(board: Board, place: Place) -> Iterator[Row]:
    """Who has voted, and how long ago."""
    if not board.voters:
        yield [("nobody yet", "dim")], ()
    for vote in board.voters:
        ago = f"  {(place.now - vote.at).total_seconds():.0f} s ago"
        yield ((f"{vote.name:<17}  ", "magenta"), vote.about), [(ago, "dim")]


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
