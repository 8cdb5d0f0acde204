"""The limiter as the server sees it: arrivals counted behind a network that misbehaves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from typing import Any

import pytest

from rx_toppy import RateLimit, Ratelimited, StandaloneBot, TopGG, ToppyError
from tests.standin import Jitter, Seen, StandIn, fault, ok, violations

BOT = {"id": "1"}


def client_of(base_url: str, **options: Any) -> TopGG:
    """A client for this file: patient, quick to retry."""
    options = {"max_wait": None, "autopost": False, "token": "secret-token"} | options
    return TopGG(StandaloneBot(1, server_count=1), base_url=base_url, **options)


def slow_at_random(rng: random.Random) -> Iterator[Any]:
    """Answers that take their time, each another."""
    while True:
        yield fault.delay(rng.uniform(0, 0.05), ok(BOT))


@pytest.mark.parametrize("seed", range(3))
async def test_no_window_is_overfull_in_spite_of_jitter_and_dropped_connections(seed: int) -> None:
    """80 calls through a network that delays and drops: never more than the server allows."""
    rng = random.Random(seed)
    answers = slow_at_random(rng)
    async with StandIn() as topgg, Jitter(topgg.port, rng, (0.0, 0.03), drop=0.1) as net:
        topgg.default(lambda seen: next(answers))
        limits = (RateLimit(10, per=0.4, prefix="/bots"), RateLimit(14, per=0.4))
        async with client_of(net.base_url, rate_limits=limits) as client:
            calls = [
                client.fetch_bot(number) if number % 3 else client.fetch_user(number)
                for number in range(1, 81)
            ]
            results = await asyncio.gather(*calls, return_exceptions=True)
        assert not [error for error in results if isinstance(error, Exception)]
        bots = [seen.at for seen in topgg.seen if seen.path.startswith("/bots")]
        assert violations(bots, 10, 0.4) == []
        assert violations([seen.at for seen in topgg.seen], 14, 0.4) == []
        assert len(topgg.seen) >= 80


async def test_calls_given_up_midway_do_not_overfill_a_window() -> None:
    """Calls that are cancelled after they were sent keep their places, for they may yet arrive."""
    rng = random.Random(5)
    async with StandIn() as topgg, Jitter(topgg.port, rng, (0.0, 0.1)) as net:
        topgg.default(fault.delay(0.05, ok(BOT)))
        limits = (RateLimit(5, per=0.3),)
        async with client_of(net.base_url, rate_limits=limits) as client:

            async def fickle(number: int) -> None:
                try:
                    async with asyncio.timeout(rng.uniform(0.0, 1.2)):
                        await client.fetch_bot(number)
                except TimeoutError:
                    pass

            await asyncio.gather(*(fickle(number) for number in range(1, 41)))
            await client.fetch_bot(99)  # places of the cancelled come free again
        assert violations([seen.at for seen in topgg.seen], 5, 0.3) == []


async def test_sixty_and_then_the_cap() -> None:
    """By default the 61st call within a minute fails at once, internally, and says for how long."""
    async with StandIn() as topgg:
        topgg.default(ok(BOT))
        async with client_of(topgg.base_url, max_wait=10.0) as client:
            await asyncio.gather(*(client.fetch_bot(number) for number in range(1, 61)))
            with pytest.raises(Ratelimited) as caught:
                await client.fetch_bot(61)
            assert caught.value.internal
            assert 50 < caught.value.retry_after <= 60
            await client.fetch_user(1)  # a call of another window does not queue behind it
        assert len(topgg.seen) == 61


async def test_waiting_calls_go_in_order() -> None:
    """Who asked first goes first, through several windows' worth of waiting."""
    async with StandIn() as topgg:
        topgg.default(ok(BOT))
        limits = (RateLimit(3, per=0.1),)
        async with client_of(topgg.base_url, rate_limits=limits) as client:
            await asyncio.gather(*(client.fetch_bot(number) for number in range(1, 16)))
        assert [int(seen.path.rsplit("/", 1)[1]) for seen in topgg.seen[3:]] == list(range(4, 16))


async def test_a_cancelled_waiter_gives_its_place_back() -> None:
    """Cancelled while they wait, calls cost nothing; the next in line takes the place."""
    async with StandIn() as topgg:
        topgg.default(ok(BOT))
        limits = (RateLimit(1, per=0.2),)
        async with client_of(topgg.base_url, rate_limits=limits) as client:
            await client.fetch_bot(1)
            waiting = [asyncio.ensure_future(client.fetch_bot(number)) for number in range(2, 12)]
            await asyncio.sleep(0)
            for task in waiting[:-1]:
                task.cancel()
            async with asyncio.timeout(1.0):
                await waiting[-1]
        assert topgg.paths == ["GET /bots/1", "GET /bots/11"]


async def test_a_429_turns_the_waiting_away() -> None:
    """Calls that wait for a window when a long block begins fail at once, and are never sent."""
    async with StandIn() as topgg:
        topgg.script("/bots/1", fault.delay(0.05, fault.rate_limited(3600)))
        limits = (RateLimit(1, per=20),)
        async with client_of(topgg.base_url, rate_limits=limits, max_wait=100) as client:
            first = asyncio.ensure_future(client.fetch_bot(1))
            await topgg.arrived(1)
            others = [asyncio.ensure_future(client.fetch_bot(2)) for _ in range(3)]
            results = await asyncio.gather(first, *others, return_exceptions=True)
            assert all(isinstance(error, Ratelimited) for error in results)
            assert [error.internal for error in results] == [False, True, True, True]  # type: ignore[union-attr]
            assert all(error.retry_after > 3590 for error in results)  # type: ignore[union-attr]
        assert len(topgg.seen) == 1


async def test_a_short_block_is_waited_for_by_those_who_may() -> None:
    """With max_wait longer than the block, the next call goes out after it, not before."""
    async with StandIn() as topgg:
        topgg.script("/bots/1", fault.rate_limited(1, shape="header"), ok(BOT))
        async with client_of(topgg.base_url, max_wait=5) as client:
            with pytest.raises(Ratelimited) as caught:
                await client.fetch_bot(1)
            assert (caught.value.retry_after, caught.value.internal) == (1.0, False)
            await client.fetch_bot(1)
        first, second = (seen.at for seen in topgg.seen)
        assert second - first >= 1.0


async def test_two_clients_share_nothing() -> None:
    """One token's 429 is none of another client's business."""

    def by_token(seen: Seen) -> Any:
        return fault.rate_limited(3600) if seen.headers["authorization"] == "first" else ok(BOT)

    async with StandIn() as topgg:
        topgg.default(by_token)
        async with (
            client_of(topgg.base_url, token="first") as first,
            client_of(topgg.base_url, token="second", max_wait=0) as second,
        ):
            with pytest.raises(ToppyError):
                await first.fetch_bot(1)
            for number in range(1, 11):
                await second.fetch_bot(number)
            assert first.events is not second.events
            assert first.session is not second.session
