"""`rx-toppy demo`: a local top.gg, a bot that grows, and a client whose streams are composed.

`pipelines` is the part to read: it has what a bot of one's own would have.
"""

from __future__ import annotations

from random import Random

import reactivex as rx
from reactivex import Observable, abc

from ...bot import StandaloneBot
from ...client import TopGG
from ...events import Event
from ...sandbox import Sandbox
from ..live import run as terminal
from . import recording as recording  # what to write of it
from . import telling as telling  # how to tell of what the pipelines find
from .board import Board
from .pipelines import (
    BOTS,
    POST_EVERY,
    SEED,
    UNLISTED,
    VOTES_PER_MINUTE,
    Started,
    growing,
    growth,
    pages,
    spending,
    top,
    votes,
)


def run(seconds: float | None = None, *, as_json: bool = False) -> None:
    """Runs it until the time is over, or until Ctrl-C; then tells what happened.

    It is a board that changes in a terminal, where rich is installed, and plain lines elsewhere; or
    JSON, an object for each event.

    Raises:
        OSError: what it shows can't be written any more.
    """
    board = Board(seconds)
    # Made out here: a world takes its time, in which no loop should stand still.
    sandbox = Sandbox(seed=SEED, bots=BOTS, votes_per_minute=VOTES_PER_MINUTE)

    async def perform(stage: terminal.Stage) -> None:
        async with sandbox:
            bot = StandaloneBot(sandbox.bot_id, server_count=growing(Random(SEED)))
            client = TopGG(bot, token=sandbox.token, base_url=sandbox.base_url, interval=POST_EVERY)
            board.autopost = client.autopost
            await stage.play(client, Started(url=sandbox.base_url), compose)

    def compose(client: TopGG, scheduler: abc.SchedulerBase) -> Observable[Event]:
        return rx.merge(
            growth(client),
            spending(client, scheduler),
            votes(client, scheduler),
            pages(client, [sandbox.bot_id, UNLISTED], scheduler),
            top(client, scheduler),
        )

    terminal.run(board, perform, as_json=as_json)
