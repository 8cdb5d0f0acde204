"""Whose turn it is to follow the history, of all processes that would."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from ..errors import InboxError
from .inbox_redis import InboxRedis

if TYPE_CHECKING:
    from redis.asyncio.lock import Lock


# So long after its last sign of life another process takes over from the one that follows.
LOCKED_FOR = 6.0
LOOK_EVERY = 1.0


async def follow_in_turn(redis: InboxRedis, follow: Callable[[], Awaitable[None]]) -> None:
    """Follows whenever it is this process's turn to, until it ends there.

    (Two that follow for a moment, as after the one was cut off, do no harm: what the other has
    added is not new.)
    """
    while True:
        lock = await _locked(redis)
        following = asyncio.ensure_future(follow())
        holding = asyncio.ensure_future(_hold(redis, lock))
        try:
            await asyncio.wait([following, holding], return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                return await following
        finally:
            for task in (following, holding):
                task.cancel()
            await asyncio.gather(following, holding, return_exceptions=True)
            await _release(redis, lock)


async def _locked(redis: InboxRedis) -> Lock:
    """The lock, once it is free."""
    while True:
        lock = redis.link.redis.lock(f"{redis.keys}:follows", timeout=LOCKED_FOR)
        try:
            if await redis.ask(lock.acquire(blocking=False)):
                return lock
        except InboxError:
            pass
        await asyncio.sleep(LOOK_EVERY)


async def _hold(redis: InboxRedis, lock: Lock) -> None:
    """Gives signs of life; returns when it is somebody else's, or may be."""
    from redis.exceptions import LockError

    loop = asyncio.get_running_loop()
    held_until = loop.time() + LOCKED_FOR
    while loop.time() < held_until:
        await asyncio.sleep(LOCKED_FOR / 4)
        asked_at = loop.time()
        try:
            await redis.ask(lock.extend(LOCKED_FOR, replace_ttl=True))
            held_until = asked_at + LOCKED_FOR
        except LockError:
            return
        except InboxError:
            pass


async def _release(redis: InboxRedis, lock: Lock) -> None:
    from redis.exceptions import LockError

    with suppress(LockError, InboxError):
        await redis.ask(lock.release())
