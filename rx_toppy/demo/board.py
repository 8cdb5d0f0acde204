"""What the demo keeps of all events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ..autopost import Autopost
from ..events import Event, PostEvent
from ..models import Bot
from ..terminal import board
from .pipelines import Started, Top

if TYPE_CHECKING:
    from ..terminal.screen import Panel

__all__ = ["Board"]


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
        from .screen import panels

        return panels(self)

    def results(self) -> Iterable[tuple[str, str]]:
        """What came of it: names and values."""
        yield "posts", f"{self.posts}, and {self.failures} failed"
        yield "servers", board.change(self.servers, "none posted")
