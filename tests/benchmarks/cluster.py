"""Processes with one token on a Redis of this run's own: votes, calls, and what fails.

They and Redis share the cores of one machine, so what more machines would carry is not seen here.
These rows run only where they are asked for: they need `redis-server`.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

from rx_toppy import RateLimit
from rx_toppy.cluster import RedisCoordinator
from tests.cluster.harness import Cluster, TopGGSeen
from tests.cluster.lives import Life
from tests.cluster.server import PROGRAM, RedisServer

from .calls import MANY, by_one, together
from .intake import Child, child
from .measuring import Bench, Growth, Row
from .serving import make_client, served

PROCESSES = (1, 2, 4, 8)
VOTES = 20_000  # of a round, by all processes together

ADDED = "cluster, votes added, {} at work"
HANDLED = "cluster, votes handled, {} at work"
CALLS = ("cluster, a call, one after another", "cluster, a call, 50 in flight")
LEADER = "cluster, leader killed: the next post"
AWAY = "cluster, Redis killed: all call again"
BACK = "cluster, Redis there again: one budget"

INTERVAL = 0.5
TAKEOVERS = 3


async def cluster(bench: Bench) -> None:
    """All of them."""
    names = [form.format(many) for form in (ADDED, HANDLED) for many in PROCESSES]
    if not bench.chosen or not bench.wanted(*names, *CALLS, LEADER, AWAY, BACK):
        return
    if shutil.which(PROGRAM) is None:
        sys.exit(f"the rows about clusters need {PROGRAM} (Debian's package redis-server)")
    for many in PROCESSES[:2] if bench.quick else PROCESSES:
        await votes(bench, many)
    if bench.wanted(*CALLS):
        await calls(bench)
    if bench.wanted(LEADER):
        await leader(bench)
    if bench.wanted(AWAY, BACK):
        await loss(bench)


@asynccontextmanager
async def redis() -> AsyncIterator[RedisServer]:
    """An empty one, that writes all it is told to its file."""
    with tempfile.TemporaryDirectory() as folder:
        async with RedisServer(Path(folder)) as server:
            yield server


async def votes(bench: Bench, many: int) -> None:
    """Through so many processes: first all is added, by all of them, and then handled by all."""
    names = ADDED.format(many), HANDLED.format(many)
    if not bench.wanted(*names):
        return
    total, rounds = (400, 1) if bench.quick else (VOTES, 3)
    added, handled = [], []
    async with redis() as server, AsyncExitStack() as stack:
        voters = [await stack.enter_async_context(child("voters", server.url)) for _ in range(many)]
        firsts = count(0, total // many)
        for number in range(1, rounds + 2):  # the first one is to get warm
            begun = time.perf_counter()
            await asyncio.gather(
                *(voter.ask(f"add {next(firsts)} {total // many}".encode()) for voter in voters)
            )
            done = time.perf_counter()
            await asyncio.gather(*(voter.ask(b"handle") for voter in voters))
            while await handled_by(voters) < number * total:
                await asyncio.sleep(0.01)
            ended = time.perf_counter()
            await asyncio.gather(*(voter.ask(b"rest") for voter in voters))
            if number > 1:
                added.append(total / (done - begun))
                handled.append(total / (ended - done))
    for name, what, rates in zip(names, ("adding", "handling"), (added, handled), strict=True):
        row = Row(name=name, unit="votes/s", ours=statistics.median(rates))
        row.growth = Growth(f"processes {what} votes", many, with_work=False)
        bench.add(row)


async def handled_by(voters: list[Child]) -> float:
    """How many votes all of them have handled so far."""
    return sum(await asyncio.gather(*(voter.ask(b"count") for voter in voters)))


async def calls(bench: Bench) -> None:
    """What it costs a call that its place is given by Redis, and not by its own process."""
    wide = (RateLimit(10**6, 1.0), RateLimit(10**6, 2.0, "/bots"))
    async with (
        redis() as server,
        served() as base_url,
        make_client(base_url, rate_limits=wide) as alone,
        make_client(
            base_url, rate_limits=wide, cluster=RedisCoordinator(server.url)
        ) as one_of_many,
    ):
        for name, shape in zip(CALLS, (by_one, together), strict=True):
            ours, floor = shape(one_of_many.fetch_bot), shape(alone.fetch_bot)
            await bench.compare(name, "us", ours, floor, work=MANY, rounds=1 if bench.quick else 9)


@asynccontextmanager
async def four(**more: object) -> AsyncIterator[tuple[RedisServer, TopGGSeen, Cluster]]:
    """Processes of a cluster, each with a shard, that run."""
    with tempfile.TemporaryDirectory() as folder:
        async with redis() as server, TopGGSeen() as topgg:
            lives = [
                Life(
                    number=number,
                    redis=server.url,
                    base_url=topgg.base_url,
                    limits=[(20, 1.0, "/bots")],
                    shards=[number - 1],
                    shard_count=4,
                    **more,  # type: ignore[arg-type]
                )
                for number in range(1, 5)
            ]
            async with Cluster(Path(folder), lives) as processes:
                await processes.start()
                yield server, topgg, processes


async def leader(bench: Bench) -> None:
    """How long there is no post of the total when the process that posts it is killed."""
    took = []
    async with four(interval=INTERVAL) as (_, topgg, processes):
        since = 0.0
        for _ in range(1 if bench.quick else TAKEOVERS):
            await processes.until(lambda: len(topgg.posts(since=since)) > 1, "posts")  # noqa: B023
            killed = processes.heard("posted")[-1].number
            since = time.monotonic()
            await processes.kill(killed)
            await processes.until(lambda: bool(topgg.posts(since=since)), "a post")  # noqa: B023
            took.append(topgg.posts(since=since)[0][0] - since)
            await processes.start(killed)
    row = Row(name=LEADER, unit="s", ours=statistics.median(took))
    row.note = f"{min(took):.1f} to {max(took):.1f}; {INTERVAL:g} s from post to post"
    bench.add(row)


async def loss(bench: Bench) -> None:
    """How long it takes until all go on by themselves, and until they are together again."""
    alone, together_again = [], []
    async with four(bots=1) as (server, topgg, processes):

        async def all_called() -> None:
            since = time.monotonic()
            await processes.until(lambda: len(topgg.turns(since=since)) == 4, "calls of all")

        async def all_said(text: str, since: float) -> float:
            await processes.until(
                lambda: len(processes.heard("logged", text, since=since)) == 4, text
            )
            return max(said.at for said in processes.heard("logged", text, since=since)) - since

        for _ in range(1 if bench.quick else TAKEOVERS):
            await all_called()
            await server.kill()
            since = time.monotonic()
            await all_said("Redis is away", since)
            await all_called()
            alone.append(time.monotonic() - since)
            await server.start()
            together_again.append(await all_said("Redis is back", time.monotonic()))
    for name, took in ((AWAY, alone), (BACK, together_again)):
        row = Row(name=name, unit="s", ours=statistics.median(took))
        row.note = f"{min(took):.1f} to {max(took):.1f}"
        bench.add(row)
