"""What is kept of a bot that is watched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from ...events import Event
from ...models import BotStats, SimpleUser
from ..live import board
from ..live.board import requests, voters
from ..live.finding import name_of
from ..live.panels import Panel, Place, Row, course
from ..text import counted
from .pipelines import OwnPage, Stats, Voters


class Board(board.Board):
    """What has happened so far."""

    name = "watch"

    def __init__(self, seconds: float | None, url: str) -> None:
        super().__init__(seconds, url)
        self.stats: BotStats | None = None
        self.earlier: list[SimpleUser] = []
        self.monthly: list[int] = []

    def add(self, event: Event) -> None:
        """Takes one event in."""
        super().add(event)
        match event:
            case Stats():
                self.stats = event.stats
                if event.stats.server_count is not None:
                    self.servers.append(event.stats.server_count)
            case OwnPage():
                if event.bot.monthly_votes is not None:
                    self.monthly.append(event.bot.monthly_votes)
            case Voters():
                self.earlier = event.voters

    def panels(self) -> Sequence[Panel]:
        """What is drawn of it."""
        return (
            Panel("servers", partial(_servers, self)),
            Panel("requests", partial(requests, self)),
            Panel("voters", partial(_voters, self)),
            Panel("votes", partial(_votes, self)),
        )

    def results(self) -> Iterable[tuple[str, str]]:
        """What came of it: names and values."""
        yield "servers", board.change(self.servers, "not known")
        yield "votes", board.change(self.monthly, "not known")
        yield "failures", f"{self.failures}"


def _servers(board: Board, place: Place) -> Iterator[Row]:
    shards = (board.stats.shard_count if board.stats else None) or 0
    right = [counted(shards, "shard")] if shards else []
    return course(board.servers, "server", right, "as top.gg has them", place)


def _votes(board: Board, place: Place) -> Iterator[Row]:
    ever = (board.page.all_time_votes if board.page else None) or 0
    return course(board.monthly, "vote", [f"{ever:,} in all"], "this month", place)


def _voters(board: Board, place: Place) -> Iterator[Row]:
    yield from voters(board, place)
    for voter in board.earlier:
        yield [(name_of(voter), "dim")], [("  earlier", "dim")]
