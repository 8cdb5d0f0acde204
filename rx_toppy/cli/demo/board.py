"""What the demo keeps of all events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial

from ...autopost import Autopost
from ...events import Event, PostEvent
from ...models import Bot
from ..live import board
from ..live.board import requests, voters
from ..live.panels import Panel, Place, Row, course
from ..text import counted
from .pipelines import Started, Top


class Board(board.Board):
    """What has happened so far."""

    name = "demo"

    def __init__(self, seconds: float | None = None) -> None:
        super().__init__(seconds)
        self.autopost: Autopost | None = None
        self.next_post: datetime | None = None
        self.posts = 0
        self.top: list[Bot] = []

    def add(self, event: Event) -> None:
        """Takes one event in."""
        super().add(event)
        match event:
            case Started():
                self.url = event.url
            case PostEvent():
                self.posts += 1
                self.servers.append(int(event.stats))
            case Top():
                self.top = event.bots

    def refresh(self) -> None:
        """Looks at when the next post is due."""
        self.next_post = self.autopost.next_iteration if self.autopost else None

    def panels(self) -> Sequence[Panel]:
        """What is drawn of it."""
        return (
            Panel("servers", partial(_servers, self)),
            Panel("requests", partial(requests, self)),
            Panel("new voters", partial(voters, self)),
            Panel("top certified bots", partial(_top, self)),
        )

    def results(self) -> Iterable[tuple[str, str]]:
        """What came of it: names and values."""
        yield "posts", f"{self.posts}, and {self.failures} failed"
        yield "servers", board.change(self.servers, "none posted")


def _servers(board: Board, place: Place) -> Iterator[Row]:
    if not board.servers:
        yield [("nothing posted yet", "dim")], ()
        return
    failed = f", {board.failures} failed" if board.failures else ""
    right = counted(board.posts, "post"), (failed, "bold red")
    foot = "posting"
    if board.next_post is not None:
        left = max(0.0, (board.next_post - place.now).total_seconds())
        foot = f"the next post in {left:.0f} s"
    yield from course(board.servers, "server", right, foot, place)


def _top(board: Board, _: Place) -> Iterator[Row]:
    if not board.top:
        yield [("not known yet", "dim")], ()
    for place, bot in enumerate(board.top, 1):
        yield [f"{place:>2}  {bot.username}"], [(f"  {bot.monthly_votes or 0:,}", "bold")]
