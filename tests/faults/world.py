"""A sandbox, a client of it, and a proxy between them: a whole day in virtual time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rx_toppy import StandaloneBot, TopGG
from rx_toppy.sandbox import Sandbox

from .proxy import FaultProxy
from .weather import Weather

__all__ = ["DAY", "HOUR", "World", "in_virtual_time"]

HOUR = 3600.0
DAY = 24 * HOUR


@dataclass
class World:
    """What a scenario acts in. Its clock is the loop's, from the present on."""

    sandbox: Sandbox
    proxy: FaultProxy
    client: TopGG
    weather: Weather
    _began: float

    def clock(self) -> float:
        """The time of day, in seconds since 1970."""
        return self._began + asyncio.get_running_loop().time()

    def now(self) -> datetime:
        """The time of day."""
        return datetime.fromtimestamp(self.clock(), UTC)

    @property
    def refused(self) -> int:
        """How many requests were answered with a 429 as the limits were not kept."""
        return sum(seen.status == 429 for seen in self.sandbox.requests)


@asynccontextmanager
async def in_virtual_time(
    weather: Weather, *, sandbox: dict[str, Any], **options: Any
) -> AsyncIterator[World]:
    """A world on a virtual loop. `options` are the client's, `sandbox` has the sandbox's."""
    loop = asyncio.get_running_loop()
    began = time.time() - loop.time()
    top = Sandbox(
        **({"votes": 0, "bots": 1, "votes_per_minute": 0} | sandbox),
        clock=lambda: began + loop.time(),
    )
    async with top, FaultProxy(int(top.base_url.split(":")[2].split("/")[0]), weather) as proxy:
        bot = StandaloneBot(top.bot_id, server_count=lambda: 1_000 + int(loop.time()))
        client = TopGG(bot, token=top.token, base_url=proxy.base_url, **options)
        world = World(top, proxy, client, weather, began)
        client._home.clock = world.now
        async with client:
            yield world
