"""What a soak does, second part: what has a life of its own, and what comes from other threads."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import AsyncExitStack, suppress
from random import Random
from typing import Any

from reactivex import operators as ops

from rx_toppy import ClientClosed, Vote, receive_votes
from rx_toppy.sandbox import WebhookTarget

from .soak_calls import a_call, a_little
from .soak_complaints import Mischief
from .soak_network import SoakProxy
from .soak_world import SECRET, Watch, World

__all__ = ["LIVES"]

NOWHERE = 1  # a port that nobody listens at


async def short_lived(world: World, rng: Random) -> None:
    """A client that is made, used and closed."""
    async with world.client() as client:
        watch = Watch(world).on(client.events)
        for _ in range(rng.randint(0, 3)):
            await world.outcome(client.is_weekend())
    await watch.ended()


async def closed_midway(world: World, rng: Random) -> None:
    """A client that is closed while much is under way; all of it ends."""
    client = world.client(autopost=False)
    watches = [
        Watch(world).on(client.fetch_user(world.voter)),
        Watch(world).on(client.poll(client.is_weekend, 0.1)),
        Watch(world).on(client.poll(client.is_weekend, 0.1).pipe(ops.share())),
        Watch(world).on(client.is_weekend().pipe(ops.repeat())),
        Watch(world).on(client.events),
        Watch(world).on(client.autopost),
    ]
    tasks = [asyncio.ensure_future(world.outcome(client.is_weekend())) for _ in range(3)]
    await asyncio.sleep(a_little(rng))
    if rng.random() < 0.5:
        await client.close()
    else:
        await asyncio.to_thread(lambda: asyncio.run(client.close()))
    await asyncio.gather(*tasks, *(watch.ended() for watch in watches))
    try:
        await client.is_weekend()
    except ClientClosed:
        return
    world.complaints.say("a client that was closed has answered")


async def changes_of_mind(world: World, rng: Random) -> None:
    """Autopost is told this and that."""
    autopost = rng.choice(world.clients).autopost
    for _ in range(3):
        autopost.change_interval(seconds=rng.uniform(0.2, 0.8))
        await asyncio.sleep(a_little(rng))
        rng.choice((autopost.restart, autopost.stop, autopost.cancel))()
    autopost.restart()


async def from_a_thread(world: World, rng: Random) -> None:
    """Calls that are subscribed to, and left, from a thread; and one that is run there."""
    calls = [a_call(world, rng) for _ in range(3)]
    patience = a_little(rng)
    watches = [Watch(world) for _ in calls]

    def in_a_thread() -> None:
        for watch, call in zip(watches, calls, strict=True):
            watch.on(call)
        heard = threading.Event()
        listener = world.v0.events.subscribe(lambda _: heard.set())
        heard.wait(patience)
        listener.dispose()
        time.sleep(patience)
        for watch in watches[1:]:
            watch.dispose()
        with suppress(ClientClosed):
            try:
                world.v0.is_weekend().run()
            except Exception as error:
                world.took(error)

    await asyncio.to_thread(in_a_thread)
    await watches[0].ended()


async def reception(world: World, rng: Random) -> None:
    """Votes are received by webhook, history and inbox; twice, the second time from the same file.

    All votes of the sandbox go there through the weather, to each reception that is open: of more
    than some the deliveries alone would be a storm.
    """
    if world.receptions.locked():
        await short_lived(world, rng)
        return
    file = world.folder / f"votes {rng.getrandbits(64):x}.db"
    seal = {rng.choice(("secret", "authorization")): SECRET}
    async with world.receptions, AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(SoakProxy(NOWHERE, world.weather))
        endpoint = world.sandbox.send_to(
            f"http://127.0.0.1:{proxy.port}/votes",
            timeout=1.0,
            speed=20,
            duplicates=0.2,
            delay=(0.0, 2.0),
            **seal,  # type: ignore[arg-type]
        )
        stack.callback(endpoint.stop)
        for _ in range(2):
            await _receives(world, rng, proxy, endpoint, inbox=file, **seal)


async def _receives(
    world: World, rng: Random, proxy: SoakProxy, endpoint: WebhookTarget, **options: Any
) -> None:
    """A reception opens, gets some votes, and closes."""

    async def handler(_: Vote) -> None:
        await asyncio.sleep(rng.uniform(0, 0.02))
        if rng.random() < 0.1:
            raise Mischief("a handler failed")

    received = await receive_votes(
        world.v1, handler, port=0, every=0.4, max_concurrent=3, **options
    )
    async with received:
        assert received.webhook is not None
        assert received.history is not None
        proxy.lead_to(received.webhook.port)
        streams = (received.outcomes, received.history, received.webhook.votes)
        watches = [Watch(world).on(stream) for stream in streams]
        for _ in range(rng.randint(1, 10)):
            world.voter = world.sandbox.vote()
            await asyncio.sleep(a_little(rng) / 8)
        await endpoint.send_test()
        proxy.lead_to(NOWHERE)
    await asyncio.gather(*(watch.ended() for watch in watches))


LIVES = (short_lived, closed_midway, changes_of_mind, from_a_thread, reception)
