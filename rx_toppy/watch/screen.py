"""The panels of a watch, drawn for terminals. They need rich: import this only to draw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ..terminal.finding import name_of
from ..terminal.screen import Panel, Place, Row, course, requests, voters
from ..terminal.telling import counted
from .board import Board

__all__ = ["panels"]


def panels(board: Board) -> Sequence[Panel]:
    """What the board has beside the events."""
    return (
        Panel("servers", partial(_servers, board)),
        Panel("requests", partial(requests, board)),
        Panel("voters", partial(_voters, board)),
        Panel("votes", partial(_votes, board)),
    )


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
