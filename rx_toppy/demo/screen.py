"""The demo's panels, drawn for terminals. They need rich: import this only to draw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ..terminal.screen import Panel, Place, Row, course, requests, voters
from ..terminal.telling import counted
from .board import Board

__all__ = ["panels"]


def panels(board: Board) -> Sequence[Panel]:
    """What the board has beside the events."""
    return (
        Panel("servers", partial(_servers, board)),
        Panel("requests", partial(requests, board)),
        Panel("new voters", partial(voters, board)),
        Panel("top certified bots", partial(_top, board)),
    )


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
