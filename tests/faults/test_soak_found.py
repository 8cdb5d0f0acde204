"""What soaks have found: leaks that showed only after many of the same, or at one moment."""

from __future__ import annotations

import asyncio
import gc
import weakref
from pathlib import Path

from rx_toppy import RateLimit, StandaloneBot, TopGG, Vote, VoteWebhook, receive_votes
from rx_toppy.api.rate_limits import Limiter


async def handler(_: Vote) -> None:
    """Takes a vote."""


async def test_a_reception_that_was_closed_is_not_kept(tmp_path: Path) -> None:
    """Closed before its client, a reception is forgotten, and its webhook and inbox with it."""
    async with TopGG(StandaloneBot(1), token="token", autopost=False) as client:
        received = await receive_votes(
            client, handler, inbox=tmp_path / "v.db", secret="whs_x", port=0, history=False
        )
        left = [weakref.ref(one) for one in (received, received.webhook, received.inbox)]
        await received.close()
        del received
        await asyncio.sleep(0)
        gc.collect()
        assert [ref() for ref in left] == [None] * 3


def test_calls_that_are_refused_leave_nothing_behind() -> None:
    """During a block, calls that may not wait for its end are not kept until then."""
    limiter = Limiter([RateLimit(60, 60.0)])
    limiter.block(3600.0, now=0.0)
    for second in range(1_000):
        limiter.leave(limiter.ask("/bots/1", float(second)))
    assert not limiter.waiters
    assert not [ticket for lane in limiter._lanes.values() for ticket in lane.waiting]


async def test_a_webhook_closes_while_deliveries_come() -> None:
    """Whoever is being accepted just then is let in or shut out, and no transport is lost."""
    said: list[str] = []
    # In debug mode, as here, asyncio tells of it; else there is a ResourceWarning alone.
    asyncio.get_running_loop().set_exception_handler(lambda _, told: said.append(told["message"]))
    for _ in range(10):
        webhook = VoteWebhook(secret="whs_x", port=0)
        await webhook.start()
        arriving = [
            asyncio.ensure_future(asyncio.open_connection("127.0.0.1", webhook.port))
            for _ in range(10)
        ]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await webhook.close()
        for made in await asyncio.gather(*arriving, return_exceptions=True):
            if not isinstance(made, BaseException):
                made[1].close()
    assert not said
