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
from rich.panel import Panel
from rich.text import Text

from ..events import Event
from .board import BUDGET, Board
from .lines import is_unicode, writable
from .telling import counted

__all__ = ["BLOCKS", "Screen", "drawn", "sparkline"]

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
    "spent": "yellow",
    "vote": "magenta",
    "no page": "red",
    "page": "blue",
    "top": "blue",
}


class Screen:
    """The board, drawn anew several times a second; the terminal's own content comes back."""

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
    """The board as it is now, to fill the console."""
    now = datetime.now(UTC)
    blocks = BLOCKS if is_unicode(console.encoding) else ASCII_BLOCKS

    def area(rows: Rows, title: str = "", **size: Any) -> Layout:
        content = _Area(rows, console.encoding)
        frame = Panel(content, title=f"[not dim]{title}[/]", title_align="left", border_style="dim")
        return Layout(frame if title else content, **size)

    def split(*parts: Layout, as_row: bool, **size: Any) -> Layout:
        layout = Layout(**size)
        (layout.split_row if as_row else layout.split_column)(*parts)
        return layout

    is_wide = console.width >= WIDE
    head = area(lambda _: [_head(board, now)], size=1)
    events = area(lambda size: _events(board, size), "events")
    servers = area(lambda size: _servers(board, now, size, blocks), "servers")
    requests = area(lambda size: _requests(board, now, size, blocks), "requests")
    voters = area(lambda size: _voters(board, now), "new voters")
    best = area(lambda size: _top(board), "top certified bots")
    if is_wide:
        servers.size, requests.size = 9, 8
        side = split(servers, requests, voters, best, as_row=False, size=46)
        body = split(events, side, as_row=True)
    else:
        upper = split(servers, requests, as_row=True, size=7)
        lower = split(voters, best, as_row=True, size=6)
        body = split(events, upper, lower, as_row=False)
    return split(head, body, as_row=False)


class Size(NamedTuple):
    """How much room there is, in characters."""

    width: int
    height: int


Rows = Callable[[Size], Iterable[Row]]


class _Area:
    """Lines that are made to fit, once it is known how much room there is."""

    def __init__(self, rows: Rows, encoding: str) -> None:
        self._rows = rows
        self._encoding = encoding
        self._overflow: Literal["crop", "ellipsis"] = "ellipsis" if is_unicode(encoding) else "crop"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        size = Size(options.max_width, options.height or options.max_height)
        lines = []
        for left, right in islice(self._rows(size), size.height):
            tail = Text.assemble(*right)
            line = Text.assemble(*left)
            line.plain = writable(line.plain, self._encoding)
            room = max(0, size.width - tail.cell_len)
            line.truncate(room, overflow=self._overflow, pad=True)
            lines.append(line + tail)
        yield Text("\n", no_wrap=True, overflow="crop").join(lines)


def _head(board: Board, now: datetime) -> Row:
    elapsed = _clock(now - board.began)
    if board.seconds is not None:
        elapsed += f" of {_clock(timedelta(seconds=board.seconds))}"
    name = board.page.username or "" if board.page else ""
    address = board.url.removeprefix("http://")
    left = (" rx_toppy  ", "bold cyan"), (f"{name}  ", "bold"), (address, "dim")
    return left, ("  ", (elapsed, "bold"), ("  Ctrl-C ends it ", "dim"))


def _clock(time: timedelta) -> str:
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    return f"{minutes}:{seconds:02}"


def _events(board: Board, size: Size) -> Iterator[Row]:
    for at, kind, what in list(board.log)[-size.height :]:
        time = f"{at.astimezone():%H:%M:%S}  "
        yield ((time, "dim"), (f"{kind:<8}  ", STYLES.get(kind, "")), what), ()


def _servers(board: Board, now: datetime, size: Size, blocks: str) -> Iterator[Row]:
    counts = board.servers
    if not counts:
        yield [("nothing posted yet", "dim")], ()
        return
    gained = counts[-1] - counts[0]
    change = f"  {gained:+,}", "bold red" if gained < 0 else "bold green"
    failed = f", {board.failures} failed" if board.failures else ""
    count = (counted(counts[-1], "server"), "bold")
    yield (count, change), (counted(board.posts, "post"), (failed, "bold red"))
    for line in sparkline(counts, size.width, size.height - 2, blocks):
        yield [(line, "green")], ()
    left = max(0.0, (board.next_post - now).total_seconds()) if board.next_post else None
    yield [("posting" if left is None else f"the next post in {left:.0f} s", "dim")], ()


def _requests(board: Board, now: datetime, size: Size, blocks: str) -> Iterator[Row]:
    spent = board.spent(now)
    tail = f"  {spent} of {BUDGET.calls} a minute"
    room = max(0, size.width - len(tail) - len("budget  "))
    filled = min(room, round(room * spent / BUDGET.calls))
    bar = (blocks[-1] * filled, "yellow"), (blocks[1] * (room - filled), "dim")
    yield ("budget  ", *bar), [tail]
    for route, count in board.routes.most_common():
        mean = f"{1000 * board.elapsed[route] / count:.1f} ms"
        yield [route], ((f"{count:>5}", "bold"), (f"{mean:>9}", "dim"))


def _voters(board: Board, now: datetime) -> Iterator[Row]:
    if not board.voters:
        yield [("nobody yet", "dim")], ()
    for vote in board.voters:
        ago = f"  {(now - vote.at).total_seconds():.0f} s ago"
        yield ((f"{vote.name:<17}  ", "magenta"), vote.bio), [(ago, "dim")]


def _top(board: Board) -> Iterator[Row]:
    if not board.top:
        yield [("not known yet", "dim")], ()
    for place, bot in enumerate(board.top, 1):
        yield [f"{place:>2}  {bot.username}"], [(f"  {bot.monthly_votes or 0:,}", "bold")]


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
