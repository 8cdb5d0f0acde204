"""An inbox's Redis: its keys, and what its users and logs are told while it is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from ..errors import InboxError
from .connection import Link, RedisAway, shown_redis_url

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger("rx_toppy.votes")

# As much goes into one script. While that runs, Redis does nothing else: some milliseconds.
LARGEST_BATCH = 500

# What it says where a consumer group is not there yet, or is already.
NO_GROUP = ("NOGROUP", "BUSYGROUP")


class InboxRedis:
    """The keys of one inbox in a Redis.

    Args:
        url: Where the Redis is.
        name: The inbox's.

    Attributes:
        losses: How often something could not be asked: connections older than that may be dead.
    """

    def __init__(self, url: str, name: str) -> None:
        self.losses = 0
        self.link = Link(url)
        # The braces have all its keys lie together in a Redis that is a cluster.
        self.keys = f"rx_toppy:{{inbox:{name}}}"
        self.turns = f"{self.keys}:turns"
        self._shown = shown_redis_url(url)
        # What Redis could not do when it was asked last; "" stands for not being there.
        self._undone: set[str] = set()
        self._is_known = False

    async def run(self, script: str, *arguments: Any) -> Any:
        """Runs a script on its keys.

        Raises:
            InboxError: it may have run, or not; it may work later.
        """
        if not self._is_known:
            await self._look_at_it()
        return await self.ask(self.link.run(script, [self.keys], *arguments), script)

    async def ask(self, asking: Awaitable[Any], what: str = "") -> Any:
        """Awaits something that was asked of Redis; see `run`."""
        try:
            answer = await self.link.answered(asking)
        except RedisAway as error:
            if not any(code in str(error) for code in NO_GROUP):
                await self._lost(error, what if error.is_refusal else "")
            raise away(f"the inbox's Redis is away: {error}") from None
        if self._undone:
            self._undone -= {"", what}
            if not self._undone:
                log.warning("the inbox's Redis (%s) is back", self._shown)
        return answer

    async def _lost(self, error: RedisAway, what: str) -> None:
        if not error.is_forbidden:
            self.losses += 1
        is_told = bool(self._undone)
        self._undone.add(what)
        if not is_told:
            log.warning("the inbox's Redis (%s) is away: %s", self._shown, error)
        # Connections that nobody uses now may be dead as well, and would each tell only when used.
        with suppress(RedisAway):
            pool = self.link.redis.connection_pool
            await self.link.answered(pool.disconnect(inuse_connections=False))

    async def _look_at_it(self) -> None:
        """Says, once, where it is set up so that it loses what it has acknowledged."""
        try:
            info = await self.link.answered(self.link.redis.info())
        except RedisAway as error:
            if not error.is_forbidden:
                return  # it is away: what is asked of it next says so
            info = {}
        self._is_known = True
        if info.get("aof_enabled") == 0:
            log.warning(
                "votes acknowledged by this Redis (%s) may be lost when it restarts: set "
                "appendonly yes",
                self._shown,
            )
        policy = str(info.get("maxmemory_policy", ""))
        if policy.startswith("allkeys"):
            log.warning(
                "this Redis (%s) throws votes away when its memory is full (maxmemory-policy is "
                "%s): set noeviction",
                self._shown,
                policy,
            )


class Gathering(Generic[T, R]):
    """What comes in one turn of the loop, and while the last of it is under way, goes together.

    Args:
        do: Does it; gives of each what comes of it, or an error. It raises nothing.
        patience: After how many seconds nobody waits any longer.
    """

    def __init__(
        self,
        do: Callable[[Sequence[T]], Awaitable[Sequence[R | InboxError]]],
        patience: float | None = None,
    ) -> None:
        self._do = do
        self._patience = patience
        self._collected: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    def put(self, item: T) -> asyncio.Future[R]:
        """Adds something; the future of what comes of it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[R] = loop.create_future()
        self._collected.append((item, future))
        if self._patience is not None and len(self._collected) == 1:
            loop.call_later(self._patience, _expire, self._collected, self._patience)
        if self._task is None:
            self._task = loop.create_task(self._run())
        return future

    async def done(self) -> None:
        """Waits until nothing is under way."""
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._collected:
                collected, self._collected = self._collected, []
                for start in range(0, len(collected), LARGEST_BATCH):
                    await self._do_some(collected[start : start + LARGEST_BATCH])
                collected.clear()
        finally:
            self._task = None

    async def _do_some(self, some: list[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._do([item for item, _ in some])
        except Exception as error:  # nobody may wait for ever
            results = [InboxError(f"this could not be done: {error!r}") for _ in some]
        for (_, future), result in zip(some, results, strict=True):
            if future.done():
                continue
            if isinstance(result, InboxError):
                future.set_exception(result)
            else:
                future.set_result(result)


def _expire(collected: list[tuple[Any, asyncio.Future[Any]]], patience: float) -> None:
    for _, future in collected:
        if not future.done():
            future.set_exception(away(f"the inbox's Redis did not answer within {patience:g} s"))


def away(reason: str) -> InboxError:
    """That something did not work, which may work later."""
    error = InboxError(reason)
    error.is_transient = True
    return error
