"""Hours in which the network and top.gg fail in every way, and a client is asked for all."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from rx_toppy import PollFailed, TopGG, ToppyError, of_type
from rx_toppy.sandbox import faults
from tests.virtual import run_virtual

from .weather import Weather
from .world import HOUR, World, in_virtual_time

__all__ = ["storm"]

# Four attempts of ten seconds each, the pauses between them, and a minute for the window before.
LONGEST_CALL = 175.0

ABOUT_TOP = (
    faults.Status(503),
    faults.Status(500, b""),
    faults.Status(503, headers={"Retry-After": "3"}),
    faults.HtmlPage(502),
    faults.HtmlPage(200),
    faults.TruncatedBody(),
    faults.Reset(),
    faults.Hang(),
    faults.TooManyRequests(7),
)


def storm(seed: int, *, hours: float = 2.0) -> str:
    """Each call ends in time, with the truth or one of our errors; the polls miss nothing."""

    async def main() -> str:
        weather = Weather(seed, 0.1, delay=(0.0, 0.3))
        told: Counter[str] = Counter()
        top = {"bots": 700, "votes_per_page": 5, "seed": seed}
        async with in_virtual_time(weather, sandbox=top, autopost=False) as world:
            await world.client.post_stats()
            for fault in ABOUT_TOP:
                world.sandbox.fail(fault, rate=0.01)
            # Whether what was posted has arrived nobody could tell from such an answer.
            world.sandbox.fail(faults.Garbage(), rate=0.01, method="GET")
            polled: list[int | None] = []
            failed: list[PollFailed] = []
            world.client.events.pipe(of_type(PollFailed)).subscribe(failed.append)
            world.client.poll_votes().subscribe(lambda vote: polled.append(vote.platform_id))
            await asyncio.sleep(1.0)  # it begins with the present
            voting = asyncio.ensure_future(_vote(world, hours))
            await _calls(world, hours, told)
            voters = await voting
            world.sandbox.clear_faults()
            weather.rate = 0.0
            await asyncio.sleep(HOUR)  # a 429 of the storm may still keep everybody waiting
            assert polled == voters, f"{set(voters) ^ set(polled)} (seed {seed})"
        asked = ", ".join(f"{count:,} {what}" for what, count in told.most_common())
        return (
            f"{told.total():,} calls in {hours:g} hours ({asked}); {len(voters)} votes polled, "
            f"each once and in order, over {len(failed)} failed polls; {weather}"
        )

    return run_virtual(main())


async def _vote(world: World, hours: float) -> list[int]:
    """Lets votes arrive, about one in two minutes, and gives who voted."""
    voters: list[int] = []
    end = asyncio.get_running_loop().time() + hours * HOUR
    while asyncio.get_running_loop().time() < end:
        await asyncio.sleep(world.weather.rng.expovariate(1 / 120))
        voters.append(world.sandbox.vote(10**6 + len(voters)))
    return voters


async def _calls(world: World, hours: float, told: Counter[str]) -> None:
    """Asks for this and that, sometimes a lot of it at once, and checks what comes of it."""
    rng = Random(f"calls {world.weather.rng.random()}")
    loop = asyncio.get_running_loop()
    end = loop.time() + hours * HOUR
    running: set[asyncio.Task[None]] = set()
    while loop.time() < end:
        for _ in range(rng.choice((1, 1, 1, 2, 5, 40))):
            call = rng.choice(CALLS)
            running.add(asyncio.ensure_future(_check(world, call, told)))
        await asyncio.sleep(rng.expovariate(1 / 60))
        for task in [task for task in running if task.done()]:
            running.discard(task)
            task.result()
    await asyncio.gather(*running)


async def _check(
    world: World, call: Callable[[World, TopGG], Awaitable[bool]], told: Counter[str]
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        assert await call(world, world.client), f"{call.__name__} was told something else"
        told["answered"] += 1
    except ToppyError as error:
        told[type(error).__name__] += 1
        if world.sandbox.token in repr(error) + str(error):
            raise AssertionError("an error has the token") from None
    took = loop.time() - began
    assert took <= LONGEST_CALL, f"{call.__name__} took {took:.0f} s"


async def _bot(world: World, client: TopGG) -> bool:
    return (await client.fetch_bot(world.sandbox.bot_id)).id == world.sandbox.bot_id


async def _page(world: World, client: TopGG) -> bool:
    page = await client.fetch_bots(50, sort="-points")
    points: list[Any] = [bot.all_time_votes for bot in page]
    return len(page) == 50 and points == sorted(points, reverse=True)


async def _pages(world: World, client: TopGG) -> bool:
    ids = [bot.id for bot in await client.bulk_fetch_bots(1_000)]
    return len(ids) == len(set(ids)) == 700


async def _post(world: World, client: TopGG) -> bool:
    posted = int(await client.post_stats())
    return any(body["server_count"] == posted for body in world.sandbox.posted)


async def _stats(world: World, client: TopGG) -> bool:
    shown = (await client.get_stats()).server_count
    return any(body["server_count"] == shown for body in world.sandbox.posted)


async def _project(world: World, client: TopGG) -> bool:
    return (await client.project.fetch()).platform == "discord"


async def _weekend(world: World, client: TopGG) -> bool:
    return isinstance(await client.is_weekend(), bool)


CALLS = (_bot, _page, _pages, _post, _stats, _project, _weekend)
