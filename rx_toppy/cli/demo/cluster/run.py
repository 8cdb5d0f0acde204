"""`rx-toppy demo --cluster`: each terminal that runs it is one process of a cluster on Redis.

`standing` is the part to read: it has what a process can know of its cluster.
"""

from __future__ import annotations

import reactivex as rx
from reactivex import Observable, abc
from reactivex import operators as ops

from ....bot import StandaloneBot
from ....client import TopGG
from ....cluster import RedisCoordinator
from ....cluster.connection import shown_redis_url
from ....events import Event
from ...live import run as terminal
from .. import recording as _common_recording  # noqa: F401 - what both demos have in common
from .. import telling as _common_telling  # noqa: F401
from ..pipelines import POST_EVERY, UNLISTED, growth, pages, votes
from . import recording as recording  # what to write of it
from . import telling as telling  # how to tell of it
from .board import Board
from .events import Joined
from .session import Session
from .standing import DROP_AFTER, PartOfBot, changes, looks, shards_of, sharing, totals

# Seconds. All terminals together keep well below the 60 requests a minute, up to three of them.
LOOK_EVERY = 10.0


def run(url: str, seconds: float | None = None, *, as_json: bool = False) -> None:
    """Takes part until the time is over, or until Ctrl-C; then tells what happened.

    Args:
        url: Where the Redis is.
        seconds: When it ends by itself, None for never.
        as_json: Whether it is an object for each event.

    Raises:
        ToppyError: there is no Redis, or no place for this terminal.
        OSError: what it shows can't be written any more.
        ValueError: `url` is none of a Redis.
        ImportError: the package `redis` is not installed.
    """
    cluster = RedisCoordinator(url, drop_after=DROP_AFTER)
    board = Board(seconds)

    async def perform(stage: terminal.Stage) -> None:
        async with Session(url) as session:
            shards = shards_of(session.number)
            bot = PartOfBot(session.bot_id, shards) if shards else StandaloneBot(session.bot_id)
            client = TopGG(
                bot,
                token=session.token,
                base_url=session.base_url,
                interval=POST_EVERY,
                cluster=cluster,
            )
            board.autopost = client.autopost

            def compose(client: TopGG, scheduler: abc.SchedulerBase) -> Observable[Event]:
                seen = looks(session, client, scheduler).pipe(
                    ops.do_action(board.look), ops.share()
                )
                return rx.merge(
                    changes(seen),
                    totals(seen, scheduler),
                    sharing(seen, scheduler),
                    growth(client),
                    votes(client, scheduler, LOOK_EVERY),
                    pages(client, [session.bot_id, UNLISTED], scheduler, LOOK_EVERY),
                )

            await stage.play(client, Joined(session.number, shards, shown_redis_url(url)), compose)

    terminal.run(board, perform, as_json=as_json)
