"""The shared budget: whatever happens to Redis and the way to it, no window holds too many."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partial
from operator import le
from pathlib import Path
from random import Random

import pytest

from rx_toppy import RateLimit
from rx_toppy.api.rate_limiter import Waiter
from rx_toppy.cluster import budget as budget_module
from rx_toppy.cluster import connection as link_module
from rx_toppy.cluster.budget import SharedBudget
from rx_toppy.cluster.connection import Link
from tests.faults.proxy import FaultProxy
from tests.faults.weather import Weather
from tests.standin.rates import violations

from .server import RedisServer

CALLS, PER = 12, 0.5
LIMITS = (RateLimit(40, per=0.1), RateLimit(CALLS, per=PER, prefix="/bots"))
TIMEOUT = 0.15


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What takes seconds takes tenths."""
    for name, value in (
        ("BEAT", 0.1),
        ("PRESENT", 0.25),
        ("SILENCE", 0.3),
        ("STALE", 0.2),
        ("SETTLING", 0.3),
        ("SOON", 0.03),
        ("GIVEN_UP", 0.2),
        ("ANSWER", 0.2),
    ):
        monkeypatch.setattr(budget_module, name, value)
    monkeypatch.setattr(link_module, "ANSWER", 0.2)
    return


class Process:
    """One of the processes that share a budget, with a way to Redis of its own."""

    def __init__(self, name: str, url: str, seen: list[float], rng: Random) -> None:
        self.link = Link(url)
        self.budget = SharedBudget(
            self.link,
            partial("test:{{x}}:{}".format),
            name,
            LIMITS,
            timeout=TIMEOUT,
            drop_after=60.0,
            on_block=lambda route, seconds: None,
        )
        self.sent = 0
        self._seen = seen
        self._rng = rng
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self, senders: int) -> None:
        """Sends as much as it may."""
        jobs = [self.budget.run(), *(self._send() for _ in range(senders))]
        self._tasks = [asyncio.ensure_future(job) for job in jobs]

    async def die(self) -> None:
        """Ends without a word."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.link.close()

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            waiter = Waiter(loop.create_future(), loop.time(), True, "GET", "/bots/1")
            place = await self.budget.place("/bots/1", waiter, float("inf"))
            # The server counts it at some time between leaving and the answer, of which both are
            # within the timeout, however long this loop stands still meanwhile.
            arrives, answered = sorted(loop.time() + self._rng.random() * TIMEOUT for _ in "12")
            self._seen.append(arrives)
            self.sent += 1
            await asyncio.sleep(answered - loop.time())
            self.budget.end(place, loop.time(), answered=True)


class World:
    """Four processes, each with a way of its own to one Redis; and what may happen to them."""

    def __init__(self, redis: RedisServer, rng: Random) -> None:
        self.seen: list[float] = []
        self._redis = redis
        self._rng = rng
        self._born = 0
        self._proxies = [FaultProxy(redis.port, Weather(rng)) for _ in range(4)]
        self._processes: list[Process] = []

    async def __aenter__(self) -> World:
        for proxy in self._proxies:
            await proxy.__aenter__()
            self._processes.append(self._bear(proxy))
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in self._processes:
            await process.die()
        for proxy in self._proxies:
            await proxy.__aexit__(None, None, None)

    def sent(self) -> list[int]:
        """How much each process has sent so far."""
        return [process.sent for process in self._processes]

    async def partition(self) -> None:
        """One process does not reach Redis for a while."""
        proxy = self._rng.choice(self._proxies)
        await proxy.go_down()
        await asyncio.sleep(self._rng.uniform(0.1, 1.8))
        proxy.come_up()

    async def restart(self) -> None:
        """Redis is away for a while, and comes back with its data."""
        await self._redis.stop()
        await asyncio.sleep(self._rng.uniform(0.0, 1.2))
        await self._redis.start()

    async def lose(self) -> None:
        """Redis is killed, and comes back empty."""
        await self._redis.restart(kill=True, empty=True)

    async def freeze(self) -> None:
        """Redis stands still for a while, and then does what it was asked to."""
        self._redis.pause()
        await asyncio.sleep(self._rng.uniform(0.1, 1.2))
        self._redis.resume()

    async def kill(self) -> None:
        """A process dies, and another one takes its place."""
        place = self._rng.randrange(len(self._processes))
        await self._processes[place].die()
        self._processes[place] = self._bear(self._proxies[place])

    def _bear(self, proxy: FaultProxy) -> Process:
        self._born += 1
        url = self._redis.url_by(proxy.port)
        process = Process(f"process {self._born}", url, self.seen, self._rng)
        process.begin(senders=8)
        return process


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 7))]
)
async def test_no_window_holds_too_many_under_any_fault(tmp_path: Path, seed: int) -> None:
    """Partitions, restarts with and without the data, a Redis that stands still, dead processes."""
    rng = Random(seed)
    async with (
        asyncio.timeout(150),
        RedisServer(tmp_path / "redis") as redis,
        World(redis, rng) as world,
    ):
        await asyncio.sleep(0.5)
        faults = [world.partition, world.restart, world.lose, world.freeze, world.kill]
        for fault in rng.sample(faults, len(faults)):
            await fault()
            await asyncio.sleep(rng.uniform(0.3, 0.7))
        before = world.sent()
        # All of them go on, whatever has happened.
        while len(world.seen) <= 5 * CALLS or any(map(le, world.sent(), before)):
            await asyncio.sleep(0.05)
        seen = list(world.seen)
    assert violations(seen, CALLS, PER) == []


async def test_who_is_lost_right_after_the_data_keeps_a_share(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has told an empty Redis of itself is there, and may use its share, for all others.

    However far apart they told it: none is taken for the successor of another.
    """
    for name, value in (("BEAT", 0.05), ("PRESENT", 0.5), ("SILENCE", 0.9), ("SETTLING", 1.6)):
        monkeypatch.setattr(budget_module, name, value)
    one, other = (Process(name, redis_server.url, [], Random(1)) for name in ("one", "other"))
    for process in (one, other):
        process.begin(senders=0)
    async with asyncio.timeout(60):
        while {one.budget.members, other.budget.members} != {2}:
            await asyncio.sleep(0.01)
        await other.die()
        await redis_server.ask("FLUSHALL")
        await asyncio.sleep(0.7)
        assert one.budget.members == 1
        other.begin(senders=0)
        members = next(key for key in one.budget._keys if key.endswith(":members"))
        while await redis_server.ask("ZCARD", members) != ":2":
            await asyncio.sleep(0.01)
        await other.die()
        await asyncio.sleep(1.4)
        assert one.budget.members == 2
    await one.die()


async def test_who_is_lost_before_it_was_given_a_share_has_one_call(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others leave it the one that it goes on with, though they had all when it was lost."""
    for name, value in (("BEAT", 0.05), ("PRESENT", 0.5), ("SILENCE", 0.6), ("SETTLING", 0.0)):
        monkeypatch.setattr(budget_module, name, value)
    one, other = (Process(name, redis_server.url, [], Random(1)) for name in ("one", "other"))
    one.begin(senders=0)
    async with asyncio.timeout(60):
        while one.budget.free != [40, CALLS] or not one.budget._have[1][1]:
            await asyncio.sleep(0.01)
        await one.die()
        await other.budget._turn()
        assert other.budget._have == [(0, 0), (0, 0)]
        one.begin(senders=0)
        while one.budget.free != [39, CALLS - 1]:
            await asyncio.sleep(0.01)
        # Nor when it is back, and goes on with its share for a moment.
        other.budget._go_on_alone(other.budget._have, 0.0)
        await other.budget._turn()
        while one.budget._turns <= other.budget._turns:
            await asyncio.sleep(0.01)
        assert one.budget.free == [39, CALLS - 1]
    for process in (one, other):
        await process.die()
