"""What is kept of a bot that is watched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..events import Event
from ..models import BotStats, SimpleUser
from ..terminal import board
from .pipelines import OwnPage, Stats, Voters

if TYPE_CHECKING:
    from ..terminal.screen import Panel

__all__ = ["Board"]


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
        from .screen import panels

        return panels(self)

    def results(self) -> Iterable[tuple[str, str]]:
        """What came of it: names and values."""
        yield "servers", board.change(self.servers, "not known")
        yield "votes", board.change(self.monthly, "not known")
        yield "failures", f"{self.failures}"
