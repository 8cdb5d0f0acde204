"""One rate limit for eight processes, as top.gg sees it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random

import pytest

from tests.faults.proxy import FaultProxy
from tests.faults.weather import Fate, Weather

from .harness import Cluster, TopGGSeen
from .lives import Life
from .server import RedisServer

EIGHT = range(1, 9)
LIMITS = [(10, 1.0, "/bots"), (25, 1.0, "")]
AWAY, BACK = "Redis is away", "Redis is back"


def hammering(redis_url: str, topgg: TopGGSeen) -> list[Life]:
    """Eight that want far more than they may have."""
    return [
        Life(
            number=number,
            redis=redis_url,
            base_url=topgg.base_url,
            limits=LIMITS,
            bots=3,
            users=1,
        )
        for number in EIGHT
    ]


async def all_had_a_turn(cluster: Cluster, topgg: TopGGSeen, patience: float = 20.0) -> None:
    """Waits until each of the eight has got a call through from here on."""
    since = time.monotonic()
    await cluster.until(
        lambda: set(topgg.turns("/bots", since=since)) == set(EIGHT), "everybody's turn", patience
    )


async def all_said(cluster: Cluster, text: str, numbers: range, since: float) -> None:
    """Waits until each of these has logged something; nobody does so twice."""

    def is_said() -> bool:
        said = [one.number for one in cluster.heard("logged", text, since=since)]
        assert len(said) == len(set(said)), f"{text!r} was logged again by one of {sorted(said)}"
        return set(said) >= set(numbers)

    await cluster.until(is_said, f"{text!r} in the log of {list(numbers)}", 12.0)


async def test_eight_processes_share_a_limit_whoever_is_killed(
    redis_url: str, tmp_path: Path
) -> None:
    """No window is overfull, everybody has a turn, and what is allowed is used.

    One stands still while others are killed and started again: it sends nothing late.
    """
    rng = Random()
    async with TopGGSeen() as topgg, Cluster(tmp_path, hammering(redis_url, topgg)) as cluster:
        await cluster.start()
        await asyncio.sleep(1.0)
        since = time.monotonic()
        await asyncio.sleep(4.0)
        calm = topgg.arrivals("/bots", since=since)
        assert len(calm) >= 0.7 * 40, f"{len(calm)} calls of the 40 that were allowed"
        turns = topgg.turns("/bots", since=since)
        assert min(turns[number] for number in EIGHT) >= 2, turns
        assert not cluster.heard("logged", "Redis")

        cluster.freeze(1)
        for _ in range(4):
            victims = rng.sample(EIGHT[1:], rng.randint(1, 3))
            await cluster.kill(*victims)
            await asyncio.sleep(rng.uniform(0.0, 0.5))
            await cluster.start(*victims)
            await asyncio.sleep(rng.uniform(0.0, 0.5))
        cluster.thaw(1)
        await all_had_a_turn(cluster, topgg)
        assert topgg.overfull(LIMITS) == []
        assert not cluster.heard("failed")
    assert cluster.stderr() == ""


async def test_a_429_seen_by_one_keeps_all_off(redis_url: str, tmp_path: Path) -> None:
    """For as long as top.gg said nobody sends anything; then all go on."""
    async with TopGGSeen() as topgg, Cluster(tmp_path, hammering(redis_url, topgg)) as cluster:
        await cluster.start()
        await all_had_a_turn(cluster, topgg)
        topgg.forbid(2)
        await cluster.until(lambda: topgg.forbidden_at is not None, "a 429")
        since = topgg.forbidden_at or 0.0
        await all_had_a_turn(cluster, topgg)
        # What others had got a place for before they could hear of it may still have left.
        early = [at - since for at in topgg.arrivals(since=since) if 0.0 < at - since < 2.0]
        assert len(early) <= 2 * len(EIGHT), early
        assert max(early, default=0.0) < 0.5, early
        assert topgg.overfull(LIMITS) == []
    assert cluster.stderr() == ""


@pytest.mark.slow
async def test_restarts_of_redis(own_redis: RedisServer, tmp_path: Path) -> None:
    """Whether it comes back with its data or without: no window is overfull, and calls go on.

    The last time a process is started while it comes back: it knows of nothing that was sent.
    """
    async with TopGGSeen() as topgg, Cluster(tmp_path, hammering(own_redis.url, topgg)) as cluster:
        await cluster.start()
        await all_had_a_turn(cluster, topgg)
        await own_redis.restart(kill=True)
        await all_had_a_turn(cluster, topgg)
        await cluster.kill(8)
        (newcomer,) = cluster.launch(8)
        await asyncio.sleep(0.3)
        await own_redis.restart(kill=True, empty=True)
        await newcomer
        await all_had_a_turn(cluster, topgg)
        assert topgg.overfull(LIMITS) == []
        assert not cluster.heard("failed")
    assert cluster.stderr() == ""


@pytest.mark.slow
async def test_a_partition_and_a_redis_that_stands_still(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    """Half lose Redis, and go on with their shares; then all lose it, and return by themselves.

    Each says once that it goes on alone, and once that it no longer does.
    """
    near, far = EIGHT[:4], EIGHT[4:]
    weather = Weather("partition", faults=[Fate.HALF_OPEN])
    async with (
        TopGGSeen() as topgg,
        FaultProxy(own_redis.port, weather) as proxy,
        Cluster(tmp_path, hammering(own_redis.url, topgg)) as cluster,
    ):
        for number in far:
            cluster.lives[number].redis = own_redis.url_by(proxy.port)
        await cluster.start()
        await all_had_a_turn(cluster, topgg)

        began = time.monotonic()
        weather.rate = 1.0
        await all_said(cluster, AWAY, far, began)
        await all_had_a_turn(cluster, topgg)
        assert {one.number for one in cluster.heard("logged", AWAY)} == set(far)

        own_redis.pause()
        await all_said(cluster, AWAY, near, began)
        own_redis.resume()
        weather.rate = 0.0
        await proxy.cut_all()
        await all_said(cluster, BACK, EIGHT, began)
        since = time.monotonic()
        await all_had_a_turn(cluster, topgg)
        await asyncio.sleep(max(0.0, since + 3.0 - time.monotonic()))
        assert len(topgg.arrivals("/bots", since=time.monotonic() - 2.0)) >= 0.6 * 20
        assert len(cluster.heard("logged", AWAY)) == len(EIGHT)
        assert topgg.overfull(LIMITS) == []
        assert not cluster.heard("failed")
    assert cluster.stderr() == ""
