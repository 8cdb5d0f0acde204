"""What a terminal of a cluster keeps of all events, and how it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ...events import Event, PostEvent
from ...terminal import board
from ..board import Board as DemoBoard
from .events import Hosts, Total
from .standing import Standing

if TYPE_CHECKING:
    from ...terminal.screen import Panel

__all__ = ["Board"]


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
        from .screen import panels

        return panels(self)

    def results(self) -> Iterable[tuple[str, str]]:
        """What came of it: names and values."""
        yield "posts", f"{self.posts} by this terminal, and {self.failures} failed"
        yield "servers", board.change(self.servers, "not known")
