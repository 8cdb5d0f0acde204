"""Calls, one after another and together, and long lists."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import aiohttp

from rx_toppy import RateLimit, TopGG

from .bare import Bare
from .measuring import Bench, Goal, Growth, Run
from .peers import Peer, peers
from .serving import make_client, served

MANY = 400  # requests in a round
SINGLE = ("awaited, no limits", "awaited, limits kept", "subscribed", "50 in flight")
LISTS = ("3,000 bots", "30,000 bots", "30,000 bots, 50 ms away")

Fetch = Callable[[int], Awaitable[Any]]
FetchPage = Callable[[int], Awaitable[Iterable[Any]]]


async def calls(bench: Bench) -> None:
    """All of them, against one server."""
    if bench.wanted(*SINGLE, *LISTS):
        async with served() as base_url:
            await single(bench, base_url)
            await lists(bench, base_url)


def by_one(fetch: Fetch) -> Run:
    """One request after another."""

    async def run() -> None:
        for _ in range(MANY):
            await fetch(1)

    return run


def together(fetch: Fetch) -> Run:
    """Fifty at a time."""

    async def some() -> None:
        for _ in range(MANY // 50):
            await fetch(1)

    async def run() -> None:
        await asyncio.gather(*(some() for _ in range(50)))

    return run


def subscribed(client: TopGG) -> Run:
    """One subscription after another."""

    async def run() -> None:
        for _ in range(MANY):
            done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            client.fetch_bot(1).subscribe(done.set_result, done.set_exception)
            await done

    return run


async def single(bench: Bench, base_url: str) -> None:
    """Calls of one answer."""
    wide = (RateLimit(10**6, 1.0), RateLimit(10**6, 60.0, "/bots"))
    async with (
        aiohttp.ClientSession() as session,
        make_client(base_url, rate_limits=()) as free,
        make_client(base_url, rate_limits=wide) as limited,
        peers(base_url) as others,
    ):
        bare = Bare(session, base_url)
        for name, goal, ours, shape in (
            (SINGLE[0], 1.10, by_one(free.fetch_bot), by_one),
            (SINGLE[1], 1.15, by_one(limited.fetch_bot), by_one),
            (SINGLE[2], 1.25, subscribed(free), by_one),
            (SINGLE[3], 1.10, together(free.fetch_bot), together),
        ):
            compared = {who: shape(peer.fetch_bot) for who, peer in others.items()}
            await bench.compare(
                name,
                "calls/s",
                ours,
                shape(bare.fetch_bot),
                goal=Goal(goal),
                work=MANY,
                rounds=15,
                peers={} if shape is by_one and name != SINGLE[0] else compared,
            )


def paged(fetch: FetchPage, count: int) -> Run:
    """Page after page, every bot looked at."""

    async def run() -> None:
        seen = 0
        for offset in range(0, count, 500):
            for _ in await fetch(offset):
                seen += 1
        assert seen == count

    return run


async def lists(bench: Bench, base_url: str) -> None:
    """Bots, page by page."""
    for name, count, prefix, goal, rounds in (
        (LISTS[0], 3_000, "", None, 15),
        (LISTS[1], 30_000, "", Goal(1.10), 9),
        (LISTS[2], 30_000, "/slow", Goal(4, at_least=True), 2),
    ):
        if not bench.wanted(name):
            continue
        async with (
            aiohttp.ClientSession() as session,
            make_client(base_url + prefix, rate_limits=()) as client,
            peers(base_url + prefix) as others,
        ):
            bare = Bare(session, base_url + prefix)

            async def ours(client: TopGG = client, count: int = count) -> None:
                seen = 0
                async for _ in client.bulk_fetch_bots(count):
                    seen += 1
                assert seen == count

            async def plain(offset: int, bare: Bare = bare) -> Iterable[Any]:
                return (await bare.fetch_page(offset)).results

            # The peers go one page after another like the floor, so that once is enough to know.
            compared: dict[str, Peer] = {} if prefix else others
            await bench.compare(
                name,
                "ms",
                ours,
                paged(plain, count),
                goal=goal,
                rounds=rounds,
                peers={who: paged(peer.fetch_page, count) for who, peer in compared.items()},
                growth=None if prefix else Growth("bots of a list", count),
            )
