"""One process of a cluster, that the tests run, freeze and kill.

It says what happens to it as lines of JSON, and ends when there is nobody any more who listens:
`python -m tests.cluster.lives LIFE`, with a `Life` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from itertools import count
from types import SimpleNamespace
from typing import Any

import msgspec

from rx_toppy import PostEvent, RateLimit, StandaloneBot, TopGG, ToppyError
from rx_toppy.cluster import RedisCoordinator, budget
from rx_toppy.cluster import totals as roll

__all__ = ["OWN_ID", "Life", "guilds_on", "run"]

OWN_ID = 264811613708746752
# Less has to be waited for when places are held that nobody gives back.
budget.STALE = 1.0

IDS = 1_000_000  # ids for each process, so that a path says whose it is


class Life(msgspec.Struct, kw_only=True):
    """What a process is told.

    Attributes:
        number: Which process it is, from 1: its calls are about ids of `number * IDS` and up.
        redis: The Redis's URL, or that of a proxy before it.
        base_url: What it takes for top.gg.
        limits: The rate limits: calls, seconds, prefix.
        bots: How many calls to `/bots` it makes at a time, one after another for ever.
        users: The same for `/users`.
        shards: Its bot's shards in this process; None where the bot is unsharded.
        shard_count: Its bot's shards in all processes.
        interval: Seconds between two autoposts, 0 for none.
        post_to: Where to.
        beat: Seconds after which it looks again who is the one to post.
        drop_after: The cluster's.
        timeout: Seconds that an answer of top.gg's may take.
    """

    number: int
    redis: str
    base_url: str
    limits: list[tuple[int, float, str]]
    bots: int = 0
    users: int = 0
    shards: list[int] | None = None
    shard_count: int = 1
    interval: float = 0.0
    post_to: str = "v0"
    beat: float = roll.BEAT
    drop_after: float = 300.0
    timeout: float = 1.0


class Sharded:
    """A bot that runs some of its shards here, as one of discord.py's does."""

    def __init__(self, life: Life) -> None:
        assert life.shards is not None
        self.user = SimpleNamespace(id=OWN_ID)
        self.shard_ids = life.shards
        self.shard_count = life.shard_count
        self.guilds = [
            SimpleNamespace(id=number, shard_id=shard)
            for shard in life.shards
            for number in range(guilds_on(shard))
        ]

    def is_ready(self) -> bool:
        """It is."""
        return True

    async def wait_until_ready(self) -> None:
        """It is."""


def guilds_on(shard: int) -> int:
    """How many guilds a shard has: sums of some shards tell which these are."""
    return int(2**shard)


def say(what: str, **more: Any) -> None:
    """Says what has happened."""
    print(json.dumps({"what": what, "at": time.monotonic(), **more}), flush=True)


class Saying(logging.Handler):
    """Says what is logged."""

    def emit(self, record: logging.LogRecord) -> None:
        """Says that too."""
        say("logged", level=record.levelname, text=record.getMessage())


async def calling(make: Callable[[int], Any], ids: count[int]) -> None:
    """Makes one call after another."""
    while True:
        try:
            await make(next(ids))
        except ToppyError as error:
            say("failed", error=type(error).__name__, text=str(error))
            await asyncio.sleep(0.05)


async def run(life: Life) -> None:
    """Lives until its standard input ends."""
    roll.BEAT = life.beat
    bot = StandaloneBot(OWN_ID, server_count=100) if life.shards is None else Sharded(life)
    client = TopGG(
        bot,
        token="the-token",
        base_url=life.base_url,
        autopost=bool(life.interval),
        interval=life.interval or 1.0,
        cluster=RedisCoordinator(life.redis, drop_after=life.drop_after),
        rate_limits=[RateLimit(calls, per, prefix) for calls, per, prefix in life.limits],
        max_wait=None,
        timeout=life.timeout,
        post_to=life.post_to,  # type: ignore[arg-type]
    )
    client.events.subscribe(
        lambda event: (
            say("posted", total=int(event.stats)) if isinstance(event, PostEvent) else None
        )
    )
    ids = count(life.number * IDS)
    async with client, asyncio.TaskGroup() as group:
        say("began")
        hands = [
            *(calling(client.fetch_bot, ids) for _ in range(life.bots)),
            *(calling(client.fetch_user, ids) for _ in range(life.users)),
        ]
        tasks = [group.create_task(hand) for hand in hands]
        await asyncio.to_thread(sys.stdin.read)
        for task in tasks:
            task.cancel()
    say("ended")


if __name__ == "__main__":
    logging.getLogger("rx_toppy").addHandler(Saying())
    logging.getLogger("rx_toppy").setLevel(logging.INFO)
    asyncio.run(run(msgspec.json.decode(sys.argv[1], type=Life)))
