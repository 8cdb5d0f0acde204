"""The board, drawn for terminals. It needs rich: import this only where it is to be drawn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self, TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel as Frame
from rich.text import Text

from ...events import Event
from ..text import is_unicode, writable
from .board import Board
from .panels import ASCII_BLOCKS, BLOCKS, Panel, Place, Row, Rows

WIDE = 110  # columns, from which on the panels stand beside the events

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
