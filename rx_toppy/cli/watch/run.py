"""`rx-toppy watch`: what top.gg has of a real bot, and the requests that find it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

import reactivex as rx
from reactivex import Observable, abc

from ...arguments import UserLike
from ...bot import StandaloneBot
from ...client import TopGG
from ...events import Event
from ..live import run as terminal
from . import recording as recording  # what to write of it
from . import telling as telling  # how to tell of what the pipelines find
from .board import Board
from .pipelines import Watching, budget, page, stats, voters


def prepared(
    id: UserLike,
    token: str,
    *,
    every: float,
    base_url: str,
    seconds: float | None = None,
    as_json: bool = False,
) -> Callable[[], None]:
    """What watches a bot until the time is over, or until Ctrl-C; and then tells what happened.

    It posts nothing, and looks with three requests every so many seconds, of sixty a minute. It
    raises a `Forbidden` when the token is refused at once, and an OSError when what it shows
    can't be written any more.

    Raises:
        ValueError: an argument makes no sense.
    """
    bot = StandaloneBot(id)
    # The next look is the retry, and nothing waits in silence: a failure is shown as it comes.
    client = TopGG(bot, token=token, autopost=False, base_url=base_url, retries=0, max_wait=0)
    return partial(_run, client, bot.id, every, Board(seconds, base_url), as_json)


def _run(client: TopGG, id: int, every: float, board: Board, as_json: bool) -> None:
    async def perform(stage: terminal.Stage) -> None:
        await stage.play(client, Watching(id, board.url, every), compose)

    def compose(client: TopGG, scheduler: abc.SchedulerBase) -> Observable[Event]:
        return rx.merge(
            stats(client, every, scheduler),
            page(client, id, every, scheduler),
            voters(client, every, scheduler),
            budget(client, scheduler),
        )

    # A 429 is shown as what it is; logged as well, it would stand in the middle of the board.
    log = logging.getLogger("rx_toppy.api")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        terminal.run(board, perform, as_json=as_json)
    finally:
        log.setLevel(level)
