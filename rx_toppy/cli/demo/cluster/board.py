"""What a terminal of a cluster keeps of all events, and how it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice

from ....events import Event, PostEvent
from ...live import board
from ...live.board import requests, voters
from ...live.panels import Panel, Place, Row, course
from ...text import counted
from ..board import Board as DemoBoard
from .events import Hosts, Total
from .session import Terminal
from .standing import Standing
from .telling import shards


class Board(DemoBoard):
    """What has happened so far.

    Attributes:
        standing: How this terminal stands, None before it was looked at.
    """

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self.standing: Standing | None = None

    def look(self, standing: Standing) -> None:
        """Takes in how this terminal stands."""
        self.standing = standing

    def add(self, event: Event) -> None:
        """Takes one event in."""
        board.Board.add(self, event)
        match event:
            case Hosts():
                self.url = event.url
            case Total():
                self.servers.append(event.servers)
            case PostEvent():
                self.posts += 1

    def panels(self) -> Sequence[Panel]:
        """What is drawn of it."""
        number = f" (this is {self.standing.me})" if self.standing is not None else ""
        return (
            Panel("servers of all terminals", partial(_servers, self)),
            Panel("requests", partial(_requests, self)),
            Panel(f"terminals{number}", partial(_terminals, self)),
            Panel("new voters", partial(voters, self)),
        )

    def results(self) -> Iterable[tuple[str, str]]:
        """What came of it: names and values."""
        yield "posts", f"{self.posts} by this terminal, and {self.failures} failed"
        yield "servers", board.change(self.servers, "not known")


def _servers(board: Board, place: Place) -> Iterator[Row]:
    now = board.standing
    if now is None or not board.servers:
        yield from _unknown(now)
        return
    failed = f", {board.failures} failed" if board.failures else ""
    right = counted(board.posts, "post"), (failed, "bold red")
    foot = ", ".join(f"shard {shard}: {servers:,}" for shard, servers in now.own.items())
    yield from course(board.servers, "server", right, foot, place)


def _unknown(now: Standing | None) -> Iterator[Row]:
    yield [("not known yet", "dim")], ()
    if now is not None and now.missing:
        yield [(f"waits for the {shards(now.missing)}:", "yellow")], ()
        yield ["start a second terminal with"], ()
        yield ["the same command"], ()


def _requests(board: Board, place: Place) -> Iterator[Row]:
    """What is left for all together, and below it what this terminal has sent."""
    now = board.standing
    if now is None:
        return
    limit, left = now.budget.limit.calls, now.budget.left
    tail = f"  {left} of {limit} left for all"
    if now.is_away:
        yield [(f"Redis is away: a share, one of {now.processes}", "bold red")], ()
    else:
        room = max(0, place.width - len(tail))
        filled = round(room * (limit - left) / limit)
        bar = (place.blocks[-1] * filled, "yellow"), (place.blocks[1] * (room - filled), "dim")
        yield bar, [tail]
    yield from islice(requests(board, place), 1, None)


def _terminals(board: Board, place: Place) -> Iterator[Row]:
    now = board.standing
    if now is None:
        return
    if now.is_away:
        yield [("Redis is away: nobody posts", "bold red")], ()
    for terminal in now.terminals:
        yield _terminal(terminal, now, place)


def _terminal(terminal: Terminal, now: Standing, place: Place) -> Row:
    has = shards(terminal.shards) if terminal.shards else "only reads"
    right: list[str | tuple[str, str]] = []
    if terminal == now.leader and terminal.posts_since is not None:
        minutes, seconds = divmod(max(0, int(place.now.timestamp() - terminal.posts_since)), 60)
        right.append((f"  posts {minutes}:{seconds:02}", "bold green"))
    if terminal.hosts:
        right.append(("  top.gg", "cyan"))
    return [(f"{terminal.number}  {has}", "bold" if terminal.number == now.me else "")], right
