"""What a soak does, first part: calls, iterations and compositions, brought to an end or left."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import reactivex
from reactivex import Observable
from reactivex import operators as ops

from rx_toppy import (
    PostEvent,
    RequestEvent,
    TopGG,
    ToppyError,
    iterate,
    map_async,
    of_type,
)

from .soak_complaints import Mischief
from .soak_world import Watch, World

__all__ = ["CALLS", "a_call", "a_little"]

STRANGER = 999_999_999_999_999_999


def a_little(rng: Random) -> float:
    """Seconds after which somebody loses interest: mostly midway through a request."""
    return rng.choice((0.0, rng.uniform(0.0, 0.05), rng.uniform(0.0, 0.8)))


def long_ago() -> datetime:
    """A day from which on there are some pages of history."""
    return datetime.now(UTC) - timedelta(days=200)


def a_call(world: World, rng: Random) -> Any:
    """Any of the calls."""
    v0, project = world.v0, world.v1.project
    makers = (
        lambda: v0.fetch_bot(rng.choice((world.sandbox.bot_id, STRANGER))),
        lambda: v0.fetch_bots(20, offset=rng.randrange(300), sort="-points"),
        lambda: v0.bulk_fetch_bots(rng.choice((30, 600))),
        v0.fetch_votes,
        lambda: v0.upvote_check(world.voter),
        v0.get_stats,
        v0.post_stats,
        lambda: v0.fetch_user(rng.choice((world.voter, STRANGER))),
        v0.is_weekend,
        project.fetch,
        lambda: project.vote(world.voter),
        lambda: project.votes(long_ago()),
        lambda: project.post_metrics(server_count=rng.randrange(9_000)),
        lambda: project.post_metrics_batch([(long_ago(), {"server_count": 1})] * 130),
        lambda: project.edit({"en": f"Bot number {rng.randrange(1_000)}"}),
        lambda: project.post_commands([]),
    )
    return rng.choice(makers)()


async def awaited(world: World, rng: Random) -> None:
    """Some calls at once, each awaited."""
    world.voter = world.sandbox.vote()
    calls = [a_call(world, rng) for _ in range(rng.randint(1, 4))]
    await asyncio.gather(*(world.outcome(call) for call in calls))


async def subscribed(world: World, rng: Random) -> None:
    """Some calls at once, subscribed to and, at some time, left."""
    watches = [Watch(world).on(a_call(world, rng)) for _ in range(rng.randint(1, 4))]
    await asyncio.gather(*(watch.leaves(a_little(rng)) for watch in watches))


async def subscribed_to_the_end(world: World, rng: Random) -> None:
    """Some calls at once, subscribed to until they end."""
    watches = [Watch(world).on(a_call(world, rng)) for _ in range(rng.randint(1, 4))]
    await asyncio.gather(*(watch.ended() for watch in watches))


async def cancelled(world: World, rng: Random) -> None:
    """Some tasks that await calls, and are cancelled."""
    tasks = [asyncio.ensure_future(world.outcome(a_call(world, rng))) for _ in range(3)]
    for task in tasks:
        await asyncio.sleep(a_little(rng))
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)
    await asyncio.wait(tasks)


async def left_in_the_middle(world: World, rng: Random) -> None:
    """Iterations that somebody has had enough of."""
    pages = rng.choice((world.v0.bulk_fetch_bots(2_000), world.v1.project.votes(long_ago())))
    enough = rng.randrange(150)
    items = aiter(pages)
    read = 0
    try:
        async for _ in items:
            read += 1
            if read > enough:
                break
            if not read % 40:
                await asyncio.sleep(a_little(rng) / 4)
    except ToppyError as error:
        world.took(error)
    if rng.random() < 0.5:
        await items.aclose()


async def composed(world: World, rng: Random) -> None:
    """Calls with operators around them."""
    v0, project = world.v0, world.v1.project
    makers = (
        lambda: project.votes(long_ago()).pipe(
            ops.take(5), ops.flat_map(lambda vote: v0.fetch_user(vote.platform_id))
        ),
        lambda: a_call(world, rng).pipe(ops.retry(3)),
        lambda: a_call(world, rng).pipe(ops.timeout(rng.uniform(0.02, 0.6))),
        lambda: a_call(world, rng).pipe(ops.repeat(2)),
        lambda: v0.bulk_fetch_bots(900).pipe(ops.take(rng.randint(1, 600)), ops.to_list()),
        lambda: a_call(world, rng).pipe(ops.map(_mischief)),
        lambda: reactivex.concat(a_call(world, rng), a_call(world, rng)),
        lambda: reactivex.zip(v0.is_weekend(), project.fetch()).pipe(ops.delay(0.02)),
        lambda: v0.get_stats().pipe(ops.catch(lambda *_: v0.is_weekend())),
    )
    watch = Watch(world, Mischief).on(rng.choice(makers)())
    if rng.random() < 0.3:
        await watch.leaves(a_little(rng))
    else:
        await watch.ended()


async def shared(world: World, rng: Random) -> None:
    """One poll for several, who come and go."""
    polls = _a_poll(world, rng).pipe(ops.share())
    watches = []
    for _ in range(3):
        watches.append(Watch(world).on(polls))
        await asyncio.sleep(a_little(rng) / 2)
    await asyncio.gather(*(watch.leaves(rng.uniform(0, 1.5)) for watch in watches))


async def merged(world: World, rng: Random) -> None:
    """Several polls as one stream, which ends after some values, or is left."""
    polls = reactivex.merge(*(_a_poll(world, rng) for _ in range(3)))
    await Watch(world).on(polls.pipe(ops.take(rng.randint(1, 60)))).leaves(rng.uniform(0, 2))


async def polled(world: World, rng: Random) -> None:
    """Polls that are iterated, or subscribed to, for a while."""
    poll = _a_poll(world, rng)
    if rng.random() < 0.5:
        await Watch(world).on(poll).leaves(rng.uniform(0, 2))
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(rng.uniform(0.1, 2)):
            async for _ in poll:
                await asyncio.sleep(0.01)


async def slow_reader(world: World, rng: Random) -> None:
    """A stream that is read slowly, whatever that does to it, and then no more."""
    overflow = rng.choice(("error", "drop_oldest", "drop_newest"))
    source = rng.choice((world.v0.events, world.v0.bulk_fetch_bots(800), _a_poll(world, rng)))
    items = iterate(source, buffer=rng.randint(1, 20), overflow=overflow)
    enough = rng.randint(1, 30)
    with suppress(TimeoutError):
        async with asyncio.timeout(rng.uniform(0.1, 3)):
            try:
                async for _ in items:
                    enough -= 1
                    if not enough:
                        break
                    await asyncio.sleep(rng.uniform(0, 0.03))
            except ToppyError as error:
                world.took(error)
    if rng.random() < 0.5:
        await items.aclose()


async def handled(world: World, rng: Random) -> None:
    """Values that go to slow handlers, some of which fail."""

    async def handler(value: object) -> object:
        await asyncio.sleep(rng.uniform(0, 0.05))
        if rng.random() < 0.05:
            raise Mischief("a handler failed")
        return value

    source = rng.choice((world.v0.events, world.v1.project.votes(long_ago()), _a_poll(world, rng)))
    handlers = map_async(handler, max_concurrent=rng.randint(1, 4), buffer=rng.choice((2, 1000)))
    watch = Watch(world, Mischief).on(source.pipe(handlers))
    await watch.leaves(rng.uniform(0, 2))


async def listening(world: World, rng: Random) -> None:
    """Subscribers of events, who come, raise and go."""
    client = rng.choice(world.clients)
    makers: tuple[Any, ...] = (
        lambda: client.events,
        lambda: client.autopost,
        lambda: client.events.pipe(of_type(RequestEvent), ops.debounce(0.05)),
        lambda: client.events.pipe(of_type(RequestEvent), ops.buffer_with_time(0.2)),
        lambda: client.events.pipe(ops.sample(0.1), ops.pairwise()),
        lambda: client.events.pipe(of_type(PostEvent), ops.throttle_first(0.1)),
        lambda: client.events.pipe(ops.map(_mischief)),
    )
    watches = [Watch(world, Mischief).on(make()) for make in rng.sample(makers, 3)]
    raising = client.events.subscribe(_mischief)
    with suppress(TimeoutError):
        async with asyncio.timeout(a_little(rng)):
            await client.events.pipe(ops.first())
    await asyncio.gather(*(watch.leaves(a_little(rng)) for watch in watches))
    raising.dispose()


def _mischief(value: object) -> None:
    raise Mischief(f"at {type(value).__name__}")


def _a_poll(world: World, rng: Random) -> Observable[Any]:
    """Any of the polls, at a pace that nobody else has."""
    pace = rng.uniform(0.1, 0.5)
    client: TopGG = world.v0
    makers = (
        lambda: client.poll(lambda: client.get_stats(), pace),
        lambda: client.poll(lambda: client.bulk_fetch_bots(100), pace),
        lambda: client.poll_voters(pace),
        lambda: world.v1.poll(world.v1.project.fetch, pace),
        lambda: world.v1.poll_votes(pace),
        lambda: world.v1.poll_votes(pace, since=long_ago()),
    )
    return rng.choice(makers)()


CALLS = (
    awaited,
    subscribed,
    subscribed_to_the_end,
    cancelled,
    left_in_the_middle,
    composed,
    shared,
    merged,
    polled,
    slow_reader,
    handled,
    listening,
)
