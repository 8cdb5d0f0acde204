"""One rate limit for eight processes, as top.gg sees it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from pathlib import Path
from random import Random

import pytest

from tests.faults.proxy import FaultProxy
from tests.faults.weather import Fate, Weather

from .harness import Cluster, TopGGSeen
from .lives import Life
from .server import RedisServer

FOUR, EIGHT = range(1, 5), range(1, 9)
CALLS, PER = 10, 1.0
LIMITS = [(CALLS, PER, "/bots"), (25, 1.0, "")]
AWAY, BACK = "Redis is away", "Redis is back"
FORBIDDEN = "another process was told too many requests"


def hammering(redis_url: str, topgg: TopGGSeen, numbers: range = EIGHT) -> list[Life]:
    """Some that want far more than they may have."""
    return [
        Life(
            number=number,
            redis=redis_url,
            base_url=topgg.base_url,
            limits=LIMITS,
            bots=3,
            users=1,
            timeout=3.0,
        )
        for number in numbers
    ]


async def all_had_a_turn(cluster: Cluster, topgg: TopGGSeen, since: float | None = None) -> None:
    """Waits until each of them has got a call through, from here or some moment on."""
    since = time.monotonic() if since is None else since
    await cluster.until(
        lambda: topgg.turns("/bots", since=since).keys() == cluster.lives.keys(), "everybody's turn"
    )


async def nearly_all_is_used(cluster: Cluster, topgg: TopGGSeen, share: float = 0.7) -> None:
    """Waits for four windows in a row in which that share of the calls was made that were allowed.

    Somewhere in between the machine leaves them that much time, however busy it is.
    """
    since, many = time.monotonic(), round(share * 4 * CALLS)

    def is_used() -> bool:
        calls = topgg.arrivals("/bots", since=since)
        spans = zip(calls, calls[many - 1 :], strict=False)
        return any(last - first <= 4 * PER for first, last in spans)

    await cluster.until(is_used, f"{many} calls in {4 * PER:g} s")


async def all_said(cluster: Cluster, text: str, numbers: Iterable[int], since: float) -> None:
    """Waits until each of these has logged something; nobody does so twice."""

    def is_said() -> bool:
        said = [one.number for one in cluster.heard("logged", text, since=since)]
        assert len(said) == len(set(said)), f"{text!r} was logged again by one of {sorted(said)}"
        return set(said) >= set(numbers)

    await cluster.until(is_said, f"{text!r} in the log of {list(numbers)}")


@pytest.mark.parametrize(
    ("numbers", "kills"),
    [(FOUR, 1), pytest.param(EIGHT, 4, marks=pytest.mark.slow)],
    ids=["four", "eight"],
)
async def test_processes_share_a_limit_whoever_is_killed(
    redis_url: str, tmp_path: Path, numbers: range, kills: int
) -> None:
    """No window is overfull, everybody has a turn, and what is allowed is used.

    One stands still while others are killed and started again: it sends nothing late.
    """
    rng = Random()
    async with (
        TopGGSeen() as topgg,
        Cluster(tmp_path, hammering(redis_url, topgg, numbers)) as cluster,
    ):
        await cluster.start()
        await nearly_all_is_used(cluster, topgg)
        await all_had_a_turn(cluster, topgg)
        assert not cluster.heard("logged", "Redis")

        cluster.freeze(1)
        for _ in range(kills):
            victims = rng.sample(numbers[1:], rng.randint(1, len(numbers) // 3))
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
    seconds, in_hand = 3, 4
    async with (
        TopGGSeen() as topgg,
        Cluster(tmp_path, hammering(redis_url, topgg, FOUR)) as cluster,
    ):
        await cluster.start()
        await all_had_a_turn(cluster, topgg)
        topgg.forbid(seconds)
        await cluster.until(lambda: topgg.forbidden_at is not None, "a 429")
        since = topgg.forbidden_at or 0.0
        await cluster.until(
            lambda: len(cluster.heard("logged", FORBIDDEN)) == len(FOUR) - 1, "all to hear of it"
        )
        heard = max(one.at for one in cluster.heard("logged", FORBIDDEN))
        await all_had_a_turn(cluster, topgg, since=since + seconds)
        # What they had got a place for before they heard of it may still leave, and arrive.
        early = [at - heard for at in topgg.arrivals(since=heard) if at < since + seconds]
        assert len(early) <= in_hand * len(FOUR), early
        assert max(early, default=0.0) < 1.0, early
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
        await all_had_a_turn(cluster, topgg)
        await nearly_all_is_used(cluster, topgg, 0.6)
        assert len(cluster.heard("logged", AWAY)) == len(EIGHT)
        assert topgg.overfull(LIMITS) == []
        assert not cluster.heard("failed")
    assert cluster.stderr() == ""
