"""`rx-toppy demo`: a local top.gg, a bot that grows, and a client whose streams are composed.

`pipelines` is the part to read: it has what a bot of one's own would have. What the pipelines find
goes back onto `client.events`, as events of the demo's own, so that one stream tells all that
happens; the lines, the board and the summary are three readers of it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import TYPE_CHECKING, TextIO

import reactivex as rx
from reactivex.scheduler.eventloop import AsyncIOScheduler

from ..bots import StandaloneBot
from ..client import TopGG
from ..ending import ended_by_signals
from ..sandbox import Sandbox
from .board import Board
from .lines import Lines, writable
from .pipelines import BOTS, POST_EVERY, Started, growing, growth, pages, spending, top, votes

if TYPE_CHECKING:
    from .screen import Screen

__all__ = ["run"]

SEED = 2
VOTES_PER_MINUTE = 24.0
UNLISTED = 110_373_943_822_540_800
FRAME_EVERY = 0.2  # seconds


def run(seconds: float | None = None) -> None:
    """Runs it until the time is over, or until Ctrl-C; then tells what happened.

    It is a board that changes in a terminal, where rich is installed, and plain lines elsewhere.

    Raises:
        OSError: what it shows can't be written any more.
    """
    board = Board(seconds)
    # Made out here: a world takes its time, in which no loop should stand still.
    sandbox = Sandbox(seed=SEED, bots=BOTS, votes_per_minute=VOTES_PER_MINUTE)
    with suppress(KeyboardInterrupt), _view(sys.stdout, board) as view:
        asyncio.run(_play(sandbox, board, view))
    board.ended = datetime.now(UTC)
    sys.stdout.write(writable(board.summary(), sys.stdout.encoding))
    sys.stdout.flush()


def _view(out: TextIO, board: Board) -> Lines | Screen:
    if not out.isatty() or os.environ.get("TERM") == "dumb":
        return Lines(out)
    try:
        from .screen import Screen
    except ImportError:
        sys.stderr.write("For the demo as a live board: pip install 'rx_toppy[cli]'\n")
        return Lines(out)
    return Screen(out, board)


async def _play(sandbox: Sandbox, board: Board, view: Lines | Screen) -> None:
    loop = asyncio.get_running_loop()
    scheduler = AsyncIOScheduler(loop)
    over: asyncio.Future[None] = loop.create_future()

    def show(action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            if not over.done():
                over.set_exception(error)

    with ended_by_signals(loop, over):
        async with sandbox:
            bot = StandaloneBot(sandbox.bot_id, server_count=growing(Random(SEED)))
            client = TopGG(bot, token=sandbox.token, base_url=sandbox.base_url, interval=POST_EVERY)

            def tick(_: int) -> None:
                board.next_post = client.autopost.next_iteration
                show(view.refresh)

            async with client:
                client.events.subscribe(board.add)
                client.events.subscribe(lambda event: show(lambda: view.show(event)))
                client.events.on_next(Started(url=sandbox.base_url))
                found = rx.merge(
                    growth(client),
                    spending(client, scheduler),
                    votes(client, scheduler),
                    pages(client, [sandbox.bot_id, UNLISTED], scheduler),
                    top(client, scheduler),
                )
                frames = rx.interval(FRAME_EVERY, scheduler=scheduler)
                with found.subscribe(client.events), frames.subscribe(tick), suppress(TimeoutError):
                    await asyncio.wait_for(over, board.seconds)
